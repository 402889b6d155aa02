/* conv_pool.c -- a convolution and the max pool behind it as one: output and input's
 * gradient are bit for bit those of the two one by one. Ties, zeros of either sign,
 * NaNs and infinities; maps whose last row or column is in no window; channels that
 * fill no vector; one image; several numbers of threads. By tiles, where small whole
 * numbers, which no order of adding rounds, give exactly what the reference gives; or,
 * where a CPU has none, by Winograd's filtering, where weights' gradients are near
 * those of the two one by one: those add in another order. */
#include <math.h>

#include "op_rig.h"
#include "ops/fusion.h"

static const struct op_fusion *fusion;
static bool tiles; /* does this CPU have them? */

struct pair {
    struct rig conv, pool;
    bool joined;
};

/* clang-format off */
static const struct op_case for_tiles[] = {
    { "even",        16,  8,  8, 16, { .out_channels = 32, .kernel = 3, .stride = 1, .pad = 1 } },
    { "odd",         17,  7,  9, 24, { .out_channels = 40, .kernel = 3, .stride = 1, .pad = 1 } },
    { "odd width",   33,  6, 11, 24, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { "one image",    1, 10,  9, 32, { .out_channels = 16, .kernel = 3, .stride = 1, .pad = 1 } },
    { "wide",        18,  4, 70, 16, { .out_channels = 16, .kernel = 3, .stride = 1, .pad = 1 } },
    { "bias",        20,  9,  7, 48, { .out_channels = 72, .kernel = 1, .stride = 1, .pad = 0, .bias = true } },
    { "many blocks", 17,  7,  6, 96, { .out_channels = 65, .kernel = 3, .stride = 1, .pad = 1, .bias = true } },
    { "stride 2",    18,  9, 12, 32, { .out_channels = 33, .kernel = 5, .stride = 2, .pad = 2 } },
    { "many images",330,  3,  4, 16, { .out_channels = 24, .kernel = 3, .stride = 1, .pad = 1 } },
    { "one window",  48,  4,  5, 20, { .out_channels = 24, .kernel = 2, .stride = 1, .pad = 0 } },
    { 0 },
}, for_winograd[] = {
    { "wide even",   20, 12, 10, 64, { .out_channels = 96, .kernel = 3, .stride = 1, .pad = 1 } },
    { "wide odd",    64,  7,  9, 96, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { "wide inner",  21, 13, 11, 64, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 0 } },
    { "wide many",   64,  9,  6, 64, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { "wide filled", 40,  7,  9, 24, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { "wide few",     3,  9,  6, 64, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { 0 },
};
/* clang-format on */

enum fill {
    SMALL,   /* whole numbers, with many ties */
    SPECIAL, /* whatever else there is */
    EQUAL,   /* each window's four are the same */
    FILLS,
    DEVICES = 3,
};

static void fill(struct tensor *t, void *to, uint32_t seed, enum fill kind)
{
    static const float values[] = { -1, 0,     1,         0,   1,        -1,
                                    1,  -0.0F, -INFINITY, NAN, INFINITY, 1e-39F };
    for (size_t i = 0; i < tensor_elements(t); i++) {
        seed = seed * 1664525U + 1013904223U;
        /* Few of them special, or all results were. */
        const bool rare = kind == SPECIAL && (seed >> 8) % 256 == 0;
        const uint32_t which = (seed >> 16) % 6;
        rig_put(t, to, i, kind == EQUAL ? 0 : values[which + (rare ? 6 : 0)]);
    }
}

static void open_pair(struct pair *p, const struct op_case *c, struct device *dev,
                      bool joined)
{
    const struct op_attr two = { .kernel = 2, .stride = 2 };
    struct sluice_error err = { 0 };
    *p = (struct pair){ .joined = joined };
    rig_open(&p->conv, &op_conv2d, c, dev);
    const int *shape = p->conv.out[0].shape;
    const struct op_case pool = {
        c->name, shape[0], shape[1], shape[2], shape[3], two
    };
    rig_open(&p->pool, &op_maxpool, &pool, dev);
    if (!joined)
        return;
    p->conv.be->release(&p->conv.op);
    p->pool.op.fusion = fusion;
    p->pool.op.first = &p->conv.op;
    p->conv.op.within = &p->pool.op;
    REQUIRE(p->conv.be->plan(&p->conv.op, dev, &err) == 0, "%s", err.message);
}

static void close_pair(struct pair *p)
{
    rig_close(&p->conv);
    rig_close(&p->pool);
}

static void fill_pair(struct pair *p, enum fill kind)
{
    struct rig *r = &p->conv;
    fill(&r->in[0], r->in[0].data, 1, kind == SPECIAL ? SPECIAL : SMALL);
    for (int i = 0; i < OP_PARAMS; i++)
        if (r->op.param[i])
            fill(&r->param[i], r->param[i].data, 2 + (uint32_t)i,
                 kind == EQUAL ? EQUAL : SMALL);
    fill(&p->pool.out[0], p->pool.out[0].grad, 4, SMALL);
    if (r->be->params_changed)
        r->be->params_changed(&r->op);
}

/* Over memory that holds what nothing gives. */
static void run(struct pair *p, const char *what)
{
    struct sluice_error err = { 0 };
    struct rig *conv = &p->conv, *pool = &p->pool;
    memset(conv->out[0].data, 0xff, tensor_bytes(&conv->out[0]));
    memset(conv->out[0].grad, 0xff, tensor_bytes(&conv->out[0]));
    memset(conv->in[0].grad, 0xff, tensor_bytes(&conv->in[0]));
    memset(conv->param[0].grad, 0xff, tensor_bytes(&conv->param[0]));
    memset(pool->out[0].data, 0xff, tensor_bytes(&pool->out[0]));
    if (p->joined) {
        REQUIRE(
            fusion->forward(&conv->op, &pool->op, conv->dev, &conv->pass, &err) == 0 &&
                fusion->backward(&conv->op, &pool->op, conv->dev, &conv->pass, &err) ==
                    0,
            "%s: %s", what, err.message);
        return;
    }
    rig_forward(conv, what);
    memcpy(pool->in[0].data, conv->out[0].data, tensor_bytes(&conv->out[0]));
    rig_forward(pool, what);
    rig_backward(pool, what);
    memcpy(conv->out[0].grad, pool->in[0].grad, tensor_bytes(&conv->out[0]));
    rig_backward(conv, what);
}

static void same_values(const struct tensor *got, const void *g,
                        const struct tensor *want, const void *w, const char *what,
                        const char *which)
{
    size_t wrong = 0, first = 0;
    for (size_t i = 0; i < tensor_elements(want); i++)
        if (!(rig_get(got, g, i) == rig_get(want, w, i)) && !wrong++)
            first = i;
    CHECK(!wrong, "%s: %zu of the %s differ, element %zu is %g, not %g", what, wrong,
          which, first, rig_get(got, g, first), rig_get(want, w, first));
}

/* bf16; which of several NaNs a sum passes on is the compiler's choice. */
static void same_bits(const struct tensor *t, const uint16_t *got, const uint16_t *want,
                      const char *what, const char *which)
{
    size_t wrong = 0;
    for (size_t i = 0; i < tensor_elements(t); i++)
        wrong += got[i] != want[i] &&
                 !(isnan(bf16_to_float(got[i])) && isnan(bf16_to_float(want[i])));
    CHECK(!wrong, "%s: %zu of the %s differ in bits", what, wrong, which);
}

/* To 1e-5 of the largest. */
static void near_values(const struct tensor *got, const void *g,
                        const struct tensor *want, const void *w, const char *what,
                        const char *which)
{
    double size = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < tensor_elements(want); i++)
        size = fmax(size, fabs(rig_get(want, w, i)));
    for (size_t i = 0; i < tensor_elements(want); i++)
        wrong += !(fabs(rig_get(got, g, i) - rig_get(want, w, i)) <= 1e-5 * size);
    CHECK(!wrong, "%s: %zu of the %s are off by more than 1e-5 of %g", what, wrong,
          which, size);
}

/* All that two pairs give, as values. */
static void same_pairs(const struct pair *a, const struct pair *b, const char *what)
{
    const struct rig *p = &a->conv, *q = &b->conv;
    same_values(&a->pool.out[0], a->pool.out[0].data, &b->pool.out[0],
                b->pool.out[0].data, what, "results");
    same_values(&p->in[0], p->in[0].grad, &q->in[0], q->in[0].grad, what,
                "input's gradients");
    for (int i = 0; i < OP_PARAMS; i++)
        if (p->op.param[i] && tiles)
            same_values(&p->param[i], p->param[i].grad, &q->param[i], q->param[i].grad,
                        what, "weight's gradients");
        else if (p->op.param[i])
            near_values(&p->param[i], p->param[i].grad, &q->param[i], q->param[i].grad,
                        what, "weight's gradients");
}

/* Nothing else changes without the gradients that nobody wants. */
static void check_unwanted(struct pair *p, const struct pair *apart, const char *what)
{
    struct tensor *wanted[2] = { &p->conv.in[0], &p->conv.param[0] };
    for (int i = 0; i < 2; i++) {
        void *grad = wanted[i]->grad;
        struct sluice_error err = { 0 };
        memset(wanted[1 - i]->grad, 0xff, tensor_bytes(wanted[1 - i]));
        wanted[i]->grad = NULL;
        REQUIRE(fusion->backward(&p->conv.op, &p->pool.op, p->conv.dev, &p->conv.pass,
                                 &err) == 0,
                "%s: %s", what, err.message);
        wanted[i]->grad = grad;
        same_pairs(p, apart, what);
    }
}

/* Images too few for Winograd's filtering by itself: like the first of many, where the
 * others have no gradients. */
static void check_few(const struct op_case *c, enum fill kind, const struct pair *few,
                      const char *what)
{
    struct op_case case_of_many = *c;
    struct pair many;
    const struct tensor *y = &few->pool.out[0], *x = &few->conv.in[0],
                        *w = &few->conv.param[0];
    case_of_many.n = 64;
    open_pair(&many, &case_of_many, few->conv.dev, true);
    fill_pair(&many, kind);
    const struct tensor *all = &many.pool.out[0];
    memset((char *)all->grad + tensor_bytes(y), 0, tensor_bytes(all) - tensor_bytes(y));
    run(&many, what);
    same_bits(y, y->data, all->data, what, "results");
    same_bits(x, x->grad, many.conv.in[0].grad, what, "input's gradients");
    if (kind != SPECIAL)
        near_values(w, w->grad, w, many.conv.param[0].grad, what, "weight's gradients");
    close_pair(&many);
}

static void check_fill(const struct op_case *c, enum fill kind, struct device *dev,
                       const struct pair *truth)
{
    struct pair joined, apart;
    char what[120];
    snprintf(what, sizeof what, "%s, %d threads, fill %d", c->name, dev->threads,
             (int)kind);
    open_pair(&joined, c, dev, true);
    open_pair(&apart, c, dev, false);
    fill_pair(&joined, kind);
    fill_pair(&apart, kind);
    run(&joined, what);
    run(&apart, what);
    const bool alike = fusion->fits(dev, &apart.conv.op, &apart.pool.op);
    if (alike) { /* elsewhere a NaN's bits may be others */
        same_bits(&joined.pool.out[0], joined.pool.out[0].data, apart.pool.out[0].data,
                  what, "results");
        same_bits(&joined.conv.in[0], joined.conv.in[0].grad, apart.conv.in[0].grad,
                  what, "input's gradients");
    } else if (!tiles) {
        check_few(c, kind, &joined, what);
    }
    if (kind != SPECIAL && (tiles || alike)) {
        const struct pair *want = tiles ? truth : &apart;
        same_pairs(&joined, want, what);
        check_unwanted(&joined, want, what);
    }
    close_pair(&joined);
    close_pair(&apart);
}

static void check_case(const struct op_case *c, struct device *const dev[],
                       struct device *ref)
{
    for (int kind = 0; kind < FILLS; kind++) {
        struct pair truth;
        open_pair(&truth, c, ref, false);
        fill_pair(&truth, (enum fill)kind);
        if (kind != SPECIAL)
            run(&truth, c->name);
        for (int i = 0; i < DEVICES; i++)
            check_fill(c, (enum fill)kind, dev[i], &truth);
        close_pair(&truth);
    }
}

/* What is not joined. */
static void check_fits(const struct op_case *c, struct device *dev, struct device *wide)
{
    static const struct op_attr pools[] = { { .kernel = 2, .stride = 2 },
                                            { .kernel = 3, .stride = 2 },
                                            { .kernel = 2, .stride = 1 },
                                            { .kernel = 2, .stride = 2, .pad = 1 } };
    struct op_case many = *c;
    many.n = 600;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) {
            struct rig conv;
            struct op pool = { .def = &op_maxpool, .attr = pools[i] };
            rig_open(&conv, &op_conv2d, &many, k ? wide : dev);
            CHECK(fusion->fits(conv.dev, &conv.op, &pool) == (i == 0 && k == 0),
                  "%s and pool %d", k ? "f32" : "bf16", i);
            rig_close(&conv);
        }
}

/* Is this done as one, if there are images enough? */
static bool joins(const struct op_case *c, struct device *dev)
{
    struct rig conv;
    struct op_case many = *c;
    const struct op pool = { .def = &op_maxpool, .attr = { .kernel = 2, .stride = 2 } };
    many.n = 600;
    rig_open(&conv, &op_conv2d, &many, dev);
    const bool fits = fusion->fits(dev, &conv.op, &pool);
    rig_close(&conv);
    return fits;
}

int main(void)
{
    static const int threads[DEVICES] = { 1, 2, 7 };
    struct sluice_error err = { 0 };
    struct device *dev[DEVICES], *ref, *wide;
    for (int i = 0; i < DEVICES; i++) {
        const int rc = device_open(&dev[i], "cpu", "bf16", threads[i], &err);
        if (rc == SLUICE_EUNBUILT)
            SKIP("%s", err.message);
        REQUIRE(rc == 0, "%s", err.message);
    }
    for (const struct op_fusion *const *f = op_fusions(DEVICE_CPU); f && *f; f++)
        if ((*f)->first == &op_conv2d && (*f)->second == &op_maxpool)
            fusion = *f;
    REQUIRE(fusion, "device cpu does not join them");
    REQUIRE(device_open(&ref, "ref", "auto", 0, &err) == 0, "%s", err.message);
    REQUIRE(device_open(&wide, "cpu", "f32", 1, &err) == 0, "%s", err.message);
    tiles = joins(for_tiles, dev[0]);
    const struct op_case *cases = tiles ? for_tiles : for_winograd;
    if (!tiles && !joins(cases, dev[0]))
        SKIP("this CPU does not join them");
    check_fits(cases, dev[0], wide);
    for (const struct op_case *c = cases; c->name; c++)
        check_case(c, dev, ref);
    for (int i = 0; i < DEVICES; i++)
        device_close(dev[i]);
    device_close(ref);
    device_close(wide);
    return check_done();
}

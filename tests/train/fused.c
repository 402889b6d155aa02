/* fused.c -- operators that device cpu joins give what they give one by one: output,
 * gradients, statistics; for every pair, with and without a second gradient, where
 * nobody wants the shortcut's, for channels that fill no vector. argv[1] is the device.
 */
#include "device_cpu.h"
#include "net_internal.h"
#include "net_rig.h"
#include "ops/fusion.h"

/* How far apart: rounding only, in single passes less of it. */
static double tolerance;

struct expected {
    int pairs, read, added;
};

/* Root mean square of the difference over that of `b`. */
static double apart(const struct tensor *t, const float *a, const float *b)
{
    double difference = 0, square = 0;
    for (size_t i = 0; i < tensor_elements(t); i++) {
        const double d = (double)a[i] - (double)b[i];
        difference += d * d;
        square += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / (square > 0 ? square : 1));
}

static void compare(const char *name, struct net *a, struct net *b)
{
    for (int i = 0; i < net_param_count(a); i++) {
        const struct tensor *p = net_param(a, i), *q = net_param(b, i);
        if (p->grad)
            CHECK(apart(p, p->grad, q->grad) <= tolerance,
                  "%s: the gradient of %s is %g apart", name, p->name,
                  apart(p, p->grad, q->grad));
    }
    for (int i = 0; i < net_buffer_count(a); i++) {
        const struct tensor *p = net_buffer(a, i), *q = net_buffer(b, i);
        CHECK(apart(p, p->data, q->data) <= tolerance, "%s: %s is %g apart", name,
              p->name, apart(p, p->data, q->data));
    }
}

static void check_counts(const char *name, struct net *net, struct expected want)
{
    struct expected got = { 0 };
    for (int i = 0; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        got.pairs += op->within != NULL;
        got.read += op->settled == FORK_READ;
        got.added += op->settled == FORK_ADDED;
    }
    CHECK(got.pairs == want.pairs && got.read == want.read && got.added == want.added,
          "%s: %d pairs, forks read by %d producers, added by %d consumers", name,
          got.pairs, got.read, got.added);
}

typedef void build_fn(struct net *net);
static int batch_most;

static struct tensor *normed(struct net *net, struct tensor *x, const char *conv,
                             const char *bn, int c, enum activation act)
{
    return net_batchnorm(net, net_conv2d(net, x, conv, c, 3, 1, 1, false), bn, act);
}

/* All three pairs one after another, each with a fork behind it. */
static void chain(struct net *net)
{
    const int c = 21;
    struct tensor *x = normed(net, net_input(net), "c0", "b0", c, ACT_RELU), *y, *a, *f;
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, normed(net, y, "c1", "b1", c, ACT_NONE));
    net_fork(net, x, &x, &y);
    net_fork(net, normed(net, y, "c2", "b2", c, ACT_NONE), &a, &f);
    f = net_activation(net, net_linear(net, net_globalavg(net, f), "factors", c, true),
                       ACT_SIGMOID);
    x = net_add_relu(net, x, net_gate(net, a, f));
    net_fork(net, x, &x, &y);
    y = normed(net, y, "c3", "b3", c, ACT_NONE);
    x = net_add_relu(net, x, net_droppath(net, y, 0.5F, true, DROP_INVERTED));
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, net_conv2d(net, y, "c4", c, 1, 1, 0, true));
    net_fork(net, x, &x, &y);
    x = net_add(net, x, net_scale(net, y, -0.5F));
    net_softmax_xent(net, net_linear(net, net_globalavg(net, x), "fc", 10, true), 0);
}

/* The shortcut is the input, whose gradient nobody wants. */
static void from_input(struct net *net)
{
    struct tensor *x = net_input(net), *y;
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, normed(net, y, "c0", "b0", 3, ACT_NONE));
    net_softmax_xent(net, net_linear(net, x, "fc", 10, true), 0);
}

/* Statistics alone are trained: the first layer's normalisation is all there is. */
static void bare(struct net *net)
{
    struct tensor *x = net_input(net), *y;
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, net_batchnorm(net, y, "b0", ACT_NONE));
    net_softmax_xent(net, net_linear(net, x, "fc", 10, true), 0);
}

/* Whole lines, written past the cache: see main. */
static void lines(struct net *net)
{
    const int c = 64;
    struct tensor *x = normed(net, net_input(net), "c0", "b0", c, ACT_RELU), *y;
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, normed(net, y, "c1", "b1", c, ACT_NONE));
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, normed(net, y, "c2", "b2", c, ACT_NONE));
    net_softmax_xent(net, net_linear(net, net_globalavg(net, x), "fc", 10, true), 0);
}

/* What looks like a pair and is none: the branch comes first, or has an activation. */
static void others(struct net *net)
{
    struct tensor *x = net_conv2d(net, net_input(net), "c", 6, 3, 1, 1, true), *y;
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, net_batchnorm(net, x, "b0", ACT_NONE), y);
    net_fork(net, x, &x, &y);
    x = net_add_relu(net, x, net_batchnorm(net, y, "b1", ACT_GELU));
    net_softmax_xent(net, net_linear(net, net_globalmax(net, x), "fc", 10, true), 0);
}

/* Pools behind convolutions, joined where these are by the CPU's tiles or Winograd's:
 * not the first, of three channels. Behind the second a fork adds up two gradients. */
static void pools_of(struct net *net, const int c[3], bool bias)
{
    struct tensor *x = net_input(net), *y;
    x = net_maxpool(net, net_conv2d(net, x, "c0", c[0], 3, 1, 1, false), 2, 2);
    x = net_batchnorm(net, x, "b0", ACT_GELU);
    x = net_conv2d(net, x, "c1", c[1], 3, 1, 1, bias);
    net_fork(net, net_maxpool(net, x, 2, 2), &x, &y);
    x = net_add(net, x, net_conv2d(net, y, "c2", c[1], 1, 1, 0, false));
    x = net_batchnorm(net, x, "b2", ACT_RELU);
    x = net_maxpool(net, net_conv2d(net, x, "c3", c[2], 3, 1, 1, false), 2, 2);
    net_softmax_xent(net, net_linear(net, net_globalavg(net, x), "fc", 10, true), 0);
}

static void pooled(struct net *net)
{
    pools_of(net, (const int[]){ 16, 40, 24 }, true);
}

static void pooled_wide(struct net *net)
{
    pools_of(net, (const int[]){ 64, 64, 64 }, false);
}

/* Does this device do such a pair as one? */
static bool pools_join(struct device *dev, int h, int w, int c, int k)
{
    const struct op_fusion *const *f = op_fusions(dev->kind);
    while (f && *f && (*f)->second != &op_maxpool)
        f++;
    const int n = batch_most;
    struct tensor x = { .rank = 4, .shape = { n, h, w, c }, .dtype = dev->compute };
    struct tensor y = { .rank = 4, .shape = { n, h, w, k }, .dtype = dev->compute };
    const struct op conv = { .def = &op_conv2d,
                             .attr = { .kernel = 3, .stride = 1, .pad = 1 },
                             .in = { &x },
                             .out = { &y } };
    const struct op pool = { .def = &op_maxpool, .attr = { .kernel = 2, .stride = 2 } };
    return f && *f && (*f)->fits(dev, &conv, &pool);
}

static void open_net(struct rig *r, struct device *dev, build_fn *build, bool separate)
{
    r->dev = dev;
    const bool large = build == pooled || build == pooled_wide;
    const struct net_input input = { batch_most, large ? 19 : 7, large ? 22 : 5, 3 };
    REQUIRE(net_create(&r->net, dev, &input, &r->err) == 0, "%s", r->err.message);
    build(r->net);
    r->net->separate = separate;
    REQUIRE(net_finish(r->net, &r->err) == 0, "%s", r->err.message);
    init_default(r->net, 5);
    net_params_changed(r->net);
    r->pass = (struct pass){
        .training = true, .seed = 3, .labels = r->labels, .label_stride = 1
    };
}

static void run(struct rig *r, int batch, bool training)
{
    REQUIRE(net_resize(r->net, batch, &r->err) == 0, "%s", r->err.message);
    r->pass.training = training;
    rig_batch(r, r->pass.step);
    REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    REQUIRE(net_backward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    r->pass.step++;
}

static void check(struct device *dev, const char *name, build_fn *build,
                  struct expected want)
{
    struct rig a = { 0 }, b = { 0 };
    open_net(&a, dev, build, false);
    open_net(&b, dev, build, true);
    check_counts(name, a.net, want);
    check_counts(name, b.net, (struct expected){ 0 });
    for (int i = 0; i < 5; i++) {
        const int batch = i == 2 ? 5 : batch_most;
        run(&a, batch, i != 3);
        run(&b, batch, i != 3);
        CHECK(near(a.pass.loss, b.pass.loss, tolerance, 0), "%s: loss %.9g, not %.9g",
              name, a.pass.loss, b.pass.loss);
        compare(name, a.net, b.net);
    }
    /* The wide one's largest maps are none of a pair's. */
    CHECK(!want.pairs || build == pooled_wide || a.net->arena_used < b.net->arena_used,
          "%s: joined it takes %zu bytes, one by one %zu", name, a.net->arena_used,
          b.net->arena_used);
    net_free(a.net);
    net_free(b.net);
}

int main(int argc, char **argv)
{
    static const char *const isas[] = { "avx512_bf16", "avx512", "avx2", "plain" };
    for (int i = 0; i < 4; i++) {
        struct rig r;
        setenv("SLUICE_CPU_ISA", isas[i], 1);
        rig_device(&r, argc > 1 ? argv[1] : "cpu");
        tolerance = r.dev->compute == SLUICE_F32 ? 2e-5 : 0.15;
        batch_most = 6;
        check(r.dev, "chain", chain, (struct expected){ 3, 4, 1 });
        check(r.dev, "from_input", from_input, (struct expected){ 1, 0, 0 });
        check(r.dev, "bare", bare, (struct expected){ 1, 0, 0 });
        check(r.dev, "others", others, (struct expected){ 0, 1, 0 });
        ((struct cpu *)r.dev->impl)->far_least = 0;
        check(r.dev, "lines", lines, (struct expected){ 2, 1, 0 });
        check(r.dev, "pooled, few", pooled, (struct expected){ 0 });
        batch_most = 20;
        check(r.dev, "pooled", pooled,
              (struct expected){ pools_join(r.dev, 9, 11, 16, 40) ? 2 : 0, 0, 0 });
        batch_most = 26; /* from 512 windows on Winograd's are worth it */
        const int joined = pools_join(r.dev, 9, 11, 64, 64);
        check(r.dev, "pooled, wide", pooled_wide,
              (struct expected){ joined + pools_join(r.dev, 4, 5, 64, 64), 0, 0 });
        device_close(r.dev);
    }
    return check_done();
}

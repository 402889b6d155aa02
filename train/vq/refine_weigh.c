/* refine_weigh.c -- gradients of weights and biases, once those of thetas and hidden
 * layers are there; see refine.h. Each is a sum of products over all (stage, latent),
 * formed piece by piece: a piece is written once, or never, as an optimizer takes it
 * while it is in the cache. */
#include <string.h>

#include "refine_parts.h"

/* The list of gradients to form. */
struct list {
    struct refiner *r;
    size_t rows;   /* of r->rows that are taken */
    size_t scales; /* of r->scales */
};

static void add(struct list *l, size_t at, size_t rows, size_t cols, const float **d,
                const float *x, int n)
{
    struct weigh *w = &l->r->weigh[l->r->weighs++];
    *w = (struct weigh){ at, rows, cols, d, x, n, 0, 0 };
    w->part_rows =
        refine_least(WEIGH_ROWS, cols > WEIGH_FLOATS / 64 ? 64 : WEIGH_FLOATS / cols);
    if (l->r->weighs > 1)
        w->first_part =
            w[-1].first_part + (w[-1].rows + w[-1].part_rows - 1) / w[-1].part_rows;
}

/* A layer of H outputs: d (stage, latent, H) before its relu, x (stage, latent, H) what
 * goes in; NULL: the bias alone. */
static void add_layer(struct list *l, int weight, const float *d, const float *x)
{
    struct refiner *r = l->r;
    const struct refine_param *p = &r->param[weight];
    const size_t h = (size_t)r->shape.hidden, n = (size_t)r->decoded;
    const float **list = r->rows + l->rows;
    const size_t all = (size_t)r->shape.stages * n;
    for (size_t i = 0; i < all; i++)
        list[i] = d + i * h;
    l->rows += all;
    if (x)
        add(l, p->at, h, h, list, x, (int)all);
    add(l, r->param[weight + 1].at, h, 1, list, r->ones, (int)all);
}

/* theta that goes into stages 1 and later; that of stage 0 is 0. */
static void add_first(struct list *l)
{
    struct refiner *r = l->r;
    const size_t h = (size_t)r->shape.hidden, n = (size_t)r->decoded;
    const float **list = r->rows + l->rows;
    const size_t all = ((size_t)r->shape.stages - 1) * n;
    for (size_t i = 0; i < all; i++)
        list[i] = r->theta + (n + i) * r->shape.size;
    l->rows += all;
    add(l, r->param[IN0_WEIGHT].at, r->shape.size, h, list, r->d_in[0] + n * h,
        (int)all);
}

/* All latents that took option k, in any stage: out's rows and biases. */
static void add_option(struct list *l, int k, size_t *sorted)
{
    struct refiner *r = l->r;
    const size_t h = (size_t)r->shape.hidden, stages = (size_t)r->shape.stages;
    const size_t size = r->shape.size, row = (size_t)k * size;
    const float **d = r->rows + l->rows;
    float *x = r->by_option + *sorted * h, *scales = r->scales + l->scales;
    int n = 0;
    for (size_t t = 0; t < stages; t++)
        for (int b = 0; b < r->decoded; b++) {
            if (r->latents[(size_t)b * stages + t] != k)
                continue;
            const float *from = refine_slot(r, r->out_x, (int)t, h) + (size_t)b * h;
            scales[n] = refine_at(r, SCALE)[t];
            d[n] = refine_delta_at(r, (int)t) + (size_t)b * size;
            for (size_t i = 0; i < h; i++)
                x[(size_t)n * h + i] = from[i] * scales[n];
            n++;
        }
    l->rows += (size_t)n;
    l->scales += (size_t)n;
    *sorted += (size_t)n;
    add(l, r->param[OUT_WEIGHT].at + row * h, size, h, d, x, n);
    add(l, r->param[OUT_BIAS].at + row, size, 1, d, scales, n);
}

/* output_bias of stage t. */
static void add_biases(struct list *l, int t)
{
    struct refiner *r = l->r;
    const size_t size = r->shape.size, options = (size_t)r->shape.options;
    struct groups g;
    refine_group(&g, r->latents, r->decoded, r->shape.stages, r->shape.options, t);
    const float **d = r->rows + l->rows;
    float *scales = r->scales + l->scales;
    for (int i = 0; i < r->decoded; i++) {
        d[i] = refine_delta_at(r, t) + (size_t)g.order[i] * size;
        scales[i] = refine_at(r, SCALE)[t];
    }
    l->rows += (size_t)r->decoded;
    l->scales += (size_t)r->decoded;
    for (size_t k = 0; k < options; k++)
        add(l, r->param[OUTPUT_BIAS].at + ((size_t)t * options + k) * size, size, 1,
            d + g.first[k], scales + g.first[k], g.first[k + 1] - g.first[k]);
}

static void make_list(struct refiner *r)
{
    struct list l = { .r = r };
    const size_t each =
        (size_t)r->shape.stages * (size_t)r->batch * (size_t)r->shape.hidden;
    size_t sorted = 0;
    r->weighs = 0;
    for (int t = 0; t < r->shape.stages; t++)
        add_biases(&l, t);
    if (r->shape.bias_only)
        return;
    add_first(&l);
    add_layer(&l, IN0_WEIGHT, r->d_in[0], NULL);
    add_layer(&l, IN1_WEIGHT, r->d_in[1], r->in[0]);
    for (int i = 0; i < r->shape.depth; i++)
        add_layer(&l, MID + 2 * i, r->d_mid + (size_t)i * each,
                  i ? r->mid + (size_t)(i - 1) * each : r->mid_x);
    for (int k = 0; k < r->shape.options; k++)
        add_option(&l, k, &sorted);
}

struct weighing {
    struct refiner *r;
    refine_sink *sink;
    void *arg;
};

static void weigh_part(void *arg, size_t part)
{
    const struct weighing *g = arg;
    const struct refiner *r = g->r;
    const struct weigh *w = r->weigh;
    int low = 0, high = r->weighs - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (w[middle].first_part <= part)
            low = middle;
        else
            high = middle - 1;
    }
    w += low;
    const size_t row = (part - w->first_part) * w->part_rows;
    const size_t rows = refine_least(w->part_rows, w->rows - row);
    float *out = refine_scratch(r), *packed = out + w->part_rows * w->cols;
    for (int i = 0; i < w->n; i++)
        memcpy(packed + (size_t)i * rows, w->d[i] + row, rows * sizeof *packed);
    r->products->outer(out, rows, w->cols, packed, rows, w->x, w->n);
    g->sink(g->arg, w->at + row * w->cols, rows * w->cols, out);
}

void refine_weigh(struct refiner *r, refine_sink *sink, void *arg)
{
    struct weighing g = { r, sink, arg };
    make_list(r);
    const struct weigh *last = &r->weigh[r->weighs - 1];
    workers_run(r->workers,
                last->first_part + (last->rows + last->part_rows - 1) / last->part_rows,
                weigh_part, &g);
}

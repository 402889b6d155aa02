/* refine_backward.c -- gradients of a refiner; see refine.h.
 *
 * Downward through the stages go only dL/dtheta and what the hidden layers need of it;
 * gradients of weights wait until all stages are done and are then formed piece by
 * piece as one product over all (stage, latent), so that a weight is read twice a stage
 * and its gradient is written once, or never: an optimizer takes each piece while it is
 * in the cache. */
#include <string.h>

#include "refine_parts.h"

/* One stage, downward. */
struct back {
    struct refiner *r;
    int t, n;
    const float *delta; /* (n, P) of what the stage puts out */
    float *before;      /* the same of what goes into it */
    struct groups groups;
};

static float *slot(const struct refiner *r, float *of, int t, size_t width)
{
    return of + (size_t)t * (size_t)r->decoded * width;
}

float *refiner_delta(struct refiner *r)
{
    return r->shape.bias_only ? r->delta
                              : slot(r, r->delta, r->shape.stages - 1, r->shape.size);
}

/* delta of what stage t puts out */
static float *delta_at(const struct refiner *r, int t)
{
    return r->shape.bias_only ? r->delta : slot(r, r->delta, t, r->shape.size);
}

/* Of option k and rows from p on: sums over these rows of delta times out's rows, and
 * of delta times the biases. */
static void out_rows(const struct back *s, int k, size_t part, size_t p, size_t rows)
{
    struct refiner *r = s->r;
    const size_t size = r->shape.size, h = (size_t)r->shape.hidden;
    const size_t row = (size_t)k * size + p;
    const int first = s->groups.first[k], count = s->groups.first[k + 1] - first;
    const float *bias = refine_at(r, OUTPUT_BIAS) +
                        (size_t)s->t * (size_t)r->shape.options * size + row;
    const float *layer_bias = r->shape.bias_only ? NULL : refine_at(r, OUT_BIAS) + row;
    float *packed = refine_scratch(r);
    for (int i = 0; i < count; i++) {
        const float *d = s->delta + (size_t)s->groups.order[first + i] * size + p;
        double sum = 0;
        memcpy(packed + (size_t)i * rows, d, rows * sizeof *d);
        for (size_t j = 0; j < rows; j++)
            sum += (double)d[j] * (double)(bias[j] + (layer_bias ? layer_bias[j] : 0));
        r->partial_bias[part * (size_t)s->n + (size_t)(first + i)] = sum;
    }
    if (r->shape.bias_only)
        return;
    float *sums = r->partial + (part * (size_t)s->n + (size_t)first) * h;
    memset(sums, 0, (size_t)count * h * sizeof *sums);
    r->products->sums(refine_at(r, OUT_WEIGHT) + row * h, rows, h, packed, rows, count,
                      sums);
}

static void out_part(void *arg, size_t part)
{
    const struct back *s = arg;
    const size_t parts = refine_parts_of(s->r->shape.size), of = part % parts;
    out_rows(s, s->groups.used[part / parts], of, of * PART_ROWS,
             refine_least(PART_ROWS, s->r->shape.size - of * PART_ROWS));
}

static void in_part(void *arg, size_t part)
{
    const struct back *s = arg;
    struct refiner *r = s->r;
    const size_t size = r->shape.size, h = (size_t)r->shape.hidden;
    const size_t p = part * PART_ROWS, rows = refine_least(PART_ROWS, size - p);
    float *y = refine_scratch(r);
    r->products->dots(refine_at(r, IN0_WEIGHT) + p * h, rows, h,
                      slot(r, r->d_in[0], s->t, h), h, s->n, y, rows);
    for (int b = 0; b < s->n; b++, y += rows) {
        const size_t at = (size_t)b * size + p;
        for (size_t j = 0; j < rows; j++)
            s->before[at + j] = s->delta[at + j] + y[j];
    }
}

/* dx, before the relu that gave x: dx = (dy w) where x > 0 */
static void layer(const struct back *s, int weight, const float *dy, const float *x,
                  float *dx)
{
    const struct refiner *r = s->r;
    const size_t h = (size_t)r->shape.hidden, all = (size_t)s->n * h;
    memset(dx, 0, all * sizeof *dx);
    r->products->sums(refine_at(r, weight), h, h, dy, h, s->n, dx);
    for (size_t i = 0; i < all && x; i++)
        dx[i] = x[i] > 0 ? dx[i] : 0;
}

/* dy summed over latents onto the stage's own vector. */
static void add_to_stage(const struct back *s, const float *dy)
{
    const size_t h = (size_t)s->r->shape.hidden;
    float *sum = s->r->d_stage + (size_t)s->t * h;
    for (int b = 0; b < s->n; b++, dy += h)
        for (size_t i = 0; i < h; i++)
            sum[i] += dy[i];
}

/* From dL/d out_x to what comes before the first relu. */
static void back_hidden(const struct back *s, const float *d_out_x)
{
    struct refiner *r = s->r;
    const size_t h = (size_t)r->shape.hidden, all = (size_t)s->n * h;
    const size_t each = (size_t)r->shape.stages * (size_t)r->batch * h;
    const int last = r->shape.depth - 1;
    float *in = slot(r, r->d_in[1], s->t, h);
    float *dy = slot(r, r->d_mid + (size_t)last * each, s->t, h);
    const float *y = slot(r, r->mid + (size_t)last * each, s->t, h);
    add_to_stage(s, d_out_x);
    for (size_t i = 0; i < all; i++)
        dy[i] = y[i] > 0 ? d_out_x[i] : 0;
    for (int i = last; i > 0; i--) {
        float *dx = slot(r, r->d_mid + (size_t)(i - 1) * each, s->t, h);
        layer(s, MID + 2 * i, dy, slot(r, r->mid + (size_t)(i - 1) * each, s->t, h),
              dx);
        dy = dx;
    }
    layer(s, MID, dy, NULL, in);
    add_to_stage(s, in);
    y = slot(r, r->in[1], s->t, h);
    for (size_t i = 0; i < all; i++)
        in[i] = y[i] > 0 ? in[i] : 0;
    layer(s, IN1_WEIGHT, in, slot(r, r->in[0], s->t, h), slot(r, r->d_in[0], s->t, h));
}

/* d_scale, and dL/d out_x of the sorted latents to their own places in `once`. */
static float *back_out(const struct back *s)
{
    struct refiner *r = s->r;
    const size_t h = (size_t)r->shape.hidden, n = (size_t)s->n;
    const float scale = refine_at(r, SCALE)[s->t];
    double sum = 0;
    for (size_t part = 0; part < refine_parts_of(r->shape.size); part++)
        for (size_t i = 0; i < n; i++)
            sum += r->partial_bias[part * n + i];
    if (!r->shape.bias_only)
        refine_sum_parts(r, n * h, r->gathered);
    for (size_t i = 0; i < n && !r->shape.bias_only; i++) {
        const size_t b = (size_t)s->groups.order[i];
        const float *x = slot(r, r->out_x, s->t, h) + b * h, *d = r->gathered + i * h;
        for (size_t j = 0; j < h; j++) {
            sum += (double)d[j] * (double)x[j];
            r->once[b * h + j] = d[j] * scale;
        }
    }
    r->d_scale[s->t] = (float)sum;
    return r->once;
}

static void back_stage(struct refiner *r, int t)
{
    struct back s = { .r = r, .t = t, .n = r->decoded, .delta = delta_at(r, t) };
    const size_t parts = refine_parts_of(r->shape.size);
    refine_group(&s.groups, r->latents, s.n, r->shape.stages, r->shape.options, t);
    workers_run(r->workers, (size_t)s.groups.count * parts, out_part, &s);
    const float *d_out_x = back_out(&s);
    if (r->shape.bias_only)
        return;
    back_hidden(&s, d_out_x);
    if (t == 0)
        return;
    s.before = delta_at(r, t - 1);
    workers_run(r->workers, parts, in_part, &s);
}

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
            const float *from = slot(r, r->out_x, (int)t, h) + (size_t)b * h;
            scales[n] = refine_at(r, SCALE)[t];
            d[n] = delta_at(r, (int)t) + (size_t)b * size;
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
        d[i] = delta_at(r, t) + (size_t)g.order[i] * size;
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

void refiner_gradient(struct refiner *r, refine_sink *sink, void *arg)
{
    struct weighing g = { r, sink, arg };
    const size_t stages = (size_t)r->shape.stages, h = (size_t)r->shape.hidden;
    if (!r->shape.bias_only)
        memset(r->d_stage, 0, stages * h * sizeof *r->d_stage);
    for (int t = r->shape.stages - 1; t >= 0; t--)
        back_stage(r, t);
    make_list(r);
    const struct weigh *last = &r->weigh[r->weighs - 1];
    workers_run(r->workers,
                last->first_part + (last->rows + last->part_rows - 1) / last->part_rows,
                weigh_part, &g);
    sink(arg, r->param[SCALE].at, stages, r->d_scale);
    if (!r->shape.bias_only)
        sink(arg, r->param[STAGE].at, stages * h, r->d_stage);
}

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

float *refiner_delta(struct refiner *r)
{
    return r->shape.bias_only
               ? r->delta
               : refine_slot(r, r->delta, r->shape.stages - 1, r->shape.size);
}

float *refine_delta_at(const struct refiner *r, int t)
{
    return r->shape.bias_only ? r->delta : refine_slot(r, r->delta, t, r->shape.size);
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
                      refine_slot(r, r->d_in[0], s->t, h), h, s->n, y, rows);
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
    float *in = refine_slot(r, r->d_in[1], s->t, h);
    float *dy = refine_slot(r, r->d_mid + (size_t)last * each, s->t, h);
    const float *y = refine_slot(r, r->mid + (size_t)last * each, s->t, h);
    add_to_stage(s, d_out_x);
    for (size_t i = 0; i < all; i++)
        dy[i] = y[i] > 0 ? d_out_x[i] : 0;
    for (int i = last; i > 0; i--) {
        float *dx = refine_slot(r, r->d_mid + (size_t)(i - 1) * each, s->t, h);
        layer(s, MID + 2 * i, dy,
              refine_slot(r, r->mid + (size_t)(i - 1) * each, s->t, h), dx);
        dy = dx;
    }
    layer(s, MID, dy, NULL, in);
    add_to_stage(s, in);
    y = refine_slot(r, r->in[1], s->t, h);
    for (size_t i = 0; i < all; i++)
        in[i] = y[i] > 0 ? in[i] : 0;
    layer(s, IN1_WEIGHT, in, refine_slot(r, r->in[0], s->t, h),
          refine_slot(r, r->d_in[0], s->t, h));
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
        const float *x = refine_slot(r, r->out_x, s->t, h) + b * h,
                    *d = r->gathered + i * h;
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
    struct back s = { .r = r, .t = t, .n = r->decoded, .delta = refine_delta_at(r, t) };
    const size_t parts = refine_parts_of(r->shape.size);
    refine_group(&s.groups, r->latents, s.n, r->shape.stages, r->shape.options, t);
    workers_run(r->workers, (size_t)s.groups.count * parts, out_part, &s);
    const float *d_out_x = back_out(&s);
    if (r->shape.bias_only)
        return;
    back_hidden(&s, d_out_x);
    if (t == 0)
        return;
    s.before = refine_delta_at(r, t - 1);
    workers_run(r->workers, parts, in_part, &s);
}

/* dL/d out_x of a stage's latents to their own places in `once`, the folded way. */
static float *pull_stage(struct back *s)
{
    struct refiner *r = s->r;
    const struct fold *f = &r->fold;
    const size_t h = (size_t)r->shape.hidden, n = (size_t)s->n;
    const float scale = refine_at(r, SCALE)[s->t];
    double sum = 0;
    memset(r->partial, 0, n * h * sizeof *r->partial);
    for (size_t i = 0; i < n && s->t + 1 < r->shape.stages; i++)
        memcpy(r->gathered + i * h,
               refine_slot(r, f->down, s->t + 1, h) + (size_t)s->groups.order[i] * h,
               h * sizeof *r->gathered);
    for (int used = 0; used < s->groups.count; used++) {
        const int k = s->groups.used[used], first = s->groups.first[k];
        const int end = s->groups.first[k + 1];
        float *more = r->partial + (size_t)first * h;
        if (s->t + 1 < r->shape.stages)
            r->products->sums(f->products + (size_t)k * h * h, h, h,
                              r->gathered + (size_t)first * h, h, end - first, more);
        for (int i = first; i < end; i++, more += h) {
            const size_t b = (size_t)s->groups.order[i];
            const float *pull = f->pulls + ((size_t)k * n + b) * h;
            const float *x = refine_slot(r, r->out_x, s->t, h) + b * h;
            for (size_t j = 0; j < h; j++) {
                const float d = pull[j] + more[j];
                sum += (double)d * (double)x[j];
                r->once[b * h + j] = d * scale;
            }
        }
    }
    f->scale_dots[s->t] = sum;
    return r->once;
}

/* d_in[0] of this and all later stages */
static void add_down(const struct back *s)
{
    struct refiner *r = s->r;
    const size_t h = (size_t)r->shape.hidden, all = (size_t)s->n * h;
    const float *own = refine_slot(r, r->d_in[0], s->t, h);
    const float *later = refine_slot(r, r->fold.down, s->t + 1, h);
    float *sum = refine_slot(r, r->fold.down, s->t, h);
    for (size_t i = 0; i < all; i++)
        sum[i] = own[i] + (s->t + 1 < r->shape.stages ? later[i] : 0);
}

static void back_folded(struct refiner *r)
{
    const int stages = r->shape.stages, n = r->decoded;
    refine_fold_pulls(r);
    for (int t = stages - 1; t >= 0; t--) {
        struct back s = { .r = r, .t = t, .n = n };
        refine_group(&s.groups, r->latents, n, stages, r->shape.options, t);
        back_hidden(&s, pull_stage(&s));
        add_down(&s);
    }
    refine_unfold_deltas(r);
    for (int t = 0; t < stages; t++) {
        double sum = r->fold.scale_dots[t];
        for (size_t block = 0; block < refine_blocks_of(r->shape.size); block++)
            for (int b = 0; b < n; b++)
                sum +=
                    r->fold.bias_dots[(block * (size_t)stages + (size_t)t) * (size_t)n +
                                      (size_t)b];
        r->d_scale[t] = (float)sum;
    }
}

void refiner_gradient(struct refiner *r, refine_sink *sink, void *arg)
{
    const size_t stages = (size_t)r->shape.stages, h = (size_t)r->shape.hidden;
    if (!r->shape.bias_only)
        memset(r->d_stage, 0, stages * h * sizeof *r->d_stage);
    if (r->folded)
        back_folded(r);
    for (int t = r->shape.stages - 1; t >= 0 && !r->folded; t--)
        back_stage(r, t);
    r->fold.made = false; /* the sink may change the weights */
    refine_weigh(r, sink, arg);
    sink(arg, r->param[SCALE].at, stages, r->d_scale);
    if (!r->shape.bias_only)
        sink(arg, r->param[STAGE].at, stages * h, r->d_stage);
}

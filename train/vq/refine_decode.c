/* refine_decode.c -- from latents to theta_T, and from a theta to its latent; see
 * refine.h.
 *
 * A stage reads every weight of `in` once, and those of `out` once for each option that
 * is asked for: all latents of the batch go through them together, since the time of a
 * stage is that of reading them. */
#include <float.h>
#include <string.h>

#include "refine_parts.h"

void refine_group(struct groups *g, const uint8_t *latents, int n, int stages,
                  int options, int t)
{
    int at = 0;
    g->count = 0;
    for (int k = 0; k < options; k++) {
        g->first[k] = at;
        for (int b = 0; b < n; b++)
            if (latents[(size_t)b * (size_t)stages + (size_t)t] == k)
                g->order[at++] = b;
        if (at > g->first[k])
            g->used[g->count++] = k;
    }
    g->first[options] = at;
}

void refine_sum_parts(const struct refiner *r, size_t count, float *total)
{
    const size_t parts = refine_parts_of(r->shape.size);
    memcpy(total, r->partial, count * sizeof *total);
    for (size_t part = 1; part < parts; part++) {
        const float *more = r->partial + part * count;
        for (size_t i = 0; i < count; i++)
            total[i] += more[i];
    }
}

/* One stage of n latents: theta `from` -> `to` (n, P), which may be the same. */
struct stage {
    const struct refiner *r;
    int t, n;
    const float *from;
    float *to;
    float *in[2], *mid_x, *mid, *out_x; /* (n, H); layer i of mid at mid + i mid_each */
    size_t mid_each;
    struct groups groups;
};

static void relu_bias(float *y, const float *bias, int n, size_t h)
{
    for (int b = 0; b < n; b++, y += h)
        for (size_t i = 0; i < h; i++) {
            const float v = y[i] + bias[i];
            y[i] = v <= 0 ? 0 : v; /* a NaN stays one */
        }
}

static void first_part(void *arg, size_t part)
{
    const struct stage *s = arg;
    const struct refiner *r = s->r;
    const size_t h = (size_t)r->shape.hidden, p = part * PART_ROWS;
    float *sum = r->partial + part * (size_t)s->n * h;
    memset(sum, 0, (size_t)s->n * h * sizeof *sum);
    r->products->sums(refine_at(r, IN0_WEIGHT) + p * h,
                      refine_least(PART_ROWS, r->shape.size - p), h, s->from + p,
                      r->shape.size, s->n, sum);
}

/* y = relu(w x + b), w (H, H) */
static void layer(const struct stage *s, int weight, const float *x, float *y)
{
    const struct refiner *r = s->r;
    const size_t h = (size_t)r->shape.hidden;
    r->products->dots(refine_at(r, weight), h, h, x, h, s->n, y, h);
    relu_bias(y, refine_at(r, weight + 1), s->n, h);
}

static void add_stage(const struct stage *s, const float *x, float *y)
{
    const size_t h = (size_t)s->r->shape.hidden;
    const float *e = refine_at(s->r, STAGE) + (size_t)s->t * h;
    for (int b = 0; b < s->n; b++, x += h, y += h)
        for (size_t i = 0; i < h; i++)
            y[i] = x[i] + e[i];
}

/* in.0 theta, without bias; theta of the first stage is 0. */
static void run_first(struct stage *s)
{
    const struct refiner *r = s->r;
    const size_t each = (size_t)s->n * (size_t)r->shape.hidden;
    if (s->t) {
        workers_run(r->workers, refine_parts_of(r->shape.size), first_part, s);
        refine_sum_parts(r, each, s->in[0]);
    } else {
        memset(s->in[0], 0, each * sizeof *s->in[0]);
    }
}

/* in.0 theta -> out_x */
static void run_hidden(struct stage *s)
{
    const struct refiner *r = s->r;
    relu_bias(s->in[0], refine_at(r, IN0_BIAS), s->n, (size_t)r->shape.hidden);
    layer(s, IN1_WEIGHT, s->in[0], s->in[1]);
    add_stage(s, s->in[1], s->mid_x);
    const float *x = s->mid_x;
    for (int i = 0; i < r->shape.depth; i++) {
        float *y = s->mid + (size_t)i * s->mid_each;
        layer(s, MID + 2 * i, x, y);
        x = y;
    }
    add_stage(s, x, s->out_x);
}

/* Rows of `out` from p on of option k, for the latents that take it. */
static void out_rows(const struct stage *s, int k, size_t p, size_t rows)
{
    const struct refiner *r = s->r;
    const size_t size = r->shape.size, h = (size_t)r->shape.hidden;
    const size_t row = (size_t)k * size + p;
    const int first = s->groups.first[k], count = s->groups.first[k + 1] - first;
    const float scale = refine_at(r, SCALE)[s->t];
    const float *bias = refine_at(r, OUTPUT_BIAS) +
                        (size_t)s->t * (size_t)r->shape.options * size + row;
    float *o = refine_scratch(r);
    if (r->shape.bias_only)
        memset(o, 0, (size_t)count * rows * sizeof *o);
    else
        r->products->dots(refine_at(r, OUT_WEIGHT) + row * h, rows, h,
                          r->gathered + (size_t)first * h, h, count, o, rows);
    const float *layer_bias = r->shape.bias_only ? o : refine_at(r, OUT_BIAS) + row;
    for (int i = 0; i < count; i++, o += rows) {
        const size_t at = (size_t)s->groups.order[first + i] * size + p;
        for (size_t j = 0; j < rows; j++)
            s->to[at + j] = s->from[at + j] + scale * (o[j] + layer_bias[j] + bias[j]);
    }
}

static void out_part(void *arg, size_t part)
{
    const struct stage *s = arg;
    const size_t parts = refine_parts_of(s->r->shape.size),
                 p = part % parts * PART_ROWS;
    out_rows(s, s->groups.used[part / parts], p,
             refine_least(PART_ROWS, s->r->shape.size - p));
}

static void gather(const struct stage *s)
{
    const size_t h = (size_t)s->r->shape.hidden;
    for (int i = 0; i < s->n; i++)
        memcpy(s->r->gathered + (size_t)i * h,
               s->out_x + (size_t)s->groups.order[i] * h, h * sizeof(float));
}

static void run_stage(struct stage *s, const uint8_t *latents)
{
    const struct refine_shape *shape = &s->r->shape;
    refine_group(&s->groups, latents, s->n, shape->stages, shape->options, s->t);
    if (!shape->bias_only) {
        run_first(s);
        run_hidden(s);
        gather(s);
    }
    workers_run(s->r->workers, (size_t)s->groups.count * refine_parts_of(shape->size),
                out_part, s);
}

/* in.0 theta of the next stage; `x` is this one's out_x. */
static void advance(const struct stage *s)
{
    const struct refiner *r = s->r;
    const struct fold *f = &r->fold;
    const size_t h = (size_t)r->shape.hidden;
    const float scale = refine_at(r, SCALE)[s->t];
    float *y = r->partial;
    for (int used = 0; used < s->groups.count; used++) {
        const int k = s->groups.used[used], first = s->groups.first[k];
        const int count = s->groups.first[k + 1] - first;
        const size_t place = (size_t)f->place[s->t * s->n + s->groups.order[first]];
        const float *bias = f->biases + (size_t)(f->first_bias[s->t] + used) * h;
        r->products->dots(f->products + (size_t)k * h * h, h, h, f->x + place * h, h,
                          count, y, h);
        for (int i = 0; i < count; i++) {
            float *hidden = f->hidden + (size_t)s->groups.order[first + i] * h;
            for (size_t j = 0; j < h; j++)
                hidden[j] += scale * (y[(size_t)i * h + j] + bias[j]);
        }
    }
}

static void run_folded_stage(struct stage *s, const uint8_t *latents)
{
    const struct refiner *r = s->r;
    const struct refine_shape *shape = &r->shape;
    const size_t h = (size_t)shape->hidden;
    refine_group(&s->groups, latents, s->n, shape->stages, shape->options, s->t);
    memcpy(s->in[0], r->fold.hidden, (size_t)s->n * h * sizeof *s->in[0]);
    run_hidden(s);
    for (int b = 0; b < s->n; b++)
        memcpy(r->fold.x + (size_t)r->fold.place[s->t * s->n + b] * h,
               s->out_x + (size_t)b * h, h * sizeof *s->out_x);
    if (s->t + 1 < shape->stages)
        advance(s);
}

/* A stage whose traces are kept. */
static struct stage stage_kept(const struct refiner *r, int at, int n)
{
    const struct refine_shape *shape = &r->shape;
    const size_t stages = (size_t)shape->stages, t = (size_t)at;
    const size_t each = (size_t)n * (size_t)shape->hidden;
    const size_t theta_each = shape->bias_only ? 0 : (size_t)n * shape->size;
    struct stage s = { .r = r, .t = at, .n = n };
    s.from = r->theta + t * theta_each;
    s.to = r->theta + (t + 1) * theta_each;
    if (shape->bias_only)
        return s;
    s.in[0] = r->in[0] + t * each;
    s.in[1] = r->in[1] + t * each;
    s.mid_x = r->mid_x + t * each;
    s.mid = r->mid + t * each;
    s.out_x = r->out_x + t * each;
    s.mid_each = stages * (size_t)r->batch * (size_t)shape->hidden;
    return s;
}

float *refiner_output(struct refiner *r)
{
    return r->theta + (r->shape.bias_only ? 0
                                          : (size_t)r->shape.stages *
                                                (size_t)r->decoded * r->shape.size);
}

/* A stage whose traces are not kept. */
static struct stage stage_once(const struct refiner *r, int t, int n, float *theta)
{
    const size_t each = (size_t)r->widest * (size_t)r->shape.hidden;
    struct stage s = { .r = r, .t = t, .n = n, .from = theta, .to = theta };
    if (r->shape.bias_only)
        return s;
    s.in[0] = r->once;
    s.in[1] = r->once + each;
    s.mid_x = r->once + 2 * each;
    s.out_x = r->once + 3 * each;
    s.mid = r->once + 4 * each;
    s.mid_each = each;
    return s;
}

/* From theta_0 = 0 through all stages; kept: with traces, in r->theta. */
static void run_stages(struct refiner *r, const uint8_t *latents, int n, bool kept,
                       float *theta)
{
    const size_t all = (size_t)n * r->shape.size;
    memset(theta, 0, all * sizeof *theta);
    if (r->folded) {
        refine_fold(r, latents, n);
        memset(r->fold.hidden, 0,
               (size_t)n * (size_t)r->shape.hidden * sizeof *r->fold.hidden);
    }
    for (int t = 0; t < r->shape.stages; t++) {
        struct stage s = kept ? stage_kept(r, t, n) : stage_once(r, t, n, theta);
        if (r->folded)
            run_folded_stage(&s, latents);
        else
            run_stage(&s, latents);
    }
    if (r->folded)
        refine_unfold_thetas(r, latents, n, theta, kept ? all : 0);
}

void refiner_decode(struct refiner *r, const uint8_t *latents, int n)
{
    memcpy(r->latents, latents, (size_t)n * (size_t)r->shape.stages);
    r->decoded = n;
    run_stages(r, latents, n, true, r->theta);
}

void refiner_sample(struct refiner *r, const uint8_t *latents, int n, float *out)
{
    run_stages(r, latents, n, false, out);
}

static double distance(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (double)b[i];
        sum += d * d;
    }
    return sum / (double)n;
}

/* What option k of this stage makes of theta, to its place among the candidates. */
static void propose(struct stage *s, int k)
{
    const size_t size = s->r->shape.size;
    s->to = s->r->candidates + (size_t)k * size;
    s->groups = (struct groups){ .used = { k }, .count = 1 };
    for (int i = k + 1; i <= s->r->shape.options; i++)
        s->groups.first[i] = 1;
    workers_run(s->r->workers, refine_parts_of(size), out_part, s);
}

double refiner_encode(struct refiner *r, const float *target, uint8_t *latent,
                      float *out)
{
    const size_t size = r->shape.size;
    memset(out, 0, size * sizeof *out);
    for (int t = 0; t < r->shape.stages; t++) {
        struct stage s = stage_once(r, t, 1, out);
        if (!r->shape.bias_only) {
            run_first(&s);
            run_hidden(&s);
            gather(&s);
        }
        double nearest = DBL_MAX;
        latent[t] = 0;
        for (int k = 0; k < r->shape.options; k++) {
            propose(&s, k);
            const double d = distance(s.to, target, size);
            if (d < nearest) {
                nearest = d;
                latent[t] = (uint8_t)k;
            }
        }
        memcpy(out, r->candidates + (size_t)latent[t] * size, size * sizeof *out);
    }
    refiner_sample(r, latent, 1, out); /* the same bits as any other time */
    return distance(out, target, size);
}

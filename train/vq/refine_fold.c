/* refine_fold.c -- the folded way: stages hand each other in.0 theta, H numbers, in
 * place of theta, P numbers.
 *
 * theta is a sum over the stages before, so what a stage makes of it is one, too:
 *
 *     in.0 theta[t+1] = in.0 theta[t]
 *                     + scale[t] (fold[k] x + in.0 (out[k]'s bias + output_bias[t][k]))
 *
 * where fold[k] = in.0 out[k], an (H, H) matrix, depends on the weights alone; and
 * likewise downward, with theta's gradient after the last stage, delta, and `down`, the
 * sum over stages after t of what reaches the first layer's output:
 *
 *     (out[k])' delta[t+1] = (out[k])' delta + (fold[k])' down
 *
 * Stage after stage then reads K matrices of H x H numbers, which stay in the cache,
 * not in.0 and out with their P (1 + K) H, T times each way. Those are read once each
 * for fold[k] (2 K P H^2 operations, which is what this way costs), for what only they
 * know of the biases and of delta, and to write all thetas and deltas at the end
 * (refine_unfold.c), where they meet many vectors at a time.
 *
 * Sums over P are formed for each slice of it and then added in order, so that they do
 * not depend on threads. */
#include <string.h>

#include "refine_parts.h"

enum {
    CHUNK = 1 << 14, /* of sums: one worker's part of adding up slices */
};

bool refine_folds(const struct refine_shape *s, enum refine_way way)
{
    /* With two cores of an EPYC (Zen 4) and the classifier of MNIST the folded way took
     * 0.55 of the direct one's time at 0.8 of this bound, 1.24 of it at 1.6. */
    const double taken = s->options < 3 ? s->options : 3, stages = s->stages;
    if (s->bias_only || way != REFINE_AUTO)
        return !s->bias_only && way == REFINE_FOLDED;
    return (double)s->options * s->hidden <= 16 * stages * (taken + 1);
}

struct adding {
    const struct refiner *r;
    size_t count;
    float *to;
};

static void add_chunk(void *arg, size_t part)
{
    const struct adding *a = arg;
    const struct fold *f = &a->r->fold;
    const size_t at = part * CHUNK, n = refine_least(CHUNK, a->count - at);
    const size_t slices = refine_slices_of(a->r->shape.size);
    memcpy(a->to + at, f->slices + at, n * sizeof *a->to);
    for (size_t slice = 1; slice < slices; slice++) {
        const float *more = f->slices + slice * f->slice_each + at;
        for (size_t i = 0; i < n; i++)
            a->to[at + i] += more[i];
    }
}

/* to = the sum over the slices of each one's first `count`. */
static void add_slices(const struct refiner *r, size_t count, float *to)
{
    struct adding a = { r, count, to };
    workers_run(r->workers, (count + CHUNK - 1) / CHUNK, add_chunk, &a);
}

/* The rows of P that part `part` of slices times options is about, and its zeroed sums
 * for option *k. */
static float *slice_of(const struct refiner *r, size_t part, size_t each, size_t *k,
                       size_t *first, size_t *end)
{
    const size_t options = (size_t)r->shape.options, slice = part / options;
    *k = part % options;
    *first = slice * SLICE_ROWS;
    *end = refine_least(*first + SLICE_ROWS, r->shape.size);
    float *sums = r->fold.slices + slice * r->fold.slice_each + *k * each;
    memset(sums, 0, each * sizeof *sums);
    return sums;
}

static void product_part(void *arg, size_t part)
{
    const struct refiner *r = arg;
    const size_t h = (size_t)r->shape.hidden;
    void (*cross)(float *, size_t, size_t, const float *, const float *, size_t,
                  float *) = r->bf16 ? r->products->cross_bf16 : r->products->cross;
    size_t k, p, end;
    float *sums = slice_of(r, part, h * h, &k, &p, &end);
    for (; p < end; p += BLOCK_ROWS)
        cross(sums, h, h, refine_at(r, IN0_WEIGHT) + p * h,
              refine_at(r, OUT_WEIGHT) + (k * r->shape.size + p) * h,
              refine_least(BLOCK_ROWS, end - p), refine_scratch(r));
}

static void bias_part(void *arg, size_t slice)
{
    const struct refiner *r = arg;
    const struct fold *f = &r->fold;
    const size_t size = r->shape.size, h = (size_t)r->shape.hidden;
    const size_t end = refine_least((slice + 1) * SLICE_ROWS, size);
    const int count = f->first_bias[r->shape.stages - 1];
    float *sums = f->slices + slice * f->slice_each, *packed = refine_scratch(r);
    memset(sums, 0, (size_t)count * h * sizeof *sums);
    for (size_t p = slice * SLICE_ROWS; p < end; p += BLOCK_ROWS) {
        const size_t rows = refine_least(BLOCK_ROWS, end - p);
        for (int i = 0; i < count; i++) {
            const size_t own = (size_t)f->bias[i], k = own % (size_t)r->shape.options;
            const float *a = refine_at(r, OUT_BIAS) + k * size + p;
            const float *b = refine_at(r, OUTPUT_BIAS) + own * size + p;
            for (size_t j = 0; j < rows; j++)
                packed[(size_t)i * rows + j] = a[j] + b[j];
        }
        r->products->sums(refine_at(r, IN0_WEIGHT) + p * h, rows, h, packed, rows,
                          count, sums);
    }
}

static void pull_part(void *arg, size_t part)
{
    const struct refiner *r = arg;
    const size_t size = r->shape.size, h = (size_t)r->shape.hidden;
    const size_t n = (size_t)r->decoded;
    size_t k, p, end;
    float *sums = slice_of(r, part, n * h, &k, &p, &end);
    r->products->sums(refine_at(r, OUT_WEIGHT) + (k * size + p) * h, end - p, h,
                      refine_delta_at(r, r->shape.stages - 1) + p, size, r->decoded,
                      sums);
}

/* Where each (stage, latent) stands when they are sorted by option; and the biases
 * that stages take, each once, but for the last, behind which there is no other. */
static void sort(struct fold *f, const struct refine_shape *s, const uint8_t *latents,
                 int n)
{
    struct groups g;
    int biases = 0;
    memset(f->first, 0, ((size_t)s->options + 1) * sizeof *f->first);
    for (int i = 0; i < n * s->stages; i++)
        f->first[latents[i] + 1]++;
    for (int k = 0; k < s->options; k++)
        f->first[k + 1] += f->first[k];
    for (int t = 0; t < s->stages; t++) {
        refine_group(&g, latents, n, s->stages, s->options, t);
        f->first_bias[t] = biases;
        for (int i = 0; i < g.count; i++)
            f->bias[biases++] = t * s->options + g.used[i];
        for (int k = 0; k < s->options; k++)
            for (int i = g.first[k]; i < g.first[k + 1]; i++)
                f->place[t * n + g.order[i]] = f->first[k]++;
    }
    for (int k = s->options; k > 0; k--) /* each stands at the next one's now */
        f->first[k] = f->first[k - 1];
    f->first[0] = 0;
}

void refine_fold(struct refiner *r, const uint8_t *latents, int n)
{
    struct fold *f = &r->fold;
    const size_t h = (size_t)r->shape.hidden, options = (size_t)r->shape.options;
    const size_t slices = refine_slices_of(r->shape.size);
    sort(f, &r->shape, latents, n);
    if (!f->made) {
        workers_run(r->workers, slices * options, product_part, r);
        add_slices(r, options * h * h, f->products);
        f->made = true;
    }
    const size_t biases = (size_t)f->first_bias[r->shape.stages - 1];
    if (biases) {
        workers_run(r->workers, slices, bias_part, r);
        add_slices(r, biases * h, f->biases);
    }
}

void refine_fold_pulls(struct refiner *r)
{
    const size_t h = (size_t)r->shape.hidden, options = (size_t)r->shape.options;
    workers_run(r->workers, refine_slices_of(r->shape.size) * options, pull_part, r);
    add_slices(r, options * (size_t)r->decoded * h, r->fold.pulls);
}

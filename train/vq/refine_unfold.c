/* refine_unfold.c -- thetas and deltas of all stages at once, from what the folded way
 * knows of them; see refine_fold.c. A block of P goes through all stages while its rows
 * of weights are in the cache. */
#include "refine_parts.h"

struct unfolding {
    const struct refiner *r;
    const uint8_t *latents;
    int n;
    float *theta; /* (n, P), zeros: stage t's is each t behind */
    size_t each;
};

/* What option `k` of every (stage, latent) that takes it adds to rows from p on. */
static void out_rows(const struct refiner *r, int k, size_t p, size_t rows, float *o)
{
    const struct fold *f = &r->fold;
    const size_t h = (size_t)r->shape.hidden, first = (size_t)f->first[k];
    const size_t row = (size_t)k * r->shape.size + p;
    r->products->dots(refine_at(r, OUT_WEIGHT) + row * h, rows, h, f->x + first * h, h,
                      f->first[k + 1] - f->first[k], o + first * rows, rows);
}

static void theta_block(void *arg, size_t part)
{
    const struct unfolding *u = arg;
    const struct refiner *r = u->r;
    const struct refine_shape *shape = &r->shape;
    const size_t size = shape->size, p = part * BLOCK_ROWS;
    const size_t rows = refine_least(BLOCK_ROWS, size - p), n = (size_t)u->n;
    const size_t stages = (size_t)shape->stages, options = (size_t)shape->options;
    float *o = refine_scratch(r);
    for (int k = 0; k < shape->options; k++)
        out_rows(r, k, p, rows, o);
    for (size_t i = 0; i < stages * n; i++) {
        const size_t t = i / n, b = i % n, k = u->latents[b * stages + t];
        const float *add = o + (size_t)r->fold.place[i] * rows;
        const float *layer_bias = refine_at(r, OUT_BIAS) + k * size + p;
        const float *bias = refine_at(r, OUTPUT_BIAS) + (t * options + k) * size + p;
        const float *from = u->theta + t * u->each + b * size + p;
        float *to = u->theta + (t + 1) * u->each + b * size + p;
        const float scale = refine_at(r, SCALE)[t];
        for (size_t j = 0; j < rows; j++)
            to[j] = from[j] + scale * (add[j] + layer_bias[j] + bias[j]);
    }
}

void refine_unfold_thetas(const struct refiner *r, const uint8_t *latents, int n,
                          float *theta, size_t each)
{
    struct unfolding u = { r, latents, n, theta, each };
    workers_run(r->workers, refine_blocks_of(r->shape.size), theta_block, &u);
}

static void delta_block(void *arg, size_t part)
{
    const struct refiner *r = arg;
    const size_t size = r->shape.size, h = (size_t)r->shape.hidden;
    const size_t p = part * BLOCK_ROWS, rows = refine_least(BLOCK_ROWS, size - p);
    const size_t n = (size_t)r->decoded, stages = (size_t)r->shape.stages;
    const size_t below = (stages - 1) * n; /* those that differ from the last */
    float *y = refine_scratch(r);
    double *dots = r->fold.bias_dots + part * stages * n;
    r->products->dots(refine_at(r, IN0_WEIGHT) + p * h, rows, h, r->fold.down + n * h,
                      h, (int)below, y, rows);
    for (size_t i = 0; i < stages * n; i++) {
        const size_t t = i / n, b = i % n, k = r->latents[b * stages + t];
        const size_t own = t * (size_t)r->shape.options + k;
        const float *layer_bias = refine_at(r, OUT_BIAS) + k * size + p;
        const float *bias = refine_at(r, OUTPUT_BIAS) + own * size + p;
        const float *last = refine_delta_at(r, r->shape.stages - 1) + b * size + p;
        float *d = refine_delta_at(r, (int)t) + b * size + p;
        double sum = 0;
        for (size_t j = 0; j < rows && i < below; j++)
            d[j] = last[j] + y[i * rows + j];
        for (size_t j = 0; j < rows; j++)
            sum += (double)d[j] * (double)(bias[j] + layer_bias[j]);
        dots[i] = sum;
    }
}

void refine_unfold_deltas(struct refiner *r)
{
    workers_run(r->workers, refine_blocks_of(r->shape.size), delta_block, r);
}

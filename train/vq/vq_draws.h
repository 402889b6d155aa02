/* vq_draws.h -- where a run's random numbers come from: Philox with a counter of what
 * they are for, the step, and which of that step's. First values have streams of their
 * own, below these. */
#ifndef SLUICE_VQ_DRAWS_H
#define SLUICE_VQ_DRAWS_H

#include <sluice/rng.h>

enum vq_draw {
    VQ_DRAW_TRAIN = 1, /* latents that are trained */
    VQ_DRAW_TEST = 2,  /* that are only looked at */
    VQ_DRAW_EVAL = 3,  /* of an evaluation */
    VQ_DRAW_VARIANCE = 4,
    VQ_DRAW_SAMPLE = 5, /* that a user asked for */
    VQ_DRAW_LIMIT = 6,  /* images */
};

static inline struct sluice_rng vq_draws(uint64_t seed, enum vq_draw what,
                                         uint64_t step, uint32_t number)
{
    return sluice_rng_at(seed, (uint64_t)what << 56 | step, (uint64_t)number << 32);
}

/* Latents number `first` to first + n - 1 of a step: n rows of `stages`. */
static inline void vq_draw_latents(uint8_t *out, int n, int stages, int options,
                                   uint64_t seed, enum vq_draw what, uint64_t step,
                                   uint32_t first)
{
    for (int i = 0; i < n; i++) {
        struct sluice_rng rng = vq_draws(seed, what, step, first + (uint32_t)i);
        for (int t = 0; t < stages; t++)
            *out++ = (uint8_t)sluice_rng_below(&rng, (uint32_t)options);
    }
}

#endif

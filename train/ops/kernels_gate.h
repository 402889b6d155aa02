/* kernels_gate.h -- the channels of an image times one factor each. A vector of
 * channels at a time, all their pixels in order: a factor's gradient is one sum in a
 * register. */
#ifndef SLUICE_KERNELS_GATE_H
#define SLUICE_KERNELS_GATE_H

#include "kernels_flat.h"

INLINE void gate_forward_as(bool bf16, const void *x, const void *factor, int pixels,
                            int c, void *y)
{
    for (int k = 0; k < c; k += LANES) {
        const int lanes = lanes_at((size_t)k, (size_t)c);
        const vf f = load_n(factor, (size_t)k, lanes, bf16);
        for (int p = 0; p < pixels; p++) {
            const size_t at = (size_t)p * (size_t)c + (size_t)k;
            store_n(y, at, load_n(x, at, lanes, bf16) * f, lanes, bf16);
        }
    }
}

static void gate_forward(enum sluice_dtype t, const void *x, const void *factor,
                         int pixels, int c, void *y)
{
    if (t == SLUICE_BF16)
        gate_forward_as(true, x, factor, pixels, c, y);
    else
        gate_forward_as(false, x, factor, pixels, c, y);
}

/* Factors of LANES channels from draws, 0 or 1 / (1 - p). */
INLINE void channel_factors(const struct drop *d, size_t first, float factor[LANES])
{
    const uint32_t threshold = dropout_threshold(d->p);
    uint32_t words[LANES];
    dropout_words_from(d->seed, d->step, d->number, first, LANES, words);
    for (int i = 0; i < LANES; i++)
        factor[i] = words[i] >= threshold ? 1 / (1 - d->p) : 0;
}

INLINE void dropout_channels_as(bool bf16, const struct drop *d, const void *x, void *y,
                                size_t n, int pixels, int c)
{
    float factor[LANES];
    for (int k = 0; k < c; k += LANES) {
        const int lanes = lanes_at((size_t)k, (size_t)c);
        channel_factors(d, n * (size_t)c + (size_t)k, factor);
        const vf f = load_n(factor, 0, LANES, false);
        const vi kept = (vi)(f > 0);
        for (int p = 0; p < pixels; p++) {
            const size_t at = (size_t)p * (size_t)c + (size_t)k;
            const vf v = zero_unless(kept, load_n(x, at, lanes, bf16) * f);
            store_n(y, at, v, lanes, bf16);
        }
    }
}

static void dropout_channels(const struct drop *d, const void *x, void *y, size_t n,
                             int pixels, int c)
{
    if (d->dtype == SLUICE_BF16)
        dropout_channels_as(true, d, x, y, n, pixels, c);
    else
        dropout_channels_as(false, d, x, y, n, pixels, c);
}

INLINE void gate_factor_as(bool bf16, const void *x, const void *dy, int pixels, int c,
                           void *dfactor)
{
    for (int k = 0; k < c; k += LANES) {
        const int lanes = lanes_at((size_t)k, (size_t)c);
        vf sum = { 0 };
        for (int p = 0; p < pixels; p++) {
            const size_t at = (size_t)p * (size_t)c + (size_t)k;
            sum += load_n(x, at, lanes, bf16) * load_n(dy, at, lanes, bf16);
        }
        store_n(dfactor, (size_t)k, sum, lanes, bf16);
    }
}

INLINE void gate_backward_as(bool bf16, const void *x, const void *factor,
                             const void *dy, int pixels, int c, void *dx, void *dfactor)
{
    if (dx)
        gate_forward_as(bf16, dy, factor, pixels, c, dx);
    if (dfactor)
        gate_factor_as(bf16, x, dy, pixels, c, dfactor);
}

static void gate_backward(enum sluice_dtype t, const void *x, const void *factor,
                          const void *dy, int pixels, int c, void *dx, void *dfactor)
{
    if (t == SLUICE_BF16)
        gate_backward_as(true, x, factor, dy, pixels, c, dx, dfactor);
    else
        gate_backward_as(false, x, factor, dy, pixels, c, dx, dfactor);
}

#endif

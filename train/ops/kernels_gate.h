/* kernels_gate.h -- the channels of an image times one factor each. Sixteen channels at
 * a time, all their pixels in order: a factor's gradient is one sum in a register. */
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

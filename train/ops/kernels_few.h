/* kernels_few.h -- a row of a convolution of few channels: see conv_few.h. */
#ifndef SLUICE_KERNELS_FEW_H
#define SLUICE_KERNELS_FEW_H

#include "kernels_flat.h"

enum {
    FEW_PIXELS = 4, /* at a time, by two vectors of output channels */
};

/* Input row y with its padding, as floats. */
INLINE void few_row(const struct few *f, bool bf16, const void *x, int n, int y,
                    float *to)
{
    const size_t c = (size_t)f->c, pad = (size_t)f->pad * c, inner = (size_t)f->w * c;
    if (y < 0 || y >= f->h) {
        memset(to, 0, (inner + 2 * pad) * sizeof *to);
        return;
    }
    const size_t at = ((size_t)n * (size_t)f->h + (size_t)y) * inner;
    memset(to, 0, pad * sizeof *to);
    for (size_t i = 0; i < inner; i += LANES) {
        const int lanes = lanes_at(i, inner);
        store_n(to + pad, i, load_n(x, at + i, lanes, bf16), lanes, false);
    }
    memset(to + pad + inner, 0, pad * sizeof *to);
}

/* Sums of one pixel: two vectors of channels. */
struct few_sums {
    vf low, high;
};

INLINE void few_tap(struct few_sums *s, vf low, vf high, float x)
{
    s->low += low * x;
    s->high += high * x;
}

INLINE void few_store(const struct few *f, bool bf16, const struct few_sums *s, void *y,
                      size_t at, int k)
{
    const int left = f->k - k;
    store_n(y, at, s->low, left < LANES ? left : LANES, bf16);
    if (left > LANES)
        store_n(y, at + LANES, s->high, left < 2 * LANES ? left - LANES : LANES, bf16);
}

/* Two vectors of channels from k on, of `count` pixels, up to FEW_PIXELS. */
INLINE void few_block(const struct few *f, bool bf16, const float *rows,
                      size_t row_elements, int count, int k, void *y, size_t at)
{
    const struct few_sums bias = { load(f->bias, (size_t)k, false),
                                   load(f->bias, (size_t)k + LANES, false) };
    struct few_sums a = bias, b = bias, c = bias, d = bias;
    const float *weight = f->weight + k;
    const int step = f->stride * f->c;
    for (int ky = 0; ky < f->kernel; ky++) {
        const float *x = rows + (size_t)ky * row_elements;
        for (int i = 0; i < f->kernel * f->c; i++, x++, weight += f->padded) {
            const vf low = load(weight, 0, false), high = load(weight, LANES, false);
            few_tap(&a, low, high, x[0]);
            few_tap(&b, low, high, x[step]);
            few_tap(&c, low, high, x[2 * step]);
            few_tap(&d, low, high, x[3 * step]);
        }
    }
    const size_t pixel = (size_t)f->k;
    few_store(f, bf16, &a, y, at, k);
    if (count > 1)
        few_store(f, bf16, &b, y, at + pixel, k);
    if (count > 2)
        few_store(f, bf16, &c, y, at + 2 * pixel, k);
    if (count > 3)
        few_store(f, bf16, &d, y, at + 3 * pixel, k);
}

INLINE void few_forward_as(const struct few *f, bool bf16, const void *x, void *y,
                           int n, int oy)
{
    float rows[FEW_ROOM] __attribute__((aligned(64)));
    const size_t row_elements = ((size_t)f->w + 2 * (size_t)f->pad) * (size_t)f->c;
    for (int ky = 0; ky < f->kernel; ky++)
        few_row(f, bf16, x, n, oy * f->stride - f->pad + ky,
                rows + (size_t)ky * row_elements);
    /* The last pixels' neighbours are computed, too, though not stored. */
    memset(rows + (size_t)f->kernel * row_elements, 0,
           FEW_SPARE(f->stride, f->c) * sizeof *rows);
    const size_t first = ((size_t)n * (size_t)f->oh + (size_t)oy) * (size_t)f->ow;
    for (int ox = 0; ox < f->ow; ox += FEW_PIXELS)
        for (int k = 0; k < f->k; k += 2 * LANES)
            few_block(f, bf16, rows + (size_t)(ox * f->stride * f->c), row_elements,
                      f->ow - ox, k, y,
                      (first + (size_t)ox) * (size_t)f->k + (size_t)k);
}

static void few_forward(const struct few *f, const void *x, void *y, int n, int oy)
{
    if (f->dtype == SLUICE_BF16)
        few_forward_as(f, true, x, y, n, oy);
    else
        few_forward_as(f, false, x, y, n, oy);
}

#endif

/* kernels_conv.h -- convolutions without a library, in its order of weights and for any
 * shape: slow, right, and the same bits each time. For what cuDNN has no deterministic
 * algorithm for. */
#ifndef SLUICE_KERNELS_CONV_H
#define SLUICE_KERNELS_CONV_H

#include "kernels_flat.h"

struct conv_args {
    enum sluice_dtype dtype;
    int n, h, w, c, oh, ow, k;
    int kernel, stride, pad;
    const void *x, *dy, *weight; /* weight (k, kernel, kernel, c) */
    void *out;
};

/* First channel of a pixel. */
SLUICE_HD static inline size_t conv_at(size_t n, int y, int x, int h, int w, int c)
{
    return ((n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x) * (size_t)c;
}

/* A thread: an output pixel and a run of its channels. */
SLUICE_HD static inline void conv_pixel(const struct conv_args *g, size_t n, int oy,
                                        int ox, int first, float sum[RUN])
{
    const int taps = g->kernel * g->kernel,
              count = run_length((size_t)first / RUN, (size_t)g->k);
    for (int tap = 0; tap < taps; tap++) {
        const int y = oy * g->stride - g->pad + tap / g->kernel;
        const int x = ox * g->stride - g->pad + tap % g->kernel;
        if (y < 0 || y >= g->h || x < 0 || x >= g->w)
            continue;
        const size_t from = conv_at(n, y, x, g->h, g->w, g->c);
        for (int c = 0; c < g->c; c += RUN) {
            const int m = run_length((size_t)c / RUN, (size_t)g->c);
            float a[RUN], b[RUN];
            run_load(g->dtype, g->x, from + (size_t)c, m, a);
            for (int k = 0; k < count; k++) {
                run_load(g->dtype, g->weight,
                         ((size_t)(first + k) * (size_t)taps + (size_t)tap) *
                                 (size_t)g->c +
                             (size_t)c,
                         m, b);
                for (int i = 0; i < m; i++)
                    sum[k] += a[i] * b[i];
            }
        }
    }
}

SLUICE_HD static inline void conv_forward(const struct conv_args *g,
                                          const struct spot *at)
{
    const size_t runs = runs_of((size_t)g->k);
    EACH(i, (size_t)g->n * (size_t)g->oh * (size_t)g->ow * runs, at)
    {
        const size_t pixel = i / runs, row = pixel / (size_t)g->ow;
        const int first = (int)(i % runs) * RUN;
        float sum[RUN] = { 0 };
        conv_pixel(g, row / (size_t)g->oh, (int)(row % (size_t)g->oh),
                   (int)(pixel % (size_t)g->ow), first, sum);
        run_store(g->dtype, g->out, pixel * (size_t)g->k + (size_t)first,
                  run_length(i % runs, (size_t)g->k), sum);
    }
}

/* The output pixel that tap `t` of it lies `i` pixels in, or -1. */
SLUICE_HD static inline int conv_met(const struct conv_args *g, int i, int t, int count)
{
    const int o = i + g->pad - t;
    return o >= 0 && o % g->stride == 0 && o / g->stride < count ? o / g->stride : -1;
}

/* A thread: an input pixel and a run of its channels. */
SLUICE_HD static inline void conv_data(const struct conv_args *g, const struct spot *at)
{
    const size_t runs = runs_of((size_t)g->c);
    const int taps = g->kernel * g->kernel;
    EACH(i, (size_t)g->n * (size_t)g->h * (size_t)g->w * runs, at)
    {
        const size_t pixel = i / runs, row = pixel / (size_t)g->w;
        const size_t first = i % runs * RUN;
        const int count = run_length(i % runs, (size_t)g->c);
        float sum[RUN] = { 0 }, b[RUN];
        for (int tap = 0; tap < taps; tap++) {
            const int oy =
                conv_met(g, (int)(row % (size_t)g->h), tap / g->kernel, g->oh);
            const int ox =
                conv_met(g, (int)(pixel % (size_t)g->w), tap % g->kernel, g->ow);
            if (oy < 0 || ox < 0)
                continue;
            const size_t from = conv_at(row / (size_t)g->h, oy, ox, g->oh, g->ow, g->k);
            for (size_t k = 0; k < (size_t)g->k; k++) {
                const float d = number_load(g->dtype, g->dy, from + k);
                run_load(g->dtype, g->weight,
                         (k * (size_t)taps + (size_t)tap) * (size_t)g->c + first, count,
                         b);
                for (int j = 0; j < RUN; j++)
                    sum[j] += d * b[j];
            }
        }
        run_store(g->dtype, g->out, pixel * (size_t)g->c + first, count, sum);
    }
}

/* A block: a run of channels of one tap of one filter. Phase 0: its threads share the
 * output pixels; phase 1: their sum, in order. */
SLUICE_HD static inline void conv_weight(const struct conv_args *g,
                                         const struct spot *at)
{
    float *shared = (float *)at->shared; /* (threads, RUN) */
    const size_t runs = runs_of((size_t)g->c),
                 taps = (size_t)g->kernel * (size_t)g->kernel;
    const size_t run = (size_t)at->block % runs, place = (size_t)at->block / runs;
    const int tap = (int)(place % taps), count = run_length(run, (size_t)g->c);
    const size_t pixels = (size_t)g->n * (size_t)g->oh * (size_t)g->ow;
    float sum[RUN] = { 0 }, a[RUN];
    if (at->phase == 1) {
        if (at->thread >= count)
            return;
        double all = 0;
        for (int t = 0; t < at->threads; t++)
            all += (double)shared[t * RUN + at->thread];
        number_store(g->dtype, g->out,
                     place * (size_t)g->c + run * RUN + (size_t)at->thread, (float)all);
        return;
    }
    for (size_t p = (size_t)at->thread; p < pixels; p += (size_t)at->threads) {
        const size_t row = p / (size_t)g->ow;
        const int y = (int)(row % (size_t)g->oh) * g->stride - g->pad + tap / g->kernel;
        const int x = (int)(p % (size_t)g->ow) * g->stride - g->pad + tap % g->kernel;
        if (y < 0 || y >= g->h || x < 0 || x >= g->w)
            continue;
        run_load(g->dtype, g->x,
                 conv_at(row / (size_t)g->oh, y, x, g->h, g->w, g->c) + run * RUN,
                 count, a);
        const float d = number_load(g->dtype, g->dy, p * (size_t)g->k + place / taps);
        for (int j = 0; j < RUN; j++)
            sum[j] += a[j] * d;
    }
    for (int j = 0; j < RUN; j++)
        shared[at->thread * RUN + j] = sum[j];
}

#endif

/* stats.h -- mean and deviation of each channel over all pixels, exact in integers. */
#ifndef SLUICE_STATS_H
#define SLUICE_STATS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/format_emit.h>

struct stats {
    uint32_t channels; /* 0: nothing yet */
    bool mixed;        /* images differ in channels, or have too many: no statistics */
    uint64_t pixels, sum[SLUICE_STATS_MAX], squares[SLUICE_STATS_MAX];
};

/* `size` bytes of HWC pixels. Sums of squares hold 2^48 pixels. */
static inline void stats_add(struct stats *s, const uint8_t *p, size_t size,
                             uint32_t channels)
{
    if (!s->channels)
        s->channels = channels;
    if (s->channels != channels || !channels || channels > SLUICE_STATS_MAX) {
        s->mixed = true;
        return;
    }
    /* Blocks whose 32-bit sums cannot overflow, so that the inner loop vectorises. */
    enum { BLOCK = 16384 };
    const size_t pixels = size / channels;
    for (size_t at = 0; at < pixels; at += BLOCK) {
        const size_t n = pixels - at < BLOCK ? pixels - at : BLOCK;
        for (uint32_t c = 0; c < channels; c++) {
            const uint8_t *q = p + at * channels + c;
            uint32_t sum = 0, squares = 0;
            for (size_t i = 0; i < n; i++) {
                const uint32_t v = q[i * channels];
                sum += v;
                squares += v * v;
            }
            s->sum[c] += sum;
            s->squares[c] += squares;
        }
    }
    s->pixels += pixels;
}

/* Go on from a result over `pixels` pixels: the sums are whole numbers, and rounding
 * finds them again as long as they are below 2^50 or so. */
static inline void stats_resume(struct stats *s, int channels, uint64_t pixels,
                                const double *mean, const double *std)
{
    *s = (struct stats){ .channels = (uint32_t)channels, .pixels = pixels };
    for (int c = 0; c < channels; c++) {
        const double n = (double)pixels;
        s->sum[c] = (uint64_t)llround(mean[c] * n);
        s->squares[c] = (uint64_t)llround((std[c] * std[c] + mean[c] * mean[c]) * n);
    }
}

/* Fills one mean and deviation per channel; returns the channels, 0 if there is no
 * answer. The deviation is that of the whole population. */
static inline int stats_result(const struct stats *s, double *mean, double *std)
{
    if (s->mixed || !s->pixels)
        return 0;
    for (uint32_t c = 0; c < s->channels; c++) {
        const double n = (double)s->pixels;
        mean[c] = (double)s->sum[c] / n;
        const double variance = (double)s->squares[c] / n - mean[c] * mean[c];
        std[c] = variance > 0 ? sqrt(variance) : 0;
    }
    return (int)s->channels;
}

#endif

/* stats.h -- mean and deviation of each channel over all pixels, exact in integers. */
#ifndef SLUICE_STATS_H
#define SLUICE_STATS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/format_emit.h>
#include <sluice/writer.h>

struct stats {
    struct sluice_pixel_sums sums; /* channels 0: nothing yet */
    bool mixed; /* images differ in channels, or have too many: no statistics */
};

/* A grey image as one of three equal channels. */
static inline void sums_widen(struct sluice_pixel_sums *s)
{
    s->channels = 3;
    for (int c = 1; c < 3; c++) {
        s->sum[c] = s->sum[0];
        s->squares[c] = s->squares[0];
    }
}

static inline void stats_merge(struct stats *s, const struct sluice_pixel_sums *sums)
{
    struct sluice_pixel_sums more = *sums;
    if (!more.pixels)
        return;
    if (!s->sums.channels)
        s->sums.channels = more.channels;
    if (s->sums.channels == 1 && more.channels == 3)
        sums_widen(&s->sums);
    if (s->sums.channels == 3 && more.channels == 1)
        sums_widen(&more);
    if (s->sums.channels != more.channels || more.channels > SLUICE_STATS_MAX) {
        s->mixed = true;
        return;
    }
    s->sums.pixels += more.pixels;
    for (uint32_t c = 0; c < more.channels; c++) {
        s->sums.sum[c] += more.sum[c];
        s->sums.squares[c] += more.squares[c];
    }
}

/* Of `size` bytes of HWC pixels with at most SLUICE_STATS_MAX channels. 1, 2, 3 and 4
 * all divide 48: byte j of every 48 belongs to channel j modulo channels, so the sums
 * run side by side, as vectors. */
static inline void sums_of(struct sluice_pixel_sums *s, const uint8_t *p, size_t size,
                           uint32_t channels)
{
    enum { LANES = 48, ROUNDS = 1 << 16 }; /* 65,536 squares of 255 fit 32 bits */
    *s = (struct sluice_pixel_sums){ .channels = channels, .pixels = size / channels };
    const uint8_t *const end = p + size;
    while (p < end) {
        uint32_t sum[LANES] = { 0 }, squares[LANES] = { 0 };
        for (int n = 0; n < ROUNDS && end - p >= LANES; n++, p += LANES)
            for (int j = 0; j < LANES; j++) {
                sum[j] += p[j];
                squares[j] += (uint32_t)p[j] * p[j];
            }
        for (int j = 0; end - p < LANES && p + j < end; j++) {
            sum[j] += p[j];
            squares[j] += (uint32_t)p[j] * p[j];
        }
        for (uint32_t j = 0; j < LANES; j++) {
            s->sum[j % channels] += sum[j];
            s->squares[j % channels] += squares[j];
        }
        p = end - p < LANES ? end : p;
    }
}

static inline void stats_add(struct stats *s, const uint8_t *p, size_t size,
                             uint32_t channels)
{
    struct sluice_pixel_sums sums;
    if (!channels || channels > SLUICE_STATS_MAX) {
        s->mixed = true;
        return;
    }
    sums_of(&sums, p, size, channels);
    stats_merge(s, &sums);
}

/* The sums behind a result over `pixels` pixels: they are whole numbers, and rounding
 * finds them again as long as they are below 2^50 or so. */
static inline void sums_again(struct sluice_pixel_sums *s, int channels,
                              uint64_t pixels, const double *mean, const double *std)
{
    *s = (struct sluice_pixel_sums){ .channels = (uint32_t)channels, .pixels = pixels };
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
    const struct sluice_pixel_sums *sums = &s->sums;
    if (s->mixed || !sums->pixels)
        return 0;
    for (uint32_t c = 0; c < sums->channels; c++) {
        const double n = (double)sums->pixels;
        mean[c] = (double)sums->sum[c] / n;
        const double variance = (double)sums->squares[c] / n - mean[c] * mean[c];
        std[c] = variance > 0 ? sqrt(variance) : 0;
    }
    return (int)sums->channels;
}

#endif

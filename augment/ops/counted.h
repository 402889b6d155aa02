/* counted.h -- operations that first look at the whole image: `count` takes in one
 * pixel, `settle` turns the counts of one channel into what `pixel` needs. Sums of
 * integers do not depend on the order, so threads may share the counting. */
#ifndef SLUICE_AUGMENT_COUNTED_H
#define SLUICE_AUGMENT_COUNTED_H

#include "ops/colour.h"
#include "plan.h"

/* How often each value occurs in each channel; after settling, what becomes of it. */
struct counts {
    uint32_t of[CHANNELS_MAX][256];
};

SLUICE_HD static inline void count_one(uint32_t *to, uint32_t n)
{
#ifdef __CUDA_ARCH__
    atomicAdd(to, n);
#else
    *to += n;
#endif
}

SLUICE_HD static inline void count_channels(const struct plan *p, const uint8_t *v,
                                            struct counts *n)
{
    for (int c = 0; c < CHANNELS_MAX && c < p->channels; c++)
        count_one(&n->of[c][v[c]], 1);
}

SLUICE_HD static inline void look_up(const struct plan *p, const struct counts *n,
                                     const uint8_t *from, uint8_t *v)
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = c < p->channels ? (uint8_t)n->of[c][from[c]] : 0;
}

/* The mean of the values counted, rounded. */
SLUICE_HD static inline uint32_t mean_value(const uint32_t of[256])
{
    uint64_t sum = 0, pixels = 0;
    for (int v = 0; v < 256; v++) {
        sum += (uint64_t)v * of[v];
        pixels += of[v];
    }
    return (uint32_t)((2 * sum + pixels) / (2 * pixels));
}

/* Stretch lowest .. highest to 0 .. 255. */
SLUICE_HD static inline void stretch(uint32_t of[256])
{
    int low = 0, high = 255;
    while (low < 255 && !of[low])
        low++;
    while (high > 0 && !of[high])
        high--;
    const double scale = high > low ? 255.0 / (high - low) : 1;
    const double offset = high > low ? -low * scale : 0;
    for (int v = 0; v < 256; v++) {
        const double product = v * scale;
        const double to = product + offset;
        of[v] = to <= 0 ? 0 : to >= 255 ? 255 : (uint32_t)to;
    }
}

/* Make every value as frequent as any other, in whole steps of pixels. */
SLUICE_HD static inline void flatten(uint32_t of[256], uint32_t pixels)
{
    int highest = 255;
    while (highest > 0 && !of[highest])
        highest--;
    const uint32_t step = (pixels - of[highest]) / 255;
    uint32_t below = step / 2;
    for (int v = 0; v < 256; v++) {
        const uint32_t here = of[v], to = step ? below / step : (uint32_t)v;
        of[v] = to > 255 ? 255 : to;
        below += here;
    }
}

BY_CHANCE(contrast)
BY_CHANCE(autocontrast)
BY_CHANCE(equalize)

SLUICE_HD static inline void contrast_count(const struct draw *d, const struct step *s,
                                            const struct plan *p, const uint8_t *v,
                                            struct counts *n)
{
    (void)d;
    (void)s;
    count_one(&n->of[0][luma(v, p->channels)], 1);
}

/* The mean, into of[0][0]. */
SLUICE_HD static inline void contrast_settle(const struct draw *d, const struct step *s,
                                             struct counts *n, int channel)
{
    (void)d;
    (void)s;
    if (channel == 0)
        n->of[0][0] = mean_value(n->of[0]);
}

/* Away from a grey image. */
SLUICE_HD static inline void contrasted(const struct plan *p, const struct counts *n,
                                        const uint8_t *from, float factor, uint8_t *v)
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = c < p->channels ? blend((int)n->of[0][0], from[c], factor) : 0;
}

SLUICE_HD static inline void contrast_pixel(const struct draw *d, const struct step *s,
                                            const struct plan *p,
                                            const struct counts *n, const uint8_t *from,
                                            uint8_t *v)
{
    (void)d;
    contrasted(p, n, from, s->factor, v);
}

SLUICE_HD static inline void autocontrast_count(const struct draw *d,
                                                const struct step *s,
                                                const struct plan *p, const uint8_t *v,
                                                struct counts *n)
{
    (void)d;
    (void)s;
    count_channels(p, v, n);
}

SLUICE_HD static inline void autocontrast_settle(const struct draw *d,
                                                 const struct step *s, struct counts *n,
                                                 int channel)
{
    (void)d;
    (void)s;
    stretch(n->of[channel]);
}

SLUICE_HD static inline void
autocontrast_pixel(const struct draw *d, const struct step *s, const struct plan *p,
                   const struct counts *n, const uint8_t *from, uint8_t *v)
{
    (void)d;
    (void)s;
    look_up(p, n, from, v);
}

SLUICE_HD static inline void equalize_count(const struct draw *d, const struct step *s,
                                            const struct plan *p, const uint8_t *v,
                                            struct counts *n)
{
    (void)d;
    (void)s;
    count_channels(p, v, n);
}

SLUICE_HD static inline void equalize_settle(const struct draw *d, const struct step *s,
                                             struct counts *n, int channel)
{
    (void)d;
    flatten(n->of[channel], (uint32_t)s->height * (uint32_t)s->width);
}

SLUICE_HD static inline void equalize_pixel(const struct draw *d, const struct step *s,
                                            const struct plan *p,
                                            const struct counts *n, const uint8_t *from,
                                            uint8_t *v)
{
    (void)d;
    (void)s;
    look_up(p, n, from, v);
}

#endif

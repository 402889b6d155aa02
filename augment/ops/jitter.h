/* jitter.h -- brightness, contrast, saturation and hue, in random order: torchvision's
 * ColorJitter on 8-bit images.
 *
 * Contrast blends with the mean brightness of the image as it is when contrast's turn
 * comes, so counting runs what comes before it. */
#ifndef SLUICE_AUGMENT_JITTER_H
#define SLUICE_AUGMENT_JITTER_H

#include <math.h>

#include "ops/colour.h"
#include "ops/counted.h"

enum { JITTER_BRIGHTNESS, JITTER_CONTRAST, JITTER_SATURATION, JITTER_HUE };

SLUICE_HD static inline uint8_t clip(double v)
{
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* Hue, saturation, value in 8 bits. */
SLUICE_HD static inline void to_hsv(const uint8_t *rgb, uint8_t *hsv)
{
    const int r = rgb[0], g = rgb[1], b = rgb[2];
    const int most = r > g ? (r > b ? r : b) : (g > b ? g : b);
    const int least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    hsv[0] = hsv[1] = 0;
    hsv[2] = (uint8_t)most;
    if (most == least)
        return;
    const float range = (float)(most - least);
    const float rc = (float)(most - r) / range, gc = (float)(most - g) / range,
                bc = (float)(most - b) / range;
    const float h = r == most   ? bc - gc
                    : g == most ? (float)(2.0 + (double)rc - (double)bc)
                                : (float)(4.0 + (double)gc - (double)rc);
    const double turn = (double)h / 6.0 + 1.0; /* 5/6 .. 2 */
    const float part = (float)(turn >= 1.0 ? turn - 1.0 : turn);
    hsv[0] = clip((double)part * 255.0);
    hsv[1] = clip((double)(range / (float)most) * 255.0);
}

SLUICE_HD static inline uint8_t round_clip(double v)
{
    return clip(floor(v + 0.5)); /* v >= 0: as round() */
}

SLUICE_HD static inline void from_hsv(const uint8_t *hsv, uint8_t *rgb)
{
    const uint8_t v = hsv[2];
    const double sixth = (double)((float)hsv[0] * 6.0f) / 255.0;
    const int i = (int)floor(sixth);
    const float f = (float)(sixth - (double)(float)i), s = (float)(hsv[1] / 255.0);
    const uint8_t low = round_clip((double)v * (1.0 - (double)s));
    const uint8_t fall = round_clip((double)v * (1.0 - (double)(s * f)));
    const uint8_t rise = round_clip((double)v * (1.0 - (double)s * (1.0 - (double)f)));
    const int sextant = i % 6;
    if (!hsv[1]) {
        rgb[0] = rgb[1] = rgb[2] = v;
        return;
    }
    rgb[0] = sextant == 0 || sextant == 5   ? v
             : sextant == 1                 ? fall
             : sextant == 2 || sextant == 3 ? low
                                            : rise;
    rgb[1] = sextant == 0                   ? rise
             : sextant == 1 || sextant == 2 ? v
             : sextant == 3                 ? fall
                                            : low;
    rgb[2] = sextant == 0 || sextant == 1   ? low
             : sextant == 2                 ? rise
             : sextant == 3 || sextant == 4 ? v
                                            : fall;
}

SLUICE_HD static inline float jitter_factor(struct sluice_rng *r, float reach)
{
    const float low = reach < 1 ? 1 - reach : 0;
    const float width = 1 + reach - low;
    const float part = width * sluice_rng_unit(r);
    return low + part;
}

SLUICE_HD static inline void jitter_draw(struct draw *d, const struct step *s,
                                         const struct plan *p,
                                         const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    (void)p;
    d->on = 1;
    for (int i = 0; i < 4; i++)
        d->u.jitter.order[i] = (uint8_t)i;
    for (int i = 3; i > 0; i--) {
        const uint32_t k = sluice_rng_below(&r, (uint32_t)i + 1);
        const uint8_t other = d->u.jitter.order[k];
        d->u.jitter.order[k] = d->u.jitter.order[i];
        d->u.jitter.order[i] = other;
    }
    for (int i = 0; i < 3; i++)
        d->u.jitter.factor[i] = jitter_factor(&r, s->jitter[i]);
    const float turn = 2 * sluice_rng_unit(&r) - 1;
    d->u.jitter.hue = (int)(turn * s->jitter[JITTER_HUE] * 255.0f);
}

/* The jitter's operations on one pixel, up to `until`. mean: of contrast. */
SLUICE_HD static inline void jitter_value(const struct draw *d, const struct step *s,
                                          const struct plan *p, uint8_t *v, int until,
                                          int mean)
{
    for (int i = 0; i < 4 && d->u.jitter.order[i] != until; i++) {
        const int what = d->u.jitter.order[i];
        if (s->jitter[what] <= 0)
            continue;
        if (what == JITTER_HUE) {
            uint8_t hsv[3];
            if (p->channels != 3)
                continue;
            to_hsv(v, hsv);
            hsv[0] = (uint8_t)(hsv[0] + d->u.jitter.hue);
            from_hsv(hsv, v);
            continue;
        }
        const int to = what == JITTER_BRIGHTNESS ? 0
                       : what == JITTER_CONTRAST ? mean
                                                 : luma(v, p->channels);
        for (int c = 0; c < CHANNELS_MAX; c++)
            v[c] = blend(to, v[c], d->u.jitter.factor[what]);
    }
}

/* Spread over the first channel's counts, so that threads seldom meet. */
SLUICE_HD static inline void jitter_count(const struct draw *d, const struct step *s,
                                          const struct plan *p, const uint8_t *from,
                                          struct counts *n)
{
    uint8_t v[CHANNELS_MAX];
    if (s->jitter[JITTER_CONTRAST] <= 0)
        return;
    copy_pixel(p, from, v);
    jitter_value(d, s, p, v, JITTER_CONTRAST, 0);
    count_one(&n->of[0][luma(v, p->channels)], 1);
}

/* The mean, into of[0][0]; nothing was counted where contrast is left out. */
SLUICE_HD static inline void jitter_settle(const struct draw *d, const struct step *s,
                                           struct counts *n, int channel)
{
    (void)d;
    if (channel == 0 && s->jitter[JITTER_CONTRAST] > 0)
        n->of[0][0] = mean_value(n->of[0]);
}

SLUICE_HD static inline void jitter_pixel(const struct draw *d, const struct step *s,
                                          const struct plan *p, const struct counts *n,
                                          const uint8_t *from, uint8_t *v)
{
    copy_pixel(p, from, v);
    jitter_value(d, s, p, v, -1, (int)n->of[0][0]);
}

#endif

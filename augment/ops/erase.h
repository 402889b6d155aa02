/* erase.h -- a rectangle of random size and place, as torchvision's RandomErasing. */
#ifndef SLUICE_AUGMENT_ERASE_H
#define SLUICE_AUGMENT_ERASE_H

#include <sluice/portable.h>

#include "ops/geometry.h"
#include "plan.h"

/* Ten tries to find a rectangle that is smaller than the image both ways. */
SLUICE_HD static inline void erase_draw(struct draw *d, const struct step *s,
                                        const struct plan *p,
                                        const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    struct rect *q = &d->u.rect;
    (void)p;
    d->u.noise.seed = key->seed ^ (key->number + 1) * 0x9E3779B97F4A7C15ull;
    d->u.noise.sample = key->sample;
    d->u.noise.epoch = key->epoch;
    q->y = q->x = q->height = q->width = 0;
    d->on = sluice_rng_unit(&r) < s->p;
    for (int i = 0; d->on && i < 10; i++) {
        const double share = (double)sluice_rng_unit(&r);
        const double shape = (double)sluice_rng_unit(&r);
        const double area = (double)s->height * s->width *
                            (s->area[0] + (s->area[1] - s->area[0]) * share);
        const double ratio =
            sluice_exp(s->log_ratio[0] + (s->log_ratio[1] - s->log_ratio[0]) * shape);
        const int h = (int)rint(sqrt(area * ratio));
        const int w = (int)rint(sqrt(area / ratio));
        if (h >= s->height || w >= s->width)
            continue;
        q->y = sluice_rng_range(&r, 0, s->height - h);
        q->x = sluice_rng_range(&r, 0, s->width - w);
        q->height = h;
        q->width = w;
        return;
    }
    d->on = 0;
}

/* Four words for pixel (y, x), from a stream of their own: curand_init(seed ^ (place in
 * the list + 1) * 0x9E3779B97F4A7C15, sample, 4 * (epoch << 32 | y * width + x)). */
SLUICE_HD static inline struct sluice_rng
noise_stream(const struct draw *d, const struct step *s, int y, int x)
{
    return sluice_rng_at(d->u.noise.seed, d->u.noise.sample,
                         (uint64_t)d->u.noise.epoch << 32 |
                             (uint32_t)(y * s->width + x));
}

/* Bytes, all as likely as any other. */
SLUICE_HD SLUICE_APART static inline void
noise_pixel(const struct draw *d, const struct step *s, int y, int x, uint8_t *v)
{
    struct sluice_rng r = noise_stream(d, s, y, x);
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = (uint8_t)(sluice_rng_u32(&r) >> 24);
}

/* Behind the conversion: of the normal distribution, by Box and Muller's method. */
SLUICE_HD SLUICE_APART static inline float
noise_number(const struct draw *d, const struct step *s, int y, int x, int channel)
{
    struct sluice_rng r = noise_stream(d, s, y, x);
    double sine, cosine;
    for (int c = 0; c < channel / 2 * 2; c++)
        (void)sluice_rng_u32(&r);
    const double share = ((sluice_rng_u32(&r) >> 8) + 0.5) * 0x1p-24;
    const double turn = (double)sluice_rng_unit(&r) * 360;
    sluice_sin_cos_degrees(turn, &sine, &cosine);
    const double radius = sqrt(-2 * sluice_log(share));
    return (float)(radius * (channel % 2 ? sine : cosine));
}

SLUICE_HD static inline int erase_source(const struct draw *d, const struct step *s,
                                         const struct plan *p, int *y, int *x)
{
    (void)s;
    (void)p;
    return !d->on || !inside(&d->u.rect, *y, *x);
}

#endif

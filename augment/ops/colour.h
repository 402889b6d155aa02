/* colour.h -- pixels changed one by one, with Pillow's 8-bit arithmetic. A `value`
 * function changes in place a pixel that has room for CHANNELS_MAX; channels that the
 * image lacks are 0 before and anything after. */
#ifndef SLUICE_AUGMENT_COLOUR_H
#define SLUICE_AUGMENT_COLOUR_H

#include "plan.h"

SLUICE_HD static inline void copy_pixel(const struct plan *p, const uint8_t *from,
                                        uint8_t *v)
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = c < p->channels ? from[c] : 0;
}

/* Whether it happens at all: all the draw of an operation without other parameters. */
SLUICE_HD static inline void chance_draw(struct draw *d, const struct step *s,
                                         const struct plan *p,
                                         const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    (void)p;
    d->on = sluice_rng_unit(&r) < s->p;
}

/* Brightness as seen: ITU-R 601 in 16.16. */
SLUICE_HD static inline int luma(const uint8_t *v, int channels)
{
    return channels < 3 ? v[0]
                        : (19595 * v[0] + 38470 * v[1] + 7471 * v[2] + 0x8000) >> 16;
}

/* a + f * (b - a) in float, clipped, cut off. */
SLUICE_HD static inline uint8_t blend(int a, int b, float f)
{
    const float part = f * (float)(b - a);
    const float v = (float)a + part;
    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* The upper `bits`. */
SLUICE_HD static inline void posterized(uint8_t *v, int bits)
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] &= (uint8_t)(0xFF << (8 - bits));
}

SLUICE_HD static inline void solarized(uint8_t *v, int threshold)
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        if (v[c] >= threshold)
            v[c] = (uint8_t)(255 - v[c]);
}

/* Away from black, or from its own grey. */
SLUICE_HD static inline void brightened(uint8_t *v, float factor)
{
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = blend(0, v[c], factor);
}

SLUICE_HD static inline void saturated(const struct plan *p, uint8_t *v, float factor)
{
    const int grey = luma(v, p->channels);
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = blend(grey, v[c], factor);
}

/* Operations that a chance decides upon, and nothing else. */
#define BY_CHANCE(name)                                                                \
    SLUICE_HD static inline void name##_draw(struct draw *d, const struct step *s,     \
                                             const struct plan *p,                     \
                                             const struct draw_key *key)               \
    {                                                                                  \
        chance_draw(d, s, p, key);                                                     \
    }
BY_CHANCE(grayscale)
BY_CHANCE(posterize)
BY_CHANCE(solarize)
BY_CHANCE(solarize_add)
BY_CHANCE(invert)
BY_CHANCE(brightness)
BY_CHANCE(color)

SLUICE_HD static inline void identity_draw(struct draw *d, const struct step *s,
                                           const struct plan *p,
                                           const struct draw_key *key)
{
    (void)s;
    (void)p;
    (void)key;
    d->on = 0;
}

SLUICE_HD static inline void identity_value(const struct step *s, const struct plan *p,
                                            uint8_t *v)
{
    (void)s;
    (void)p;
    (void)v;
}

SLUICE_HD static inline void grayscale_value(const struct step *s, const struct plan *p,
                                             uint8_t *v)
{
    (void)s;
    const uint8_t grey = (uint8_t)luma(v, p->channels);
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = grey;
}

SLUICE_HD static inline void posterize_value(const struct step *s, const struct plan *p,
                                             uint8_t *v)
{
    (void)p;
    posterized(v, s->bits);
}

SLUICE_HD static inline void solarize_value(const struct step *s, const struct plan *p,
                                            uint8_t *v)
{
    (void)p;
    solarized(v, s->threshold);
}

SLUICE_HD static inline void solarize_add_value(const struct step *s,
                                                const struct plan *p, uint8_t *v)
{
    (void)p;
    for (int c = 0; c < CHANNELS_MAX; c++) {
        const int sum = v[c] + s->addition;
        if (v[c] < s->threshold)
            v[c] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}

SLUICE_HD static inline void invert_value(const struct step *s, const struct plan *p,
                                          uint8_t *v)
{
    (void)p;
    (void)s;
    solarized(v, 0);
}

SLUICE_HD static inline void brightness_value(const struct step *s,
                                              const struct plan *p, uint8_t *v)
{
    (void)p;
    brightened(v, s->factor);
}

SLUICE_HD static inline void color_value(const struct step *s, const struct plan *p,
                                         uint8_t *v)
{
    saturated(p, v, s->factor);
}

#endif

/* geometry.h -- flips, shifts and squares: which source pixel lands at (y, x).
 *
 * A `source` function replaces (*y, *x), a place in the step's output, by the place in
 * its input that is shown there, and returns 1; or it returns 0, and the step's fill
 * colour is shown. */
#ifndef SLUICE_AUGMENT_GEOMETRY_H
#define SLUICE_AUGMENT_GEOMETRY_H

#include "plan.h"

/* Index of numpy.pad's mode 'reflect': the edge is not repeated. */
SLUICE_HD static inline int reflect(int i, int n)
{
    const int period = 2 * n - 2;
    const int once = i < 0 ? -i : i < n ? i : period - i;
    if (once >= 0 && once < n) /* nearly always: division is slow */
        return once;
    if (n == 1)
        return 0;
    i %= period;
    if (i < 0)
        i += period;
    return i < n ? i : period - i;
}

SLUICE_HD static inline int clamp(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Index of padding mode `mode`; -1 where a colour is shown. */
SLUICE_HD static inline int padded(int i, int n, int mode)
{
    if (i >= 0 && i < n)
        return i;
    return mode == FILL_REFLECT ? reflect(i, n) : mode == FILL_EDGE ? clamp(i, n) : -1;
}

/* Alternating: chance decides once, in epoch 0, and the image is then turned in every
 * odd epoch, so that any two epochs in a row show both of its sides. */
SLUICE_HD static inline void flip_draw(struct draw *d, const struct step *s,
                                       const struct plan *p, const struct draw_key *key)
{
    struct draw_key k = *key;
    (void)p;
    if (s->alternating)
        k.epoch = 0;
    struct sluice_rng r = draw_stream(&k);
    d->on = sluice_rng_unit(&r) < s->p;
    if (s->alternating)
        d->on ^= (int)(key->epoch & 1);
}

SLUICE_HD static inline int flip_source(const struct draw *d, const struct step *s,
                                        const struct plan *p, int *y, int *x)
{
    (void)p;
    (void)y;
    if (d->on)
        *x = s->width - 1 - *x;
    return 1;
}

SLUICE_HD static inline void vertical_flip_draw(struct draw *d, const struct step *s,
                                                const struct plan *p,
                                                const struct draw_key *key)
{
    flip_draw(d, s, p, key);
}

SLUICE_HD static inline int vertical_flip_source(const struct draw *d,
                                                 const struct step *s,
                                                 const struct plan *p, int *y, int *x)
{
    (void)p;
    (void)x;
    if (d->on)
        *y = s->height - 1 - *y;
    return 1;
}

SLUICE_HD static inline void translate_draw(struct draw *d, const struct step *s,
                                            const struct plan *p,
                                            const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    (void)p;
    d->on = 1;
    d->u.shift.dy = sluice_rng_range(&r, 0, 2 * s->pad);
    d->u.shift.dx = sluice_rng_range(&r, 0, 2 * s->pad);
}

SLUICE_HD static inline int translate_source(const struct draw *d, const struct step *s,
                                             const struct plan *p, int *y, int *x)
{
    (void)p;
    *y = padded(*y + d->u.shift.dy - s->pad, s->height, s->fill_mode);
    *x = padded(*x + d->u.shift.dx - s->pad, s->width, s->fill_mode);
    return *y >= 0 && *x >= 0;
}

SLUICE_HD static inline int inside(const struct rect *r, int y, int x)
{
    return y >= r->y && y < r->y + r->height && x >= r->x && x < r->x + r->width;
}

SLUICE_HD static inline void cutout_draw(struct draw *d, const struct step *s,
                                         const struct plan *p,
                                         const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    (void)p;
    d->on = 1;
    d->u.rect.y = sluice_rng_range(&r, 0, s->height - s->size);
    d->u.rect.x = sluice_rng_range(&r, 0, s->width - s->size);
    d->u.rect.height = d->u.rect.width = s->size;
}

SLUICE_HD static inline int cutout_source(const struct draw *d, const struct step *s,
                                          const struct plan *p, int *y, int *x)
{
    (void)s;
    (void)p;
    return !inside(&d->u.rect, *y, *x);
}

SLUICE_HD static inline void center_crop_draw(struct draw *d, const struct step *s,
                                              const struct plan *p,
                                              const struct draw_key *key)
{
    (void)s;
    (void)p;
    (void)key;
    d->on = 1;
}

/* Where the middle `size` of `n` begin, negative if they are more: halves go to the
 * even side, as Python's round() has it, and the larger border behind. */
SLUICE_HD static inline int middle(int n, int size)
{
    const int spare = n - size, half = spare / 2;
    if (spare < 0)
        return -((size - n) / 2);
    return half + (spare % 2 && half % 2);
}

SLUICE_HD static inline int center_crop_source(const struct draw *d,
                                               const struct step *s,
                                               const struct plan *p, int *y, int *x)
{
    (void)d;
    (void)p;
    *y += middle(s->height, s->size);
    *x += middle(s->width, s->size);
    return *y >= 0 && *y < s->height && *x >= 0 && *x < s->width;
}

#endif

/* affine.h -- turned, sheared, scaled and shifted images as Pillow makes them: nearest
 * pixel, in 16.16 fixed point, and in double where lines stay straight.
 *
 * The map takes the centre of an output pixel to the source. Fixing it once, in the
 * draw, makes every pixel a matter of integers. */
#ifndef SLUICE_AUGMENT_AFFINE_H
#define SLUICE_AUGMENT_AFFINE_H

#include <sluice/portable.h>

#include "ops/colour.h"
#include "plan.h"

SLUICE_HD static inline int64_t to_fixed(double v)
{
    return (int64_t)floor(v * 65536.0 + 0.5);
}

/* The source of output (x, y) is (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]). */
SLUICE_HD static inline void set_affine(struct affine *a, const double m[6])
{
    for (int i = 0; i < 6; i++)
        a->map[i] = m[i];
    a->straight = m[1] == 0 && m[3] == 0;
    if (a->straight) {
        a->u.line[0] = m[0];
        a->u.line[1] = m[2] + m[0] * 0.5;
        a->u.line[2] = m[4];
        a->u.line[3] = m[5] + m[4] * 0.5;
        return;
    }
    for (int i = 0; i < 6; i++)
        a->u.fixed[i] =
            to_fixed(i % 3 < 2 ? m[i] : m[i] + m[i - 2] * 0.5 + m[i - 1] * 0.5);
}

/* 1, and the place that is shown; 0: it lies outside. */
SLUICE_HD static inline int affine_place(const struct affine *a, int height, int width,
                                         int *y, int *x)
{
    if (a->straight) {
        const double line_x = a->u.line[0] * *x + a->u.line[1];
        const double line_y = a->u.line[2] * *y + a->u.line[3];
        if (!(line_x >= 0 && line_x < width && line_y >= 0 && line_y < height))
            return 0;
        *x = (int)line_x;
        *y = (int)line_y;
        return 1;
    }
    const int64_t *f = a->u.fixed;
    const int64_t sx = (f[0] * *x + f[1] * *y + f[2]) >> 16;
    const int64_t sy = (f[3] * *x + f[4] * *y + f[5]) >> 16;
    if (sx < 0 || sx >= width || sy < 0 || sy >= height)
        return 0;
    *x = (int)sx;
    *y = (int)sy;
    return 1;
}

/* Counter-clockwise about the centre. */
SLUICE_HD static inline void set_rotation(struct affine *a, double degrees, int height,
                                          int width)
{
    const double cx = width / 2.0, cy = height / 2.0;
    double s, c;
    sluice_sin_cos_degrees(degrees, &s, &c);
    const double m[6] = {
        c, -s, c * -cx + -s * -cy + cx, s, c, s * -cx + c * -cy + cy
    };
    set_affine(a, m);
}

/* What an image goes through, in this order: sheared (degrees, across and down), scaled
 * and turned (degrees, clockwise) about its centre, shifted (pixels). */
struct motion {
    double degrees, scale, shear[2];
    int shift[2]; /* across, down */
};

/* The inverse of shift * centre * turn * shear * scale * centre^-1. */
SLUICE_HD static inline void set_motion(struct affine *a, const struct motion *to,
                                        int height, int width)
{
    const double cx = width * 0.5, cy = height * 0.5;
    double sin_r, cos_r, sin_t, cos_t, sin_x, cos_x, sin_y, cos_y;
    sluice_sin_cos_degrees(to->degrees - to->shear[1], &sin_t, &cos_t);
    sluice_sin_cos_degrees(to->degrees, &sin_r, &cos_r);
    sluice_sin_cos_degrees(to->shear[0], &sin_x, &cos_x);
    sluice_sin_cos_degrees(to->shear[1], &sin_y, &cos_y);
    const double tan_x = sin_x / cos_x;
    const double forward[4] = { cos_t / cos_y, -cos_t * tan_x / cos_y - sin_r,
                                sin_t / cos_y, -sin_t * tan_x / cos_y + cos_r };
    double m[6] = { forward[3] / to->scale,  -forward[1] / to->scale, 0,
                    -forward[2] / to->scale, forward[0] / to->scale,  0 };
    m[2] = m[0] * (-cx - to->shift[0]) + m[1] * (-cy - to->shift[1]) + cx;
    m[5] = m[3] * (-cx - to->shift[0]) + m[4] * (-cy - to->shift[1]) + cy;
    set_affine(a, m);
}

/* Sheared from the upper left corner by so many pixels per pixel, and shifted. */
SLUICE_HD static inline void set_slide(struct affine *a, double shear_x, double shear_y,
                                       double right, double down)
{
    const double m[6] = { 1, shear_x, -right, shear_y, 1, -down };
    set_affine(a, m);
}

/* Uniform to either side. */
SLUICE_HD static inline double either_side(struct sluice_rng *r, double reach)
{
    const double turn = 2.0 * (double)sluice_rng_unit(r) - 1.0;
    return turn * reach;
}

SLUICE_HD static inline void rotate_draw(struct draw *d, const struct step *s,
                                         const struct plan *p,
                                         const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    (void)p;
    d->on = 1;
    set_rotation(&d->u.affine, either_side(&r, (double)s->degrees), s->height,
                 s->width);
}

/* torchvision's RandomAffine. */
SLUICE_HD static inline void affine_draw(struct draw *d, const struct step *s,
                                         const struct plan *p,
                                         const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    struct motion to;
    (void)p;
    d->on = 1;
    to.degrees = either_side(&r, (double)s->degrees);
    to.shift[0] = (int)rint(either_side(&r, (double)s->reach[0] * s->width));
    to.shift[1] = (int)rint(either_side(&r, (double)s->reach[1] * s->height));
    to.scale = s->scale[0] + (s->scale[1] - s->scale[0]) * (double)sluice_rng_unit(&r);
    to.shear[0] = either_side(&r, (double)s->shear[0]);
    to.shear[1] = either_side(&r, (double)s->shear[1]);
    set_motion(&d->u.affine, &to, s->height, s->width);
}

/* One of the four slides: chance p, then how far. */
SLUICE_HD static inline void slide_draw(struct draw *d, const struct step *s,
                                        const struct draw_key *key, int shears,
                                        int down)
{
    struct sluice_rng r = draw_stream(key);
    d->on = sluice_rng_unit(&r) < s->p;
    const double far = either_side(&r, (double)s->reach[0]);
    const int pixels = (int)rint(far * (down ? s->height : s->width));
    if (shears)
        set_slide(&d->u.affine, down ? 0 : far, down ? far : 0, 0, 0);
    else
        set_slide(&d->u.affine, 0, 0, down ? 0 : pixels, down ? pixels : 0);
}

#define SLIDE(name, shears, down)                                                      \
    SLUICE_HD static inline void name##_draw(struct draw *d, const struct step *s,     \
                                             const struct plan *p,                     \
                                             const struct draw_key *key)               \
    {                                                                                  \
        (void)p;                                                                       \
        slide_draw(d, s, key, shears, down);                                           \
    }
SLIDE(shear_x, 1, 0)
SLIDE(shear_y, 1, 1)
SLIDE(translate_x, 0, 0)
SLIDE(translate_y, 0, 1)
#undef SLIDE

#define MOVED(name)                                                                    \
    SLUICE_HD static inline int name##_source(const struct draw *d,                    \
                                              const struct step *s,                    \
                                              const struct plan *p, int *y, int *x)    \
    {                                                                                  \
        (void)p;                                                                       \
        return !d->on || affine_place(&d->u.affine, s->height, s->width, y, x);        \
    }
MOVED(rotate)
MOVED(affine)
MOVED(shear_x)
MOVED(shear_y)
MOVED(translate_x)
MOVED(translate_y)
#undef MOVED

#endif

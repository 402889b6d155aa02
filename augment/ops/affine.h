/* affine.h -- rotation as Pillow does it: nearest pixel, in 16.16 fixed point.
 *
 * The matrix maps the centre of an output pixel to the source, a[0..2] for x and
 * a[3..5] for y. Rounding it to fixed point once, in the draw, makes every pixel a
 * matter of integers. */
#ifndef SLUICE_AUGMENT_AFFINE_H
#define SLUICE_AUGMENT_AFFINE_H

#include "ops/portable.h"
#include "plan.h"

SLUICE_HD static inline int to_fixed(double v)
{
    return (int)floor(v * 65536.0 + 0.5);
}

/* Counter-clockwise about the centre. */
SLUICE_HD static inline void set_rotation(int a[6], double degrees, int height,
                                          int width)
{
    const double cx = width / 2.0, cy = height / 2.0;
    double s, c;
    sin_cos_degrees(degrees, &s, &c);
    const double tx = c * -cx + -s * -cy + cx, ty = s * -cx + c * -cy + cy;
    a[0] = to_fixed(c);
    a[1] = to_fixed(-s);
    a[2] = to_fixed(tx + c * 0.5 + -s * 0.5);
    a[3] = to_fixed(s);
    a[4] = to_fixed(c);
    a[5] = to_fixed(ty + s * 0.5 + c * 0.5);
}

SLUICE_HD static inline void rotate_draw(struct draw *d, const struct step *s,
                                         const struct plan *p,
                                         const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    const double turn = 2.0 * (double)sluice_rng_unit(&r) - 1.0;
    d->on = 1;
    set_rotation(d->u.matrix, turn * (double)s->degrees, p->height, p->width);
}

SLUICE_HD static inline int rotate_source(const struct draw *d, const struct step *s,
                                          const struct plan *p, int *y, int *x)
{
    const int *a = d->u.matrix;
    const int64_t sx = ((int64_t)a[0] * *x + (int64_t)a[1] * *y + a[2]) >> 16;
    const int64_t sy = ((int64_t)a[3] * *x + (int64_t)a[4] * *y + a[5]) >> 16;
    (void)s;
    if (sx < 0 || sx >= p->width || sy < 0 || sy >= p->height)
        return 0;
    *x = (int)sx;
    *y = (int)sy;
    return 1;
}

#endif

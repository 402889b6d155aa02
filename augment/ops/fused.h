/* fused.h -- `geometry:mode=fused`: flips, shifts, turns, affine maps and perspectives
 * that follow each other become one matrix, and the image is sampled once.
 *
 * The members of a geometry step stand behind it and only draw, what they would draw
 * anyhow. Their maps, from the centres of output pixels to places in their input, are
 * multiplied; the product is read bilinearly and rounded to nearest. A product of flips
 * and shifts alone meets pixels in their centres, and then copies them. */
#ifndef SLUICE_AUGMENT_FUSED_H
#define SLUICE_AUGMENT_FUSED_H

#include "ops/affine.h"
#include "ops/geometry.h"
#include "ops/neighbours.h"
#include "plan.h"

#define WARP_OPS(OP)                                                                   \
    OP(flip)                                                                           \
    OP(vertical_flip)                                                                  \
    OP(translate)                                                                      \
    OP(center_crop)                                                                    \
    OP(rotate)                                                                         \
    OP(affine)                                                                         \
    OP(shear_x)                                                                        \
    OP(shear_y)                                                                        \
    OP(translate_x)                                                                    \
    OP(translate_y)                                                                    \
    OP(perspective)

/* The map of one member whose draw is `d`, row by row. */
SLUICE_HD static inline void member_map(double m[9], const struct step *s,
                                        const struct draw *d)
{
    for (int i = 0; i < 9; i++)
        m[i] = i % 4 == 0;
    if (!d->on)
        return;
    switch (s->op) {
    case OP_flip:
        m[0] = -1;
        m[2] = s->width;
        break;
    case OP_vertical_flip:
        m[4] = -1;
        m[5] = s->height;
        break;
    case OP_translate:
        m[2] = d->u.shift.dx - s->pad;
        m[5] = d->u.shift.dy - s->pad;
        break;
    case OP_center_crop:
        m[2] = middle(s->width, s->size);
        m[5] = middle(s->height, s->size);
        break;
    case OP_perspective:
        for (int i = 0; i < 8; i++)
            m[i] = d->u.homography[i];
        break;
    default:
        for (int i = 0; i < 6; i++)
            m[i] = d->u.affine.map[i];
        break;
    }
}

/* The first member is the last map that a place goes through. */
SLUICE_HD SLUICE_APART static inline void geometry_draw(struct draw *d,
                                                        const struct step *s,
                                                        const struct plan *p,
                                                        const struct draw_key *key)
{
    double all[9], one[9];
    struct draw member;
    for (int i = 0; i < 9; i++)
        all[i] = i % 4 == 0;
    for (int k = 1; k <= s->members; k++) {
        struct draw_key own = *key;
        own.number = s[k].number;
        switch (s[k].op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_draw(&member, &s[k], p, &own);                                          \
        break;
            WARP_OPS(OP)
#undef OP
        default:
            member.on = 0;
        }
        member_map(one, &s[k], &member);
        for (double *row = all; row < all + 9; row += 3) {
            const double a = row[0], b = row[1], c = row[2];
            for (int i = 0; i < 3; i++)
                row[i] = a * one[i] + b * one[3 + i] + c * one[6 + i];
        }
    }
    d->on = 1;
    for (int i = 0; i < 9; i++)
        d->u.warp[i] = all[i];
}

SLUICE_HD static inline void geometry_near(const struct draw *d, const struct step *s,
                                           const struct view *in, int y, int x,
                                           uint8_t *v)
{
    const double *m = d->u.warp, cx = x + 0.5, cy = y + 0.5;
    const double below = m[6] * cx + m[7] * cy + m[8];
    const double sx = (m[0] * cx + m[1] * cy + m[2]) / below;
    const double sy = (m[3] * cx + m[4] * cy + m[5]) / below;
    if (!(below > 0)) { /* behind the eye */
        view_fill(in, v);
        return;
    }
    bilinear(s, in, sy, sx, 0.5, v);
}

#endif

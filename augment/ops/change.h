/* change.h -- the operations that policies choose from, each with a magnitude:
 * torchvision's in transforms/autoaugment.py. */
#ifndef SLUICE_AUGMENT_CHANGE_H
#define SLUICE_AUGMENT_CHANGE_H

#include "ops/affine.h"
#include "ops/colour.h"
#include "ops/counted.h"
#include "ops/neighbours.h"
#include "plan.h"

/* RandAugment and TrivialAugment draw from the first CHANGE_DRAWN of them. */
enum change_kind {
    CHANGE_IDENTITY,
    CHANGE_SHEAR_X,
    CHANGE_SHEAR_Y,
    CHANGE_TRANSLATE_X,
    CHANGE_TRANSLATE_Y,
    CHANGE_ROTATE,
    CHANGE_BRIGHTNESS,
    CHANGE_COLOR,
    CHANGE_CONTRAST,
    CHANGE_SHARPNESS,
    CHANGE_POSTERIZE,
    CHANGE_SOLARIZE,
    CHANGE_AUTOCONTRAST,
    CHANGE_EQUALIZE,
    CHANGE_INVERT,
    CHANGE_DRAWN = CHANGE_INVERT,
};

/* How far a policy goes: what its highest magnitude means. */
struct change_reach {
    float shear;      /* pixels per pixel */
    float across;     /* pixels */
    float down;       /* likewise */
    float degrees;    /* of rotation */
    float factor;     /* of colours and sharpness, away from 1 */
    double lost_bits; /* of 8, by posterize */
};

/* As torch.linspace rounds it: from both ends, once. */
SLUICE_HD static inline float evenly(float from, float to, int bins, int bin)
{
    const float step = (to - from) / (float)(bins - 1);
    return bin < bins / 2 ? (float)((double)from + (double)step * bin)
                          : (float)((double)to - (double)step * (bins - 1 - bin));
}

/* Magnitude `bin` of `bins`, to the other side where that has a meaning. */
SLUICE_HD static inline void set_change(struct change *c, int kind,
                                        const struct change_reach *most, int bins,
                                        int bin, int negative, const struct step *s)
{
    const float sign = negative ? -1.0f : 1.0f;
    c->kind = kind;
    switch (kind) {
    case CHANGE_SHEAR_X:
        set_slide(&c->affine, (double)(sign * evenly(0, most->shear, bins, bin)), 0, 0,
                  0);
        break;
    case CHANGE_SHEAR_Y:
        set_slide(&c->affine, 0, (double)(sign * evenly(0, most->shear, bins, bin)), 0,
                  0);
        break;
    case CHANGE_TRANSLATE_X:
        set_slide(&c->affine, 0, 0, (int)(sign * evenly(0, most->across, bins, bin)),
                  0);
        break;
    case CHANGE_TRANSLATE_Y:
        set_slide(&c->affine, 0, 0, 0, (int)(sign * evenly(0, most->down, bins, bin)));
        break;
    case CHANGE_ROTATE:
        set_rotation(&c->affine, (double)(sign * evenly(0, most->degrees, bins, bin)),
                     s->height, s->width);
        break;
    case CHANGE_BRIGHTNESS:
    case CHANGE_COLOR:
    case CHANGE_CONTRAST:
    case CHANGE_SHARPNESS:
        c->factor = (float)(1.0 + (double)(sign * evenly(0, most->factor, bins, bin)));
        break;
    case CHANGE_POSTERIZE:
        c->amount = 8 - (int)rint(bin / ((bins - 1) / most->lost_bits));
        break;
    case CHANGE_SOLARIZE:
        c->amount = (int)ceil((double)evenly(255, 0, bins, bin));
        break;
    default:
        break;
    }
}

SLUICE_HD static inline int change_counts(const struct change *c)
{
    return c->kind == CHANGE_CONTRAST || c->kind == CHANGE_AUTOCONTRAST ||
           c->kind == CHANGE_EQUALIZE;
}

SLUICE_HD static inline void change_count(const struct change *c, const struct plan *p,
                                          const uint8_t *v, struct counts *n)
{
    if (c->kind == CHANGE_CONTRAST)
        count_one(&n->of[0][luma(v, p->channels)], 1);
    else
        count_channels(p, v, n);
}

SLUICE_HD static inline void change_settle(const struct change *c, const struct step *s,
                                           struct counts *n, int channel)
{
    if (c->kind == CHANGE_AUTOCONTRAST)
        stretch(n->of[channel]);
    else if (c->kind == CHANGE_EQUALIZE)
        flatten(n->of[channel], (uint32_t)s->height * (uint32_t)s->width);
    else if (channel == 0)
        n->of[0][0] = mean_value(n->of[0]);
}

/* Whether pixels are made of others, or have other places. */
SLUICE_HD static inline int change_moves(const struct change *c)
{
    return (c->kind >= CHANGE_SHEAR_X && c->kind <= CHANGE_ROTATE) ||
           c->kind == CHANGE_SHARPNESS;
}

/* Pixel (y, x) of an image that is moved. */
SLUICE_HD static inline void change_near(const struct change *c, const struct step *s,
                                         const struct view *in, int y, int x,
                                         uint8_t *v)
{
    if (c->kind == CHANGE_SHARPNESS)
        sharpened(s, in, y, x, c->factor, v);
    else if (affine_place(&c->affine, s->height, s->width, &y, &x))
        view_pixel(in, s->width, y, x, v);
    else
        view_fill(in, v);
}

/* A pixel of any other, from its own place. */
SLUICE_HD static inline void change_pixel(const struct change *c, const struct plan *p,
                                          const struct counts *n, const uint8_t *from,
                                          uint8_t *v)
{
    copy_pixel(p, from, v);
    switch (c->kind) {
    case CHANGE_BRIGHTNESS:
        brightened(v, c->factor);
        break;
    case CHANGE_COLOR:
        saturated(p, v, c->factor);
        break;
    case CHANGE_CONTRAST:
        contrasted(p, n, from, c->factor, v);
        break;
    case CHANGE_POSTERIZE:
        posterized(v, c->amount);
        break;
    case CHANGE_SOLARIZE:
        solarized(v, c->amount);
        break;
    case CHANGE_AUTOCONTRAST:
    case CHANGE_EQUALIZE:
        look_up(p, n, from, v);
        break;
    case CHANGE_INVERT:
        solarized(v, 0);
        break;
    default:
        break;
    }
}

#endif

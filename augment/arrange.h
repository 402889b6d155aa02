/* arrange.h -- any mix of flips, at most one translate, then squares: the same as one
 * mirrored, shifted copy of the source and some rectangles on top.
 *
 * A flip after a shift is a shift the other way after the flip, because every way of
 * padding treats left and right alike; a flip after a rectangle moves the rectangle. */
#ifndef SLUICE_AUGMENT_ARRANGE_H
#define SLUICE_AUGMENT_ARRANGE_H

#include "ops/geometry.h"
#include "plan.h"

/* Output (y, x) shows source (mirror(y + dy), mirror(x + dx)). */
struct arrangement {
    int hflip, vflip;
    int dy, dx;
    int shift; /* the step whose padding shows at the border; -1: no border */
    int rects;
    int rect_step[STEPS_MAX]; /* whose colour the rectangle has */
    struct rect rect[STEPS_MAX];
};

/* The first step from `begin` on that spoils that form. */
SLUICE_HD static inline int arranged_until(const struct plan *p, int begin)
{
    int shifts = 0, rects = 0;
    for (int k = begin; k < p->steps; k++) {
        if (p->step[k].member)
            return k;
        switch (p->step[k].op) {
        case OP_identity:
        case OP_flip:
        case OP_vertical_flip:
            break;
        case OP_translate:
            if (shifts++ || rects)
                return k;
            break;
        case OP_cutout:
        case OP_erase:
            if (p->step[k].fill_mode == FILL_NOISE)
                return k;
            rects++;
            break;
        default:
            return k;
        }
    }
    return p->steps;
}

/* Whether all steps have that form. */
SLUICE_HD static inline int can_arrange(const struct plan *p)
{
    return arranged_until(p, 0) == p->steps;
}

SLUICE_HD static inline void arrange_flip(struct arrangement *a, const struct step *s,
                                          int vertical)
{
    if (vertical) {
        a->vflip ^= 1;
        a->dy = -a->dy;
    } else {
        a->hflip ^= 1;
        a->dx = -a->dx;
    }
    for (int i = 0; i < a->rects; i++) {
        struct rect *r = &a->rect[i];
        if (vertical)
            r->y = s->height - r->y - r->height;
        else
            r->x = s->width - r->x - r->width;
    }
}

SLUICE_HD static inline void arrange_part(struct arrangement *a, const struct plan *p,
                                          const struct draw *draws, int begin, int end)
{
    a->hflip = a->vflip = a->dy = a->dx = a->rects = 0;
    a->shift = -1;
    for (int k = begin; k < end; k++) {
        const struct step *s = &p->step[k];
        const struct draw *d = &draws[k];
        if (!d->on)
            continue;
        switch (s->op) {
        case OP_flip:
        case OP_vertical_flip:
            arrange_flip(a, s, s->op == OP_vertical_flip);
            break;
        case OP_translate:
            a->dy = d->u.shift.dy - s->pad;
            a->dx = d->u.shift.dx - s->pad;
            a->shift = k;
            break;
        default:
            a->rect_step[a->rects] = k;
            a->rect[a->rects++] = d->u.rect;
            break;
        }
    }
}

SLUICE_HD static inline void arrange(struct arrangement *a, const struct plan *p,
                                     const struct draw *draws)
{
    arrange_part(a, p, draws, 0, p->steps);
}

#endif

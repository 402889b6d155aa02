/* erase.h -- a rectangle of random size and place, as torchvision's RandomErasing. */
#ifndef SLUICE_AUGMENT_ERASE_H
#define SLUICE_AUGMENT_ERASE_H

#include "ops/geometry.h"
#include "ops/portable.h"
#include "plan.h"

/* Ten tries to find a rectangle that is smaller than the image both ways. */
SLUICE_HD static inline void erase_draw(struct draw *d, const struct step *s,
                                        const struct plan *p,
                                        const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    struct rect *q = &d->u.rect;
    (void)p;
    q->y = q->x = q->height = q->width = 0;
    d->on = sluice_rng_unit(&r) < s->p;
    for (int i = 0; d->on && i < 10; i++) {
        const double share = (double)sluice_rng_unit(&r);
        const double shape = (double)sluice_rng_unit(&r);
        const double area = (double)s->height * s->width *
                            (s->area[0] + (s->area[1] - s->area[0]) * share);
        const double ratio =
            exp_portable(s->log_ratio[0] + (s->log_ratio[1] - s->log_ratio[0]) * shape);
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

SLUICE_HD static inline int erase_source(const struct draw *d, const struct step *s,
                                         const struct plan *p, int *y, int *x)
{
    (void)s;
    (void)p;
    return !d->on || !inside(&d->u.rect, *y, *x);
}

#endif

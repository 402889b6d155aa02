/* room.h -- where a block of the GPU has its image while steps change it: as planes,
 * one for each channel, and spare ones that the next step writes into.
 *
 * Planes lie in slots, spare ones included, and go around: channel c is in slot
 * (base + c) % slots, and a step that moves pixels writes channel c into the slot as
 * many places before it as there are spare planes, which is free by then. With one
 * spare plane, a step is done plane by plane, each time with a barrier; with as many as
 * channels, all at once, and places are computed once for all. Steps that change pixels
 * in their place need no spare plane. */
#ifndef SLUICE_AUGMENT_ROOM_H
#define SLUICE_AUGMENT_ROOM_H

#include "plan.h"

struct room {
    size_t plane; /* bytes, a multiple of 16: of the largest image on the way */
    int slots;    /* for one image */
    int spare;    /* of them: 1, or as many as channels */
    int kept;     /* an image waits in its slots while its partner is made in others */
    int scratch;  /* all that is in global memory */
};

/* Without steps, or with those of arrange.h alone, an image needs none. */
SLUICE_HD static inline int room_needed(const struct plan *p)
{
    return !p->arranged;
}

SLUICE_HD static inline struct room room_of(const struct plan *p, int spare, int kept)
{
    struct room r = { (size_t)p->height * p->width, p->channels + spare, spare, kept,
                      0 };
    for (int k = 0; k < p->steps; k++) {
        const size_t here = (size_t)p->step[k].height * p->step[k].width;
        r.plane = here > r.plane ? here : r.plane;
    }
    r.plane = (r.plane + 15) / 16 * 16;
    return r;
}

/* Of a block. */
SLUICE_HD static inline size_t room_bytes(const struct plan *p, const struct room *r)
{
    return room_needed(p) ? r->plane * r->slots * (r->kept ? 2 : 1) : 0;
}

/* Whether two blocks of so many bytes live at once where one may have `most`: 1 KiB of
 * each is the device's own. */
static inline int room_for_two(size_t bytes, size_t most)
{
    return 2 * bytes + 1024 <= most;
}

/* What a block with `most` bytes of shared memory, `own` of them taken, does best: what
 * lets two blocks live at once, else what fits, else scratch. */
static inline struct room room_choose(const struct plan *p, size_t most, size_t own)
{
    struct room r;
    for (int two = 1; two >= 0; two--)
        for (int kept = p->mixes > 0; kept >= 0; kept--)
            for (int one = 0; one < 2; one++) {
                r = room_of(p, one ? 1 : p->channels, kept);
                const size_t bytes = own + room_bytes(p, &r);
                if (two ? room_for_two(bytes, most) : bytes <= most)
                    return r;
            }
    r = room_of(p, p->channels, 0);
    r.scratch = 1;
    return r;
}

/* Where channel c is. */
SLUICE_HD static inline size_t room_slot(const struct room *r, int base, int c)
{
    const int slot = base + c;
    return r->plane * (slot < r->slots ? slot : slot - r->slots);
}

/* The base after a step that moves pixels. */
SLUICE_HD static inline int room_moved(const struct room *r, int base)
{
    return base < r->spare ? base + r->slots - r->spare : base - r->spare;
}

#endif

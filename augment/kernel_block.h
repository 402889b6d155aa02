/* kernel_block.h -- what the threads of a block share, and its list of phases. */
#ifndef SLUICE_AUGMENT_KERNEL_BLOCK_H
#define SLUICE_AUGMENT_KERNEL_BLOCK_H

#include "arrange.h"
#include "ops.h"
#include "ops/convert.h"
#include "ops/mix.h"
#include "room.h"

/* Of global memory: `source` bytes read, `result` bytes written and `back` read again.
 * And bytes of planes written. A test counts them. */
#ifndef TRAFFIC
#define TRAFFIC(what, bytes) ((void)0)
#endif

enum { VECTOR = 16 }; /* bytes that one thread reads or writes at once */

enum phase_kind {
    DO_LOAD,          /* the source, into planes */
    DO_ZERO,          /* counting: before a step that needs it */
    DO_COUNT,         /* of the whole image */
    DO_SETTLE,        /* what pixels need of the counts */
    DO_VALUES,        /* pixels in their places */
    DO_MOVE,          /* pixels from other places, into the spare planes */
    DO_STORE,         /* the result, but for what the partner covers */
    DO_STORE_PARTNER, /* what it covers, or what both are blended to */
    DO_STORE_BOTH,    /* everything at once */
};

/* Steps begin .. end-1 of side 0, the image itself, or 1, its partner. */
struct phase {
    uint8_t what, side, begin, end;
    uint8_t base;    /* where the planes are */
    uint8_t channel; /* the first that is moved */
};

enum {
    PHASES_MAX = 2 * (2 + STEPS_MAX * (3 + CHANNELS_MAX)) + 1, /* that are listed */
};

struct block {
    struct draw draws[2][STEPS_MAX];
    struct arrangement arranged[2];
    struct counts counts;
    struct sluice_mix mix;
    int phases;
    struct phase phase[PHASES_MAX];
    uint8_t base[2]; /* of the finished planes */
};

/* Behind which planes may begin, at a multiple of a vector. */
enum { BLOCK_BYTES = (sizeof(struct block) + VECTOR - 1) / VECTOR * VECTOR };

SLUICE_HD static inline int element_size(const struct plan *p)
{
    return p->dtype == SLUICE_U8 ? 1 : p->dtype == SLUICE_F32 ? 4 : 2;
}

#endif

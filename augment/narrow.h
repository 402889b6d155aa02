/* narrow.h -- rows of at most 128 bytes, such as CIFAR's and MNIST's, in two registers
 * of 64 bytes.
 *
 * One permutation (VBMI's vpermi2b) takes any bytes of a row in any order, so mirror,
 * shift, reflected border and the order of the result's planes are all one table; there
 * are few shifts, so the tables are made when the pipeline is. */
#ifndef SLUICE_AUGMENT_NARROW_H
#define SLUICE_AUGMENT_NARROW_H

#include <stdalign.h>

#include "arrange.h"
#include "plan.h"

enum {
    NARROW_BYTES = 128,
    NARROW_GROUP = 16, /* elements that are converted together */
    NARROW_GROUPS = NARROW_BYTES / NARROW_GROUP,
    NARROW_REACH = 16, /* the farthest shift that has tables */
};

/* A bit per byte of a row. */
struct row_mask {
    uint64_t half[2];
};

/* What a mirror and a shift do to every row. */
struct narrow_order {
    alignas(64) uint8_t from[NARROW_BYTES]; /* byte of the source row */
    struct row_mask border;                 /* shows the border's colour */
};

struct narrow {
    int row_bytes;                 /* of the source */
    int groups;                    /* of the result's row */
    size_t to[NARROW_GROUPS];      /* element of the result, from the row's first */
    uint16_t live[NARROW_GROUPS];  /* a bit per element that exists */
    size_t row_step;               /* elements of the result from row to row */
    int channel_bytes, pixel_step; /* byte of (x, channel): x * pixel_step + channel *
                                      channel_bytes */
    int reach;
    alignas(64) float gain[NARROW_GROUPS][NARROW_GROUP];
    alignas(64) float bias[NARROW_GROUPS][NARROW_GROUP];
    alignas(64) uint8_t colour[STEPS_MAX][NARROW_BYTES]; /* of each step's fill */
    struct narrow_order order[];                         /* (mirrored, shift + reach) */
};

/* NULL in *out where rows are too long for it or this CPU lacks VBMI; -1: no memory. */
int sluice_augment_narrow_create(struct narrow **out, const struct plan *p);

/* A whole image. */
void sluice_augment_narrow_run(const struct narrow *n, const struct plan *p,
                               const struct arrangement *a, const uint8_t *src,
                               void *out);

#endif

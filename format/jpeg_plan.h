/* jpeg_plan.h -- what the baseline decoder consists of, and the making of its plan. */
#ifndef SLUICE_JPEG_PLAN_H
#define SLUICE_JPEG_PLAN_H

#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>

#include <sluice/jpeg.h>

#include "jpeg_kernels.h"

enum { COMPONENTS = 3 };

/* One component's samples of a row of MCUs: those columns of blocks that matter, and
 * ahead of them the last row of the MCUs above. */
struct plane {
    int across, down; /* blocks in an MCU */
    int first, last;  /* columns of blocks that matter; none: last < first */
    uint32_t x, n;    /* samples that matter */
    uint32_t height;  /* of the whole component */
    const struct jpeg_code *dc_code, *ac_code;
    struct jpeg_terms terms;
    int32_t dc;
    uint8_t *rows; /* of the first of this row of MCUs */
    size_t stride;
};

struct jpeg_baseline {
    struct jpeg_bits bits;
    struct jpeg_code dc[NUM_HUFF_TBLS], ac[NUM_HUFF_TBLS];
    const struct jpeg_kernels *k;

    /* the picture */
    struct plane planes[COMPONENTS];
    int count;   /* components */
    bool shared; /* rows of chroma lie between rows of luma */
    uint32_t width, height;
    uint32_t mcu_height, mcus, mcu_rows;
    uint32_t restart, to_restart, restarts;

    /* the part */
    struct sluice_jpeg_rect r;
    int channels;
    uint8_t *out;

    /* blocks of a row of MCUs that wait for their transform */
    int16_t *coefs; /* (groups, 8, lanes, 8), zero but for the waiting */
    struct jpeg_target *targets;
    size_t waiting;

    uint8_t store[JPEG_STORE];
    uint8_t *room; /* of planes, coefs, targets and the rows below */
    size_t room_bytes;
    uint16_t *sums;
    uint8_t *wide[2]; /* chroma of one row of pixels */
};

/* Of the picture whose header `info` has read, for the part b->r in b->channels, which
 * is to lie at b->out. False: libjpeg has to decode it, or it takes more than `memory`
 * bytes. */
bool sluice_jpeg_plan(struct jpeg_baseline *b,
                      const struct jpeg_decompress_struct *info, size_t memory);

#endif

/* planes.h -- an image as planes, one after the other, worked on step by step: every
 * loop is over bytes that lie side by side, which compilers turn into vectors. The same
 * loops are compiled for each instruction set; all sets give the same bytes, since the
 * arithmetic is that of ops/, element by element. */
#ifndef SLUICE_AUGMENT_PLANES_H
#define SLUICE_AUGMENT_PLANES_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

/* Images in and out do not overlap; `place` is changed where it is. */
struct planes {
    const char *name;
    /* Planes to interleaved bytes. */
    void (*interleave)(uint8_t *out, const uint8_t *in, size_t plane, size_t pixels,
                       int channels);
    /* Bytes without regard to channels. */
    void (*and_bits)(uint8_t *place, size_t bytes, int mask);
    void (*solarize)(uint8_t *place, size_t bytes, int threshold);
    void (*solarize_add)(uint8_t *place, size_t bytes, int threshold, int addition);
    void (*blend)(uint8_t *place, size_t bytes, int with, float factor);
    /* Pixels of three channels, as hue needs; the others of any number. */
    void (*saturate)(uint8_t *place, size_t pixels, int channels, float factor);
    void (*turn_hue)(uint8_t *place, size_t pixels, int turn);
    void (*to_grey)(uint8_t *place, size_t pixels, int channels);
    uint64_t (*sum_grey)(const uint8_t *image, size_t pixels, int channels);
    /* Of one plane. */
    void (*count)(const uint8_t *plane, size_t pixels, uint32_t of[256]);
    void (*look_up)(uint8_t *plane, size_t pixels, const uint32_t to[256]);
    void (*sharpen)(uint8_t *out, const uint8_t *in, int height, int width,
                    float factor);
    void (*blur)(uint8_t *out, const uint8_t *in, int height, int width, int reach,
                 const double *weight);
    /* Of whole images; fill has a byte for each channel. */
    void (*affine)(uint8_t *out, const uint8_t *in, int height, int width, int channels,
                   const struct affine *map, const uint8_t *fill);
    /* `up` is added before the fraction is cut off; if it is not 0, places behind the
     * eye are beyond the border. */
    void (*warp)(uint8_t *out, const uint8_t *in, int height, int width, int channels,
                 const double map[9], double up, const uint8_t *fill, int out_height,
                 int out_width);
};

extern const struct planes sluice_augment_planes_plain;
extern const struct planes sluice_augment_planes_avx2;
extern const struct planes sluice_augment_planes_avx512;

#endif

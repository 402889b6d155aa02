/* kernels.h -- the inner loops of the row path, one set per instruction set. All sets
 * give the same bytes. */
#ifndef SLUICE_AUGMENT_KERNELS_H
#define SLUICE_AUGMENT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

/* Elements after which a vector of 16 begins with channel 0 again, whether there are 1,
 * 2, 3 or 4 channels. */
enum { PATTERN = 48 };

/* How bytes become numbers, prepared for every kind of loop. */
struct conversion {
    int dtype, channels;
    float gain[PATTERN], bias[PATTERN]; /* of element i: channel i % channels */
    /* Byte permutations of 64 bytes: the pixels that fit, back to front; and the bytes
     * of 16 pixels, channel after channel. */
    uint8_t backward[64], planes[64];
    union {
        float f32[CHANNELS_MAX][256];
        uint16_t u16[CHANNELS_MAX][256];
    } table; /* of channel and byte */
};

struct kernels {
    const char *name;
    /* Pixel i of dst is pixel pixels - 1 - i of src; they do not overlap. */
    void (*reverse)(const struct conversion *cv, uint8_t *dst, const uint8_t *src,
                    int pixels);
    /* Interleaved bytes to interleaved numbers. */
    void (*interleaved)(const struct conversion *cv, void *out, const uint8_t *src,
                        size_t pixels);
    /* Interleaved bytes to planes: channel c begins at element c * plane of out. */
    void (*planar)(const struct conversion *cv, void *out, size_t plane,
                   const uint8_t *src, size_t pixels);
};

extern const struct kernels sluice_augment_plain;
extern const struct kernels sluice_augment_avx2;   /* where sluice_augment_has_avx2 */
extern const struct kernels sluice_augment_avx512; /* where ..._has_avx512 */

/* Whether this build and this CPU have them. */
int sluice_augment_has_avx2(void);
int sluice_augment_has_avx512(void);

#endif

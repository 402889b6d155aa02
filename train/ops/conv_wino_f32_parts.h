/* conv_wino_f32_parts.h -- a convolution by F(4x4, 3x3): its plan, and how its threads'
 * work space is laid out. */
#ifndef SLUICE_CONV_WINO_F32_PARTS_H
#define SLUICE_CONV_WINO_F32_PARTS_H

#include "conv_wino_f32.h"

struct conv_wino_f32 {
    struct wino_map forward, backward, weigh;
    float *zeros;
};

enum { WINO_SPARE = 16 }; /* elements between places, for other cache sets */

/* Of so many tiles. */
static inline struct wino_panel wino_panel(int tiles, int channels)
{
    const size_t block = (size_t)tiles * WINO_BLOCK;
    return (struct wino_panel){ block * (size_t)(channels / WINO_BLOCK) + WINO_SPARE,
                                block };
}

/* Elements from a place's weights, or sums of their gradients, to the next's; both are
 * (place, dc / 32, sc, 32). */
static inline size_t wino_f32_weights(const struct wino_map *m)
{
    return (size_t)m->sc * (size_t)m->dc + WINO_SPARE;
}

/* Bytes of a thread's work space, and of the shared one, where the packed weights are
 * as well; of a map that has been cut. */
size_t wino_f32_gather_bytes(const struct wino_map *m);
size_t wino_f32_weigh_bytes(const struct wino_map *m);

#endif

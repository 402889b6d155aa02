/* conv_wino4_parts.h -- a convolution by F(4x4, 3x3): its plan, and how its threads'
 * work space is laid out. */
#ifndef SLUICE_CONV_WINO4_PARTS_H
#define SLUICE_CONV_WINO4_PARTS_H

#include "conv_wino4.h"

struct conv_wino4 {
    struct wino_map forward, backward, weigh;
    float *zeros;
};

enum { WINO4_SPARE = 16 }; /* elements between places, for other cache sets */

/* Of so many tiles. */
static inline struct wino4_panel wino4_panel(int tiles, int channels)
{
    const size_t block = (size_t)tiles * WINO_BLOCK;
    return (struct wino4_panel){ block * (size_t)(channels / WINO_BLOCK) + WINO4_SPARE,
                                 block };
}

/* Elements from a place's weights, or sums of their gradients, to the next's; both are
 * (place, dc / 32, sc, 32). */
static inline size_t wino4_weights(const struct wino_map *m)
{
    return (size_t)m->sc * (size_t)m->dc + WINO4_SPARE;
}

/* How many tiles are taken at a time. */
void wino4_gather_cut(struct wino_map *m, const struct device *dev);
void wino4_weigh_cut(struct wino_map *m);

/* Bytes of a thread's work space, and of the shared one, where the packed weights are
 * as well; of a map that has been cut. */
size_t wino4_gather_bytes(const struct wino_map *m);
size_t wino4_weigh_bytes(const struct wino_map *m);

#endif

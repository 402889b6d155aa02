/* conv_wino_parts.h -- a Winograd convolution's plan, and transforms of tiles. */
#ifndef SLUICE_CONV_WINO_PARTS_H
#define SLUICE_CONV_WINO_PARTS_H

#include "conv_wino.h"
#include "wino_map.h"

enum {
    WINO_RESULTS = 2, /* 2 x 2 of a tile */
    WINO_SIDE = 4,
    WINO_PLACES = 16,
};

struct conv_wino {
    struct onednn_shape shape;
    struct wino_windows windows; /* places is NULL: not pooled */
    struct wino_map forward, backward, weigh;
    /* (dc / 32, place, sc / 2, 32, 2) */
    uint16_t *forward_weight, *backward_weight, *zeros;
    bool forward_fresh, backward_fresh;
};

/* conv_wino_gather.c: weights are those of conv2d or, for `backward`, the same turned
 * about and with their channels exchanged. */
void wino_pack(const struct wino_map *m, const struct device *dev, const float *weight,
               bool backward, uint16_t *to);
size_t wino_gather_scratch(const struct wino_map *m); /* bytes for each thread */
void wino_gather(const struct wino_map *m, struct device *dev, const uint16_t *source,
                 const uint16_t *weight, uint16_t *dest);

/* conv_wino_weigh.c */
size_t wino_weigh_bytes(const struct wino_map *m); /* shared by the threads */
void wino_weigh(const struct wino_map *m, struct device *dev, const uint16_t *source,
                const uint16_t *grads, float *dweight);

#endif

/* conv_wino_bf16_parts.h -- a Winograd convolution's plan, and its two halves. */
#ifndef SLUICE_CONV_WINO_BF16_PARTS_H
#define SLUICE_CONV_WINO_BF16_PARTS_H

#include "conv_wino_bf16.h"
#include "wino_map.h"

struct conv_wino_bf16 {
    struct onednn_shape shape;
    struct wino_windows windows; /* places is NULL: not pooled */
    struct wino_map forward, backward, weigh;
    /* (dc / 32, place, sc / 2, 32, 2) */
    uint16_t *forward_weight, *backward_weight, *zeros;
    bool forward_fresh, backward_fresh;
};

/* conv_wino_bf16_gather.c: weights are those of conv2d or, for `backward`, the same
 * turned about and with their channels exchanged. */
void wino_bf16_pack(const struct wino_map *m, const struct device *dev,
                    const float *weight, bool backward, uint16_t *to);
size_t wino_bf16_gather_scratch(const struct wino_map *m); /* bytes for each thread */
void wino_bf16_gather(const struct wino_map *m, struct device *dev,
                      const uint16_t *source, const uint16_t *weight, uint16_t *dest);

/* conv_wino_bf16_weigh.c */
size_t wino_bf16_weigh_bytes(const struct wino_map *m); /* shared by the threads */
void wino_bf16_weigh(const struct wino_map *m, struct device *dev,
                     const uint16_t *source, const uint16_t *grads, float *dweight);

#endif

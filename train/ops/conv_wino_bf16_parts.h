/* conv_wino_bf16_parts.h -- a Winograd convolution's plan, and its two halves. */
#ifndef SLUICE_CONV_WINO_BF16_PARTS_H
#define SLUICE_CONV_WINO_BF16_PARTS_H

#include "conv_wino_bf16.h"
#include "wino_map.h"

struct conv_wino_bf16 {
    struct onednn_shape shape;
    struct wino_windows windows; /* places is NULL: not pooled */
    struct wino_map forward, backward, weigh;
    uint16_t *zeros;
};

/* conv_wino_bf16_gather.c. Weights are those of conv2d and, for `backward`, turned
 * about and with their channels exchanged. */
size_t wino_bf16_gather_scratch(const struct wino_map *m); /* bytes for each thread */
size_t wino_bf16_gather_bytes(const struct wino_map *m);   /* shared by the threads */
void wino_bf16_gather(const struct wino_map *m, struct device *dev,
                      const uint16_t *source, const float *weight, bool backward,
                      uint16_t *dest);

/* conv_wino_bf16_weigh.c */
size_t wino_bf16_weigh_bytes(const struct wino_map *m); /* shared by the threads */
void wino_bf16_weigh(const struct wino_map *m, struct device *dev,
                     const uint16_t *source, const uint16_t *grads, float *dweight);

#endif

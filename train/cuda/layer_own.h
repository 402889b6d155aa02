/* layer_own.h -- a convolution by our own kernels, where the library has none. The
 * directions are those of gpu.h's layers. */
#ifndef SLUICE_LAYER_OWN_H
#define SLUICE_LAYER_OWN_H

#include "gpu.h"

int own_forward(struct gpu *gpu, const struct gpu_layer_shape *s, const void *x,
                const void *weight, void *y, struct sluice_error *err);
int own_data(struct gpu *gpu, const struct gpu_layer_shape *s, const void *dy,
             const void *weight, void *dx, struct sluice_error *err);
int own_weight(struct gpu *gpu, const struct gpu_layer_shape *s, const void *x,
               const void *dy, void *dweight, struct sluice_error *err);

#endif

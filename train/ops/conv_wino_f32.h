/* conv_wino_f32.h -- 3x3 convolutions, and 5x5 ones with stride 2, in f32 by Winograd's
 * minimal filtering F(4x4, 3x3): sixteen results of a tile of 6 x 6 pixels with 36
 * multiplications instead of 144; of 5x5, as four 3x3 and smaller ones (conv_split.h),
 * with 121 instead of 400.
 *
 *     y = A' [(G w G') . (B' x B)] A         forward, and backward to the input
 *     dw = G' [(A dy A') . (B' x B)] G       backward to the weight
 *
 * A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015; "." is a
 * product of matrices (tiles x channels, channels x channels) for each of the 36
 * places. The transforms (wino_sides.h) cost accuracy: results are off by 6e-7 to 2e-6
 * (root mean square) of their size, direct ones by 2e-7.
 *
 *   gather   a thread transforms some tiles, multiplies 32 channels of the result at a
 *            time, and transforms these back.
 *   weigh    the threads transform some tiles, and then each adds products for some of
 *            the places: no sum has more than one thread, so their order is that of the
 *            tiles.
 */
#ifndef SLUICE_CONV_WINO_F32_H
#define SLUICE_CONV_WINO_F32_H

#include <stdbool.h>

#include "../device_cpu.h"
#include "../device_onednn.h"

struct conv_wino_f32;

/* Can this shape be done so, and is it worth it? The environment's SLUICE_WINOGRAD=off
 * says no. */
bool conv_wino_f32_fits(const struct device *dev, const struct onednn_shape *shape);

int conv_wino_f32_create(struct conv_wino_f32 **out, struct device *dev,
                         const struct onednn_shape *shape, struct sluice_error *err);
void conv_wino_f32_free(struct conv_wino_f32 *conv); /* NULL is fine */

/* As conv2d's; bias: (k), or NULL. */
void conv_wino_f32_forward(const struct conv_wino_f32 *conv, struct device *dev,
                           const float *x, const float *weight, const float *bias,
                           float *y);
void conv_wino_f32_backward_data(const struct conv_wino_f32 *conv, struct device *dev,
                                 const float *dy, const float *weight, float *dx);
void conv_wino_f32_backward_weight(const struct conv_wino_f32 *conv, struct device *dev,
                                   const float *x, const float *dy, float *dweight);

#endif

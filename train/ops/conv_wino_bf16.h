/* conv_wino_bf16.h -- 3x3 convolutions, and 5x5 ones with stride 2, by Winograd's
 * minimal filtering F(4x4, 3x3), as conv_wino_f32.h has it, in bf16. For CPUs with
 * AVX512-BF16 and without matrix tiles, where oneDNN's direct kernels come to nine
 * tenths of what the CPU multiplies: only fewer products are faster.
 *
 * Images and gradients become bf16 again between transform and product, and sums stay
 * f32 until the last: results are off by 1.1 %, direct ones in bf16 by 0.2 % (root mean
 * square). From 256 channels on 3x3 with stride 2 pays as well: 81 multiplications
 * instead of 144.
 *
 * Channels go by 32; an input's 24, or 8 fewer than another multiple of 32, are filled
 * up with zeros that are not in memory.
 *
 *   gather   a thread transforms some tiles, multiplies 32 channels of the result at a
 *            time, and transforms these back: what is in between stays in its level 2.
 *   weigh    the threads transform some hundred tiles, and then each adds products for
 *            some of the places: no sum has more than one thread, so their order is
 *            that of the tiles.
 */
#ifndef SLUICE_CONV_WINO_BF16_H
#define SLUICE_CONV_WINO_BF16_H

#include <stdbool.h>

#include "../device_cpu.h"
#include "../device_onednn.h"

struct conv_wino_bf16;

/* Can this shape be done so on this CPU, and is it worth it? The environment's
 * SLUICE_WINOGRAD=off says no. `pooled`: y and dy are those of a max pool with kernel
 * and stride 2 behind the convolution, whose result is then never in memory. Tiles are
 * four of its windows, and what is in none of them is not even computed; backward
 * belongs to the last forward. */
bool conv_wino_bf16_fits(const struct device *dev, const struct onednn_shape *shape,
                         bool pooled);

int conv_wino_bf16_create(struct conv_wino_bf16 **out, struct device *dev,
                          const struct onednn_shape *shape, bool pooled,
                          struct sluice_error *err);
void conv_wino_bf16_free(struct conv_wino_bf16 *conv); /* NULL is fine */

/* As conv2d's; without a bias. */
void conv_wino_bf16_forward(const struct conv_wino_bf16 *conv, struct device *dev,
                            const void *x, const float *weight, void *y);
void conv_wino_bf16_backward_data(const struct conv_wino_bf16 *conv, struct device *dev,
                                  const void *dy, const float *weight, void *dx);
void conv_wino_bf16_backward_weight(const struct conv_wino_bf16 *conv,
                                    struct device *dev, const void *x, const void *dy,
                                    float *dweight);

#endif

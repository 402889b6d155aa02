/* conv_wino.h -- 3x3 convolutions, and 5x5 ones with stride 2, by Winograd's minimal
 * filtering, in bf16: four results of a tile of 4 x 4 pixels with 16 multiplications
 * instead of 36. For CPUs with AVX512-BF16 and without matrix tiles, where oneDNN's
 * direct kernels come to nine tenths of what the CPU multiplies: only fewer products
 * are faster.
 *
 *     y = A' [(G w G') . (B' x B)] A         forward, and backward to the input
 *     dw = G' [(A dy A') . (B' x B)] G       backward to the weight
 *
 * A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015, F(2x2,
 * 3x3); "." is a product of matrices (tiles x channels, channels x channels) for each
 * of the 16 places. Images and gradients become bf16 again between transform and
 * product: results are off by 0.4 %, direct ones in bf16 by 0.2 % (root mean square).
 *
 * With stride 2, the even and the odd rows and columns of the input are four maps. Each
 * is convolved with stride 1 by the taps that meet it, which are 3x3 or fewer; a place
 * to which only missing taps would lead has no products. Four results then take 49
 * multiplications instead of 100 (5x5), or 25 instead of 36 (3x3).
 *
 *   gather   a thread transforms some tiles, multiplies 32 channels of the result at a
 *            time, and transforms these back: what is in between stays in its level 2.
 *   weigh    the threads transform some hundred tiles, and then each adds products for
 *            some of the places: no sum has more than one thread, so their order is
 *            that of the tiles.
 */
#ifndef SLUICE_CONV_WINO_H
#define SLUICE_CONV_WINO_H

#include <stdbool.h>

#include "../device_cpu.h"
#include "../device_onednn.h"

struct conv_wino;

/* Can this shape be done so on this CPU, and is it worth it? The environment's
 * SLUICE_WINOGRAD=off says no. `pooled`: y and dy are those of a max pool with kernel
 * and stride 2 behind the convolution, whose result is then never in memory. Tiles are
 * its windows, so what is in none of them is not even computed; backward belongs to the
 * last forward. */
bool conv_wino_fits(const struct device *dev, const struct onednn_shape *shape,
                    bool pooled);

int conv_wino_create(struct conv_wino **out, struct device *dev,
                     const struct onednn_shape *shape, bool pooled,
                     struct sluice_error *err);
void conv_wino_free(struct conv_wino *conv); /* NULL is fine */
void conv_wino_stale(struct conv_wino *conv);

/* As conv2d's; without a bias. */
void conv_wino_forward(struct conv_wino *conv, struct device *dev, const void *x,
                       const float *weight, void *y);
void conv_wino_backward_data(struct conv_wino *conv, struct device *dev, const void *dy,
                             const float *weight, void *dx);
void conv_wino_backward_weight(struct conv_wino *conv, struct device *dev,
                               const void *x, const void *dy, float *dweight);

#endif

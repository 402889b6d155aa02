/* conv_few.h -- convolutions of images: so few channels that tiles would hold zeros,
 * and oneDNN, too, computes with most lanes idle. Forward only, a row of the output at
 * a time: the input rows that it needs are made floats with the padding around them,
 * and each of their values meets the weights of all output channels. */
#ifndef SLUICE_CONV_FEW_H
#define SLUICE_CONV_FEW_H

#include <stdbool.h>

#include "../device_cpu.h"
#include "../device_onednn.h"

struct conv_few;

/* Can this shape be done so, and is it worth it? */
bool conv_few_fits(const struct onednn_shape *shape);

int conv_few_create(struct conv_few **out, const struct onednn_shape *shape,
                    struct sluice_error *err);
void conv_few_free(struct conv_few *conv); /* NULL is fine */

/* bias: (k), or NULL */
void conv_few_forward(struct conv_few *conv, const struct device *dev, const void *x,
                      const float *weight, const float *bias, void *y);

#endif

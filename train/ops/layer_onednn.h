/* layer_onednn.h -- backward of an operator with a weight through oneDNN: the same for
 * conv2d and linear. */
#ifndef SLUICE_LAYER_ONEDNN_H
#define SLUICE_LAYER_ONEDNN_H

#include "../device_onednn.h"
#include "op.h"

/* All gradients that are wanted. */
int layer_backward(struct op *op, struct device *dev, struct onednn_layer *layer,
                   struct sluice_error *err);
/* The bias's alone: an own pass, as it is wanted, too, where the weight is frozen. */
int layer_backward_bias(struct op *op, struct device *dev, struct sluice_error *err);

#endif

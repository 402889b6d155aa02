/* layer_onednn.h -- conv2d and linear on device cpu: the same in all but their shape.
 */
#ifndef SLUICE_LAYER_ONEDNN_H
#define SLUICE_LAYER_ONEDNN_H

#include "../device_onednn.h"
#include "op.h"

int layer_plan(struct op *op, struct device *dev, const struct onednn_shape *shape,
               struct sluice_error *err);
int layer_forward(struct op *op, struct device *dev, struct pass *pass,
                  struct sluice_error *err);
int layer_backward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err);
void layer_release(struct op *op);
void layer_params_changed(struct op *op);

#endif

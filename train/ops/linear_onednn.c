/* linear_onednn.c -- fully connected layer on device cpu. As an inner product over an
 * image of (h, w, c) with a weight of (out, c, h, w) it needs no reordering of either.
 */
#include "backends.h"
#include "layer_onednn.h"

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    const int *in = op->in[0]->shape;
    const struct onednn_shape shape = {
        .inner = true,
        .n = in[0],
        .h = in[1],
        .w = in[2],
        .c = in[3],
        .oh = 1,
        .ow = 1,
        .k = op->attr.out_channels,
        .dtype = op->in[0]->dtype,
        .bias = op->param[1] != NULL,
    };
    return layer_plan(op, dev, &shape, err);
}

const struct op_backend op_linear_cpu = {
    .plan = plan,
    .forward = layer_forward,
    .backward = layer_backward,
    .release = layer_release,
    .params_changed = layer_params_changed,
};

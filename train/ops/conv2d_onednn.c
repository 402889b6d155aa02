/* conv2d_onednn.c -- convolution on device cpu. */
#include "backends.h"
#include "layer_onednn.h"

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    const struct onednn_shape shape = {
        .n = in[0],
        .h = in[1],
        .w = in[2],
        .c = in[3],
        .oh = out[1],
        .ow = out[2],
        .k = out[3],
        .kernel = op->attr.kernel,
        .stride = op->attr.stride,
        .pad = op->attr.pad,
        .dtype = op->in[0]->dtype,
        .bias = op->param[1] != NULL,
    };
    return layer_plan(op, dev, &shape, err);
}

const struct op_backend op_conv2d_cpu = {
    .plan = plan,
    .forward = layer_forward,
    .backward = layer_backward,
    .release = layer_release,
    .params_changed = layer_params_changed,
};

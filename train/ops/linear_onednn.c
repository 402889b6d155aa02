/* linear_onednn.c -- fully connected layer on device cpu. As an inner product over an
 * image of (h, w, c) with a weight of (out, c, h, w) it needs no reordering of either.
 */
#include "../device_cpu.h"
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
    struct onednn_layer *layer;
    const int rc = onednn_layer_create(&layer, dev, &shape, err);
    op->state = layer;
    return rc < 0 ? rc
                  : onednn_layer_prepare(layer, op->in[0]->grad != NULL,
                                         op->param[0]->grad != NULL, err);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass;
    return onednn_layer_forward(op->state, op->in[0]->data, op->param[0]->data,
                                op->param[1] ? op->param[1]->data : NULL,
                                op->out[0]->data, err);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass;
    return layer_backward(op, dev, op->state, err);
}

static void release(struct op *op)
{
    onednn_layer_free(op->state);
    op->state = NULL;
}

static void params_changed(struct op *op)
{
    if (op->state)
        onednn_layer_stale(op->state);
}

const struct op_backend op_linear_cpu = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .release = release,
    .params_changed = params_changed,
};

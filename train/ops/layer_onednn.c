/* layer_onednn.c -- a layer with a weight on device cpu. The bias's gradient is an own
 * pass: it is wanted, too, where the weight is frozen. */
#include <stdlib.h>

#include "../device_cpu.h"
#include "channel_sums.h"
#include "layer_onednn.h"

int layer_plan(struct op *op, struct device *dev, const struct onednn_shape *shape,
               struct sluice_error *err)
{
    struct onednn_layer *layer;
    threads_claim(dev);
    const int rc = onednn_layer_create(&layer, cpu_of(dev)->onednn, shape, err);
    op->state = layer;
    return rc < 0 ? rc
                  : onednn_layer_prepare(layer, op->in[0]->grad != NULL,
                                         op->param[0]->grad != NULL, err);
}

int layer_forward(struct op *op, struct device *dev, struct pass *pass,
                  struct sluice_error *err)
{
    (void)pass;
    threads_claim(dev);
    return onednn_layer_forward(op->state, op->in[0]->data, op->param[0]->data,
                                op->param[1] ? op->param[1]->data : NULL,
                                op->out[0]->data, err);
}

int layer_backward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)pass;
    int rc = 0;
    threads_claim(dev);
    if (op->in[0]->grad)
        rc = onednn_layer_backward_data(op->state, op->out[0]->grad, op->param[0]->data,
                                        op->in[0]->grad, err);
    if (rc == 0 && op->param[0]->grad)
        rc = onednn_layer_backward_weight(op->state, op->in[0]->data, op->out[0]->grad,
                                          op->param[0]->grad, err);
    if (rc == 0 && op->param[1] && op->param[1]->grad)
        rc = channel_sum(dev, op->out[0], op->out[0]->grad, op->param[1]->grad, err);
    return rc;
}

void layer_release(struct op *op)
{
    onednn_layer_free(op->state);
    op->state = NULL;
}

void layer_params_changed(struct op *op)
{
    if (op->state)
        onednn_layer_stale(op->state);
}

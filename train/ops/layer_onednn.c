/* layer_onednn.c -- see layer_onednn.h. */
#include "layer_onednn.h"
#include "channel_sums.h"

int layer_backward_bias(struct op *op, struct device *dev, struct sluice_error *err)
{
    if (!op->param[1] || !op->param[1]->grad)
        return 0;
    return channel_sum(dev, op->out[0], op->out[0]->grad, op->param[1]->grad, err);
}

int layer_backward(struct op *op, struct device *dev, struct onednn_layer *layer,
                   struct sluice_error *err)
{
    int rc = 0;
    if (op->in[0]->grad)
        rc = onednn_layer_backward_data(layer, op->out[0]->grad, op->param[0]->data,
                                        op->in[0]->grad, err);
    if (rc == 0 && op->param[0]->grad)
        rc = onednn_layer_backward_weight(layer, op->in[0]->data, op->out[0]->grad,
                                          op->param[0]->grad, err);
    return rc < 0 ? rc : layer_backward_bias(op, dev, err);
}

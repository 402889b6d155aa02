/* airbench94.c -- the network of airbench94 (Jordan, "94% on CIFAR-10 in 3.29 seconds
 * on a single GPU", 2024): a frozen whitening layer, three groups of two convolutions
 * that begin as identities. 1,972,792 parameters for 3 channels and 10 classes.
 *
 * Batch norm stands behind the pooling, so it works on a quarter of the values; its
 * scale stays 1. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../init.h"
#include "model.h"
#include "whitening.h"

enum {
    WIDTH,
    SCALE,
    BIAS_LR,
    WHITEN_EPOCHS,
    WHITEN_LR,
    ACTIVATION,
    PATCH = 2,
    GROUPS = 3,
};

static const struct model_option options[] = {
    [WIDTH] = { "width", 1, 0.0625, 8, "times the channels of the groups" },
    [SCALE] = { "scale", 1.0 / 9, 1e-6, 100, "of the logits" },
    [BIAS_LR] = { "bias_lr", 64, 1, 1024,
                  "times the learning rate of batch norm biases; their weight decay is "
                  "divided by it" },
    [WHITEN_EPOCHS] = { "whiten_bias_epochs", 3, 0, 1000,
                        "epochs in which the bias of the whitening layer is trained; "
                        "0: all",
                        .whole = true },
    [WHITEN_LR] = { "whiten_bias_lr", 1, 1e-3, 1024,
                    "times the learning rate of that bias; its weight decay is divided "
                    "by it" },
    [ACTIVATION] = { "activation", 0, 0, 1, "behind batch norm", .choices = "gelu|silu",
                     .later = true },
    { 0 },
};

static struct tensor *norm(struct net *net, struct tensor *x, const char *name,
                           const struct model_config *config)
{
    static const enum activation activations[] = { ACT_GELU, ACT_SILU };
    const struct op_attr attr = { .act = activations[(int)config->options[ACTIVATION]],
                                  .eps = 1e-12F,
                                  .momentum = 0.4F };
    x = net_op(net, &op_batchnorm, name, &attr, x, NULL);
    if (!x)
        return NULL;
    struct op *op = net_last(net);
    op->param[0]->trainable = false;
    op->param[1]->lr_scale = (float)config->options[BIAS_LR];
    op->param[1]->decay_scale = 1 / op->param[1]->lr_scale;
    return x;
}

static struct tensor *group(struct net *net, struct tensor *x, int number, int channels,
                            const struct model_config *config)
{
    char name[48];
    for (int i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "group%d.conv%d", number, i);
        x = net_conv2d(net, x, name, channels, 3, 1, 1, false);
        if (i == 1)
            x = net_maxpool(net, x, 2, 2);
        snprintf(name, sizeof name, "group%d.norm%d", number, i);
        x = norm(net, x, name, config);
    }
    return x;
}

static void build(struct net *net, const struct model_config *config)
{
    static const int widths[GROUPS] = { 64, 256, 256 };
    struct tensor *x = net_input(net);
    const int filters = 2 * PATCH * PATCH * x->shape[3];
    x = net_conv2d(net, x, "whiten", filters, PATCH, 1, 0, true);
    if (x) {
        net_last(net)->param[0]->trainable = false;
        struct tensor *bias = net_last(net)->param[1];
        bias->train_epochs = (int)config->options[WHITEN_EPOCHS];
        bias->lr_scale = (float)config->options[WHITEN_LR];
        bias->decay_scale = 1 / bias->lr_scale;
    }
    x = net_activation(net, x, ACT_GELU);
    for (int i = 0; i < GROUPS; i++)
        x = group(net, x, i + 1,
                  (int)fmax(1, lround(widths[i] * config->options[WIDTH])), config);
    x = net_maxpool(net, x, 3, 3);
    x = net_linear(net, x, "head", config->classes, false);
    x = net_scale(net, x, (float)config->options[SCALE]);
    net_softmax_xent(net, x, config->label_smoothing);
}

static void init(struct net *net, uint64_t seed)
{
    init_default(net, seed);
    for (int i = 0; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        if (strncmp(op->name, "group", 5) == 0 && op->def == &op_conv2d)
            init_dirac(op->param[0]);
        if (strcmp(op->name, "whiten") == 0)
            init_constant(op->param[1], 0);
    }
    net_params_changed(net);
}

/* The filters and their negatives: GELU cuts half of each away. */
static int prepare(struct net *net, const float *images, int n,
                   struct sluice_error *err)
{
    const int *in = net_input(net)->shape;
    struct tensor *weight = net_op_at(net, 0)->param[0];
    const size_t half = tensor_elements(weight) / 2;
    float *filters = weight->data;
    const int rc =
        whitening_filters(images, n, in[1], in[2], in[3], PATCH, 5e-4, filters, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < half; i++)
        filters[half + i] = -filters[i];
    net_params_changed(net);
    return 0;
}

const struct model_def model_airbench94 = {
    .name = "airbench94",
    .help = "whitening layer and six convolutions that begin as identities",
    .options = options,
    .build = build,
    .init = init,
    .prepare = prepare,
    .prepare_images = 5000,
};

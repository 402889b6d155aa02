/* cnn_small.c -- three convolutions with batch norm and pooling: small enough to reach
 * a good accuracy on 28x28 or 32x32 images within a minute on two cores. */
#include <math.h>

#include "../init.h"
#include "model.h"

enum {
    WIDTH,
    DROPOUT,
};

static const struct model_option options[] = {
    [WIDTH] = { "width", 1, 0.125, 16, "times the channels 32, 64, 128" },
    [DROPOUT] = { "dropout", 0, 0, 0.95, "before the linear layer" },
    { 0 },
};

static void build(struct net *net, const struct model_config *config)
{
    const int w32 = (int)fmax(1, lround(32 * config->options[WIDTH]));
    struct tensor *x = net_input(net);
    x = net_conv2d(net, x, "conv1", w32, 3, 1, 1, false);
    x = net_maxpool(net, x, 2, 2);
    x = net_batchnorm(net, x, "bn1", ACT_RELU);
    x = net_conv2d(net, x, "conv2", 2 * w32, 3, 1, 1, false);
    x = net_maxpool(net, x, 2, 2);
    x = net_batchnorm(net, x, "bn2", ACT_RELU);
    x = net_conv2d(net, x, "conv3", 4 * w32, 3, 1, 1, false);
    x = net_batchnorm(net, x, "bn3", ACT_RELU);
    x = net_globalmax(net, x);
    if (config->options[DROPOUT] > 0)
        x = net_dropout(net, x, (float)config->options[DROPOUT]);
    x = net_linear(net, x, "fc", config->classes, true);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_cnn_small = {
    .name = "cnn_small",
    .help = "three convolutions with batch norm and pooling",
    .options = options,
    .build = build,
    .init = init_default,
};

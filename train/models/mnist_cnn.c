/* mnist_cnn.c -- two strided convolutions and two linear layers: 60,106 parameters for
 * 28x28x1 and 10 classes. */
#include "../init.h"
#include "model.h"

enum {
    DROPOUT,
};

static const struct model_option options[] = {
    [DROPOUT] = { "dropout", 0, 0, 0.95, "before each linear layer" },
    { 0 },
};

static struct tensor *drop(struct net *net, struct tensor *x,
                           const struct model_config *config)
{
    const float p = (float)config->options[DROPOUT];
    return p > 0 ? net_dropout(net, x, p) : x;
}

static void build(struct net *net, const struct model_config *config)
{
    struct tensor *x = net_input(net);
    x = net_conv2d(net, x, "conv1", 32, 3, 2, 1, true);
    x = net_activation(net, x, ACT_RELU);
    x = net_conv2d(net, x, "conv2", 32, 3, 2, 1, true);
    x = net_activation(net, x, ACT_RELU);
    x = drop(net, x, config);
    x = net_linear(net, x, "fc1", 32, true);
    x = net_activation(net, x, ACT_RELU);
    x = drop(net, x, config);
    x = net_linear(net, x, "fc2", config->classes, true);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_mnist_cnn = {
    .name = "mnist_cnn",
    .help = "two strided convolutions and two linear layers",
    .options = options,
    .build = build,
    .init = init_default,
};

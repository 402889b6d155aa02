/* mlp.c -- fully connected layers with ReLU: 784-128-64-10 has 109,386 parameters. */
#include <stdio.h>

#include "../init.h"
#include "model.h"

enum {
    HIDDEN,
    DROPOUT,
    LAYERS_MAX = 64,
};

static const struct model_option options[] = {
    [HIDDEN] = { "hidden", .text = "128,64", .help = "units of each hidden layer" },
    [DROPOUT] = { "dropout", 0, 0, 0.95, "behind each hidden layer" },
    { 0 },
};

static void build(struct net *net, const struct model_config *config)
{
    struct tensor *x = net_input(net);
    const float dropout = (float)config->options[DROPOUT];
    int units[LAYERS_MAX], i;
    char name[16];
    const int hidden =
        model_whole_numbers(net, config, HIDDEN, "hidden", 1, 65536, LAYERS_MAX, units);
    for (i = 0; i < hidden; i++) {
        snprintf(name, sizeof name, "fc%d", i + 1);
        x = net_linear(net, x, name, units[i], true);
        x = net_activation(net, x, ACT_RELU);
        if (dropout > 0)
            x = net_dropout(net, x, dropout);
    }
    snprintf(name, sizeof name, "fc%d", i + 1);
    x = net_linear(net, x, name, config->classes, true);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_mlp = {
    .name = "mlp",
    .help = "fully connected layers with ReLU",
    .options = options,
    .build = build,
    .init = init_default,
};

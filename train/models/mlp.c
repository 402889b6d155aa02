/* mlp.c -- fully connected layers with ReLU: 784-128-64-10 has 109,386 parameters. */
#include <stdio.h>

#include "../init.h"
#include "model.h"

enum {
    LAYERS = 4,
    DROPOUT = LAYERS,
};

static const struct model_option options[] = {
    { "hidden1", 128, 0, 65536, "units of the first hidden layer; 0: none",
      .whole = true },
    { "hidden2", 64, 0, 65536, "units of the second; 0: none", .whole = true },
    { "hidden3", 0, 0, 65536, "units of the third; 0: none", .whole = true },
    { "hidden4", 0, 0, 65536, "units of the fourth; 0: none", .whole = true },
    [DROPOUT] = { "dropout", 0, 0, 0.95, "behind each hidden layer" },
    { 0 },
};

static void build(struct net *net, const struct model_config *config)
{
    struct tensor *x = net_input(net);
    char name[16];
    int number = 1;
    for (int i = 0; i < LAYERS; i++) {
        if (config->options[i] < 1)
            continue;
        snprintf(name, sizeof name, "fc%d", number++);
        x = net_linear(net, x, name, (int)config->options[i], true);
        x = net_activation(net, x, ACT_RELU);
        if (config->options[DROPOUT] > 0)
            x = net_dropout(net, x, (float)config->options[DROPOUT]);
    }
    snprintf(name, sizeof name, "fc%d", number);
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

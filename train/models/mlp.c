/* mlp.c -- fully connected layers: 784-128-64-10 has 109,386 parameters. */
#include "../init.h"
#include "dense.h"

static const struct model_option options[] = {
    DENSE_TABLE("128,64", "0"),
    { 0 },
};

static void build(struct net *net, const struct model_config *config)
{
    struct tensor *x = net_input(net);
    struct dense list;
    dense_read(&list, net, config);
    for (int i = 0; i <= list.hidden; i++)
        x = dense_layer(net, x, i + 1, &list.at[i]);
    x = list_softmax(net, x, config->options[DENSE_SOFTMAX]);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_mlp = {
    .name = "mlp",
    .help = "fully connected layers",
    .options = options,
    .build = build,
    .init = init_default,
};

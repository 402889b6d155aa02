/* block_cnn.c -- blocks of 3x3 convolutions that a recipe shapes, and three linear
 * layers behind them: 5,776,842 parameters for 32x32x3 and 10 classes as it stands.
 *
 *     block:  { conv bn activation } as often as layers_per_block says, maxpool
 *     head:   dropout fc1 activation dropout fc2 activation fc3 */
#include <stdio.h>

#include "../init.h"
#include "model.h"

enum {
    HIDDEN_DIMS,
    LAYERS,
    POOLING,
    BN,
    ACTIVATION,
    DROPOUT,
    BLOCKS_MAX = 32,
    HEAD = 2, /* hidden_dims behind those of the blocks */
};

static const struct model_option options[] = {
    [HIDDEN_DIMS] = { "hidden_dims", .text = "32,128,256,512,512,128",
                      .help = "channels of each block, then units of fc1 and fc2" },
    [LAYERS] = { "layers_per_block", .text = "1,1,1,1",
                 .help = "convolutions in each block" },
    [POOLING] = { "apply_pooling", .text = "1,1,1,0",
                  .help = "1: halve the maps behind the block" },
    [BN] = { "apply_bn", .text = "1,1,1,1",
             .help = "1: batch norm behind each convolution of the block" },
    [ACTIVATION] = { "activation", 0, 0, 3, "behind each layer but the last",
                     .choices = "relu|gelu|sigmoid|silu" },
    [DROPOUT] = { "dropout", 0.2, 0, 0.95, "before fc1 and fc2" },
    { 0 },
};

struct shape {
    int blocks;
    int dims[BLOCKS_MAX + HEAD];
    int layers[BLOCKS_MAX], pooling[BLOCKS_MAX], bn[BLOCKS_MAX];
    enum activation act;
};

/* A list with one entry a block. */
static bool read_list(struct net *net, const struct model_config *config, int option,
                      int least, int most, const struct shape *s, int out[BLOCKS_MAX])
{
    const char *name = options[option].name;
    const int found =
        model_whole_numbers(net, config, option, name, least, most, BLOCKS_MAX, out);
    if (found >= 0 && found != s->blocks)
        net_fail(net,
                 "model.%s: expected %d numbers, one for each block, as "
                 "model.hidden_dims has %d; found %d",
                 name, s->blocks, s->blocks + HEAD, found);
    return found == s->blocks;
}

static bool read_shape(struct net *net, const struct model_config *config,
                       struct shape *s)
{
    static const enum activation activations[] = { ACT_RELU, ACT_GELU, ACT_SIGMOID,
                                                   ACT_SILU };
    const int found = model_whole_numbers(net, config, HIDDEN_DIMS, "hidden_dims", 1,
                                          65536, BLOCKS_MAX + HEAD, s->dims);
    s->blocks = found - HEAD;
    s->act = activations[(int)config->options[ACTIVATION]];
    if (found >= 0 && s->blocks < 1)
        net_fail(net,
                 "model.hidden_dims: expected at least 3 numbers, channels of each "
                 "block and units of two layers; found %d",
                 found);
    return s->blocks >= 1 && read_list(net, config, LAYERS, 1, 64, s, s->layers) &&
           read_list(net, config, POOLING, 0, 1, s, s->pooling) &&
           read_list(net, config, BN, 0, 1, s, s->bn);
}

/* Batch norm does the first two activations itself. */
static struct tensor *unit(struct net *net, struct tensor *x, const struct shape *s,
                           int block, int layer)
{
    const bool joined = s->bn[block] && s->act != ACT_SIGMOID;
    char name[48];
    snprintf(name, sizeof name, "blocks.%d.conv%d", block, layer + 1);
    x = net_conv2d(net, x, name, s->dims[block], 3, 1, 1, true);
    snprintf(name, sizeof name, "blocks.%d.bn%d", block, layer + 1);
    if (s->bn[block])
        x = net_batchnorm(net, x, name, joined ? s->act : ACT_NONE);
    return joined ? x : net_activation(net, x, s->act);
}

static void build(struct net *net, const struct model_config *config)
{
    const float dropout = (float)config->options[DROPOUT];
    struct tensor *x = net_input(net);
    struct shape s;
    char name[16];
    if (!read_shape(net, config, &s))
        return;
    for (int b = 0; b < s.blocks; b++) {
        for (int i = 0; i < s.layers[b]; i++)
            x = unit(net, x, &s, b, i);
        if (s.pooling[b])
            x = net_maxpool(net, x, 2, 2);
    }
    for (int i = 0; i < HEAD; i++) {
        snprintf(name, sizeof name, "fc%d", i + 1);
        x = dropout > 0 ? net_dropout(net, x, dropout) : x;
        x = net_linear(net, x, name, s.dims[s.blocks + i], true);
        x = net_activation(net, x, s.act);
    }
    x = net_linear(net, x, "fc3", config->classes, true);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_block_cnn = {
    .name = "block_cnn",
    .help = "blocks of 3x3 convolutions, and three linear layers",
    .options = options,
    .build = build,
    .init = init_default,
};

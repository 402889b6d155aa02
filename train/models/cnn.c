/* cnn.c -- convolutions, poolings and residual blocks from a list, then the mean over
 * all pixels and a linear layer.
 *
 *     layer:  x -> conv (with bias) [bn] act [dropout of channels]
 *     block:  layers, each of which may add what an earlier one gave, or the block's
 *             input, and is then followed by its activation:  x = act(P(y) + source)
 *
 * P is a 1x1 convolution where channels differ: of the layer's output, which then goes
 * on with its source's channels (project=branch), or of the source (project=skip). The
 * block's input is always the one that is projected, with a stride where it must.
 *
 * conv:32,conv:64,max:2,conv:128,max:2:stride=3,conv:256 has 390,986 parameters for
 * colored images of 10 classes; residual_cnn's own list, with batch norm, 57,290. */
#include <stdio.h>

#include "../init.h"
#include "conv_layers.h"

enum {
    LAYERS,
    ACTIVATION,
    DROPOUT,
    BN,
    PROJECT,
    SOFTMAX,
};

#define TABLE(layers, bn)                                                              \
    [LAYERS] = { "layers", .text = (layers),                                           \
                 .help = "conv:CHANNELS, res:CHANNELS/CHANNELS, max:KERNEL, "          \
                         "avg:KERNEL with :name=value behind them" },                  \
    [ACTIVATION] = { "activation",    0, 0, 4, "of layers that say nothing else",      \
                     LIST_ACTIVATIONS },                                               \
    [DROPOUT] = { "dropout", 0, 0, 0.95, "of channels, behind such layers" },          \
    [BN] = { "bn", (bn), 0, 1, "batch norm in such layers", .whole = true },           \
    [PROJECT] = { "project",                                                           \
                  0,                                                                   \
                  0,                                                                   \
                  1,                                                                   \
                  "in blocks, which of two numbers of channels that differ gets a "    \
                  "1x1 convolution",                                                   \
                  "branch|skip" },                                                     \
    [SOFTMAX] = { "softmax", 0, 0, 1, LIST_SOFTMAX_HELP, .whole = true }

static const struct model_option plain_options[] = {
    TABLE("conv:32,conv:64,max:2,conv:128,max:2:stride=3,conv:256", 0),
    { 0 },
};

static const struct model_option residual_options[] = {
    TABLE("conv:32,max:2,res:64/64:skips=1-0", 1),
    { 0 },
};

struct build {
    struct net *net;
    bool on_skip;
    int convs, blocks; /* so far, for names */
    struct conv_item item;
    struct tensor *taps[BLOCK_LAYERS]; /* what each layer of the block will add */
};

/* "conv3", "bn3"; of blocks "block2.0.conv", "block2.0.bn". */
static void name_part(const struct build *b, char name[48], const char *part, int i)
{
    if (b->item.kind == KIND_CONV)
        snprintf(name, 48, "%s%d", part, b->convs);
    else
        snprintf(name, 48, "block%d.%d.%s", b->blocks, i, part);
}

static struct tensor *activate(struct net *net, struct tensor *x, enum activation act)
{
    return act == ACT_NONE ? x : net_activation(net, x, act);
}

static struct tensor *conv_layer(struct build *b, struct tensor *x, int i)
{
    const struct conv_layer *l = &b->item.at[i];
    char name[48];
    name_part(b, name, "conv", i);
    x = net_conv2d(b->net, x, name, l->channels, l->kernel, l->stride, l->pad, true);
    name_part(b, name, "bn", i);
    if (!l->bn)
        x = activate(b->net, x, l->act);
    else if (l->act == ACT_SIGMOID)
        x = activate(b->net, net_batchnorm(b->net, x, name, ACT_NONE), l->act);
    else
        x = net_batchnorm(b->net, x, name, l->act);
    return l->dropout > 0 ? net_dropout_channels(b->net, x, l->dropout) : x;
}

/* Keep x for all layers of the block that add it; what goes on. */
static struct tensor *remember(struct build *b, struct tensor *x, int source)
{
    for (int i = 0; i < b->item.count; i++)
        if (b->item.at[i].source == source)
            net_fork(b->net, x, &x, &b->taps[i]);
    return x;
}

static struct tensor *project(struct build *b, struct tensor *x, int i, int channels,
                              int stride)
{
    char name[48];
    name_part(b, name, "project", i);
    return net_conv2d(b->net, x, name, channels, 1, stride, 0, true);
}

/* The stride that makes a map of `from` pixels as large as one of `to`. */
static int stride_between(const struct tensor *from, const struct tensor *to)
{
    return (from->shape[1] + to->shape[1] - 1) / to->shape[1];
}

static struct tensor *add_skip(struct build *b, struct tensor *x, int i)
{
    const struct conv_layer *l = &b->item.at[i];
    struct tensor *tap = b->taps[i];
    const bool skip = b->on_skip || l->source == BLOCK_INPUT;
    if (!x || !tap)
        return NULL;
    const int stride = stride_between(tap, x);
    if (skip && (stride > 1 || tap->shape[3] != x->shape[3]))
        tap = project(b, tap, i, x->shape[3], stride);
    else if (x->shape[3] != tap->shape[3])
        x = project(b, x, i, tap->shape[3], 1);
    if (x && tap && (x->shape[1] != tap->shape[1] || x->shape[2] != tap->shape[2])) {
        net_fail(b->net,
                 "model.layers: res: layer %d has maps of %dx%d and adds some of "
                 "%dx%d: expected the same size, or project=skip",
                 i, x->shape[1], x->shape[2], tap->shape[1], tap->shape[2]);
        return NULL;
    }
    if (l->act == ACT_RELU)
        return net_add_relu(b->net, x, tap);
    return activate(b->net, net_add(b->net, x, tap), l->act);
}

static struct tensor *block(struct build *b, struct tensor *x)
{
    x = remember(b, x, BLOCK_INPUT);
    for (int i = 0; i < b->item.count; i++) {
        x = remember(b, conv_layer(b, x, i), i);
        if (b->item.at[i].source != NO_SOURCE)
            x = add_skip(b, x, i);
    }
    return x;
}

static struct tensor *next_item(struct build *b, struct tensor *x)
{
    const struct conv_layer *first = &b->item.at[0];
    const struct op_attr attr = { .kernel = first->kernel,
                                  .stride = first->stride,
                                  .pad = first->pad };
    switch (b->item.kind) {
    case KIND_MAX:
        return net_op(b->net, &op_maxpool, NULL, &attr, x, NULL);
    case KIND_AVG:
        return net_op(b->net, &op_avgpool, NULL, &attr, x, NULL);
    case KIND_CONV:
        b->convs++;
        break;
    case KIND_RES:
        b->blocks++;
        break;
    }
    return block(b, x);
}

static void build(struct net *net, const struct model_config *config)
{
    struct build b = { .net = net, .on_skip = config->options[PROJECT] > 0 };
    const struct conv_layer usual = { .bn = config->options[BN] > 0,
                                      .act = list_choice(config->options[ACTIVATION]),
                                      .dropout = (float)config->options[DROPOUT] };
    const char *text = config->texts[LAYERS];
    struct tensor *x = net_input(net);
    while (conv_layers_next(net, &text, &usual, &b.item))
        x = next_item(&b, x);
    x = net_globalavg(net, x);
    x = net_linear(net, x, "fc", config->classes, true);
    x = list_softmax(net, x, config->options[SOFTMAX]);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_cnn = {
    .name = "cnn",
    .help = "convolutions and poolings from a list",
    .options = plain_options,
    .build = build,
    .init = init_default,
};

const struct model_def model_residual_cnn = {
    .name = "residual_cnn",
    .help = "convolutions with batch norm and residual blocks from a list",
    .options = residual_options,
    .build = build,
    .init = init_default,
};

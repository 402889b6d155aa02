/* resnet9.c -- the nine-layer residual network of the FFCV CIFAR example: 2,274,880
 * parameters for 3 channels and 10 classes. Works from 21x21 pixels up. */
#include <math.h>
#include <stdio.h>

#include "../init.h"
#include "model.h"

enum {
    WIDTH,
    SCALE,
};

static const struct model_option options[] = {
    [WIDTH] = { "width", 1, 0.0625, 8, "times the channels of every layer" },
    [SCALE] = { "scale", 0.2, 1e-6, 100, "of the logits" },
    { 0 },
};

struct unit {
    int channels, kernel, stride, pad;
};

/* Convolution, batch norm, ReLU, named conv<name> and bn<name> behind the prefix. */
static struct tensor *unit(struct net *net, struct tensor *x, const char *prefix, int i,
                           struct unit u)
{
    char name[48];
    snprintf(name, sizeof name, "%sconv%d", prefix, i);
    x = net_conv2d(net, x, name, u.channels, u.kernel, u.stride, u.pad, false);
    snprintf(name, sizeof name, "%sbn%d", prefix, i);
    return net_batchnorm(net, x, name, ACT_RELU);
}

static struct tensor *residual(struct net *net, struct tensor *x, const char *prefix,
                               int number, int channels)
{
    const struct unit same = { channels, 3, 1, 1 };
    struct tensor *straight, *branch;
    char name[32];
    snprintf(name, sizeof name, "%sres%d.", prefix, number);
    net_fork(net, x, &straight, &branch);
    branch = unit(net, branch, name, 1, same);
    branch = unit(net, branch, name, 2, same);
    return net_add(net, straight, branch);
}

static struct tensor *part(struct net *net, struct tensor *x, const char *prefix,
                           const struct model_config *config)
{
    const double width = config->options[WIDTH];
    const int w64 = (int)fmax(1, lround(64 * width)), w128 = 2 * w64, w256 = 4 * w64;
    char name[32];
    x = unit(net, x, prefix, 1, (struct unit){ w64, 3, 1, 1 });
    x = unit(net, x, prefix, 2, (struct unit){ w128, 5, 2, 2 });
    x = residual(net, x, prefix, 1, w128);
    x = unit(net, x, prefix, 3, (struct unit){ w256, 3, 1, 1 });
    x = net_maxpool(net, x, 2, 2);
    x = residual(net, x, prefix, 2, w256);
    x = unit(net, x, prefix, 4, (struct unit){ w128, 3, 1, 0 });
    x = net_globalmax(net, x);
    snprintf(name, sizeof name, "%sfc", prefix);
    x = net_linear(net, x, name, config->classes, false);
    return net_scale(net, x, (float)config->options[SCALE]);
}

static void build(struct net *net, const struct model_config *config)
{
    struct tensor *x = part(net, net_input(net), "", config);
    net_softmax_xent(net, x, config->label_smoothing);
}

const struct model_def model_resnet9 = {
    .name = "resnet9",
    .help = "nine-layer residual network of the FFCV CIFAR example",
    .options = options,
    .build = build,
    .part = part,
    .init = init_default,
};

/* resnet.c -- residual networks in four stages (He, Zhang, Ren, Sun: "Deep residual
 * learning for image recognition", 2015), with what may be added to them: squeeze and
 * excitation, stochastic depth, skips around whole stages.
 *
 *     block:  x -> conv bn relu conv bn [se] [droppath] -> + shortcut -> relu
 *
 * The shortcut is x itself, or a 1x1 convolution and batch norm where the shape
 * changes. Where droppath leaves the branch out, the shortcut goes on alone. */
#include "resnet.h"

#include <stdio.h>

enum {
    EXPANSION = 4, /* of a bottleneck */
    NAME = 48,     /* of a prefix */
};

/* A network being built. */
struct build {
    struct net *net;
    const char *prefix;
    const struct resnet *shape;
    int block, block_count; /* in all stages */
};

/* Convolution `conv` and batch norm `bn`, both behind `prefix`. */
static struct tensor *unit(struct net *net, struct tensor *x, const char *prefix,
                           const char *conv, const char *bn, const struct op_attr *attr,
                           enum activation act)
{
    char name[3 * NAME];
    snprintf(name, sizeof name, "%s%s", prefix, conv);
    x = net_conv2d(net, x, name, attr->out_channels, attr->kernel, attr->stride,
                   attr->pad, false);
    snprintf(name, sizeof name, "%s%s", prefix, bn);
    return net_batchnorm(net, x, name, act);
}

static struct tensor *projection(struct net *net, struct tensor *x, const char *prefix,
                                 int channels, int stride)
{
    const struct op_attr attr = { .out_channels = channels,
                                  .kernel = 1,
                                  .stride = stride };
    return unit(net, x, prefix, "0", "1", &attr, ACT_NONE);
}

/* Hu, Shen, Sun: "Squeeze-and-excitation networks" (2018); layers without bias. */
static struct tensor *squeeze_excite(struct net *net, struct tensor *x,
                                     const char *prefix, int reduction)
{
    char name[2 * NAME];
    struct tensor *map, *f;
    const int c = x ? x->shape[3] : 0, hidden = c > reduction ? c / reduction : 1;
    net_fork(net, x, &map, &f);
    snprintf(name, sizeof name, "%sse.fc.0", prefix);
    f = net_linear(net, net_globalavg(net, f), name, hidden, false);
    snprintf(name, sizeof name, "%sse.fc.2", prefix);
    f = net_linear(net, net_activation(net, f, ACT_RELU), name, c, false);
    return net_gate(net, map, net_activation(net, f, ACT_SIGMOID));
}

static struct tensor *branch(const struct build *b, struct tensor *x,
                             const char *prefix, int channels, int stride)
{
    const struct op_attr plain = {
        .out_channels = channels, .kernel = 3, .stride = 1, .pad = 1
    };
    struct op_attr strided = plain, narrow = plain, wide = plain;
    strided.stride = stride;
    narrow.kernel = wide.kernel = 1;
    narrow.pad = wide.pad = 0;
    wide.out_channels = EXPANSION * channels;
    if (b->shape->bottleneck) {
        x = unit(b->net, x, prefix, "conv1", "bn1", &narrow, ACT_RELU);
        x = unit(b->net, x, prefix, "conv2", "bn2", &strided, ACT_RELU);
        return unit(b->net, x, prefix, "conv3", "bn3", &wide, ACT_NONE);
    }
    x = unit(b->net, x, prefix, "conv1", "bn1", &strided, ACT_RELU);
    return unit(b->net, x, prefix, "conv2", "bn2", &plain, ACT_NONE);
}

static double drop_probability(const struct build *b)
{
    return b->block_count > 1 ? b->shape->drop * b->block / (b->block_count - 1) : 0;
}

static struct tensor *block(struct build *b, struct tensor *x, const char *prefix,
                            int channels, int stride)
{
    const struct resnet *shape = b->shape;
    const int out = shape->bottleneck ? EXPANSION * channels : channels;
    const double p = drop_probability(b);
    char name[2 * NAME];
    struct tensor *straight, *y;
    b->block++;
    net_fork(b->net, x, &straight, &y);
    if (straight && (stride != 1 || straight->shape[3] != out)) {
        snprintf(name, sizeof name, "%sdownsample.", prefix);
        straight = projection(b->net, straight, name, out, stride);
    }
    y = branch(b, y, prefix, channels, stride);
    if (shape->se_reduction)
        y = squeeze_excite(b->net, y, prefix, shape->se_reduction);
    if (p > 0)
        y = net_droppath(b->net, y, (float)p, shape->drop_per_sample,
                         shape->drop_scaling);
    return net_add_relu(b->net, straight, y);
}

static struct tensor *stage(struct build *b, struct tensor *x, int number)
{
    const struct resnet *shape = b->shape;
    const int channels = shape->channels << number, stride = number ? 2 : 1;
    char prefix[NAME];
    struct tensor *around = NULL;
    if (shape->long_skips && number)
        net_fork(b->net, x, &around, &x);
    for (int i = 0; i < shape->blocks[number]; i++) {
        snprintf(prefix, sizeof prefix, "%slayer%d.%d.", b->prefix, number + 1, i);
        x = block(b, x, prefix, channels, i ? 1 : stride);
    }
    if (!around)
        return x;
    snprintf(prefix, sizeof prefix, "%sskip%d.", b->prefix, number);
    around = projection(b->net, around, prefix, x ? x->shape[3] : 0, stride);
    return net_add(b->net, x, around);
}

static struct tensor *stem(const struct build *b, struct tensor *x)
{
    const struct resnet *shape = b->shape;
    const bool imagenet = shape->stem == STEM_IMAGENET;
    const struct op_attr conv = { .out_channels = shape->channels,
                                  .kernel = imagenet ? 7 : 3,
                                  .stride = imagenet ? 2 : 1,
                                  .pad = imagenet ? 3 : 1 };
    const struct op_attr pool = { .kernel = 3, .stride = 2, .pad = 1 };
    x = unit(b->net, x, b->prefix, "conv1", "bn1", &conv, ACT_RELU);
    return imagenet ? net_op(b->net, &op_maxpool, NULL, &pool, x, NULL) : x;
}

struct tensor *resnet_logits(struct net *net, struct tensor *x, const char *prefix,
                             const struct resnet *shape, int classes)
{
    struct build b = { .net = net, .prefix = prefix, .shape = shape };
    char name[NAME];
    for (int i = 0; i < RESNET_STAGES; i++)
        b.block_count += shape->blocks[i];
    x = stem(&b, x);
    for (int i = 0; i < RESNET_STAGES; i++)
        x = stage(&b, x, i);
    x = net_globalavg(net, x);
    if (shape->dropout > 0)
        x = net_dropout(net, x, (float)shape->dropout);
    snprintf(name, sizeof name, "%sfc", prefix);
    return net_linear(net, x, name, classes, true);
}

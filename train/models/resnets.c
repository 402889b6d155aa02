/* resnets.c -- the residual networks of the registry. They have the same options and
 * differ in blocks and in what the options are when nothing is said. */
#include "../init.h"
#include "resnet.h"

enum {
    STEM,
    CHANNELS,
    SE_REDUCTION,
    DROP,
    DROP_MODE,
    DROP_SCALING,
    DROPOUT,
    LONG_SKIPS,
};

/* clang-format off */
#define OPTIONS(stem, channels, se_reduction, drop, dropout, long_skips) {                   \
    [STEM] = { "stem", stem, 0, 1,                                                           \
      "3x3, or 7x7 of stride 2 and max-pooling", .choices = "cifar|imagenet" },              \
    [CHANNELS] = { "channels", channels, 1, 1024,                                            \
      "of the first stage", .whole = true },                                                 \
    [SE_REDUCTION] = { "se_reduction", se_reduction, 0, 1024,                                \
      "squeeze and excitation through 1/this of the channels; 0: none", .whole = true },     \
    [DROP] = { "drop", drop, 0, 0.99,                                                        \
      "stochastic depth: the last block's probability to be left out" },                     \
    [DROP_MODE] = { "drop_mode", 0, 0, 1,                                                    \
      "one draw for all images, or one each", .choices = "batch|sample" },                   \
    [DROP_SCALING] = { "drop_scaling", DROP_EXPECTED, 0, 2,                                  \
      "expected: branches times 1 - p in tests; inverted: by 1 - p in training",             \
      .choices = "none|expected|inverted" },                                                 \
    [DROPOUT] = { "dropout", dropout, 0, 0.95, "before the linear layer" },                  \
    [LONG_SKIPS] = { "long_skips", long_skips, 0, 1,                                         \
      "1x1 convolutions around stages 2 to 4", .choices = "false|true" },                    \
    { 0 },                                                                                   \
}
/* clang-format on */

static const struct model_option imagenet[] = OPTIONS(STEM_IMAGENET, 64, 0, 0, 0, 0);
static const struct model_option se[] = OPTIONS(STEM_CIFAR, 32, 16, 0, 0.3, 0);
static const struct model_option depth[] = OPTIONS(STEM_CIFAR, 32, 0, 0.2, 0.3, 0);
static const struct model_option medium[] = OPTIONS(STEM_CIFAR, 24, 0, 0, 0, 1);

struct blocks {
    int of[RESNET_STAGES];
    bool bottleneck;
};

static struct tensor *logits(struct net *net, struct tensor *x, const char *prefix,
                             const struct model_config *config, struct blocks blocks)
{
    const double *o = config->options;
    struct resnet shape = {
        .bottleneck = blocks.bottleneck,
        .stem = (enum resnet_stem)o[STEM],
        .channels = (int)o[CHANNELS],
        .se_reduction = (int)o[SE_REDUCTION],
        .drop = o[DROP],
        .drop_per_sample = o[DROP_MODE] > 0,
        .drop_scaling = (enum drop_scaling)o[DROP_SCALING],
        .dropout = o[DROPOUT],
        .long_skips = o[LONG_SKIPS] > 0,
    };
    for (int i = 0; i < RESNET_STAGES; i++)
        shape.blocks[i] = blocks.of[i];
    return resnet_logits(net, x, prefix, &shape, config->classes);
}

/* The two functions of a model: its logits behind an input, and all of it. */
#define BUILDERS(name, ...)                                                            \
    static struct tensor *part_##name(struct net *net, struct tensor *x,               \
                                      const char *prefix,                              \
                                      const struct model_config *config)               \
    {                                                                                  \
        return logits(net, x, prefix, config, (struct blocks){ __VA_ARGS__ });         \
    }                                                                                  \
    static void build_##name(struct net *net, const struct model_config *config)       \
    {                                                                                  \
        struct tensor *x = part_##name(net, net_input(net), "", config);               \
        net_softmax_xent(net, x, config->label_smoothing);                             \
    }

BUILDERS(2222, { 2, 2, 2, 2 })
BUILDERS(3333, { 3, 3, 3, 3 })
BUILDERS(34, { 3, 4, 6, 3 })
BUILDERS(50, { 3, 4, 6, 3 }, true)
BUILDERS(101, { 3, 4, 23, 3 }, true)

const struct model_def model_se_resnet = {
    .name = "se_resnet",
    .help = "eight residual blocks with squeeze and excitation, for small images",
    .options = se,
    .build = build_2222,
    .part = part_2222,
    .init = init_fan_out,
};

const struct model_def model_stochastic_depth = {
    .name = "stochastic_depth",
    .help = "eight residual blocks, left out at random while training",
    .options = depth,
    .build = build_2222,
    .part = part_2222,
    .init = init_fan_out,
};

const struct model_def model_resnet_medium = {
    .name = "resnet_medium",
    .help = "twelve residual blocks with skips around stages, for small images",
    .options = medium,
    .build = build_3333,
    .part = part_3333,
    .init = init_fan_out,
};

const struct model_def model_resnet18 = {
    .name = "resnet18",
    .help = "residual network of 18 layers",
    .options = imagenet,
    .build = build_2222,
    .part = part_2222,
    .init = init_fan_out,
};

const struct model_def model_resnet34 = {
    .name = "resnet34",
    .help = "residual network of 34 layers",
    .options = imagenet,
    .build = build_34,
    .part = part_34,
    .init = init_fan_out,
};

const struct model_def model_resnet50 = {
    .name = "resnet50",
    .help = "residual network of 50 layers, in bottlenecks",
    .options = imagenet,
    .build = build_50,
    .part = part_50,
    .init = init_fan_out,
};

const struct model_def model_resnet101 = {
    .name = "resnet101",
    .help = "residual network of 101 layers, in bottlenecks",
    .options = imagenet,
    .build = build_101,
    .part = part_101,
    .init = init_fan_out,
};

/* stack.c -- several networks and one that learns what to make of them (Wolpert:
 * "Stacked generalization", 1992), here trained together, end to end:
 *
 *     image -+- base 1 ---- logits -+
 *            +- ...                 +- concat -- meta layers -- logits
 *            +- base n ---- logits -+
 *            +- features: convolutions, F numbers
 *
 * and what is minimised is the cross-entropy of the last logits plus alpha times the
 * sum of the bases'. Gradients of both go into the bases, and of the first one into the
 * features. A base is any model that can be a part (model.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../init.h"
#include "model.h"

enum {
    BASES,
    INIT,
    INIT_SCALE,
    STEM,
    WIDTH,
    FEATURES,
    META,
    DROPOUT,
    ALPHA,
    LABEL_SMOOTHING_COMPAT,
};

enum {
    BASES_MOST = PASS_HEADS - 1,
    LAYERS_MOST = 16, /* of the meta network */
    NAME = 32,
};

static const struct model_option options[] = {
    /* clang-format off */
    [BASES] = { "bases", .text = "resnet18,resnet34,resnet50",
      .help = "the networks, by their names: those that end in logits of convolutions" },
    [INIT] = { "init", .text = "default",
      .help = "how their weights begin, one for all or one each: " INIT_SCHEMES_OF_PARTS },
    [INIT_SCALE] = { "init_scale", 0.01, 1e-6, 10,
      "of init=normal the deviation, of init=uniform the bound" },
    [STEM] = { "stem", 0, 0, 2, "of those that have one", .choices = "own|cifar|imagenet" },
    [WIDTH] = { "width", 1, 0.0625, 8, "times the channels of bases and features" },
    [FEATURES] = { "features", 256, 0, 65536,
      "numbers beside the logits, from convolutions of their own; 0: none", .whole = true },
    [META] = { "meta", .text = "512,256,128",
      .help = "units of each hidden layer behind logits and features" },
    [DROPOUT] = { "dropout", 0.5, 0, 0.95, "behind each of these layers" },
    [ALPHA] = { "alpha", 1, 0, 1e6, "of the sum of the bases' losses, in the loss" },
    [LABEL_SMOOTHING_COMPAT] = { "label_smoothing_compat", 1, 0, 1,
      "off: training.label_smoothing has no effect", .choices = "off|on" },
    { 0 },
    /* clang-format on */
};

struct names {
    int count;
    char at[BASES_MOST][NAME];
};

/* The words of option `option`, with commas between them. */
static bool split(struct net *net, const struct model_config *config, int option,
                  struct names *out)
{
    char text[MODEL_TEXT], *rest = text, *word;
    snprintf(text, sizeof text, "%s", config->texts[option]);
    out->count = 0;
    while ((word = strsep(&rest, ","))) {
        if (!*word || strlen(word) >= NAME || out->count == BASES_MOST) {
            net_fail(net, "model.%s: expected 1 to %d names, found '%.80s'",
                     options[option].name, BASES_MOST, config->texts[option]);
            return false;
        }
        snprintf(out->at[out->count++], NAME, "%s", word);
    }
    return true;
}

/* The model of that name, if it can be a part. */
static const struct model_def *find_part(struct net *net, const char *name)
{
    const struct model_def *found = model_find(name);
    char all[200] = "";
    if (found && found->part)
        return found;
    for (const struct model_def *const *m = model_registry; *m; m++)
        if ((*m)->part && strlen(all) + strlen((*m)->name) + 3 < sizeof all)
            snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s",
                     *all ? ", " : "", (*m)->name);
    net_fail(net, "model.bases: expected some of %s, found '%.40s'", all, name);
    return NULL;
}

/* The place of the option in a model's list, or -1. */
static int option_at(const struct model_def *model, const char *name)
{
    for (int i = 0; model->options && model->options[i].name; i++)
        if (strcmp(model->options[i].name, name) == 0)
            return i;
    return -1;
}

/* A base's options: its own, but for those that the stack has for all. */
static void base_values(const struct model_def *model,
                        const struct model_config *config, struct model_values *values)
{
    const int stem = option_at(model, "stem"), width = option_at(model, "width");
    const int channels = option_at(model, "channels");
    model_defaults(model, values);
    if (stem >= 0 && config->options[STEM] > 0)
        values->numbers[stem] = config->options[STEM] - 1;
    if (width >= 0)
        values->numbers[width] *= config->options[WIDTH];
    if (channels >= 0)
        values->numbers[channels] =
            fmax(1, round(values->numbers[channels] * config->options[WIDTH]));
}

/* How the weights from operator `first` on begin. */
static void mark_weights(struct net *net, int first, const struct model_def *model,
                         enum init_scheme scheme, double scale)
{
    for (int i = first; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        const bool by_model = scheme == INIT_DEFAULT && model->init == init_fan_out &&
                              op->def == &op_conv2d;
        if (!op->param[0])
            continue;
        op->param[0]->scheme = by_model ? INIT_KAIMING_FAN_OUT : scheme;
        op->param[0]->scheme_scale = (float)scale;
    }
}

/* Base `number` and its loss; what it says goes on. */
static struct tensor *base(struct net *net, struct tensor *x,
                           const struct model_config *config, int number,
                           const struct model_def *model, enum init_scheme scheme)
{
    const int first = net_op_count(net);
    struct model_values values;
    struct tensor *judged, *logits;
    char prefix[24];
    base_values(model, config, &values);
    snprintf(prefix, sizeof prefix, "base%d.", number);
    x = model->part(net, x, prefix,
                    &(struct model_config){ .classes = config->classes,
                                            .options = values.numbers,
                                            .texts = values.texts });
    mark_weights(net, first, model, scheme, config->options[INIT_SCALE]);
    net_fork(net, x, &judged, &logits);
    net_head_loss(net, judged, number, (float)config->options[ALPHA],
                  config->label_smoothing);
    return logits;
}

/* Three convolutions, the mean over the image, and F numbers. */
static struct tensor *features(struct net *net, struct tensor *x,
                               const struct model_config *config)
{
    char name[NAME];
    for (int i = 0; i < 3; i++) {
        const double channels = config->options[WIDTH] * (64 << i);
        snprintf(name, sizeof name, "features.conv%d", i + 1);
        x = net_conv2d(net, x, name, (int)fmax(1, round(channels)), 3, 1, 1, true);
        snprintf(name, sizeof name, "features.bn%d", i + 1);
        x = net_batchnorm(net, x, name, ACT_RELU);
        x = i < 2 ? net_maxpool(net, x, 2, 2) : net_globalavg(net, x);
    }
    x = net_linear(net, x, "features.fc", (int)config->options[FEATURES], true);
    return net_batchnorm(net, x, "features.bn4", ACT_RELU);
}

static struct tensor *meta(struct net *net, struct tensor *x,
                           const struct model_config *config)
{
    const float dropout = (float)config->options[DROPOUT];
    int units[LAYERS_MOST], i;
    char name[NAME];
    const int hidden =
        model_whole_numbers(net, config, META, "meta", 1, 65536, LAYERS_MOST, units);
    for (i = 0; i < hidden; i++) {
        snprintf(name, sizeof name, "meta.fc%d", i + 1);
        x = net_linear(net, x, name, units[i], true);
        snprintf(name, sizeof name, "meta.bn%d", i + 1);
        x = net_batchnorm(net, x, name, ACT_RELU);
        if (dropout > 0)
            x = net_dropout(net, x, dropout);
    }
    snprintf(name, sizeof name, "meta.fc%d", i + 1);
    return net_linear(net, x, name, config->classes, true);
}

/* The schemes by their names; one stands for all bases. */
static bool find_schemes(struct net *net, const struct model_config *config, int bases,
                         enum init_scheme out[BASES_MOST])
{
    struct names names;
    if (!split(net, config, INIT, &names))
        return false;
    if (names.count != 1 && names.count != bases) {
        net_fail(net,
                 "model.init: expected one name, or one for each of %d bases, found "
                 "'%.80s'",
                 bases, config->texts[INIT]);
        return false;
    }
    for (int i = 0; i < bases; i++) {
        const char *name = names.at[names.count == 1 ? 0 : i];
        if (!init_scheme_named(name, &out[i])) {
            net_fail(net, "model.init: expected one of %s, found '%.40s'",
                     INIT_SCHEMES_OF_PARTS, name);
            return false;
        }
    }
    return true;
}

static void build(struct net *net, const struct model_config *given)
{
    struct model_config config = *given;
    enum init_scheme schemes[BASES_MOST];
    struct tensor *left = net_input(net), *x = NULL, *here;
    struct names bases;
    if (given->options[LABEL_SMOOTHING_COMPAT] < 1)
        config.label_smoothing = 0;
    if (!split(net, &config, BASES, &bases) ||
        !find_schemes(net, &config, bases.count, schemes))
        return;
    const bool sees = config.options[FEATURES] > 0;
    for (int i = 0; i < bases.count; i++) {
        const struct model_def *model = find_part(net, bases.at[i]);
        if (!model)
            return;
        here = left;
        if (i + 1 < bases.count || sees)
            net_fork(net, left, &here, &left);
        here = base(net, here, &config, i + 1, model, schemes[i]);
        x = i ? net_concat(net, x, here) : here;
    }
    if (sees)
        x = net_concat(net, x, features(net, left, &config));
    net_softmax_xent(net, meta(net, x, &config), config.label_smoothing);
}

const struct model_def model_stack = {
    .name = "stack",
    .help = "several networks, and one that learns what to make of them",
    .options = options,
    .build = build,
    .init = init_default,
};

/* model_sizes.c -- every model builds at its usual shapes, with the parameters and
 * multiply-adds that its publication states. */
#include "config.h"
#include "net_rig.h"

struct size {
    const char *model;
    struct net_input input;
    int classes;
    size_t params;
    double mflops;      /* 0: not stated */
    const char *tensor; /* one of PyTorch's names that must be there */
    const char
        *set; /* "stem=cifar channels=7"; NULL: as they are when nothing is said */
};

#define BLOCKS_DEEP                                                                    \
    "hidden_dims=32,128,256,512,512,512,512,128 layers_per_block=1,1,1,1,1,1 "         \
    "apply_pooling=1,1,1,1,1,0 apply_bn=1,1,1,1,1,0"

static const struct size sizes[] = {
    { "resnet9", { 2, 32, 32, 3 }, 10, 2274880, 582.6, "res2.conv1.weight" },
    { "resnet9", { 2, 32, 32, 3 }, 100, 2286400, 0, "fc.weight" },
    { "resnet9", { 2, 28, 28, 1 }, 10, 2273728, 0, "bn1.bias" },
    { "mnist_cnn", { 2, 28, 28, 1 }, 10, 60106, 0, "fc1.bias" },
    { "mlp", { 2, 28, 28, 1 }, 10, 109386, 0, "fc3.weight" },
    { "mlp", { 2, 28, 28, 1 }, 10, 7850, 0, "fc1.weight", "hidden=" },
    { "mlp", { 2, 28, 28, 1 }, 10, 5593, 0, "fc4.bias", "hidden=7,5,3" },
    { "mlp",
      { 2, 28, 28, 1 },
      10,
      577178,
      0,
      "fc7.bias",
      "hidden=512,256,128,64,32,16" },
    { "residual_mlp", { 2, 28, 28, 1 }, 10, 118346, 0, "project2.weight" },
    { "residual_mlp",
      { 2, 28, 28, 1 },
      10,
      811962,
      0,
      "project1.bias",
      "hidden=512 skips=0:0" },
    { "residual_mlp",
      { 2, 28, 28, 1 },
      10,
      669962,
      0,
      "project2.bias",
      "hidden=512,256 skips=1:1" },
    { "residual_mlp",
      { 2, 28, 28, 1 },
      10,
      766090,
      0,
      "project3.bias",
      "hidden=512,256,128 skips=1:1,2:2" },
    /* The same skips, on which the projections stand: 512 to 256 and 256 to 128. */
    { "residual_mlp",
      { 2, 28, 28, 1 },
      10,
      401920 + 131328 + 131328 + 2 * 32896 + 1290,
      0,
      "project3.bias",
      "hidden=512,256,128 skips=1:1,2=2 project=skip" },
    { "cnn", { 2, 32, 32, 3 }, 10, 390986, 0, "conv4.weight" },
    { "residual_cnn", { 2, 32, 32, 3 }, 10, 57290, 0, "block1.1.bn.weight" },
    { "residual_cnn",
      { 2, 32, 32, 3 },
      10,
      18824330,
      0,
      "block4.1.conv.bias",
      "layers=conv:64,max:2,res:128/128:skips=1-0,res:256/256:stride=2/1:skips=1-0,"
      "res:512/512:stride=2/1:skips=1-0,res:1024/1024:stride=2/1:skips=1-0" },
    { "airbench94", { 2, 32, 32, 3 }, 10, 1972792, 236.3, "group1.norm1.weight" },
    { "cnn_small", { 2, 28, 28, 1 }, 10, 94186, 0, "conv3.weight" },
    { "se_resnet", { 2, 32, 32, 3 }, 10, 2819370, 0, "layer2.0.se.fc.2.weight" },
    { "stochastic_depth", { 2, 32, 32, 3 }, 10, 2797610, 0, "layer4.1.bn2.weight" },
    { "resnet_medium", { 2, 32, 32, 3 }, 10, 2482786, 0, "skip3.0.weight" },
    /* Three residual networks with their fully connected layers of 10 or 100 classes,
     * 438,016 parameters of features, 314,250 behind them; and so on. */
    { "stack", { 2, 32, 32, 3 }, 10, 56752232, 0, "base3.layer1.0.conv3.weight" },
    { "stack", { 2, 32, 32, 3 }, 100, 57178832, 0, "base1.fc.bias" },
    { "stack",
      { 2, 32, 32, 3 },
      10,
      35399902,
      0,
      "base3.res2.conv1.weight",
      "bases=resnet18,resnet34,resnet9 features=128" },
    { "stack",
      { 2, 32, 32, 3 },
      10,
      2681134,
      0,
      "meta.fc1.bias",
      "bases=resnet9 features=128 meta=" },
    { "stack",
      { 2, 32, 32, 3 },
      10,
      7446346,
      0,
      "base2.bn4.weight",
      "bases=resnet9,resnet9,resnet9 features=128 meta=512,256" },
    { "stack",
      { 2, 32, 32, 3 },
      10,
      2274880 + 110,
      0,
      "meta.fc1.weight",
      "bases=resnet9 features=0 meta=" },
    { "stack",
      { 2, 32, 32, 3 },
      10,
      2819370 + 11173962 + 210,
      0,
      "base1.layer2.0.se.fc.0.weight",
      "bases=se_resnet,resnet18 features=0 meta= stem=cifar" },
    /* torchvision's, and its multiply-adds twice. */
    { "resnet18", { 2, 224, 224, 3 }, 1000, 11689512, 3628.15, "fc.bias" },
    { "resnet34",
      { 2, 224, 224, 3 },
      1000,
      21797672,
      7327.52,
      "layer3.5.conv2.weight" },
    { "resnet50",
      { 2, 224, 224, 3 },
      1000,
      25557032,
      8178.37,
      "layer1.0.conv3.weight" },
    { "resnet101", { 2, 64, 64, 3 }, 1000, 44549160, 0, "layer3.22.bn3.weight" },
    { "resnet18", { 2, 32, 32, 3 }, 10, 11181642, 0, "layer4.0.downsample.1.bias" },
    { "resnet18", { 2, 32, 32, 3 }, 100, 11227812, 0, "conv1.weight" },
    { "resnet34", { 2, 32, 32, 3 }, 10, 21289802, 0, "conv1.weight" },
    { "resnet50", { 2, 32, 32, 3 }, 10, 23528522, 0, "layer1.0.downsample.0.weight" },
    { "block_cnn", { 2, 32, 32, 3 }, 10, 5776842, 0, "blocks.3.bn1.weight" },
    { "block_cnn", { 2, 32, 32, 3 }, 100, 5788452, 0, "fc3.weight" },
    { "block_cnn",
      { 2, 32, 32, 3 },
      10,
      5775818,
      0,
      "blocks.3.conv1.bias",
      "apply_bn=1,1,1,0" },
    { "block_cnn", { 2, 32, 32, 3 }, 100, 5787428, 0, "fc1.bias", "apply_bn=1,1,1,0" },
    { "block_cnn", { 2, 32, 32, 3 }, 10, 6565322, 0, "blocks.4.bn1.bias", BLOCKS_DEEP },
    { "block_cnn",
      { 2, 32, 32, 3 },
      100,
      6576932,
      0,
      "blocks.5.conv1.bias",
      BLOCKS_DEEP },
    /* 3 -> 4 -> 4 -> 5, 8x8 maps: 112 + 148 + 185 convolutions; 320 * 7 + 7, 7 * 6 + 6,
     * 6 * 10 + 10 behind them. */
    { "block_cnn",
      { 2, 8, 8, 3 },
      10,
      2810,
      0,
      "blocks.0.conv2.weight",
      "hidden_dims=4,5,7,6 layers_per_block=2,1 apply_pooling=0,0 apply_bn=0,0 "
      "activation=gelu dropout=0" },
    /* Those usual for small images: 3x3 in front, no pooling behind it. */
    { "resnet18", { 2, 32, 32, 3 }, 10, 11173962, 0, "bn1.weight", "stem=cifar" },
    { "resnet34", { 2, 32, 32, 3 }, 10, 21282122, 0, "bn1.weight", "stem=cifar" },
    { "resnet50", { 2, 32, 32, 3 }, 10, 23520842, 0, "bn1.weight", "stem=cifar" },
};

/* On the 32 channels of se_resnet's stem, with squeeze and excitation of the block's
 * whole output: counted by hand, layer by layer. */
static const struct size excited[] = {
    { "resnet18", { 2, 32, 32, 3 }, 10, 2819370, 0, "layer4.1.se.fc.0.weight" },
    { "resnet34", { 2, 32, 32, 3 }, 10, 5365802, 0, "layer3.5.se.fc.2.weight" },
    { "resnet50", { 2, 32, 32, 3 }, 10, 6527786, 0, "layer1.0.se.fc.0.weight" },
    { "resnet101", { 2, 32, 32, 3 }, 10, 11845930, 0, "layer3.22.se.fc.0.weight" },
};

static int has_param(struct net *net, const char *name)
{
    for (int i = 0; i < net_param_count(net); i++)
        if (strcmp(net_param(net, i)->name, name) == 0)
            return 1;
    return 0;
}

static void check_with(struct device *dev, const struct size *s,
                       const struct model_values *options)
{
    struct sluice_error err = { 0 };
    struct net *net;
    const struct model_def *model = model_find(s->model);
    const struct model_config config = { .classes = s->classes,
                                         .options = options->numbers,
                                         .texts = options->texts };
    REQUIRE(net_create(&net, dev, &s->input, &err) == 0, "%s", err.message);
    model->build(net, &config);
    REQUIRE(net_finish(net, &err) == 0, "%s: %s", s->model, err.message);
    CHECK(net_param_elements(net) == s->params, "%s with %d classes: %zu parameters",
          s->model, s->classes, net_param_elements(net));
    CHECK(s->mflops == 0 || near(net_flops(net) / 1e6, s->mflops, 0.05, 0),
          "%s: %.1f million operations", s->model, net_flops(net) / 1e6);
    CHECK(has_param(net, s->tensor), "%s has no %s", s->model, s->tensor);
    const struct tensor *p = net_probabilities(net);
    CHECK(p && p->shape[0] == 2 && p->shape[3] == s->classes && p->dtype == SLUICE_F32,
          "%s: probabilities", s->model);
    net_free(net);
}

/* As a recipe would. */
static void set_options(struct config *cfg, const struct size *s,
                        struct sluice_error *err)
{
    struct settings settings = { 0 };
    char text[512], key[64], *rest = text, *item;
    snprintf(text, sizeof text, "%s", s->set ? s->set : "");
    settings_set(&settings, "model.name", s->model, false, "test", err);
    while ((item = strsep(&rest, " ")) && *item) {
        char *value = item;
        snprintf(key, sizeof key, "model.%s", strsep(&value, "="));
        settings_set(&settings, key, value, false, "test", err);
    }
    REQUIRE(config_resolve(cfg, &settings, err) == 0, "%s", err->message);
    settings_free(&settings);
}

static void check_size(struct device *dev, const struct size *s)
{
    struct config cfg;
    struct sluice_error err;
    REQUIRE(model_find(s->model), "no model %s", s->model);
    set_options(&cfg, s, &err);
    check_with(dev, s, &cfg.model.values);
}

static void check_excited(struct device *dev, const struct size *s)
{
    struct size with = *s;
    with.set = "stem=cifar channels=32 se_reduction=16";
    check_size(dev, &with);
}

/* What of airbench94 is trained, and how. */
static void airbench_scales(struct device *dev)
{
    struct rig r = { .dev = dev };
    struct model_values options;
    size_t trainable = 0;
    model_defaults(model_find("airbench94"), &options);
    rig_model(&r, "airbench94", &(struct net_input){ 1, 32, 32, 3 }, &options);
    for (int i = 0; i < net_param_count(r.net); i++) {
        const struct tensor *t = net_param(r.net, i);
        const int norm_bias = strstr(t->name, "norm") && strstr(t->name, ".bias");
        trainable += t->trainable ? tensor_elements(t) : 0;
        CHECK((t->grad != NULL) == t->trainable, "%s: gradient", t->name);
        CHECK(near((double)t->lr_scale, norm_bias ? 64 : 1, 0, 0) &&
                  near((double)(t->decay_scale * t->lr_scale), 1, 1e-6, 0),
              "%s: rate times %g", t->name, (double)t->lr_scale);
    }
    CHECK(trainable == 1971352, "%zu trainable", trainable);
    net_free(r.net);
}

/* Block i of 8 is left out with probability 0.2 i / 7. */
static void drop_probabilities(struct device *dev)
{
    struct rig r = { .dev = dev };
    struct model_values options;
    int found = 0;
    model_defaults(model_find("stochastic_depth"), &options);
    rig_model(&r, "stochastic_depth", &(struct net_input){ 1, 32, 32, 3 }, &options);
    for (int i = 0; i < net_op_count(r.net); i++) {
        const struct op *op = net_op_at(r.net, i);
        if (op->def != &op_droppath)
            continue;
        found++;
        CHECK(near((double)op->attr.p, 0.2 * found / 7, 1e-7, 0) &&
                  !op->attr.per_sample && op->attr.scaling == DROP_EXPECTED,
              "block %d: probability %g", found, (double)op->attr.p);
    }
    CHECK(found == 7, "%d blocks may be left out", found);
    net_free(r.net);
}

/* Lists that make no network. */
static void bad_lists(struct device *dev)
{
    static const char *const lists[] = {
        "7,", ",7", "7;5", "0", "65537", "x", "7,99999999999999999999"
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct sluice_error err = { 0 };
        struct model_values options;
        struct net *net;
        model_defaults(model_find("mlp"), &options);
        rig_set_text("mlp", &options, "hidden", lists[i]);
        REQUIRE(net_create(&net, dev, &(struct net_input){ 1, 2, 2, 1 }, &err) == 0,
                "%s", err.message);
        model_find("mlp")->build(
            net, &(struct model_config){ 10, 0, options.numbers, options.texts });
        CHECK(net_finish(net, &err) == SLUICE_EINVAL &&
                  strstr(err.message, "model.hidden: expected at most 64 whole numbers "
                                      "from 1 to 65536, found '"),
              "%s: %s", lists[i], err.message);
        net_free(net);
    }
}

static void registry_is_sound(void)
{
    for (const struct model_def *const *m = model_registry; *m; m++) {
        CHECK((*m)->name && (*m)->help && (*m)->build && (*m)->init &&
                  model_find((*m)->name) == *m,
              "%s", (*m)->name);
        for (const struct model_option *o = (*m)->options; o && o->name; o++)
            CHECK(o->help && o - (*m)->options < MODEL_OPTIONS &&
                      o->min <= o->initial && o->initial <= o->max,
                  "%s.%s", (*m)->name, o->name);
    }
    CHECK(!model_find("resnet10"), "a model that is not there");
}

int main(void)
{
    struct sluice_error err;
    struct device *dev;
    REQUIRE(device_open(&dev, "ref", "f32", 1, &err) == 0, "%s", err.message);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(dev, &sizes[i]);
    for (size_t i = 0; i < sizeof excited / sizeof *excited; i++)
        check_excited(dev, &excited[i]);
    airbench_scales(dev);
    drop_probabilities(dev);
    bad_lists(dev);
    registry_is_sound();
    device_close(dev);
    return check_done();
}

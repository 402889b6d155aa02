/* stack.c -- stacked networks: what is minimised is the sum that is promised, a part is
 * the model that it is called by, each head is measured by itself, and lists that make
 * no stack are refused. argv: the device, and "host" if it is cuda without a GPU. */
#include <unistd.h>

#include "device_memory.h"
#include "evaluate.h"
#include "feed.h"
#include "gpu_on_host.h"
#include "net_rig.h"
#include "run_config.h"
#include "tiny_set.h"

enum {
    IMAGES = 6,
    SIDE = 21,
    CLASSES = 10,
};

static const struct net_input input = { IMAGES, SIDE, SIDE, 3 };

/* A network of a model with options "bases=resnet9 features=0", on r->dev. */
static void open_net(struct rig *r, const char *model, const char *set, float smoothing)
{
    struct config cfg;
    struct settings settings = { 0 };
    char text[256], key[64], *rest = text, *item;
    snprintf(text, sizeof text, "%s", set);
    settings_set(&settings, "model.name", model, false, "test", &r->err);
    while ((item = strsep(&rest, " ")) && *item) {
        char *value = item;
        snprintf(key, sizeof key, "model.%s", strsep(&value, "="));
        settings_set(&settings, key, value, false, "test", &r->err);
    }
    REQUIRE(config_resolve(&cfg, &settings, &r->err) == 0, "%s", r->err.message);
    settings_free(&settings);
    r->model = model_find(model);
    const struct model_config config = { CLASSES, smoothing, cfg.model.values.numbers,
                                         cfg.model.values.texts };
    REQUIRE(net_create(&r->net, r->dev, &input, &r->err) == 0, "%s", r->err.message);
    r->model->build(r->net, &config);
}

static void start_net(struct rig *r)
{
    struct host_view view;
    REQUIRE(net_finish(r->net, &r->err) == 0, "%s", r->err.message);
    REQUIRE(host_view_begin(&view, r->net, &r->err) == 0, "%s", r->err.message);
    r->model->init(r->net, 7);
    REQUIRE(host_view_end(&view, &r->err) == 0, "%s", r->err.message);
    net_params_changed(r->net);
    rig_batch(r, 0);
    r->pass = (struct pass){
        .training = true, .seed = 3, .labels = r->labels, .label_stride = 1
    };
}

static void forward(struct rig *r)
{
    REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
}

/* Cross-entropy of a head's probabilities. */
static double entropy(const struct rig *r, int head, double smoothing, int *correct)
{
    const float *p = net_head(r->net, head)->out[0]->data;
    double sum = 0;
    *correct = 0;
    for (int n = 0; n < IMAGES; n++, p += CLASSES) {
        int best = 0;
        for (int k = 0; k < CLASSES; k++) {
            const double wanted =
                smoothing / CLASSES + (k == r->labels[n] ? 1 - smoothing : 0);
            sum -= wanted * log((double)p[k]);
            best = p[k] > p[best] ? k : best;
        }
        *correct += best == r->labels[n];
    }
    return sum / IMAGES;
}

static const char two[] = "bases=resnet9,resnet18 width=0.0625 features=5 meta=7,6 "
                          "dropout=0.25 alpha=0.3";

static void check_losses(struct rig *r, double smoothing)
{
    double sum = 0;
    forward(r);
    CHECK(net_heads(r->net) == 3, "%d heads", net_heads(r->net));
    for (int i = 0; i < 3; i++) {
        int correct;
        const double want = entropy(r, i, smoothing, &correct);
        const struct head_loss *got = &r->pass.head[i];
        CHECK(near(got->loss, want, 1e-5, 1e-5), "head %d: loss %g, expected %g", i,
              got->loss, want);
        CHECK(near(got->correct, correct, 0, 0), "head %d: %g correct", i,
              got->correct);
        CHECK(near(got->weight, i ? 0.3 : 1, 1e-7, 0), "head %d: weight %g", i,
              got->weight);
        sum += (i ? 0.3 : 1) * want;
    }
    CHECK(near(r->pass.loss, sum, 1e-5, 1e-5), "loss %g, expected %g", r->pass.loss,
          sum);
    CHECK(r->pass.correct == r->pass.head[0].correct, "%g correct", r->pass.correct);
}

/* The loss is the last network's plus alpha times all others'; smoothing is of each,
 * unless that is switched off. */
static void losses(struct rig *r)
{
    char set[256];
    open_net(r, "stack", two, 0.1F);
    start_net(r);
    check_losses(r, 0.1);
    net_free(r->net);
    snprintf(set, sizeof set, "%s label_smoothing_compat=off", two);
    open_net(r, "stack", set, 0.1F);
    start_net(r);
    check_losses(r, 0);
    net_free(r->net);
}

static const struct tensor *param(struct net *net, const char *name)
{
    for (int i = 0; i < net_param_count(net); i++)
        if (strcmp(net_param(net, i)->name, name) == 0)
            return net_param(net, i);
    REQUIRE(false, "no %s", name);
    return NULL;
}

/* Root mean square of a gradient's last `count` elements, and copies of all of it. */
static void gradient_at(struct rig *r, const char *alpha, const char *name, float *out)
{
    char set[256];
    snprintf(set, sizeof set,
             "bases=resnet9,resnet9 width=0.0625 features=5 meta=7 dropout=0 alpha=%s",
             alpha);
    open_net(r, "stack", set, 0);
    start_net(r);
    forward(r);
    REQUIRE(net_backward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    const struct tensor *t = param(r->net, name);
    memcpy(out, t->grad, tensor_elements(t) * sizeof *out);
    net_free(r->net);
}

/* Gradients are linear in alpha: that of the last network's loss at 0, which reaches
 * every part, and what the bases' add, which is nothing outside of them. */
static void gradients(struct rig *r)
{
    static const struct {
        const char *name;
        bool of_base;
    } all[] = { { "base2.fc.weight", true },
                { "features.fc.weight", false },
                { "meta.fc1.weight", false } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        static float at[3][4096];
        double size = 0, moved = 0, bent = 0;
        gradient_at(r, "0", all[i].name, at[0]);
        gradient_at(r, "1", all[i].name, at[1]);
        gradient_at(r, "2", all[i].name, at[2]);
        for (int k = 0; k < 35; k++) {
            const double a = (double)at[0][k], b = (double)at[1][k],
                         c = (double)at[2][k];
            size += a * a;
            moved += (b - a) * (b - a);
            bent += (c - 2 * b + a) * (c - 2 * b + a);
        }
        CHECK(size > 1e-12, "%s: no gradient from the last network", all[i].name);
        CHECK(all[i].of_base ? moved > 1e-3 * size : moved <= 1e-10 * size,
              "%s: alpha moves it by %g of %g", all[i].name, moved, size);
        CHECK(bent <= 1e-9 * (size + moved), "%s: bent by %g of %g", all[i].name, bent,
              size + moved);
    }
}

/* Values of b's tensors `prefix` + name, from a's of that name. */
static void copy_weights(struct rig *from, struct rig *to, const char *prefix)
{
    struct host_view a, b;
    const size_t skip = strlen(prefix);
    int copied = 0;
    REQUIRE(host_view_begin(&a, from->net, &from->err) == 0, "%s", from->err.message);
    REQUIRE(host_view_begin(&b, to->net, &to->err) == 0, "%s", to->err.message);
    for (int i = 0; i < net_param_count(to->net); i++)
        if (strncmp(net_param(to->net, i)->name, prefix, skip) == 0) {
            const struct tensor *t = net_param(to->net, i),
                                *s = param(from->net, t->name + skip);
            memcpy(t->data, s->data, tensor_bytes(t));
            copied++;
        }
    CHECK(copied == net_param_count(from->net), "%s: %d tensors of %d", prefix, copied,
          net_param_count(from->net));
    REQUIRE(host_view_end(&a, &from->err) == 0, "%s", from->err.message);
    REQUIRE(host_view_end(&b, &to->err) == 0, "%s", to->err.message);
    net_params_changed(to->net);
}

/* Base `number` of a stack says what the model that it is says with these weights. */
static void part_is_model(struct rig *r, const char *model, int number, const char *set)
{
    struct rig alone = { .dev = r->dev };
    char prefix[16];
    snprintf(prefix, sizeof prefix, "base%d.", number);
    open_net(&alone, model, set, 0);
    start_net(&alone);
    open_net(r, "stack", two, 0);
    start_net(r);
    copy_weights(&alone, r, prefix);
    forward(&alone);
    forward(r);
    const float *a = net_probabilities(alone.net)->data;
    const float *b = net_head(r->net, number)->out[0]->data;
    int other = 0;
    for (int i = 0; i < IMAGES * CLASSES; i++)
        other += !near((double)a[i], (double)b[i], 1e-6, 0);
    CHECK(!other, "%s%s: %d probabilities differ", prefix, model, other);
    net_free(r->net);
    net_free(alone.net);
}

static double deviation(const struct tensor *t)
{
    const float *w = t->data;
    double squares = 0;
    for (size_t i = 0; i < tensor_elements(t); i++)
        squares += (double)w[i] * (double)w[i];
    return sqrt(squares / (double)tensor_elements(t));
}

/* Each base begins in its own way, of normal ones of the deviation that is asked for;
 * what is no base, and of a base the biases, as ever. */
static void beginnings(struct rig *r)
{
    static const struct {
        const char *name;
        double deviation;
    } all[] = {
        { "base1.layer4.1.conv2.weight", 0.03 },    /* normal */
        { "base2.layer4.1.conv2.weight", 0.04166 }, /* sqrt(2 / (9 128)) */
        { "base3.layer4.1.conv2.weight", 0.02946 }, /* 1 / sqrt(9 128) */
        { "base3.fc.weight", 0.08838 },             /* 1 / sqrt(128) */
        { "base1.fc.bias", 0.05103 },               /* 1 / sqrt(3 128) */
        { "features.conv3.weight", 0.03402 },       /* 1 / sqrt(3 9 32) */
    };
    struct host_view view;
    open_net(r, "stack",
             "bases=resnet18,resnet18,resnet18 init=normal,default,orthogonal "
             "init_scale=0.03 width=0.25 features=5 meta=7",
             0);
    start_net(r);
    REQUIRE(host_view_begin(&view, r->net, &r->err) == 0, "%s", r->err.message);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct tensor *t = param(r->net, all[i].name);
        const double off = tensor_elements(t) < 100 ? 0.5 : 0.05;
        CHECK(near(deviation(t), all[i].deviation, 0, off), "%s: deviation %g",
              all[i].name, deviation(t));
    }
    REQUIRE(host_view_end(&view, &r->err) == 0, "%s", r->err.message);
    net_free(r->net);
}

/* A network whose head 1 is net_of's whole answer, and another one behind it. */
static void open_measured(struct rig *r, bool two_heads)
{
    struct tensor *a = net_input(r->net), *b = NULL;
    if (two_heads)
        net_fork(r->net, a, &a, &b);
    a = net_linear(r->net, a, two_heads ? "part.fc" : "fc", 4, true);
    if (!two_heads) {
        net_softmax_xent(r->net, a, 0.1F);
        return;
    }
    net_head_loss(r->net, a, 1, 0.25F, 0.1F);
    net_softmax_xent(r->net, net_linear(r->net, b, "own", 4, true), 0.1F);
}

static void measure(struct rig *r, struct feed *feed, const struct data_info *info,
                    enum tta_kind kind, struct evaluation *e)
{
    const struct tta tta = { kind, 3, 5 };
    REQUIRE(evaluate(e, r->net, feed->loader, info, &tta, NULL, &r->err) == 0, "%s",
            r->err.message);
}

/* Each head is measured as if it were alone, views and all; the set's last batch is a
 * short one. */
static void check_measured(struct rig *r, struct feed *feed,
                           const struct data_info *info)
{
    struct rig alone = { .dev = r->dev };
    struct evaluation one, both;
    for (int k = 0; k < 2; k++) {
        struct rig *of = k ? r : &alone;
        of->model = model_find("mlp");
        REQUIRE(net_create(&of->net, r->dev, &input, &r->err) == 0, "%s",
                r->err.message);
        open_measured(of, k);
        start_net(of);
    }
    copy_weights(&alone, r, "part.");
    for (int kind = TTA_NONE; kind <= TTA_CROPS; kind++) {
        measure(&alone, feed, info, (enum tta_kind)kind, &one);
        measure(r, feed, info, (enum tta_kind)kind, &both);
        CHECK(one.heads == 1 && near(one.loss, one.head[0].loss, 0, 0) &&
                  near(one.accuracy, one.head[0].accuracy, 0, 0),
              "one head alone");
        CHECK(both.heads == 2 && near(both.head[1].loss, one.loss, 1e-6, 1e-6) &&
                  near(both.head[1].accuracy, one.accuracy, 0, 0),
              "views %d: loss %g, accuracy %g, alone %g, %g", kind, both.head[1].loss,
              both.head[1].accuracy, one.loss, one.accuracy);
        CHECK(near(both.loss, both.head[0].loss + 0.25 * one.loss, 1e-6, 0) &&
                  near(both.accuracy, both.head[0].accuracy, 0, 0) &&
                  !near(both.head[0].loss, one.loss, 1e-3, 0),
              "views %d: loss %g of %g", kind, both.loss, both.head[0].loss);
        evaluation_free(&one);
        evaluation_free(&both);
    }
    net_free(alone.net);
    net_free(r->net);
}

static void measured(struct rig *r)
{
    static const char *const args[] = { "data.augment=normalize" };
    static struct config cfg;
    struct data_info info;
    struct feed feed;
    char path[64];
    snprintf(path, sizeof path, "stack-%ld.sluice", (long)getpid());
    tiny_set_write(path, &(struct tiny_set){ 2 * IMAGES + 1, SIDE, 3, 4, 0, false, 3 });
    REQUIRE(config_from_recipe(&cfg, args, 1, &r->err) == 0, "%s", r->err.message);
    REQUIRE(data_info_open(&info, "data.test", path, "", &cfg, &r->err) == 0, "%s",
            r->err.message);
    const struct feed_options options = { .pipeline = cfg.data.augment,
                                          .dtype = r->dev->compute,
                                          .order = SLUICE_SEQUENTIAL,
                                          .batch_size = IMAGES };
    REQUIRE(feed_open(&feed, &info, &cfg, &options, &r->err) == 0, "%s",
            r->err.message);
    check_measured(r, &feed, &info);
    feed_close(&feed);
    data_info_close(&info);
    (void)unlink(path);
}

static void refused(struct rig *r, const char *set, const char *words)
{
    open_net(r, "stack", set, 0);
    CHECK(net_finish(r->net, &r->err) == SLUICE_EINVAL && strstr(r->err.message, words),
          "%s: '%s' lacks '%s'", set, r->err.message, words);
    net_free(r->net);
}

static void bad_lists(struct rig *r)
{
    refused(r, "bases=resnet9,resnet10", "model.bases: expected some of resnet9, ");
    refused(r, "bases=mlp", "found 'mlp'");
    refused(r, "bases=", "model.bases: expected 1 to 16 names, found ''");
    refused(r, "bases=resnet9,", "found 'resnet9,'");
    refused(r, "bases=resnet9,,resnet9", "expected 1 to 16 names");
    refused(r, "bases=stack", "found 'stack'");
    refused(r, "meta=7,x", "model.meta: expected at most 16 whole numbers");
    refused(r, "init=default,default", "or one for each of 3 bases");
    refused(r, "init=kaiming", "model.init: expected one of default, ");
}

int main(int argc, char **argv)
{
    struct rig r;
    if (argc > 2 && strcmp(argv[2], "host") == 0)
        gpu_on_host(false);
    rig_device(&r, argc > 1 ? argv[1] : "ref");
    losses(&r);
    gradients(&r);
    part_is_model(&r, "resnet9", 1, "width=0.0625");
    part_is_model(&r, "resnet18", 2, "channels=4");
    beginnings(&r);
    measured(&r);
    bad_lists(&r);
    device_close(r.dev);
    return check_done();
}

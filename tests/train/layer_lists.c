/* layer_lists.c -- models that are written as lists: which operators a list becomes,
 * what a residual MLP computes, that such networks learn, and what is refused. argv[1]
 * is the device. */
#include "net_rig.h"

static void open_text(struct rig *r, const char *model, const struct net_input *input,
                      const char *option, const char *text)
{
    struct model_values options;
    model_defaults(model_find(model), &options);
    rig_set_text(model, &options, option, text);
    rig_model(r, model, input, &options);
}

static const char *describe(struct net *net, char text[2048])
{
    size_t at = 0;
    for (int i = 0; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        const struct op_attr *a = &op->attr;
        const int *out = op->out[0]->shape;
        at +=
            (size_t)snprintf(text + at, 2048 - at, "%s%s", i ? " " : "", op->def->name);
        if (a->kernel)
            at += (size_t)snprintf(text + at, 2048 - at, "(%dx%d/%d+%d)", a->kernel,
                                   out[3], a->stride, a->pad);
        if (op->def == &op_dropout)
            at += (size_t)snprintf(text + at, 2048 - at, "%s(%g)",
                                   a->per_channel ? "_channels" : "", (double)a->p);
        REQUIRE(at < 2048, "text");
    }
    return text;
}

struct written {
    const char *model, *option, *list, *operators;
};

static const struct written written[] = {
    { "mlp", "activation", "gelu,identity,sigmoid",
      "linear activation linear linear activation softmax_xent" },
    { "mlp", "dropout", "0.1",
      "linear activation dropout(0.1) linear activation "
      "dropout(0.1) linear softmax_xent" },
    { "mlp", "dropout", "0.1,0,0.25",
      "linear activation dropout(0.1) linear activation linear dropout(0.25) "
      "softmax_xent" },
    { "residual_mlp", "skips", "0=0,1:0",
      "flatten fork fork linear linear add_relu linear linear add_relu linear "
      "softmax_xent" },
    { "residual_mlp", "skips", "1:1",
      "linear fork activation linear linear add_relu linear softmax_xent" },
    { "cnn", "layers", "", "globalavg linear softmax_xent" },
    { "mlp", "hidden", "", "linear softmax_xent" },
    { "cnn", "layers",
      "conv:4:kernel=5:stride=2:bn=true:activation=identity,avg:3:stride=1:pad=1,"
      "max=2",
      "conv2d(5x4/2+2) batchnorm avgpool(3x4/1+1) maxpool(2x4/2+0) globalavg linear "
      "softmax_xent" },
    { "cnn", "layers", "conv:channels=4:pad=0:activation=sigmoid:dropout=0.5:bn=1",
      "conv2d(3x4/1+0) batchnorm activation dropout_channels(0.5) globalavg linear "
      "softmax_xent" },
    { "residual_cnn", "layers", "res:4/6:stride=2/1:skips=1-0:kernel=3/1",
      "conv2d(3x4/2+1) batchnorm fork conv2d(1x6/1+0) batchnorm conv2d(1x4/1+0) "
      "add_relu globalavg linear softmax_xent" },
    { "residual_cnn", "layers", "res:4/4/6:stride=1/1/2:skips=1-0/2-in:dropout=0.5/0/0",
      "fork conv2d(3x4/1+1) batchnorm dropout_channels(0.5) fork conv2d(3x4/1+1) "
      "batchnorm add_relu conv2d(3x6/2+1) batchnorm conv2d(1x6/2+0) add_relu globalavg "
      "linear softmax_xent" },
};

static void becomes(struct device *dev, const struct written *w)
{
    struct rig r = { .dev = dev };
    char text[2048];
    open_text(&r, w->model, &(struct net_input){ 2, 8, 8, 3 }, w->option, w->list);
    CHECK(strcmp(describe(r.net, text), w->operators) == 0, "%s: %s", w->list, text);
    net_free(r.net);
}

struct refused {
    const char *model, *option, *list, *message;
};

static const struct refused refused[] = {
    { "mlp", "activation", "relu,", "model.activation: expected at most 65 of relu" },
    { "mlp", "activation", "tanh", "found 'tanh'" },
    { "mlp", "activation", "relu,relu,relu,relu",
      "model.activation: expected one entry, 2 for the hidden layers, or 3 with the "
      "output layer's, found 4" },
    { "mlp", "dropout", "0.1,1",
      "model.dropout: expected at most 65 numbers from 0 to "
      "0.95, found '0.1,1'" },
    { "mlp", "dropout", "nan", "found 'nan'" },
    { "mlp", "dropout", ",0.1", "found ',0.1'" },
    { "residual_mlp", "skips", "1:2", "model.skips: expected pairs layer:source" },
    { "residual_mlp", "skips", "2:0", "from 0 to 1" },
    { "residual_mlp", "skips", "1:0,1:1", "each layer once" },
    { "residual_mlp", "skips", "-1:0", "found '-1:0'" },
    { "residual_mlp", "skips", "1:0x", "found '1:0x'" },
    { "residual_mlp", "skips", "1:99999999999999999999", "from 0 to the layer's" },
    { "cnn", "layers", "conv", "conv: expected its channels, as in conv:32" },
    { "cnn", "layers", "max:0", "max: kernel: expected 1 to 64, found '0'" },
    { "cnn", "layers", "conv:32,", "expected items such as conv:32:stride=2" },
    { "cnn", "layers", "conv:32:", "expected items such as" },
    { "cnn", "layers", "conv:32:stride=", "expected items such as" },
    { "cnn", "layers", "conv:32:64", "expected items such as" },
    { "cnn", "layers", "dense:32", "expected conv, max, avg or res, found 'dense'" },
    { "cnn", "layers", "conv:32:channels=3", "conv: channels stands there twice" },
    { "cnn", "layers", "conv:3.5", "channels: expected 1 to 65536, found '3.5'" },
    { "cnn", "layers", "conv:32/32", "channels: expected 1 to 65536, found '32/32'" },
    { "cnn", "layers", "conv:32:skips=1-0", "conv has no 'skips'" },
    { "cnn", "layers", "max:2:bn=1", "max has no 'bn'" },
    { "cnn", "layers", "conv:8:activation=tanh",
      "expected relu|gelu|sigmoid|identity|silu" },
    { "cnn", "layers", "conv:8:dropout=1", "dropout: expected 0 to 0.95, found '1'" },
    { "cnn", "layers", "max:9", "kernel 9 exceeds the input of 8x8" },
    { "cnn", "layers", "res:8/8:stride=2/1/1",
      "once or for each layer, found '2/1/1'" },
    { "cnn", "layers", "res:8/8:skips=1-1", "layer-source, as in 1-0/2-in, found" },
    { "cnn", "layers", "res:8/8:skips=2-0", "found '2-0'" },
    { "cnn", "layers", "res:8/8:skips=1-0/1-in", "found '1-0/1-in'" },
    { "cnn", "layers", "res:8/8:stride=1/2:skips=1-0",
      "layer 1 has maps of 4x4 and adds some of 8x8" },
    { "cnn", "layers", "res:1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1",
      "expected at most 16 layers in a block, found 17" },
};

static void is_refused(struct device *dev, const struct refused *f)
{
    struct sluice_error err = { 0 };
    struct model_values options;
    struct net *net;
    model_defaults(model_find(f->model), &options);
    rig_set_text(f->model, &options, f->option, f->list);
    REQUIRE(net_create(&net, dev, &(struct net_input){ 2, 8, 8, 3 }, &err) == 0, "%s",
            err.message);
    model_find(f->model)->build(
        net, &(struct model_config){ 10, 0, options.numbers, options.texts });
    CHECK(net_finish(net, &err) == SLUICE_EINVAL && strstr(err.message, f->message),
          "%s: %s", f->list, err.message);
    net_free(net);
}

static const float *values(struct rig *r, const char *name)
{
    for (int i = 0; i < net_param_count(r->net); i++)
        if (strcmp(net_param(r->net, i)->name, name) == 0)
            return net_param(r->net, i)->data;
    REQUIRE(0, "no parameter %s", name);
    return NULL;
}

/* y = weight x + bias, of layer `name`. */
static void linear(struct rig *r, const char *name, const double *x, int in, double *y,
                   int out)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    const float *weight = values(r, full);
    snprintf(full, sizeof full, "%s.bias", name);
    const float *bias = values(r, full);
    for (int o = 0; o < out; o++) {
        y[o] = (double)bias[o];
        for (int i = 0; i < in; i++)
            y[o] += (double)weight[o * in + i] * x[i];
    }
}

enum {
    SIDE = 3,
    IN = SIDE * SIDE * 2,
    FIRST = 5,
    SECOND = 7,
};

/* Image n of two channels, channel by channel. */
static void input_of(struct rig *r, int n, double x[IN])
{
    const float *from = (const float *)net_input(r->net)->data + (ptrdiff_t)n * IN;
    for (int i = 0; i < IN; i++)
        x[i % 2 * SIDE * SIDE + i / 2] = (double)from[i];
}

/* Layer 0 adds nothing; layer 1 the input, whose width its branch is brought to; the
 * third adds the second layer's output from before that sum. */
static void logits_of(struct rig *r, int n, double out[10])
{
    double x0[IN], y0[FIRST], y1[SECOND], wide[IN], y2[FIRST], third[SECOND];
    input_of(r, n, x0);
    linear(r, "fc1", x0, IN, y0, FIRST);
    for (int i = 0; i < FIRST; i++)
        y0[i] = fmax(y0[i], 0);
    linear(r, "fc2", y0, FIRST, y1, SECOND);
    linear(r, "project2", y1, SECOND, wide, IN);
    for (int i = 0; i < IN; i++)
        wide[i] = fmax(wide[i] + x0[i], 0);
    linear(r, "fc3", wide, IN, y2, FIRST);
    linear(r, "project3", y2, FIRST, third, SECOND);
    for (int i = 0; i < SECOND; i++)
        third[i] = fmax(third[i] + y1[i], 0);
    linear(r, "fc4", third, SECOND, out, 10);
}

static void computes(struct device *dev)
{
    struct rig r = { .dev = dev };
    struct model_values options;
    double logits[10], total;
    model_defaults(model_find("residual_mlp"), &options);
    rig_set_text("residual_mlp", &options, "hidden", "5,7,5");
    rig_set_text("residual_mlp", &options, "skips", "1:0,2:2");
    rig_model(&r, "residual_mlp", &(struct net_input){ 3, SIDE, SIDE, 2 }, &options);
    rig_batch(&r, 0);
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    const float *p = net_probabilities(r.net)->data;
    for (int n = 0; n < 3; n++) {
        logits_of(&r, n, logits);
        total = 0;
        for (int k = 0; k < 10; k++)
            total += exp(logits[k]);
        for (int k = 0; k < 10; k++)
            CHECK(near((double)p[n * 10 + k], exp(logits[k]) / total, 1e-6, 1e-5),
                  "image %d, class %d: %g, expected %g", n, k, (double)p[n * 10 + k],
                  exp(logits[k]) / total);
    }
    net_free(r.net);
}

/* Cross-entropy of probabilities, which are 1 and nine zeros: it goes no lower. */
static void softmax_twice(struct device *dev)
{
    struct rig r = { .dev = dev };
    struct model_values options;
    model_defaults(model_find("mlp"), &options);
    rig_set_text("mlp", &options, "hidden", "");
    rig_set("mlp", &options, "softmax", 1);
    rig_model(&r, "mlp", &(struct net_input){ 2, 1, 1, 1 }, &options);
    for (int i = 0; i < 2; i++)
        init_constant(net_param(r.net, i), 0);
    ((float *)net_param(r.net, 1)->data)[3] = 100;
    net_params_changed(r.net);
    r.labels[0] = r.labels[1] = 3;
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    CHECK(near(r.pass.loss, 1.46115, 1e-5, 0) && r.pass.correct == 2, "loss %g",
          r.pass.loss);
    net_free(r.net);
}

static void by_heart(const char *device, const char *model, const char *option,
                     const char *list)
{
    struct rig r;
    rig_device(&r, device);
    open_text(&r, model, &(struct net_input){ 8, 8, 8, 3 }, option, list);
    rig_optimizer(&r, "adam");
    rig_batch(&r, 0);
    const double first = rig_step(&r, 0.01);
    for (int i = 0; i < 40; i++)
        rig_step(&r, 0.01);
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    CHECK(first > 1.5 && r.pass.loss < first / 6 && r.pass.correct >= 7,
          "%s %s, %s: loss %g, then %g, %g of 8 right", model, list, device, first,
          r.pass.loss, r.pass.correct);
    rig_close(&r);
}

int main(int argc, char **argv)
{
    const char *device = argc > 1 ? argv[1] : "ref";
    struct rig r;
    rig_device(&r, device);
    if (r.dev->compute == SLUICE_F32)
        computes(r.dev);
    softmax_twice(r.dev);
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        becomes(r.dev, &written[i]);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        is_refused(r.dev, &refused[i]);
    device_close(r.dev);
    by_heart(device, "residual_mlp", "skips", "0:0,1:0");
    by_heart(device, "cnn", "layers", "conv:16,max:2:stride=3,conv:16");
    by_heart(device, "residual_cnn", "layers",
             "conv:8,res:8/12:stride=2/1:skips=0-in/1-0");
    return check_done();
}

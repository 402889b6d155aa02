/* net_rig.h -- small networks and data for the tests of whole networks. */
#ifndef SLUICE_NET_RIG_H
#define SLUICE_NET_RIG_H

#include <string.h>

#include <sluice/rng.h>

#include "check.h"
#include "init.h"
#include "models/model.h"
#include "optim.h"

/* A network with its device and one batch of made-up images. */
struct rig {
    struct device *dev;
    struct net *net;
    const struct model_def *model;
    struct optim *opt;
    struct pass pass;
    int64_t labels[64];
    struct sluice_error err;
};

/* Bits of bf16 rounded to nearest even, as the input of a bf16 network. */
static inline uint16_t rig_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline void rig_store(struct tensor *t, size_t i, float value)
{
    if (t->dtype == SLUICE_F32)
        ((float *)t->data)[i] = value;
    else
        ((uint16_t *)t->data)[i] = rig_bf16(value);
}

/* Normal noise around a pattern of each class, so that there is something to learn;
 * batch `number` of seed 1. */
static inline void rig_batch(struct rig *r, uint64_t number)
{
    struct tensor *x = net_input(r->net);
    const size_t image = tensor_elements(x) / (size_t)x->shape[0];
    struct sluice_rng rng = sluice_rng_at(1, number, 0);
    for (int n = 0; n < x->shape[0]; n++) {
        r->labels[n] = sluice_rng_below(&rng, 10);
        struct sluice_rng pattern = sluice_rng_at(2, (uint64_t)r->labels[n], 0);
        for (size_t i = 0; i < image; i++)
            rig_store(x, (size_t)n * image + i,
                      2 * sluice_rng_unit(&pattern) + sluice_rng_unit(&rng) - 1.5F);
    }
}

static inline void rig_model(struct rig *r, const char *name,
                             const struct net_input *input,
                             const struct model_values *options)
{
    r->model = model_find(name);
    REQUIRE(r->model, "no model %s", name);
    const struct model_config config = { .classes = 10,
                                         .options = options->numbers,
                                         .texts = options->texts };
    REQUIRE(net_create(&r->net, r->dev, input, &r->err) == 0, "%s", r->err.message);
    r->model->build(r->net, &config);
    REQUIRE(net_finish(r->net, &r->err) == 0, "%s: %s", name, r->err.message);
    r->model->init(r->net, 7);
    r->pass = (struct pass){
        .training = true, .seed = 3, .labels = r->labels, .label_stride = 1
    };
}

/* "ref", "cpu" or, computing in bf16, "cpu-bf16"; 77 where it is not there. */
static inline void rig_device(struct rig *r, const char *device)
{
    char kind[16];
    const char *dash = strchr(device, '-');
    memset(r, 0, sizeof *r);
    snprintf(kind, sizeof kind, "%.*s", dash ? (int)(dash - device) : 8, device);
    const int rc = device_open(&r->dev, kind, dash ? dash + 1 : "f32", 2, &r->err);
    if (rc == SLUICE_EUNBUILT)
        SKIP("%s", r->err.message);
    REQUIRE(rc == 0, "%s", r->err.message);
}

static inline int rig_option(const char *model, const char *name)
{
    const struct model_option *o = model_find(model)->options;
    int i = 0;
    while (o[i].name && strcmp(o[i].name, name) != 0)
        i++;
    REQUIRE(o[i].name, "%s has no option %s", model, name);
    return i;
}

/* Set one of a model's options by its name: to a number, */
static inline void rig_set(const char *model, struct model_values *options,
                           const char *name, double value)
{
    options->numbers[rig_option(model, name)] = value;
}

/* or to a text. */
static inline void rig_set_text(const char *model, struct model_values *options,
                                const char *name, const char *value)
{
    snprintf(options->texts[rig_option(model, name)], MODEL_TEXT, "%s", value);
}

static inline void rig_optimizer(struct rig *r, const char *optimizer)
{
    const struct optim_config config = { .name = optimizer,
                                         .lr = 0.01,
                                         .momentum = 0.9,
                                         .nesterov = true,
                                         .beta1 = 0.9,
                                         .beta2 = 0.999,
                                         .eps = 1e-8,
                                         .weight_decay = 5e-4,
                                         .clip = 1,
                                         .muon_lr = 0.01,
                                         .muon_momentum = 0.6,
                                         .muon_iterations = 3 };
    REQUIRE(optim_create(&r->opt, r->net, &config, &r->err) == 0, "%s", r->err.message);
}

/* A network of many kinds of layer, quick on the plain device. */
static inline void rig_open(struct rig *r, const char *device, const char *optimizer)
{
    struct model_values options;
    rig_device(r, device);
    model_defaults(model_find("resnet9"), &options);
    rig_set("resnet9", &options, "width", 0.0625);
    rig_model(r, "resnet9", &(struct net_input){ 8, 21, 21, 3 }, &options);
    rig_optimizer(r, optimizer);
}

static inline void rig_close(struct rig *r)
{
    optim_free(r->opt);
    net_free(r->net);
    device_close(r->dev);
}

/* One step on the batch in place; the loss before it. */
static inline double rig_step(struct rig *r, double lr)
{
    REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    REQUIRE(net_backward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    optim_step(r->opt, lr, -1);
    r->pass.step++;
    return r->pass.loss;
}

/* Steps `from` to `to`, each on its own batch. */
static inline void rig_train(struct rig *r, uint64_t from, uint64_t to)
{
    for (r->pass.step = from; r->pass.step < to;) {
        rig_batch(r, r->pass.step);
        rig_step(r, 0.02);
    }
}

/* Parameters, buffers and moments are the same bits. */
static inline int rig_equal(struct rig *a, struct rig *b)
{
    int same = 1;
    for (int i = 0; i < net_param_count(a->net); i++)
        same &= memcmp(net_param(a->net, i)->data, net_param(b->net, i)->data,
                       tensor_bytes(net_param(a->net, i))) == 0;
    for (int i = 0; i < net_buffer_count(a->net); i++)
        same &= memcmp(net_buffer(a->net, i)->data, net_buffer(b->net, i)->data,
                       tensor_bytes(net_buffer(a->net, i))) == 0;
    for (int i = 0; i < optim_state_count(a->opt); i++)
        same &= memcmp(optim_state(a->opt, i)->data, optim_state(b->opt, i)->data,
                       tensor_bytes(optim_state(a->opt, i))) == 0;
    return same;
}

#endif

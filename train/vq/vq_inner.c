/* vq_inner.c -- the classifier whose weights are written; see vq_inner.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../models/model.h"
#include "../optim.h"
#include "vq_inner.h"

struct vq_inner {
    struct net *net;
    struct optim *opt; /* NULL: one plain step, in closed form */
    size_t size;
    int steps;
    double lr;
    float *before; /* (size): weights before tuning; NULL with opt */
};

static bool is_plain(const struct vq_config *cfg)
{
    return cfg->inner.steps == 1 && cfg->inner.optimizer == VQ_INNER_SGD;
}

static int build(struct vq_inner *in, struct device *dev, int batch,
                 struct sluice_error *err)
{
    const struct model_def *model = model_find("mnist_cnn");
    const struct net_input input = { batch, 28, 28, 1 };
    struct model_values values;
    model_defaults(model, &values);
    const struct model_config config = { .classes = VQ_CLASSES,
                                         .options = values.numbers,
                                         .texts = values.texts };
    int rc = net_create(&in->net, dev, &input, err);
    if (rc < 0)
        return rc;
    model->build(in->net, &config);
    return net_finish(in->net, err);
}

/* Steps of one classifier start from nothing: so do moments. */
static int open_optimizer(struct vq_inner *in, const struct vq_config *cfg,
                          struct sluice_error *err)
{
    const struct optim_config config = {
        .name = cfg->inner.optimizer == VQ_INNER_ADAM ? "adam" : "sgd",
        .lr = cfg->inner.lr,
        .momentum = cfg->inner.momentum,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .eps = 1e-8,
    };
    in->before = malloc(in->size * sizeof *in->before);
    if (!in->before)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a classifier");
    return optim_create(&in->opt, in->net, &config, err);
}

int vq_inner_open(struct vq_inner **out, struct device *dev, int batch,
                  const struct vq_config *cfg, struct sluice_error *err)
{
    struct vq_inner *in = calloc(1, sizeof *in);
    *out = NULL;
    if (!in)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a classifier");
    in->steps = cfg->inner.steps;
    in->lr = cfg->inner.lr;
    int rc = build(in, dev, batch, err);
    if (rc == 0) {
        in->size = net_param_elements(in->net);
        rc = is_plain(cfg) ? 0 : open_optimizer(in, cfg, err);
    }
    if (rc < 0)
        vq_inner_close(in);
    else
        *out = in;
    return rc;
}

void vq_inner_close(struct vq_inner *in)
{
    if (!in)
        return;
    optim_free(in->opt);
    net_free(in->net);
    free(in->before);
    free(in);
}

struct net *vq_inner_net(struct vq_inner *in)
{
    return in->net;
}

size_t vq_inner_size(const struct vq_inner *in)
{
    return in->size;
}

static float sigma(const struct tensor *t)
{
    const size_t all = tensor_elements(t);
    const size_t fan = t->rank > 1 ? all / (size_t)t->shape[0] : all;
    return (float)(1 / sqrt((double)fan));
}

void vq_inner_load(struct vq_inner *in, const float *theta)
{
    for (int i = 0; i < net_param_count(in->net); i++) {
        const struct tensor *t = net_param(in->net, i);
        const size_t n = tensor_elements(t);
        const float scale = sigma(t);
        float *w = t->data;
        for (size_t k = 0; k < n; k++)
            w[k] = theta[k] * scale;
        theta += n;
    }
    net_params_changed(in->net);
}

void vq_inner_read(struct vq_inner *in, float *theta)
{
    for (int i = 0; i < net_param_count(in->net); i++) {
        const struct tensor *t = net_param(in->net, i);
        const size_t n = tensor_elements(t);
        const float scale = sigma(t), *w = t->data;
        for (size_t k = 0; k < n; k++)
            theta[k] = w[k] / scale;
        theta += n;
    }
}

/* Forward and backward on the feed's next batch. */
static int learn(struct vq_inner *in, struct vq_feed *feed, double *loss,
                 struct sluice_error *err)
{
    const struct sluice_batch *b;
    int rc = vq_feed_next(feed, &b, err);
    if (rc < 0)
        return rc;
    struct pass pass = { .training = true,
                         .labels = b->labels + feed->label_column,
                         .label_stride = b->label_columns };
    rc = net_resize(in->net, b->count, err);
    if (rc == 0) {
        memcpy(net_input(in->net)->data, b->pixels,
               (size_t)b->count * sluice_shape_bytes(&b->shape));
        rc = net_forward(in->net, &pass, err);
    }
    if (rc == 0)
        rc = net_backward(in->net, &pass, err);
    vq_feed_release(feed, b);
    *loss = pass.loss;
    return rc;
}

/* theta' - theta = -lr g / sigma */
static void pull_closed(const struct vq_inner *in, int latents, float *delta,
                        struct vq_pull *out)
{
    const double factor = 2 * in->lr / latents;
    for (int i = 0; i < net_param_count(in->net); i++) {
        const struct tensor *t = net_param(in->net, i);
        const size_t n = tensor_elements(t);
        const double scale = (double)sigma(t);
        const float *g = t->grad;
        for (size_t k = 0; k < n; k++) {
            const double far = (double)g[k] / scale;
            out->distance += in->lr * far * (in->lr * far);
            if (delta)
                *delta++ = (float)(factor * far);
        }
    }
}

static void keep_weights(struct vq_inner *in)
{
    float *to = in->before;
    for (int i = 0; i < net_param_count(in->net); i++) {
        const struct tensor *t = net_param(in->net, i);
        memcpy(to, t->data, tensor_bytes(t));
        to += tensor_elements(t);
    }
}

static void pull_carried_out(const struct vq_inner *in, int latents, float *delta,
                             struct vq_pull *out)
{
    const float *before = in->before;
    for (int i = 0; i < net_param_count(in->net); i++) {
        const struct tensor *t = net_param(in->net, i);
        const size_t n = tensor_elements(t);
        const double scale = (double)sigma(t);
        const float *w = t->data;
        for (size_t k = 0; k < n; k++) {
            const double far = ((double)w[k] - (double)*before++) / scale;
            out->distance += far * far;
            if (delta)
                *delta++ = (float)(-2 * far / latents);
        }
    }
}

static void forget_moments(struct optim *opt)
{
    for (int i = 0; i < optim_state_count(opt); i++)
        memset(optim_state(opt, i)->data, 0, tensor_bytes(optim_state(opt, i)));
    optim_set_steps(opt, 0);
}

int vq_inner_pull(struct vq_inner *in, const float *theta, struct vq_feed *feed,
                  int latents, float *delta, struct vq_pull *out,
                  struct sluice_error *err)
{
    double loss;
    *out = (struct vq_pull){ 0 };
    vq_inner_load(in, theta);
    int rc = learn(in, feed, &out->loss, err);
    if (rc < 0)
        return rc;
    if (!in->opt) {
        pull_closed(in, latents, delta, out);
        return 0;
    }
    keep_weights(in);
    forget_moments(in->opt);
    optim_step(in->opt, in->lr, -1);
    for (int i = 1; i < in->steps && rc == 0; i++) {
        rc = learn(in, feed, &loss, err);
        if (rc == 0)
            optim_step(in->opt, in->lr, -1);
    }
    pull_carried_out(in, latents, delta, out);
    return rc;
}

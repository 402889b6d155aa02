/* optim_table.c -- which optimizers there are, their formulas over one stretch of a
 * parameter (PyTorch's torch.optim), and what they can be told. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "optim_parts.h"

/* A beta of 1 would divide by zero in the bias correction. */
#define BELOW_1 0.9999999

static void sgd(const struct optim_config *c, const struct rates *r, size_t n,
                float *restrict w, const float *restrict g, float *restrict m,
                float *restrict v)
{
    const float lr = r->lr, decay = r->decay, keep = r->momentum, scale = r->grad_scale;
    (void)v;
    for (size_t i = 0; i < n; i++) {
        const float grad = g[i] * scale + decay * w[i];
        const float buf = keep * m[i] + grad;
        m[i] = buf;
        w[i] -= lr * (c->nesterov ? grad + keep * buf : buf);
    }
}

static void adam_step(const struct rates *r, size_t n, float *restrict w,
                      const float *restrict g, float *restrict m, float *restrict v,
                      float l2, float shrink)
{
    const float beta1 = r->momentum, beta2 = r->beta2, scale = r->grad_scale;
    const float size = r->step_size, root2 = r->root2, eps = r->eps;
    for (size_t i = 0; i < n; i++) {
        const float grad = g[i] * scale + l2 * w[i];
        const float first = beta1 * m[i] + (1 - beta1) * grad;
        const float second = beta2 * v[i] + (1 - beta2) * grad * grad;
        m[i] = first;
        v[i] = second;
        w[i] = w[i] * shrink - size * first / (sqrtf(second) / root2 + eps);
    }
}

/* Decay as part of the gradient. */
static void adam(const struct optim_config *c, const struct rates *r, size_t n,
                 float *restrict w, const float *restrict g, float *restrict m,
                 float *restrict v)
{
    (void)c;
    adam_step(r, n, w, g, m, v, r->decay, 1);
}

/* Decay of the parameter itself. */
static void adamw(const struct optim_config *c, const struct rates *r, size_t n,
                  float *restrict w, const float *restrict g, float *restrict m,
                  float *restrict v)
{
    (void)c;
    adam_step(r, n, w, g, m, v, 0, 1 - r->lr * r->decay);
}

static const struct optim_def optims[] = {
    { "sgd", "gradient descent with momentum", 1, { "momentum" }, sgd },
    { "adam", "Adam, decay in the gradient", 2, { "exp_avg", "exp_avg_sq" }, adam },
    { "adamw", "Adam, decay of the weights", 2, { "exp_avg", "exp_avg_sq" }, adamw },
    { "muon",
      "orthogonal updates of filters, sgd for the rest",
      1,
      { "momentum" },
      sgd,
      true },
    { 0 },
};

const char *optim_name(int i)
{
    return optims[i].name;
}

const struct optim_def *optim_find(const char *name, struct sluice_error *err)
{
    char list[200];
    int at = 0;
    for (const struct optim_def *d = optims; d->name; d++) {
        if (name && strcmp(d->name, name) == 0)
            return d;
        at += snprintf(list + at, sizeof list - (size_t)at, "%s%s", at ? ", " : "",
                       d->name);
    }
    sluice_fail(err, SLUICE_EINVAL, "optimizer '%s': there are %s", name ? name : "",
                list);
    return NULL;
}

static int check_bounds(const struct optim_config *c, struct sluice_error *err)
{
    const struct {
        const char *name;
        double value, high;
    } bounds[] = {
        { "lr", c->lr, 1e6 },
        { "momentum", c->momentum, 1 },
        { "beta1", c->beta1, BELOW_1 },
        { "beta2", c->beta2, BELOW_1 },
        { "eps", c->eps, 1 },
        { "weight_decay", c->weight_decay, 1e6 },
        { "clip", c->clip, 1e12 },
        { "muon_lr", c->muon_lr, 1e6 },
        { "muon_momentum", c->muon_momentum, 1 },
        { "muon_iterations", c->muon_iterations, 100 },
    };
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (!(bounds[i].value >= 0 && bounds[i].value <= bounds[i].high))
            return sluice_fail(err, SLUICE_EINVAL,
                               "optimizer %s: %s is %g, expected 0 to %g", c->name,
                               bounds[i].name, bounds[i].value, bounds[i].high);
    return 0;
}

static int check_muon(const struct optim_config *c, struct sluice_error *err)
{
    if (c->lr > 0 && c->muon_iterations > 0)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "optimizer muon: lr is %g and muon_iterations %d, expected both "
                       "above 0",
                       c->lr, c->muon_iterations);
}

int optim_check(const struct optim_def *def, const struct optim_config *c,
                struct sluice_error *err)
{
    const int rc = check_bounds(c, err);
    return rc < 0 || !def->filters_apart ? rc : check_muon(c, err);
}

/* optim.c -- optimizers: state beside the parameters, and a step over all of them.
 *
 * The parameters are cut into chunks of fixed size that threads share out. Elements do
 * not depend on each other and the norm is summed chunk by chunk in order, so the
 * result is the same for any number of threads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_memory.h"
#include "device_threads.h"
#include "muon.h"
#include "optim_parts.h"

static bool updated(const struct tensor *t)
{
    return t->grad != NULL;
}

static void count(struct optim *opt, size_t *bytes)
{
    *bytes = 0;
    for (int i = 0; i < net_param_count(opt->net); i++) {
        const struct tensor *t = net_param(opt->net, i);
        if (!updated(t))
            continue;
        opt->state_count += opt->def->moments;
        opt->chunk_count += (int)((tensor_elements(t) + CHUNK - 1) / CHUNK);
        *bytes += (size_t)opt->def->moments * arena_round(tensor_bytes(t));
    }
}

/* State k of parameter t, at `data`. */
static int describe_state(const struct optim *opt, struct tensor *state, int k,
                          const struct tensor *t, void *data, struct sluice_error *err)
{
    char name[sizeof t->name + 40];
    snprintf(name, sizeof name, "%s.%s.%s", opt->def->name, opt->def->moment[k],
             t->name);
    if (strlen(name) >= sizeof state->name)
        return sluice_fail(err, SLUICE_EINVAL, "the name '%s' is too long", name);
    *state = *t;
    memcpy(state->name, name, strlen(name) + 1);
    state->data = data;
    state->grad = NULL;
    return 0;
}

static void cut(struct optim *opt, int *at, struct tensor *t, struct tensor *states)
{
    const size_t all = tensor_elements(t);
    for (size_t begin = 0; begin < all; begin += CHUNK) {
        struct chunk *c = &opt->chunk[(*at)++];
        c->param = t;
        c->begin = begin;
        c->count = all - begin < CHUNK ? all - begin : CHUNK;
        for (int k = 0; k < opt->def->moments; k++)
            c->moment[k] = (float *)states[k].data + begin;
    }
}

static int lay_out(struct optim *opt, struct sluice_error *err)
{
    unsigned char *data = opt->memory.base;
    int state = 0, at = 0, rc = 0;
    for (int i = 0; i < net_param_count(opt->net); i++) {
        struct tensor *t = net_param(opt->net, i);
        if (!updated(t))
            continue;
        for (int k = 0; k < opt->def->moments && rc == 0; k++) {
            rc = describe_state(opt, &opt->state[state + k], k, t, data, err);
            data += arena_round(tensor_bytes(t));
        }
        if (rc < 0)
            return rc;
        cut(opt, &at, t, &opt->state[state]);
        state += opt->def->moments;
    }
    return 0;
}

int optim_create(struct optim **out, struct net *net, const struct optim_config *config,
                 struct sluice_error *err)
{
    size_t bytes;
    int rc;
    *out = NULL;
    const struct optim_def *def = optim_find(config->name, err);
    if (!def)
        return SLUICE_EINVAL;
    if ((rc = optim_check(def, config, err)) < 0)
        return rc;
    struct optim *opt = calloc(1, sizeof *opt);
    if (!opt)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the optimizer");
    opt->def = def;
    opt->config = *config;
    opt->net = net;
    count(opt, &bytes);
    opt->state = calloc((size_t)opt->state_count + 1, sizeof *opt->state);
    opt->chunk = calloc((size_t)opt->chunk_count + 1, sizeof *opt->chunk);
    opt->partial = calloc((size_t)opt->chunk_count + 1, sizeof *opt->partial);
    if (!opt->state || !opt->chunk || !opt->partial)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for the optimizer");
    if (rc == 0)
        rc = arena_open_on(&opt->memory, net_device(net), bytes + ARENA_ALIGN, err);
    if (rc == 0)
        rc = lay_out(opt, err);
    if (rc == 0 && def->filters_apart && !device_has_memory(net_device(net)))
        rc = muon_create(&opt->muon, net, err);
    if (rc == 0 && device_has_memory(net_device(net)))
        rc = optim_cuda_create(opt, err);
    if (rc == 0 && config->lookahead.every)
        rc = lookahead_create(&opt->lookahead, net, &config->lookahead, err);
    if (rc < 0) {
        optim_free(opt);
        return rc;
    }
    *out = opt;
    return 0;
}

void optim_free(struct optim *opt)
{
    if (!opt)
        return;
    lookahead_free(opt->lookahead);
    muon_free(opt->muon);
    optim_cuda_free(opt);
    arena_close(&opt->memory);
    free(opt->state);
    free(opt->chunk);
    free(opt->partial);
    free(opt);
}

static double sum_of_squares(const float *g, size_t n)
{
    double lane[8] = { 0 }, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            lane[k] += (double)g[i + k] * (double)g[i + k];
    for (; i < n; i++)
        sum += (double)g[i] * (double)g[i];
    for (int k = 0; k < 8; k++)
        sum += lane[k];
    return sum;
}

static void add_squares(void *arg, size_t begin, size_t end)
{
    struct optim *opt = arg;
    for (size_t i = begin; i < end; i++) {
        const struct chunk *c = &opt->chunk[i];
        const float *g = (const float *)c->param->grad + c->begin;
        opt->partial[i] = c->param->trainable ? sum_of_squares(g, c->count) : 0;
    }
}

static double gradient_norm(struct optim *opt)
{
    double sum = 0;
    threads_for(net_device(opt->net), (size_t)opt->chunk_count, CHUNK, add_squares,
                opt);
    for (int i = 0; i < opt->chunk_count; i++)
        sum += opt->partial[i];
    return sqrt(sum);
}

static void update_chunk(const struct optim *opt, const struct chunk *c,
                         const struct rates *all)
{
    struct rates r = *all;
    r.lr *= c->param->lr_scale;
    r.step_size *= c->param->lr_scale;
    r.decay *= c->param->decay_scale;
    opt->def->update(&opt->config, &r, c->count, (float *)c->param->data + c->begin,
                     (const float *)c->param->grad + c->begin, c->moment[0],
                     c->moment[1]);
}

static bool is_apart(const struct optim *opt, const struct tensor *t)
{
    return opt->muon && muon_takes(t);
}

struct update {
    const struct optim *opt;
    const struct rates *rates;
};

static void update_chunks(void *arg, size_t begin, size_t end)
{
    const struct update *u = arg;
    for (size_t i = begin; i < end; i++) {
        const struct chunk *c = &u->opt->chunk[i];
        if (c->param->trainable && !is_apart(u->opt, c->param))
            update_chunk(u->opt, c, u->rates);
    }
}

/* Whole filters, one after the other: the first stretch of each knows where its moment
 * begins. */
static void update_filters(struct optim *opt, double lr, double grad_scale)
{
    const struct optim_config *c = &opt->config;
    for (int i = 0; i < opt->chunk_count; i++) {
        struct tensor *t = opt->chunk[i].param;
        if (opt->chunk[i].begin || !t->trainable || !is_apart(opt, t))
            continue;
        const struct muon_step step = {
            .lr = (float)(c->muon_lr * lr / c->lr) * t->lr_scale,
            .momentum = (float)c->muon_momentum,
            .grad_scale = (float)grad_scale,
            .nesterov = c->nesterov,
            .iterations = c->muon_iterations,
        };
        muon_update(opt->muon, t, opt->chunk[i].moment[0], &step);
    }
}

double optim_momentum(const struct optim *opt, double momentum)
{
    const struct optim_config *c = &opt->config;
    return momentum >= 0 ? momentum : opt->def->moments == 1 ? c->momentum : c->beta1;
}

double optim_step(struct optim *opt, double lr, double momentum)
{
    const struct optim_config *config = &opt->config;
    if (opt->cuda)
        return optim_cuda_step(opt, lr, momentum);
    const double beta1 = optim_momentum(opt, momentum);
    const double t = (double)(opt->steps + 1);
    double norm = 0, scale = 1;
    if (opt->lookahead && opt->steps == 0)
        lookahead_begin(opt->lookahead);
    opt->steps++;
    if (config->clip > 0) {
        norm = gradient_norm(opt);
        const double part = config->clip / (norm + 1e-6);
        scale = part >= 1 ? 1 : part; /* of a NaN, for all parameters to show it */
    }
    const struct rates rates = {
        .lr = (float)lr,
        .decay = (float)config->weight_decay,
        .momentum = (float)beta1,
        .beta2 = (float)config->beta2,
        .eps = (float)config->eps,
        .grad_scale = (float)scale,
        .step_size = (float)(lr / (1 - pow(beta1, t))),
        .root2 = (float)sqrt(1 - pow(config->beta2, t)),
    };
    struct update u = { opt, &rates };
    threads_for(net_device(opt->net), (size_t)opt->chunk_count, CHUNK, update_chunks,
                &u);
    if (opt->muon)
        update_filters(opt, lr, scale);
    if (opt->lookahead)
        lookahead_step(opt->lookahead, opt->steps);
    net_params_changed(opt->net);
    return norm;
}

int optim_state_count(const struct optim *opt)
{
    return opt->state_count + lookahead_state_count(opt->lookahead) +
           (optim_cuda_state(opt) != NULL);
}

struct tensor *optim_state(struct optim *opt, int i)
{
    const int slow = lookahead_state_count(opt->lookahead);
    if (i < opt->state_count)
        return &opt->state[i];
    i -= opt->state_count;
    return i < slow ? lookahead_state(opt->lookahead, i) : optim_cuda_state(opt);
}

uint64_t optim_steps(const struct optim *opt)
{
    return opt->steps;
}

void optim_set_steps(struct optim *opt, uint64_t steps)
{
    opt->steps = steps;
}

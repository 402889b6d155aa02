/* optim_cuda.c -- the update on device cuda: one launch over the chunks of all
 * parameters, and before it, where gradients are clipped or may overflow, two for their
 * norm. The host waits for nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/gpu.h"
#include "device_memory.h"
#include "muon.h"
#include "muon_cuda.h"
#include "optim_parts.h"

enum {
    GROW_AFTER = 2000, /* steps without overflow, before the loss scale doubles */
};

#define FIRST_SCALE 65536.0F

struct optim_cuda {
    struct gpu *gpu;
    struct update_args args;
    void *chunks, *partial, *control; /* device memory */
    int active;                       /* chunks in the table: the trainable ones, */
    int by_stretches;                 /* first those that are none of a muon's filter */
    struct muon_cuda *muon;           /* NULL: there are none of those */
    struct tensor loss_scale;         /* of control: scale, good steps, skipped */
};

static int find_update(const struct optim *opt, enum gpu_update *out,
                       struct sluice_error *err)
{
    const char *name = opt->def->name;
    if (strcmp(name, "sgd") == 0 || strcmp(name, "muon") == 0)
        *out = opt->config.nesterov ? UPDATE_NESTEROV : UPDATE_SGD;
    else if (strcmp(name, "adam") == 0)
        *out = UPDATE_ADAM;
    else if (strcmp(name, "adamw") == 0)
        *out = UPDATE_ADAMW;
    else
        return sluice_fail(err, SLUICE_EUNBUILT, "optimizer %s: not on device cuda",
                           name);
    return 0;
}

static int active_chunks(const struct optim *opt)
{
    int n = 0;
    for (int i = 0; i < opt->chunk_count; i++)
        n += opt->chunk[i].param->trainable;
    return n;
}

static bool is_apart(const struct optim *opt, const struct tensor *t)
{
    return opt->def->filters_apart && muon_takes(t);
}

static void add_chunks(const struct optim *opt, struct gpu_chunk *table, bool apart)
{
    struct optim_cuda *o = opt->cuda;
    for (int i = 0; i < opt->chunk_count; i++) {
        const struct chunk *c = &opt->chunk[i];
        if (!c->param->trainable || is_apart(opt, c->param) != apart)
            continue;
        table[o->active++] = (struct gpu_chunk){
            .w = (float *)c->param->data + c->begin,
            .g = (const float *)c->param->grad + c->begin,
            .m = c->moment[0],
            .v = c->moment[1],
            .count = (int)c->count,
            .lr_scale = c->param->lr_scale,
            .decay_scale = c->param->decay_scale,
        };
    }
}

/* The chunks of what is trained now. */
static int send_table(struct optim *opt, struct sluice_error *err)
{
    struct optim_cuda *o = opt->cuda;
    struct gpu_chunk *table = calloc((size_t)opt->chunk_count + 1, sizeof *table);
    if (!table)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the optimizer");
    o->active = 0;
    add_chunks(opt, table, false);
    o->by_stretches = o->active;
    add_chunks(opt, table, true);
    const int rc =
        gpu_write(o->gpu, o->chunks, table, (size_t)o->active * sizeof *table + 1, err);
    free(table);
    return rc;
}

static int make(struct optim *opt, struct optim_cuda *o, struct sluice_error *err)
{
    const struct optim_config *c = &opt->config;
    const struct gpu_control start = { .grad_scale = 1, .loss_scale = FIRST_SCALE };
    const size_t room = (size_t)opt->chunk_count + 1;
    struct gpu *gpu = o->gpu;
    o->args =
        (struct update_args){ .decay = (float)c->weight_decay,
                              .beta2 = (float)c->beta2,
                              .eps = (float)c->eps,
                              .clip = (float)c->clip,
                              .scaled = net_device(opt->net)->compute == SLUICE_F16,
                              .grow_after = GROW_AFTER };
    int rc = find_update(opt, &o->args.update, err);
    if (rc == 0)
        rc = gpu->run->allocate(gpu, &o->chunks, room * sizeof(struct gpu_chunk), err);
    if (rc == 0)
        rc = gpu->run->allocate(gpu, &o->partial, room * sizeof(double), err);
    if (rc == 0)
        rc = gpu->run->allocate(gpu, &o->control, sizeof start, err);
    if (rc == 0)
        rc = gpu_write(gpu, o->control, &start, sizeof start, err);
    return rc;
}

int optim_cuda_create(struct optim *opt, struct sluice_error *err)
{
    struct optim_cuda *o = calloc(1, sizeof *o);
    opt->cuda = o;
    if (!o)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the optimizer");
    o->gpu = gpu_of(net_device(opt->net));
    int rc = make(opt, o, err);
    if (rc == 0 && opt->def->filters_apart)
        rc = muon_cuda_create(&o->muon, opt->net, err);
    if (rc < 0)
        return rc;
    struct gpu_control *control = o->control;
    o->args.chunks = o->chunks;
    o->args.partial = o->partial;
    o->args.control = control;
    o->args.step = o->gpu->step;
    if (o->args.scaled)
        o->gpu->loss_scale = &control->loss_scale;
    o->loss_scale = (struct tensor){ .name = "loss_scale",
                                     .rank = 1,
                                     .shape = { 3 },
                                     .dtype = SLUICE_F32,
                                     .data = &control->loss_scale };
    o->active = -1;
    return 0;
}

void optim_cuda_free(struct optim *opt)
{
    struct optim_cuda *o = opt->cuda;
    if (!o)
        return;
    if (o->args.scaled)
        o->gpu->loss_scale = NULL;
    o->gpu->run->release(o->gpu, o->chunks);
    o->gpu->run->release(o->gpu, o->partial);
    o->gpu->run->release(o->gpu, o->control);
    muon_cuda_free(o->muon);
    free(o);
    opt->cuda = NULL;
}

struct tensor *optim_cuda_state(const struct optim *opt)
{
    return opt->cuda && opt->cuda->args.scaled ? &opt->cuda->loss_scale : NULL;
}

int optim_cuda_begin(struct optim *opt, double lr, double momentum,
                     struct gpu_step *step, struct sluice_error *err)
{
    const double beta1 = optim_momentum(opt, momentum), t = (double)(opt->steps + 1);
    if (opt->lookahead && opt->steps == 0)
        lookahead_begin(opt->lookahead);
    step->lr = (float)lr;
    step->momentum = (float)beta1;
    step->bias = (struct adam_bias){ lr, beta1, opt->config.beta2, t };
    step->step_size = (float)(lr / (1 - pow(beta1, t)));
    step->root2 = (float)sqrt(1 - pow(opt->config.beta2, t));
    /* Parameters were frozen since. */
    return opt->cuda->active == active_chunks(opt) ? 0 : send_table(opt, err);
}

/* Muon's, if this is the first stretch of one. */
static int update_filter(const struct optim *opt, const struct chunk *chunk,
                         struct sluice_error *err)
{
    const struct optim_config *c = &opt->config;
    const struct tensor *t = chunk->param;
    if (chunk->begin || !t->trainable || !is_apart(opt, t))
        return 0;
    const struct muon_cuda_step step = {
        .lr = (float)(c->muon_lr / c->lr) * t->lr_scale,
        .momentum = (float)c->muon_momentum,
        .nesterov = c->nesterov,
        .iterations = c->muon_iterations,
        .control = opt->cuda->args.control,
    };
    return muon_cuda_update(opt->cuda->muon, t, chunk->moment[0], &step, err);
}

int optim_cuda_update(struct optim *opt, struct sluice_error *err)
{
    struct optim_cuda *o = opt->cuda;
    struct update_args a = o->args;
    int rc = 0;
    a.count = o->active;
    if (!a.count)
        return 0;
    if (a.clip > 0 || a.scaled)
        rc = launch_gradient_squares(o->gpu, a.count, BLOCK, &a, err);
    if (rc == 0 && (a.clip > 0 || a.scaled))
        rc = launch_update_control(o->gpu, 1, BLOCK, &a, err);
    if (rc == 0 && o->by_stretches)
        rc = launch_update_params(o->gpu, UPDATE_BLOCKS * o->by_stretches, BLOCK, &a,
                                  err);
    for (int i = 0; i < opt->chunk_count && rc == 0; i++)
        rc = update_filter(opt, &opt->chunk[i], err);
    return rc;
}

void optim_cuda_end(struct optim *opt)
{
    opt->steps++;
    if (opt->lookahead)
        lookahead_step(opt->lookahead, opt->steps);
    net_params_changed(opt->net);
}

double optim_cuda_step(struct optim *opt, double lr, double momentum)
{
    struct optim_cuda *o = opt->cuda;
    struct gpu *gpu = o->gpu;
    struct gpu_control control = { 0 };
    struct sluice_error *err = &gpu->failed;
    if (optim_cuda_begin(opt, lr, momentum, &gpu->now, err) < 0)
        return 0;
    const struct step_args a = { gpu->step, gpu->now };
    if (each_set_step(gpu, 1, &a, err) < 0 || optim_cuda_update(opt, err) < 0)
        return 0;
    optim_cuda_end(opt);
    if (opt->config.clip > 0)
        (void)gpu_read(gpu, &control, o->control, sizeof control, err);
    return control.norm;
}

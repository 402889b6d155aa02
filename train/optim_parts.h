/* optim_parts.h -- what the optimizers' table, their step on the host and the one on a
 * GPU share. */
#ifndef SLUICE_OPTIM_PARTS_H
#define SLUICE_OPTIM_PARTS_H

#include "arena.h"
#include "optim.h"

struct muon;
struct gpu_step; /* cuda/kernels_train.h */

enum {
    MOMENTS = 2,
    CHUNK = 16384, /* elements: all the arrays of one fit in the second-level cache */
};

/* The numbers of one step for one parameter. */
struct rates {
    float lr, decay, momentum, beta2, eps, grad_scale;
    float step_size, root2; /* adam: lr / (1 - beta1^t), sqrt(1 - beta2^t) */
};

struct optim_def {
    const char *name, *help;
    int moments;
    const char *moment[MOMENTS];
    void (*update)(const struct optim_config *c, const struct rates *r, size_t n,
                   float *restrict w, const float *restrict g, float *restrict m,
                   float *restrict v);
    bool filters_apart; /* they are muon.h's, with the first moment */
};

/* The optimizer of that name; NULL: none, and the error lists what there is. */
const struct optim_def *optim_find(const char *name, struct sluice_error *err);
/* SLUICE_EINVAL: a number that is none, or out of its bounds. */
int optim_check(const struct optim_def *def, const struct optim_config *c,
                struct sluice_error *err);

/* A stretch of one parameter. */
struct chunk {
    struct tensor *param;
    size_t begin, count;
    float *moment[MOMENTS];
};

struct optim_cuda; /* optim_cuda.c */

struct optim {
    const struct optim_def *def;
    struct optim_config config;
    struct net *net;
    uint64_t steps;
    struct arena memory;
    struct tensor *state;
    int state_count;
    struct lookahead *lookahead; /* NULL: none */
    struct muon *muon;           /* NULL: all parameters are updated by stretches */
    struct chunk *chunk;
    struct optim_cuda *cuda; /* NULL: the host updates */
    double *partial;         /* per chunk: sum of squared gradients */
    int chunk_count;
};

/* Device cuda. All enqueue, and fail only if that does. */
int optim_cuda_create(struct optim *opt, struct sluice_error *err);
void optim_cuda_free(struct optim *opt);
/* The loss scale, which a checkpoint keeps; NULL: there is none. */
struct tensor *optim_cuda_state(const struct optim *opt);
/* Before a step: what it reads, into *step. */
int optim_cuda_begin(struct optim *opt, double lr, double momentum,
                     struct gpu_step *step, struct sluice_error *err);
/* The update itself: this may be recorded. */
int optim_cuda_update(struct optim *opt, struct sluice_error *err);
/* Behind it: what not every step does. */
void optim_cuda_end(struct optim *opt);
/* The three in one; the gradients' norm if clipping is on. */
double optim_cuda_step(struct optim *opt, double lr, double momentum);

/* beta1 or momentum, of the configuration where `momentum` is below 0. */
double optim_momentum(const struct optim *opt, double momentum);

#endif

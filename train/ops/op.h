/* op.h -- the contract of an operator.
 *
 * A network is an array of operators in order; forward is a loop over it, backward the
 * same loop downward. There is no graph: a tensor has one producer and one consumer,
 * and where a network forks an explicit `fork` op hands out two tensors; its backward
 * sums their gradients.
 *
 * backward OVERWRITES in[i]->grad and param[i]->grad, and skips those that are NULL. It
 * accumulates only where op->adds, and reads two gradients only where op->more_grad
 * says so: both take the place of a fork's sum, for backends that declare it. An
 * operator may read in->data, out->data, out->grad and its own state in backward;
 * nothing else is kept. It never writes out->data or out->grad.
 *
 * <op>.c holds an operator's definition and the reference in plain loops (device ref);
 * *_cpu.c and *_onednn.c (device cpu) and *_cuda.c (device cuda) hold the fast ones.
 * Operators that are alike share a file: pool.c, flat_cpu.c, channel_cuda.c. A backend
 * that is NULL is not there, and the build of the network says so. */
#ifndef SLUICE_OP_H
#define SLUICE_OP_H

#include <stdint.h>

#include "../device.h"
#include "../tensor.h"

struct distill;

enum {
    PASS_HEADS = 17, /* losses of one network, at most */
};

/* What a loss operator says of a batch. A network may have several: head 0 is its own,
 * of weight 1, and answers; the others are of parts of it. */
struct head_loss {
    double weight;  /* in the loss that is minimised */
    double loss;    /* mean over the batch */
    double correct; /* images whose largest logit is their label; of mixed images, the
                       shares of the labels that it is */
};

/* One pass over one batch. */
struct pass {
    bool training; /* batch statistics, dropout */
    uint64_t seed; /* of dropout and other draws */
    uint64_t step; /* optimizer steps so far: the draws' counter */
    const int64_t
        *labels; /* class of image i at labels[i * label_stride]; NULL: no loss */
    int label_stride;
    const struct sluice_mix *mixes; /* NULL, or (images): how they were mixed */
    struct distill *distill; /* NULL: labels alone; see distill.h. Not on device cuda */
    /* Filled by the loss operators' forward. */
    struct head_loss head[PASS_HEADS]; /* zero where there is none */
    double loss;                       /* the sum of the heads', each by its weight */
    double correct;                    /* head 0's */
};

/* From what the heads say. */
static inline void pass_sum(struct pass *pass)
{
    pass->loss = 0;
    for (int i = 0; i < PASS_HEADS; i++)
        pass->loss += pass->head[i].weight * pass->head[i].loss;
    pass->correct = pass->head[0].correct;
}

enum activation {
    ACT_NONE = 0,
    ACT_RELU = 1,
    ACT_GELU = 2,    /* exact: x/2 (1 + erf(x / sqrt 2)) */
    ACT_SIGMOID = 3, /* 1 / (1 + exp(-x)); of operator activation alone */
    ACT_SILU = 4,    /* x / (1 + exp(-x)), also called swish */
};

/* Where droppath makes up for the branches that training leaves out. */
enum drop_scaling {
    DROP_UNSCALED = 0, /* nowhere */
    DROP_EXPECTED = 1, /* evaluation multiplies by 1 - p */
    DROP_INVERTED = 2, /* training divides by 1 - p */
};

/* What distinguishes two operators of one kind. Unused members are zero. */
struct op_attr {
    int out_channels;        /* conv2d, linear */
    int kernel, stride, pad; /* conv2d, maxpool, avgpool */
    bool bias;               /* conv2d, linear */
    enum activation act;     /* batchnorm (fused behind it), activation */
    bool affine_scale_fixed; /* batchnorm: weight stays 1 and is not a parameter */
    float eps,
        momentum;     /* batchnorm: running = (1-momentum) running + momentum batch */
    bool fixed_stats; /* batchnorm: the running mean and variance in training, too,
                         which stay as they are */
    float p;          /* dropout, droppath */
    bool per_sample;  /* droppath: one draw an image, not one a batch */
    bool per_channel; /* dropout: one draw a channel of an image */
    enum drop_scaling scaling; /* droppath */
    float scale;               /* scale: out = in * scale */
    float label_smoothing;     /* softmax_xent */
    int head;                  /* softmax_xent: see struct head_loss */
    float loss_weight;         /* softmax_xent: of a head but 0, in the loss */
};

struct op;

struct op_backend {
    /* Shapes and pointers are final: build primitives into op->state. Called again, on
     * a fresh state, for each further batch size. */
    int (*plan)(struct op *op, struct device *dev, struct sluice_error *err);
    int (*forward)(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err);
    int (*backward)(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err);
    void (*release)(struct op *op); /* op->state; NULL: nothing to do */
    /* Parameters changed (an optimizer step, a checkpoint): packed copies of them are
     * stale and are made anew by the next forward, so calling it often costs nothing.
     * Whoever keeps several states of one operator calls it, too, when another one is
     * put in place. A fresh state is stale. NULL: it reads them afresh. */
    void (*params_changed)(struct op *op);
    /* backward takes out[0]->grad + op->more_grad, where that is not NULL. */
    bool reads_two_gradients;
    /* backward adds to in[0]->grad where op->adds says so. */
    bool adds_gradient;
};

/* Shapes that the tests try: see tests/train/parity.c. */
struct op_case {
    const char *name;
    int n, h, w, c; /* of the input(s) */
    struct op_attr attr;
    int second; /* channels of in[1]; 0: as many */
};

struct op_def {
    const char *name, *help;
    int inputs, outputs; /* 1 or 2 */
    bool factors;        /* in[1] is (n, 1, 1, c); else of the shape of in[0],
                           but for concat, whose channels may be others */
    bool alias;          /* out[i]->data is in[0]->data: forward moves nothing */
    bool alias_grad;  /* in[i]->grad may be out[0]->grad: then backward moves nothing */
    bool shared_grad; /* in[1]->grad may be in[0]->grad: both are the same values */
    /* Check and complete attr (zero eps, momentum and stride mean their defaults) and
     * check inputs, which are (n, h, w, c); fill out[]->rank, shape and dtype, and
     * those of params and buffers (rank 0: none). All of these tensors exist when it is
     * called. "weight", "bias", "running_mean", "running_var" go into their name. */
    int (*shape)(struct op *op, struct sluice_error *err);
    const struct op_backend *on[DEVICE_KINDS];
    const struct op_case *cases; /* ends with a NULL name */
};

enum {
    OP_PARAMS = 2,
    OP_BUFFERS = 2,
};

struct op_fusion; /* fusion.h */

/* Who sums the gradients of a fork's two consumers. */
enum fork_settled {
    FORK_SUMS = 0,  /* the fork, in a pass of its own */
    FORK_READ = 1,  /* its producer, which reads both */
    FORK_ADDED = 2, /* the consumer that runs last */
};

struct op {
    const struct op_def *def;
    struct op_attr attr;
    char name[48]; /* prefix of its parameters' names: "layer1.0.conv1" */
    int number;    /* place in the network: part of a draw's counter */
    struct tensor *in[2], *out[2];
    struct tensor *param[OP_PARAMS];   /* weight, bias; NULL: none */
    struct tensor *buffer[OP_BUFFERS]; /* float state that is saved but not trained */
    void *state; /* the backend's, for the present batch size; NULL before plan */
    /* How the network joins it with its neighbours: see net_fuse.c. */
    struct op *within;              /* the operator that this one runs as a part of */
    const struct op_fusion *fusion; /* with `first`, as one */
    struct op *first;
    enum fork_settled settled;
    const struct tensor *more; /* whose gradient is summed with out[0]'s */
    const void *more_grad;     /* set for each backward; NULL: nothing to sum */
    bool adds;                 /* backward adds to in[0]->grad */
    bool stamped;  /* its time in this pass is to be fetched from the device */
    bool measures; /* conv2d: forward also measures what batchnorm will ask for */
    const struct op *measured_by; /* batchnorm: who measures in[0], or NULL */
};

/* How often a loss operator's loss counts. */
static inline double head_weight(const struct op *loss)
{
    return loss->attr.head ? (double)loss->attr.loss_weight : 1;
}

/* Every operator, for the tests and for lookup. NULL ends the list. */
extern const struct op_def *const op_registry[];

extern const struct op_def op_conv2d, op_linear, op_batchnorm, op_activation,
    op_maxpool, op_avgpool, op_globalmax, op_globalavg, op_add, op_add_relu, op_fork,
    op_dropout, op_droppath, op_flatten, op_softmax, op_gate, op_scale, op_concat,
    op_softmax_xent;

/* softmax_xent's out[0] holds the class probabilities (n, 1, 1, classes), float. Its
 * backward needs no out->grad: it starts from d loss / d loss = 1, or the head's
 * weight.
 */

#endif

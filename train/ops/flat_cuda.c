/* flat_cuda.c -- activation, add, add_relu, fork, scale, dropout, droppath, flatten,
 * softmax and gate on device cuda: passes over memory. */
#include "../cuda/gpu.h"
#include "backends.h"
#include "dropout.h"

static struct flat_args flat(const struct op *op)
{
    const struct tensor *t = op->in[0];
    return (struct flat_args){ .dtype = t->dtype,
                               .act = op->attr.act,
                               .count = tensor_elements(t),
                               .scale = op->attr.scale };
}

static int activation_pass(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)pass;
    struct flat_args a = flat(op);
    a.a = op->in[0]->data;
    a.out = op->out[0]->data;
    return each_activation_forward(gpu_of(dev), runs_of(a.count), &a, err);
}

static int activation_back(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)pass;
    struct flat_args a = flat(op);
    a.a = op->in[0]->data;
    a.b = op->out[0]->grad;
    a.out = op->in[0]->grad;
    return a.out ? each_activation_backward(gpu_of(dev), runs_of(a.count), &a, err) : 0;
}

static int add_pass(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass;
    struct flat_args a = flat(op);
    a.act = ACT_NONE;
    a.a = op->in[0]->data;
    a.b = op->in[1]->data;
    a.out = op->out[0]->data;
    return each_sum_of_two(gpu_of(dev), runs_of(a.count), &a, err);
}

static int add_back(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass;
    struct gpu *gpu = gpu_of(dev);
    const void *from = op->out[0]->grad;
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        if (op->in[i]->grad && op->in[i]->grad != from)
            rc = gpu->run->copy(gpu, op->in[i]->grad, from, tensor_bytes(op->in[i]),
                                COPY_ON_GPU, err);
    return rc;
}

static int add_relu_pass(struct op *op, struct device *dev, struct pass *pass,
                         struct sluice_error *err)
{
    (void)pass;
    struct flat_args a = flat(op);
    a.act = ACT_RELU;
    a.a = op->in[0]->data;
    a.b = op->in[1]->data;
    a.out = op->out[0]->data;
    return each_sum_of_two(gpu_of(dev), runs_of(a.count), &a, err);
}

/* The slope at the sum is that at the output. Both gradients are one. */
static int add_relu_back(struct op *op, struct device *dev, struct pass *pass,
                         struct sluice_error *err)
{
    (void)pass;
    struct flat_args a = flat(op);
    int rc = 0;
    a.act = ACT_RELU;
    a.a = op->out[0]->data;
    a.b = op->out[0]->grad;
    for (int i = 0; i < 2 && rc == 0; i++) {
        a.out = op->in[i]->grad;
        if (a.out && (i == 0 || a.out != op->in[0]->grad))
            rc = each_activation_backward(gpu_of(dev), runs_of(a.count), &a, err);
    }
    return rc;
}

static int fork_pass(struct op *op, struct device *dev, struct pass *pass,
                     struct sluice_error *err)
{
    (void)op, (void)dev, (void)pass, (void)err;
    return 0;
}

static int fork_back(struct op *op, struct device *dev, struct pass *pass,
                     struct sluice_error *err)
{
    (void)pass;
    struct flat_args a = flat(op);
    a.act = ACT_NONE;
    a.a = op->out[0]->grad;
    a.b = op->out[1]->grad;
    a.out = op->in[0]->grad;
    return a.out ? each_sum_of_two(gpu_of(dev), runs_of(a.count), &a, err) : 0;
}

static int multiply(struct op *op, struct device *dev, const void *from, void *to,
                    float factor, struct sluice_error *err)
{
    struct flat_args a = flat(op);
    a.a = from;
    a.out = to;
    a.scale = factor;
    return to ? each_multiple(gpu_of(dev), runs_of(a.count), &a, err) : 0;
}

static int scale_pass(struct op *op, struct device *dev, struct pass *pass,
                      struct sluice_error *err)
{
    (void)pass;
    return multiply(op, dev, op->in[0]->data, op->out[0]->data, op->attr.scale, err);
}

static int scale_back(struct op *op, struct device *dev, struct pass *pass,
                      struct sluice_error *err)
{
    (void)pass;
    return multiply(op, dev, op->out[0]->grad, op->in[0]->grad, op->attr.scale, err);
}

/* Draws come from the step's counters, in memory: a recorded launch draws anew. */
static int drop(struct op *op, struct device *dev, const struct pass *pass,
                const void *from, void *to, float kept, struct sluice_error *err)
{
    struct gpu *gpu = gpu_of(dev);
    const size_t count = tensor_elements(op->in[0]);
    const struct drop_args a = { .dtype = op->in[0]->dtype,
                                 .count = count,
                                 .image = count / (size_t)op_batch(op),
                                 .from = from,
                                 .to = to,
                                 .step = gpu->step,
                                 .number = op->number,
                                 .threshold = dropout_threshold(op->attr.p),
                                 .kept = kept,
                                 .per_sample = op->attr.per_sample,
                                 .c = op_channels(op->in[0]) };
    int rc = 0;
    if (!to)
        return 0;
    if (!gpu->stepping)
        rc = gpu_set_draws(gpu, pass->seed, pass->step, err);
    if (rc < 0)
        return rc;
    if (op->def == &op_droppath)
        return each_drop_images(gpu, runs_of(count), &a, err);
    return op->attr.per_channel ? each_drop_channels(gpu, runs_of(count), &a, err)
                                : each_drop_elements(gpu, runs_of(count), &a, err);
}

static int dropout(struct op *op, struct device *dev, const struct pass *pass,
                   const void *from, void *to, struct sluice_error *err)
{
    if (!pass->training)
        return multiply(op, dev, from, to, 1, err);
    return drop(op, dev, pass, from, to, 1 / (1 - op->attr.p), err);
}

static int droppath(struct op *op, struct device *dev, const struct pass *pass,
                    const void *from, void *to, struct sluice_error *err)
{
    const float p = op->attr.p;
    if (!pass->training)
        return multiply(op, dev, from, to,
                        op->attr.scaling == DROP_EXPECTED ? 1 - p : 1, err);
    return drop(op, dev, pass, from, to,
                op->attr.scaling == DROP_INVERTED ? 1 / (1 - p) : 1, err);
}

static int dropout_pass(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    return dropout(op, dev, pass, op->in[0]->data, op->out[0]->data, err);
}

static int dropout_back(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    return dropout(op, dev, pass, op->out[0]->grad, op->in[0]->grad, err);
}

static int droppath_pass(struct op *op, struct device *dev, struct pass *pass,
                         struct sluice_error *err)
{
    return droppath(op, dev, pass, op->in[0]->data, op->out[0]->data, err);
}

static int droppath_back(struct op *op, struct device *dev, struct pass *pass,
                         struct sluice_error *err)
{
    return droppath(op, dev, pass, op->out[0]->grad, op->in[0]->grad, err);
}

static int flatten(const struct op *op, struct device *dev, bool back, const void *from,
                   void *to, struct sluice_error *err)
{
    const int *in = op->in[0]->shape;
    const struct flatten_args a = { .dtype = op->in[0]->dtype,
                                    .count = tensor_elements(op->in[0]),
                                    .pixels = (size_t)in[1] * (size_t)in[2],
                                    .c = in[3],
                                    .back = back,
                                    .from = from,
                                    .to = to };
    return to ? each_reorder(gpu_of(dev), a.count, &a, err) : 0;
}

static int flatten_pass(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)pass;
    return flatten(op, dev, false, op->in[0]->data, op->out[0]->data, err);
}

static int flatten_back(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)pass;
    return flatten(op, dev, true, op->out[0]->grad, op->in[0]->grad, err);
}

static struct softmax_args rows_of(const struct op *op)
{
    return (struct softmax_args){ .dtype = op->in[0]->dtype,
                                  .rows = op_pixels(op->in[0]),
                                  .c = op_channels(op->in[0]) };
}

static int softmax_pass(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)pass;
    struct softmax_args a = rows_of(op);
    a.x = op->in[0]->data;
    a.out = op->out[0]->data;
    return each_softmax_rows(gpu_of(dev), a.rows, &a, err);
}

static int softmax_back(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)pass;
    struct softmax_args a = rows_of(op);
    a.x = op->in[0]->data;
    a.dy = op->out[0]->grad;
    a.out = op->in[0]->grad;
    return a.out ? each_softmax_slopes(gpu_of(dev), a.rows, &a, err) : 0;
}

static int gate(struct op *op, struct device *dev, const void *x, void *out,
                struct sluice_error *err)
{
    const size_t count = tensor_elements(op->in[0]);
    const struct gate_args a = { .dtype = op->in[0]->dtype,
                                 .count = count,
                                 .image = count / (size_t)op_batch(op),
                                 .images = op_batch(op),
                                 .c = op_channels(op->in[0]),
                                 .x = x,
                                 .factor = op->in[1]->data,
                                 .out = out };
    return out ? each_gate_multiply(gpu_of(dev), runs_of(count), &a, err) : 0;
}

static int gate_pass(struct op *op, struct device *dev, struct pass *pass,
                     struct sluice_error *err)
{
    (void)pass;
    return gate(op, dev, op->in[0]->data, op->out[0]->data, err);
}

static int gate_back(struct op *op, struct device *dev, struct pass *pass,
                     struct sluice_error *err)
{
    (void)pass;
    const int *in = op->in[0]->shape;
    const struct pair_args a = { .dtype = op->in[0]->dtype,
                                 .n = in[0],
                                 .pixels = in[1] * in[2],
                                 .c = in[3],
                                 .x = op->in[0]->data,
                                 .dy = op->out[0]->grad,
                                 .out = op->in[1]->grad };
    const int rc = gate(op, dev, op->out[0]->grad, op->in[0]->grad, err);
    if (rc < 0 || !a.out)
        return rc;
    return each_gate_factors(gpu_of(dev), (size_t)in[0] * runs_of((size_t)in[3]), &a,
                             err);
}

const struct op_backend op_activation_cuda = { .forward = activation_pass,
                                               .backward = activation_back };
const struct op_backend op_add_cuda = { .forward = add_pass, .backward = add_back };
const struct op_backend op_add_relu_cuda = { .forward = add_relu_pass,
                                             .backward = add_relu_back };
const struct op_backend op_fork_cuda = { .forward = fork_pass, .backward = fork_back };
const struct op_backend op_scale_cuda = { .forward = scale_pass,
                                          .backward = scale_back };
const struct op_backend op_dropout_cuda = { .forward = dropout_pass,
                                            .backward = dropout_back };
const struct op_backend op_softmax_cuda = { .forward = softmax_pass,
                                            .backward = softmax_back };
const struct op_backend op_flatten_cuda = { .forward = flatten_pass,
                                            .backward = flatten_back };
const struct op_backend op_droppath_cuda = { .forward = droppath_pass,
                                             .backward = droppath_back };
const struct op_backend op_gate_cuda = { .forward = gate_pass, .backward = gate_back };

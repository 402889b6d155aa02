/* pool_cpu.c -- max and average pooling on device cpu: a row of an image at a time. The
 * place of each maximum within its window is kept in a byte for backward. */
#include <stdlib.h>

#include "../device_cpu.h"
#include "pool.h"

struct job {
    struct op *op;
    const struct kernels *kernels;
    struct pool pool;
    enum sluice_dtype dtype;
    uint8_t *index; /* like the output */
};

static struct job job_of(struct op *op, struct device *dev)
{
    return (struct job){ op, cpu_kernels(dev), pool_of(op), op->in[0]->dtype,
                         op->state };
}

static int maxpool_plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    (void)dev;
    if (op->fusion) /* which keeps places of its own */
        return 0;
    if (op->attr.kernel > POOL_MOST)
        return sluice_fail(
            err, SLUICE_EUNBUILT,
            "maxpool %s: kernel %d, but device cpu has windows up to 16x16", op->name,
            op->attr.kernel);
    op->state = malloc(tensor_elements(op->out[0]));
    if (!op->state)
        return sluice_fail(err, SLUICE_ENOMEM, "maxpool %s: no memory", op->name);
    return 0;
}

static void maxpool_release(struct op *op)
{
    free(op->state);
    op->state = NULL;
}

static void each_row(struct op *op, struct device *dev, const struct tensor *t,
                     threads_body *body)
{
    struct job job = job_of(op, dev);
    threads_for(dev, (size_t)t->shape[0] * (size_t)t->shape[1],
                (size_t)t->shape[2] * (size_t)t->shape[3], body, &job);
}

static void maxpool_forward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const int oh = job->pool.oh;
    for (int i = (int)begin; i < (int)end; i++)
        job->kernels->maxpool_forward(&job->pool, job->dtype, job->op->in[0]->data,
                                      job->op->out[0]->data, job->index, i / oh,
                                      i % oh);
}

static void maxpool_backward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const int h = job->pool.h;
    for (int i = (int)begin; i < (int)end; i++)
        job->kernels->maxpool_backward(&job->pool, job->dtype, job->op->out[0]->grad,
                                       job->index, job->op->in[0]->grad, i / h, i % h);
    job->kernels->stores_done();
}

static void avgpool_forward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const int oh = job->pool.oh;
    for (int i = (int)begin; i < (int)end; i++)
        job->kernels->avgpool_forward(&job->pool, job->dtype, job->op->in[0]->data,
                                      job->op->out[0]->data, i / oh, i % oh);
}

static void avgpool_backward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const int h = job->pool.h;
    for (int i = (int)begin; i < (int)end; i++)
        job->kernels->avgpool_backward(&job->pool, job->dtype, job->op->out[0]->grad,
                                       job->op->in[0]->grad, i / h, i % h);
}

static int maxpool_forward(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)pass, (void)err;
    each_row(op, dev, op->out[0], maxpool_forward_body);
    return 0;
}

static int maxpool_backward(struct op *op, struct device *dev, struct pass *pass,
                            struct sluice_error *err)
{
    (void)pass, (void)err;
    if (op->in[0]->grad)
        each_row(op, dev, op->in[0], maxpool_backward_body);
    return 0;
}

static int avgpool_forward(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)pass, (void)err;
    each_row(op, dev, op->out[0], avgpool_forward_body);
    return 0;
}

static int avgpool_backward(struct op *op, struct device *dev, struct pass *pass,
                            struct sluice_error *err)
{
    (void)pass, (void)err;
    if (op->in[0]->grad)
        each_row(op, dev, op->in[0], avgpool_backward_body);
    return 0;
}

const struct op_backend op_maxpool_cpu = { .plan = maxpool_plan,
                                           .forward = maxpool_forward,
                                           .backward = maxpool_backward,
                                           .release = maxpool_release };
const struct op_backend op_avgpool_cpu = { .forward = avgpool_forward,
                                           .backward = avgpool_backward };

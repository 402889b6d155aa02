/* gate_cpu.c -- channels times factors on device cpu: an image at a time. */
#include "../device_cpu.h"
#include "backends.h"

struct job {
    const struct op *op;
    const struct kernels *kernels;
    enum sluice_dtype dtype;
    int pixels, c;
};

/* Image n of values that are (pixels, c) an image; NULL stays NULL. */
static void *image(const struct job *job, void *values, size_t n, int pixels)
{
    const size_t each = (size_t)pixels * (size_t)job->c;
    return values ? (char *)values + n * each * sluice_dtype_size(job->dtype) : NULL;
}

static void forward_images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct op *op = job->op;
    for (size_t n = begin; n < end; n++)
        job->kernels->gate_forward(
            job->dtype, image(job, op->in[0]->data, n, job->pixels),
            image(job, op->in[1]->data, n, 1), job->pixels, job->c,
            image(job, op->out[0]->data, n, job->pixels));
}

static void backward_images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct op *op = job->op;
    for (size_t n = begin; n < end; n++)
        job->kernels->gate_backward(
            job->dtype, image(job, op->in[0]->data, n, job->pixels),
            image(job, op->in[1]->data, n, 1),
            image(job, op->out[0]->grad, n, job->pixels), job->pixels, job->c,
            image(job, op->in[0]->grad, n, job->pixels),
            image(job, op->in[1]->grad, n, 1));
}

static int each_image(const struct op *op, struct device *dev, threads_body *body)
{
    const int *in = op->in[0]->shape;
    struct job job = { op, cpu_kernels(dev), op->in[0]->dtype, in[1] * in[2], in[3] };
    threads_for(dev, (size_t)in[0], (size_t)job.pixels * (size_t)job.c, body, &job);
    return 0;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)pass, (void)err;
    return each_image(op, dev, forward_images);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass, (void)err;
    return each_image(op, dev, backward_images);
}

const struct op_backend op_gate_cpu = { .forward = forward, .backward = backward };

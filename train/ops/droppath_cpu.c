/* droppath_cpu.c -- stochastic depth on device cpu: an image is copied, scaled or
 * zeroed as a whole. */
#include <string.h>

#include "../device_cpu.h"
#include "backends.h"
#include "droppath.h"

struct job {
    const struct op *op;
    const struct pass *pass;
    const struct kernels *kernels;
    enum sluice_dtype dtype;
    size_t image; /* elements */
    const char *from;
    char *to;
};

static void images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const size_t bytes = job->image * sluice_dtype_size(job->dtype);
    for (size_t n = begin; n < end; n++) {
        const float factor = droppath_factor(job->op, job->pass, n);
        const char *from = job->from + n * bytes;
        char *to = job->to + n * bytes;
        if (factor == 0)
            memset(to, 0, bytes);
        else if (factor == 1)
            memcpy(to, from, bytes);
        else
            job->kernels->scale(job->dtype, from, factor, to, job->image);
    }
}

static void each_image(const struct op *op, struct device *dev, const struct pass *pass,
                       const void *from, void *to)
{
    const size_t n = (size_t)op_batch(op), image = tensor_elements(op->in[0]) / n;
    struct job job = { op, pass, cpu_kernels(dev), op->in[0]->dtype, image, from, to };
    threads_for(dev, n, image, images, &job);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)err;
    each_image(op, dev, pass, op->in[0]->data, op->out[0]->data);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)err;
    if (op->in[0]->grad)
        each_image(op, dev, pass, op->out[0]->grad, op->in[0]->grad);
    return 0;
}

const struct op_backend op_droppath_cpu = { .forward = forward, .backward = backward };

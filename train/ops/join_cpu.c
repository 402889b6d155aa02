/* join_cpu.c -- the end of a residual block on device cpu as one operator: a branch
 * times its channels' factors, or an image's branch times its own, and ReLU of that and
 * the shortcut. */
#include <string.h>

#include "../device_cpu.h"
#include "backends.h"
#include "droppath.h"
#include "fusion.h"

struct job {
    const struct op *first, *second;
    const struct pass *pass;
    const struct kernels *kernels;
    struct join join;
    size_t image; /* bytes */
};

static void each_image(const struct op *first, const struct op *second,
                       struct device *dev, const struct pass *pass, threads_body *body)
{
    const struct tensor *x = first->in[0];
    const int pixels = x->shape[1] * x->shape[2], c = op_channels(x);
    const size_t image = (size_t)pixels * (size_t)c;
    struct job job = { first,
                       second,
                       pass,
                       cpu_kernels(dev),
                       { .dtype = x->dtype, .pixels = pixels, .c = c, .scale = 1 },
                       image * sluice_dtype_size(x->dtype) };
    threads_for(dev, (size_t)op_batch(first), image, body, &job);
}

/* Image n of values, or its factors; NULL stays NULL. */
static void *image(const struct job *job, void *values, size_t n)
{
    return values ? (char *)values + n * job->image : NULL;
}

static void *factors(const struct job *job, void *values, size_t n)
{
    const size_t bytes = (size_t)job->join.c * sluice_dtype_size(job->join.dtype);
    return values ? (char *)values + n * bytes : NULL;
}

static const void *const_image(const struct job *job, const void *values, size_t n)
{
    return values ? (const char *)values + n * job->image : NULL;
}

/* The gradients of image n. */
static struct join_gradient gradient_of(const struct job *job, size_t n)
{
    const struct op *first = job->first, *second = job->second;
    return (struct join_gradient){
        .y = image(job, second->out[0]->data, n),
        .dy = image(job, second->out[0]->grad, n),
        .more = const_image(job, second->more_grad, n),
        .straight = image(job, second->in[0]->grad, n),
        .x = image(job, first->in[0]->grad, n),
    };
}

static void gate_forward_images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    for (size_t n = begin; n < end; n++) {
        struct join j = job->join;
        j.factor = factors(job, job->first->in[1]->data, n);
        job->kernels->join_forward(&j, image(job, job->second->in[0]->data, n),
                                   image(job, job->first->in[0]->data, n),
                                   image(job, job->second->out[0]->data, n));
    }
}

static void gate_backward_images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    for (size_t n = begin; n < end; n++) {
        struct join j = job->join;
        struct join_gradient g = gradient_of(job, n);
        j.factor = factors(job, job->first->in[1]->data, n);
        g.factor = factors(job, job->first->in[1]->grad, n);
        job->kernels->join_backward(&j, &g, image(job, job->first->in[0]->data, n));
    }
}

/* What is left out is not looked at: it may be no number. */
static void drop_forward_images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    for (size_t n = begin; n < end; n++) {
        struct join j = job->join;
        const void *straight = image(job, job->second->in[0]->data, n);
        const void *x = image(job, job->first->in[0]->data, n);
        j.scale = droppath_factor(job->first, job->pass, n);
        if (j.scale == 0)
            job->kernels->activation_forward(j.dtype, ACT_RELU, straight,
                                             image(job, job->second->out[0]->data, n),
                                             (size_t)j.pixels * (size_t)j.c);
        else
            job->kernels->join_forward(&j, straight, x,
                                       image(job, job->second->out[0]->data, n));
    }
}

/* Nor is anything of a gradient given to it, which may be infinite. */
static void drop_backward_images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    for (size_t n = begin; n < end; n++) {
        struct join j = job->join;
        struct join_gradient g = gradient_of(job, n);
        j.scale = droppath_factor(job->first, job->pass, n);
        if (j.scale == 0 && g.x) {
            memset(g.x, 0, job->image);
            g.x = NULL;
        }
        job->kernels->join_backward(&j, &g, NULL);
    }
}

static int gate_forward(struct op *first, struct op *second, struct device *dev,
                        struct pass *pass, struct sluice_error *err)
{
    (void)err;
    each_image(first, second, dev, pass, gate_forward_images);
    return 0;
}

static int gate_backward(struct op *first, struct op *second, struct device *dev,
                         struct pass *pass, struct sluice_error *err)
{
    (void)err;
    each_image(first, second, dev, pass, gate_backward_images);
    return 0;
}

static int drop_forward(struct op *first, struct op *second, struct device *dev,
                        struct pass *pass, struct sluice_error *err)
{
    (void)err;
    each_image(first, second, dev, pass, drop_forward_images);
    return 0;
}

static int drop_backward(struct op *first, struct op *second, struct device *dev,
                         struct pass *pass, struct sluice_error *err)
{
    (void)err;
    each_image(first, second, dev, pass, drop_backward_images);
    return 0;
}

const struct op_fusion op_gate_add_relu = { .first = &op_gate,
                                            .second = &op_add_relu,
                                            .reads_two_gradients = true,
                                            .forward = gate_forward,
                                            .backward = gate_backward };
const struct op_fusion op_droppath_add_relu = { .first = &op_droppath,
                                                .second = &op_add_relu,
                                                .reads_two_gradients = true,
                                                .forward = drop_forward,
                                                .backward = drop_backward };

/* conv_few.c -- see conv_few.h: weights in the order in which the kernel meets them. */
#include <stdlib.h>
#include <string.h>

#include "conv_few.h"

enum {
    CHANNELS_MOST = 4,
    UNIT = 2 * 16, /* output channels that the kernel takes at a time */
};

struct conv_few {
    struct onednn_shape shape;
    struct few few;
    float *weight, *bias; /* (ky, kx, c, padded), (padded) */
};

bool conv_few_fits(const struct onednn_shape *s)
{
    const size_t row = ((size_t)s->w + 2 * (size_t)s->pad) * (size_t)s->c;
    return s->dtype == SLUICE_BF16 && s->c <= CHANNELS_MOST &&
           (size_t)s->kernel * row + FEW_SPARE(s->stride, s->c) <= FEW_ROOM;
}

int conv_few_create(struct conv_few **out, const struct onednn_shape *s,
                    struct sluice_error *err)
{
    const int padded = (s->k + UNIT - 1) / UNIT * UNIT;
    const size_t taps = (size_t)s->kernel * (size_t)s->kernel * (size_t)s->c;
    struct conv_few *conv = calloc(1, sizeof *conv);
    *out = conv;
    if (conv) {
        conv->weight = aligned_alloc(64, taps * (size_t)padded * sizeof(float));
        conv->bias = aligned_alloc(64, (size_t)padded * sizeof(float));
    }
    if (!conv || !conv->weight || !conv->bias) {
        conv_few_free(conv);
        *out = NULL;
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    }
    memset(conv->weight, 0, taps * (size_t)padded * sizeof(float));
    memset(conv->bias, 0, (size_t)padded * sizeof(float));
    conv->shape = *s;
    conv->few = (struct few){ .dtype = s->dtype,
                              .h = s->h,
                              .w = s->w,
                              .c = s->c,
                              .oh = s->oh,
                              .ow = s->ow,
                              .k = s->k,
                              .padded = padded,
                              .kernel = s->kernel,
                              .stride = s->stride,
                              .pad = s->pad,
                              .weight = conv->weight,
                              .bias = conv->bias };
    return 0;
}

void conv_few_free(struct conv_few *conv)
{
    if (!conv)
        return;
    free(conv->weight);
    free(conv->bias);
    free(conv);
}

/* (k, c, ky, kx) to (ky, kx, c, padded): so few that it is done each time. */
static void pack(struct conv_few *conv, const float *weight, const float *bias)
{
    const struct few *f = &conv->few;
    const int taps = f->kernel * f->kernel;
    for (int k = 0; k < f->k; k++)
        for (int c = 0; c < f->c; c++)
            for (int tap = 0; tap < taps; tap++)
                conv->weight[(tap * f->c + c) * f->padded + k] = *weight++;
    if (bias)
        memcpy(conv->bias, bias, (size_t)f->k * sizeof *bias);
}

struct job {
    const struct kernels *kernels;
    const struct few *few;
    const void *x;
    void *y;
};

static void body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const int oh = job->few->oh;
    for (int i = (int)begin; i < (int)end; i++)
        job->kernels->few_forward(job->few, job->x, job->y, i / oh, i % oh);
}

void conv_few_forward(struct conv_few *conv, const struct device *dev, const void *x,
                      const float *weight, const float *bias, void *y)
{
    const struct few *f = &conv->few;
    pack(conv, weight, bias);
    struct job job = { cpu_kernels(dev), f, x, y };
    threads_for(dev, (size_t)conv->shape.n * (size_t)f->oh,
                (size_t)f->ow * (size_t)f->padded * (size_t)(f->kernel * f->kernel),
                body, &job);
}

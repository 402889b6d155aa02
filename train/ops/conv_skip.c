/* conv_skip.c -- see conv_skip.h. */
#include <stdlib.h>
#include <string.h>

#include "conv_skip.h"

struct conv_skip {
    struct onednn_shape shape; /* the whole image's */
    size_t pixel;              /* bytes */
    char *pixels;              /* (n, oh, ow, c) */
};

bool conv_skip_fits(const struct onednn_shape *s)
{
    return !s->inner && s->kernel == 1 && s->stride > 1 && s->pad == 0;
}

int conv_skip_create(struct conv_skip **out, struct onednn_shape *shape,
                     struct sluice_error *err)
{
    struct conv_skip *skip = calloc(1, sizeof *skip);
    *out = skip;
    if (skip) {
        skip->shape = *shape;
        skip->pixel = (size_t)shape->c * sluice_dtype_size(shape->dtype);
        skip->pixels = malloc((size_t)shape->n * (size_t)shape->oh * (size_t)shape->ow *
                              skip->pixel);
    }
    if (!skip || !skip->pixels) {
        conv_skip_free(skip);
        *out = NULL;
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    }
    shape->h = shape->oh;
    shape->w = shape->ow;
    shape->stride = 1;
    return 0;
}

void conv_skip_free(struct conv_skip *skip)
{
    if (!skip)
        return;
    free(skip->pixels);
    free(skip);
}

void *conv_skip_pixels(struct conv_skip *skip)
{
    return skip->pixels;
}

struct job {
    struct conv_skip *skip;
    const char *from;
    char *to;
};

/* Rows of the copies. */
static void take(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct onednn_shape *s = &job->skip->shape;
    const size_t pixel = job->skip->pixel, oh = (size_t)s->oh, ow = (size_t)s->ow;
    const size_t stride = (size_t)s->stride, w = (size_t)s->w;
    for (size_t i = begin; i < end; i++) {
        const size_t row = i / oh * (size_t)s->h + i % oh * stride;
        for (size_t x = 0; x < ow; x++)
            memcpy(job->to + (i * ow + x) * pixel,
                   job->from + (row * w + x * stride) * pixel, pixel);
    }
}

const void *conv_skip_take(struct conv_skip *skip, const struct device *dev,
                           const void *x)
{
    const struct onednn_shape *s = &skip->shape;
    struct job job = { skip, x, skip->pixels };
    threads_for(dev, (size_t)s->n * (size_t)s->oh, (size_t)s->ow * (size_t)s->c, take,
                &job);
    return skip->pixels;
}

/* Rows of the image. */
static void spread(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct onednn_shape *s = &job->skip->shape;
    const size_t pixel = job->skip->pixel, h = (size_t)s->h, w = (size_t)s->w;
    const size_t stride = (size_t)s->stride, ow = (size_t)s->ow;
    for (size_t i = begin; i < end; i++) {
        const size_t row = i / h * (size_t)s->oh + i % h / stride;
        memset(job->to + i * w * pixel, 0, w * pixel);
        for (size_t x = 0; x < ow && i % h % stride == 0; x++)
            memcpy(job->to + (i * w + x * stride) * pixel,
                   job->from + (row * ow + x) * pixel, pixel);
    }
}

void conv_skip_spread(struct conv_skip *skip, const struct device *dev, void *dx)
{
    const struct onednn_shape *s = &skip->shape;
    struct job job = { skip, skip->pixels, dx };
    threads_for(dev, (size_t)s->n * (size_t)s->h, (size_t)s->w * (size_t)s->c, spread,
                &job);
}

/* layer_own.c -- see layer_own.h. */
#include "layer_own.h"

static struct conv_args arguments(const struct gpu_layer_shape *s)
{
    return (struct conv_args){ .dtype = s->dtype,
                               .n = s->n,
                               .h = s->h,
                               .w = s->w,
                               .c = s->c,
                               .oh = s->oh,
                               .ow = s->ow,
                               .k = s->k,
                               .kernel = s->kernel,
                               .stride = s->stride,
                               .pad = s->pad };
}

int own_forward(struct gpu *gpu, const struct gpu_layer_shape *s, const void *x,
                const void *weight, void *y, struct sluice_error *err)
{
    struct conv_args a = arguments(s);
    a.x = x;
    a.weight = weight;
    a.out = y;
    return each_conv_forward(
        gpu, (size_t)s->n * (size_t)s->oh * (size_t)s->ow * runs_of((size_t)s->k), &a,
        err);
}

int own_data(struct gpu *gpu, const struct gpu_layer_shape *s, const void *dy,
             const void *weight, void *dx, struct sluice_error *err)
{
    struct conv_args a = arguments(s);
    a.dy = dy;
    a.weight = weight;
    a.out = dx;
    return each_conv_data(
        gpu, (size_t)s->n * (size_t)s->h * (size_t)s->w * runs_of((size_t)s->c), &a,
        err);
}

int own_weight(struct gpu *gpu, const struct gpu_layer_shape *s, const void *x,
               const void *dy, void *dweight, struct sluice_error *err)
{
    struct conv_args a = arguments(s);
    const size_t blocks =
        (size_t)s->k * (size_t)s->kernel * (size_t)s->kernel * runs_of((size_t)s->c);
    a.x = x;
    a.dy = dy;
    a.out = dweight;
    /* Whole warps, no more than have a pixel to begin with. */
    const size_t pixels = (size_t)s->n * (size_t)s->oh * (size_t)s->ow;
    const int threads = pixels < BLOCK ? (int)((pixels + 31) / 32 * 32) : BLOCK;
    if (blocks > INT32_MAX)
        return sluice_fail(err, SLUICE_EDEVICE, "a convolution of %zu pieces", blocks);
    return launch_conv_weight(gpu, (int)blocks, threads, &a, err);
}

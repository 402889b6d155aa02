/* conv2d.c -- 2-D convolution, zero padding, optional bias: definition and reference.
 */
#include <stdio.h>
#include <string.h>

#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    struct op_attr *a = &op->attr;
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const struct tensor *x = op->in[0];
    const int h = x->shape[1], w = x->shape[2];
    if (a->stride == 0)
        a->stride = 1;
    if (a->out_channels < 1 || a->kernel < 1 || a->stride < 1 || a->pad < 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "conv2d %s: channels %d, kernel %d, stride %d, pad %d; "
                           "expected positive ones and a pad of 0 or more",
                           op->name, a->out_channels, a->kernel, a->stride, a->pad);
    if (a->kernel > h + 2 * a->pad || a->kernel > w + 2 * a->pad)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "conv2d %s: kernel %d exceeds the input of %dx%d with pad %d", op->name,
            a->kernel, h, w, a->pad);
    op_shape_activation(
        op->out[0], x->shape[0], (h + 2 * a->pad - a->kernel) / a->stride + 1,
        (w + 2 * a->pad - a->kernel) / a->stride + 1, a->out_channels, x->dtype);
    struct tensor *weight = op->param[0];
    const int dims[4] = { a->out_channels, x->shape[3], a->kernel, a->kernel };
    weight->rank = 4;
    memcpy(weight->shape, dims, sizeof dims);
    weight->dtype = SLUICE_F32;
    snprintf(weight->name, sizeof weight->name, "weight");
    if (a->bias)
        op_shape_vector(op->param[1], "bias", a->out_channels);
    else
        op_shape_none(op->param[1]);
    return 0;
}

/* One image's view of the loops: which input pixel meets which weight. */
struct geometry {
    int n, h, w, c; /* input */
    int oh, ow, k;  /* output; k channels */
    int kernel, stride, pad;
};

static struct geometry geometry(const struct op *op)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    return (struct geometry){ in[0],           in[1],       in[2],  in[3],
                              out[1],          out[2],      out[3], op->attr.kernel,
                              op->attr.stride, op->attr.pad };
}

/* Offset of input pixel (oy, ox) meets through tap (ky, kx); -1 in the padding. */
static ptrdiff_t input_pixel(const struct geometry *g, int n, int oy, int ox, int ky,
                             int kx)
{
    const int y = oy * g->stride - g->pad + ky, x = ox * g->stride - g->pad + kx;
    if (y < 0 || y >= g->h || x < 0 || x >= g->w)
        return -1;
    return (((ptrdiff_t)n * g->h + y) * g->w + x) * g->c;
}

static size_t weight_at(const struct geometry *g, int k, int c, int ky, int kx)
{
    return (((size_t)k * (size_t)g->c + (size_t)c) * (size_t)g->kernel + (size_t)ky) *
               (size_t)g->kernel +
           (size_t)kx;
}

static double output(const struct geometry *g, const float *x, const float *weight,
                     int n, int oy, int ox, int k)
{
    double sum = 0;
    for (int ky = 0; ky < g->kernel; ky++)
        for (int kx = 0; kx < g->kernel; kx++) {
            const ptrdiff_t at = input_pixel(g, n, oy, ox, ky, kx);
            for (int c = 0; at >= 0 && c < g->c; c++)
                sum += (double)x[at + c] * (double)weight[weight_at(g, k, c, ky, kx)];
        }
    return sum;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const struct geometry g = geometry(op);
    const float *x = op->in[0]->data, *weight = op->param[0]->data;
    const float *bias = op->param[1] ? op->param[1]->data : NULL;
    float *y = op->out[0]->data;
    for (int n = 0; n < g.n; n++)
        for (int oy = 0; oy < g.oh; oy++)
            for (int ox = 0; ox < g.ow; ox++)
                for (int k = 0; k < g.k; k++)
                    *y++ = (float)(output(&g, x, weight, n, oy, ox, k) +
                                   (bias ? (double)bias[k] : 0));
    return 0;
}

/* Add this output pixel's gradient to what it was made of. */
static void backward_pixel(const struct geometry *g, const struct op *op, int n, int oy,
                           int ox, const float *dy)
{
    const float *x = op->in[0]->data, *weight = op->param[0]->data;
    float *dx = op->in[0]->grad, *dweight = op->param[0]->grad;
    for (int k = 0; k < g->k; k++)
        for (int ky = 0; ky < g->kernel; ky++)
            for (int kx = 0; kx < g->kernel; kx++) {
                const ptrdiff_t at = input_pixel(g, n, oy, ox, ky, kx);
                for (int c = 0; at >= 0 && c < g->c; c++) {
                    const size_t w = weight_at(g, k, c, ky, kx);
                    if (dx)
                        dx[at + c] += dy[k] * weight[w];
                    if (dweight)
                        dweight[w] += dy[k] * x[at + c];
                }
            }
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const struct geometry g = geometry(op);
    const float *dy = op->out[0]->grad;
    float *dbias = op->param[1] ? op->param[1]->grad : NULL;
    if (op->in[0]->grad)
        memset(op->in[0]->grad, 0, tensor_bytes(op->in[0]));
    if (op->param[0]->grad)
        memset(op->param[0]->grad, 0, tensor_bytes(op->param[0]));
    if (dbias)
        memset(dbias, 0, tensor_bytes(op->param[1]));
    for (int n = 0; n < g.n; n++)
        for (int oy = 0; oy < g.oh; oy++)
            for (int ox = 0; ox < g.ow; ox++, dy += g.k) {
                backward_pixel(&g, op, n, oy, ox, dy);
                for (int k = 0; dbias && k < g.k; k++)
                    dbias[k] += dy[k];
            }
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

/* clang-format off */
static const struct op_case cases[] = {
    { "3x3",           2,  8,  8, 16, { .out_channels = 32, .kernel = 3, .stride = 1, .pad = 1 } },
    { "3x3 bias",      3,  7,  5,  8, { .out_channels = 12, .kernel = 3, .stride = 1, .pad = 1, .bias = true } },
    { "image",         2, 10, 10,  3, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { "grey image",    2,  9,  9,  1, { .out_channels = 20, .kernel = 5, .stride = 1, .pad = 0, .bias = true } },
    { "5x5 stride 2",  2,  9,  9, 16, { .out_channels = 32, .kernel = 5, .stride = 2, .pad = 2 } },
    { "2x2 whitening", 3,  8,  8,  3, { .out_channels = 24, .kernel = 2, .stride = 1, .pad = 0, .bias = true } },
    { "no pad",        1,  8,  8, 32, { .out_channels = 16, .kernel = 3, .stride = 1, .pad = 0 } },
    { "1x1",           3,  5,  5, 24, { .out_channels = 40, .kernel = 1, .stride = 1, .pad = 0 } },
    { "1x1 stride 2",  2,  7,  7, 16, { .out_channels = 32, .kernel = 1, .stride = 2, .pad = 0 } },
    { "1x1 s2, few",  16, 16, 16,  4, { .out_channels =  8, .kernel = 1, .stride = 2, .pad = 0, .bias = true } },
    { "1x1 s3, odd",  32, 18, 15, 20, { .out_channels = 17, .kernel = 1, .stride = 3, .pad = 0 } },
    { "1x1 odd",       2,  6,  5, 16, { .out_channels = 17, .kernel = 1, .stride = 1, .pad = 0, .bias = true } },
    { "narrow s2",     3,  5,  1, 48, { .out_channels = 18, .kernel = 3, .stride = 2, .pad = 1 } },
    { "2 pixels s3",   7,  2,  2, 20, { .out_channels = 24, .kernel = 3, .stride = 3, .pad = 1 } },
    { "7x7 stride 2",  1, 15, 15,  3, { .out_channels =  8, .kernel = 7, .stride = 2, .pad = 3 } },
    { "odd channels",  1,  6,  6,  5, { .out_channels =  7, .kernel = 3, .stride = 1, .pad = 1, .bias = true } },
    { "flat",          3,  1,  6, 32, { .out_channels = 33, .kernel = 3, .stride = 1, .pad = 1 } },
    { "one pixel",     2,  1,  1, 32, { .out_channels = 32, .kernel = 1, .stride = 1, .pad = 0 } },
    { "stride skips",  2,  8,  7, 32, { .out_channels = 32, .kernel = 3, .stride = 2, .pad = 1 } },
    { "many weights",  3,  5,  5,112, { .out_channels =136, .kernel = 3, .stride = 1, .pad = 1, .bias = true } },
    { "batch",        33,  6,  5, 24, { .out_channels = 40, .kernel = 3, .stride = 1, .pad = 1 } },
    { "batch, slabs", 17, 12, 11, 16, { .out_channels = 16, .kernel = 3, .stride = 1, .pad = 1, .bias = true } },
    { "batch 5x5 s2", 40,  9,  8, 32, { .out_channels = 33, .kernel = 5, .stride = 2, .pad = 2 } },
    { "batch no pad", 16,  6,  6, 48, { .out_channels = 24, .kernel = 3, .stride = 1, .pad = 0, .bias = true } },
    { "batch 1x1 s2", 20,  5,  5, 64, { .out_channels = 32, .kernel = 1, .stride = 2, .pad = 0 } },
    { "batch 2x2 s3", 32,  7,  7, 16, { .out_channels = 72, .kernel = 2, .stride = 3, .pad = 1 } },
    { "batch 1x1",    18,  4,  5, 96, { .out_channels = 48, .kernel = 1, .stride = 1, .pad = 0 } },
    { "batch 1x1 cut", 16, 13, 12, 24, { .out_channels = 40, .kernel = 1, .stride = 1, .pad = 0, .bias = true } },
    { "batch long",   17, 11,  9, 512, { .out_channels = 40, .kernel = 1, .stride = 1, .pad = 0 } },
    { "batch 7x7 s2", 18,  9,  9, 16, { .out_channels = 24, .kernel = 7, .stride = 2, .pad = 3 } },
    { "batch 17x17",  16, 17, 18, 16, { .out_channels = 16, .kernel = 17, .stride = 1, .pad = 0 } },
    { "4x4 tiles",    64,  4,  4, 32, { .out_channels = 32, .kernel = 3, .stride = 1, .pad = 1, .bias = true } },
    { "many images", 330,  3,  2, 16, { .out_channels = 24, .kernel = 3, .stride = 1, .pad = 1 } },
    { "2x2 s2, 1 wide", 3, 2,  1, 96, { .out_channels = 16, .kernel = 2, .stride = 2, .pad = 1 } },
    { "4x4 s3, 2 wide", 2, 4,  2, 31, { .out_channels = 32, .kernel = 4, .stride = 3, .pad = 2, .bias = true } },
    { "7x7 map",       3,  7,  7, 64, { .out_channels = 64, .kernel = 3, .stride = 1, .pad = 1 } },
    { 0 },
};
/* clang-format on */

const struct op_def op_conv2d = {
    .name = "conv2d",
    .help = "2-D convolution",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_conv2d_cpu),
            [DEVICE_CUDA] = &op_conv2d_cuda },
    .cases = cases,
};

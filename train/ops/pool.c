/* pool.c -- max and average pooling: definitions and references.
 *
 * Padding never wins a maximum, and counts as zeros in an average (PyTorch's
 * count_include_pad). Of equal maxima the first in reading order gets the gradient; a
 * NaN is a maximum. */
#include <math.h>
#include <string.h>

#include "pool.h"

static int shape(struct op *op, struct sluice_error *err)
{
    struct op_attr *a = &op->attr;
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const struct tensor *x = op->in[0];
    const int h = x->shape[1], w = x->shape[2];
    if (a->stride == 0)
        a->stride = a->kernel;
    if (a->kernel < 1 || a->stride < 1 || a->pad < 0 || a->pad > a->kernel / 2)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%s %s: kernel %d, stride %d, pad %d; expected positive ones "
            "and a pad of at most half the kernel",
            op->def->name, op->name, a->kernel, a->stride, a->pad);
    if (a->kernel > h + 2 * a->pad || a->kernel > w + 2 * a->pad)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s %s: kernel %d exceeds the input of %dx%d with pad %d",
                           op->def->name, op->name, a->kernel, h, w, a->pad);
    op_shape_activation(
        op->out[0], x->shape[0], (h + 2 * a->pad - a->kernel) / a->stride + 1,
        (w + 2 * a->pad - a->kernel) / a->stride + 1, x->shape[3], x->dtype);
    return 0;
}

/* What happens at one window of one channel. */
typedef void window_fn(const struct pool *p, struct op *op, int n, int oy, int ox,
                       int c);

static void each_window(struct op *op, window_fn *visit)
{
    const struct pool p = pool_of(op);
    for (int n = 0; n < p.n; n++)
        for (int oy = 0; oy < p.oh; oy++)
            for (int ox = 0; ox < p.ow; ox++)
                for (int c = 0; c < p.c; c++)
                    visit(&p, op, n, oy, ox, c);
}

static size_t out_at(const struct pool *p, int n, int oy, int ox, int c)
{
    return (((size_t)n * (size_t)p->oh + (size_t)oy) * (size_t)p->ow + (size_t)ox) *
               (size_t)p->c +
           (size_t)c;
}

static size_t argmax(const struct pool *p, const float *x, int n, int oy, int ox, int c)
{
    int y0, y1, x0, x1;
    pool_window(p, oy, p->h, &y0, &y1);
    pool_window(p, ox, p->w, &x0, &x1);
    size_t best = pool_at(p, n, y0, x0) + (size_t)c;
    for (int iy = y0; iy < y1; iy++)
        for (int ix = x0; ix < x1; ix++) {
            const size_t at = pool_at(p, n, iy, ix) + (size_t)c;
            if (x[at] > x[best] || (isnan(x[at]) && !isnan(x[best])))
                best = at;
        }
    return best;
}

static void max_forward(const struct pool *p, struct op *op, int n, int oy, int ox,
                        int c)
{
    const float *x = op->in[0]->data;
    ((float *)op->out[0]->data)[out_at(p, n, oy, ox, c)] =
        x[argmax(p, x, n, oy, ox, c)];
}

static void max_backward(const struct pool *p, struct op *op, int n, int oy, int ox,
                         int c)
{
    const float *dy = op->out[0]->grad;
    ((float *)op->in[0]->grad)[argmax(p, op->in[0]->data, n, oy, ox, c)] +=
        dy[out_at(p, n, oy, ox, c)];
}

static void avg_forward(const struct pool *p, struct op *op, int n, int oy, int ox,
                        int c)
{
    const float *x = op->in[0]->data;
    int y0, y1, x0, x1;
    double sum = 0;
    pool_window(p, oy, p->h, &y0, &y1);
    pool_window(p, ox, p->w, &x0, &x1);
    for (int iy = y0; iy < y1; iy++)
        for (int ix = x0; ix < x1; ix++)
            sum += (double)x[pool_at(p, n, iy, ix) + (size_t)c];
    ((float *)op->out[0]->data)[out_at(p, n, oy, ox, c)] =
        (float)(sum / (p->kernel * p->kernel));
}

static void avg_backward(const struct pool *p, struct op *op, int n, int oy, int ox,
                         int c)
{
    const float *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    int y0, y1, x0, x1;
    pool_window(p, oy, p->h, &y0, &y1);
    pool_window(p, ox, p->w, &x0, &x1);
    for (int iy = y0; iy < y1; iy++)
        for (int ix = x0; ix < x1; ix++)
            dx[pool_at(p, n, iy, ix) + (size_t)c] +=
                dy[out_at(p, n, oy, ox, c)] / (float)(p->kernel * p->kernel);
}

static int maxpool_forward(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    each_window(op, max_forward);
    return 0;
}

static int avgpool_forward(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    each_window(op, avg_forward);
    return 0;
}

static int backward(struct op *op, window_fn *visit)
{
    if (op->in[0]->grad) {
        memset(op->in[0]->grad, 0, tensor_bytes(op->in[0]));
        each_window(op, visit);
    }
    return 0;
}

static int maxpool_backward(struct op *op, struct device *dev, struct pass *pass,
                            struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    return backward(op, max_backward);
}

static int avgpool_backward(struct op *op, struct device *dev, struct pass *pass,
                            struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    return backward(op, avg_backward);
}

static const struct op_backend maxpool_ref = { .forward = maxpool_forward,
                                               .backward = maxpool_backward };
static const struct op_backend avgpool_ref = { .forward = avgpool_forward,
                                               .backward = avgpool_backward };

static const struct op_case cases[] = {
    { "2x2", 2, 8, 8, 32, { .kernel = 2, .stride = 2 } },
    { "2x2 odd map", 3, 7, 5, 16, { .kernel = 2, .stride = 2 } },
    { "2x2 odd channels", 1, 6, 6, 5, { .kernel = 2, .stride = 2 } },
    { "3x3", 2, 3, 3, 40, { .kernel = 3, .stride = 3 } },
    { "3x3 stride 2 pad 1", 2, 9, 9, 16, { .kernel = 3, .stride = 2, .pad = 1 } },
    { "2x2 many channels", 2, 7, 5, 72, { .kernel = 2, .stride = 2 } },
    { "3x3 many channels", 2, 8, 7, 64, { .kernel = 3, .stride = 3 } },
    { "overlap", 2, 6, 5, 7, { .kernel = 3, .stride = 1 } },
    { "gaps", 1, 8, 8, 8, { .kernel = 2, .stride = 3 } },
    { "1x1", 1, 3, 3, 4, { .kernel = 1, .stride = 1 } },
    { 0 },
};

const struct op_def op_maxpool = {
    .name = "maxpool",
    .help = "largest value of each window",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &maxpool_ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_maxpool_cpu),
            [DEVICE_CUDA] = &op_maxpool_cuda },
    .cases = cases,
};

const struct op_def op_avgpool = {
    .name = "avgpool",
    .help = "mean of each window",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &avgpool_ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_avgpool_cpu),
            [DEVICE_CUDA] = &op_avgpool_cuda },
    .cases = cases,
};

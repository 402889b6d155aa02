/* batchnorm.c -- batch normalisation over (n, h, w) with an activation behind it:
 * definition and reference.
 *
 *     xhat = (x - mean) / sqrt(var + eps)      z = weight xhat + bias      y = act(z)
 *
 * In training mean and var are the batch's (var without Bessel's correction, as it
 * normalises) and running = (1 - momentum) running + momentum batch, with the corrected
 * variance; else, and where attr.fixed_stats says so, they are the running ones. These
 * are PyTorch's rules. Backward, with
 * dz = dy act'(z) and m values per channel:
 *
 *     dbias = sum dz      dweight = sum dz xhat
 *     dx = weight / sqrt(var + eps) (dz - dbias / m - xhat dweight / m)   in training
 *     dx = weight / sqrt(var + eps) dz                                    else
 */
#include "activation.h"
#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    struct op_attr *a = &op->attr;
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const int c = op_channels(op->in[0]);
    if (a->eps == 0)
        a->eps = 1e-5F;
    if (a->momentum == 0)
        a->momentum = 0.1F;
    if (!(a->eps > 0) || !(a->momentum > 0 && a->momentum <= 1))
        return sluice_fail(err, SLUICE_EINVAL,
                           "batchnorm %s: eps %g, momentum %g; expected eps > 0 and "
                           "momentum in (0, 1]",
                           op->name, (double)a->eps, (double)a->momentum);
    if (a->act != ACT_NONE && a->act != ACT_RELU && a->act != ACT_GELU &&
        a->act != ACT_SILU)
        return sluice_fail(err, SLUICE_EINVAL,
                           "batchnorm %s: activation %d, expected none, ReLU, "
                           "GELU or SiLU",
                           op->name, (int)a->act);
    op_shape_like(op->out[0], op->in[0]);
    if (a->affine_scale_fixed)
        op_shape_none(op->param[0]);
    else
        op_shape_vector(op->param[0], "weight", c);
    op_shape_vector(op->param[1], "bias", c);
    op_shape_vector(op->buffer[0], "running_mean", c);
    op_shape_vector(op->buffer[1], "running_var", c);
    return 0;
}

/* Channel k as z = weight (x - mean) scale + bias. */
struct channel {
    double mean, var, scale, weight, bias;
};

static struct channel channel(const struct op *op, int k, bool training)
{
    const size_t m = op_pixels(op->in[0]), c = (size_t)op_channels(op->in[0]);
    const float *x = (const float *)op->in[0]->data + k;
    struct channel ch = {
        .weight = op->param[0] ? (double)((const float *)op->param[0]->data)[k] : 1,
        .bias = (double)((const float *)op->param[1]->data)[k],
    };
    if (training) {
        for (size_t i = 0; i < m; i++)
            ch.mean += (double)x[i * c];
        ch.mean /= (double)m;
        for (size_t i = 0; i < m; i++)
            ch.var += ((double)x[i * c] - ch.mean) * ((double)x[i * c] - ch.mean);
        ch.var /= (double)m;
    } else {
        ch.mean = (double)((const float *)op->buffer[0]->data)[k];
        ch.var = (double)((const float *)op->buffer[1]->data)[k];
    }
    ch.scale = 1 / sqrt(ch.var + (double)op->attr.eps);
    return ch;
}

static void update_running(const struct op *op, int k, const struct channel *ch)
{
    const double m = (double)op_pixels(op->in[0]), keep = 1 - (double)op->attr.momentum;
    const double var = m > 1 ? ch->var * m / (m - 1) : ch->var;
    float *mean = (float *)op->buffer[0]->data + k;
    float *running = (float *)op->buffer[1]->data + k;
    *mean = (float)(keep * (double)*mean + (double)op->attr.momentum * ch->mean);
    *running = (float)(keep * (double)*running + (double)op->attr.momentum * var);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)err;
    const size_t m = op_pixels(op->in[0]), c = (size_t)op_channels(op->in[0]);
    for (int k = 0; k < (int)c; k++) {
        const struct channel ch = channel(op, k, op_by_batch(op, pass));
        const float *x = (const float *)op->in[0]->data + k;
        float *y = (float *)op->out[0]->data + k;
        for (size_t i = 0; i < m; i++) {
            const double xhat = ((double)x[i * c] - ch.mean) * ch.scale;
            y[i * c] =
                (float)activation_value(op->attr.act, ch.weight * xhat + ch.bias);
        }
        if (op_by_batch(op, pass))
            update_running(op, k, &ch);
    }
    return 0;
}

static void backward_channel(const struct op *op, int k, bool training)
{
    const size_t m = op_pixels(op->in[0]), c = (size_t)op_channels(op->in[0]);
    const struct channel ch = channel(op, k, training);
    const float *x = (const float *)op->in[0]->data + k;
    const float *dy = (const float *)op->out[0]->grad + k;
    float *dx = op->in[0]->grad ? (float *)op->in[0]->grad + k : NULL;
    double dbias = 0, dweight = 0;
    for (size_t i = 0; i < m; i++) {
        const double xhat = ((double)x[i * c] - ch.mean) * ch.scale;
        const double dz = (double)dy[i * c] *
                          activation_slope(op->attr.act, ch.weight * xhat + ch.bias);
        dbias += dz;
        dweight += dz * xhat;
    }
    for (size_t i = 0; dx && i < m; i++) {
        const double xhat = ((double)x[i * c] - ch.mean) * ch.scale;
        const double dz = (double)dy[i * c] *
                          activation_slope(op->attr.act, ch.weight * xhat + ch.bias);
        const double mean = training ? (dbias + xhat * dweight) / (double)m : 0;
        dx[i * c] = (float)(ch.weight * ch.scale * (dz - mean));
    }
    if (op->param[0] && op->param[0]->grad)
        ((float *)op->param[0]->grad)[k] = (float)dweight;
    if (op->param[1]->grad)
        ((float *)op->param[1]->grad)[k] = (float)dbias;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)err;
    for (int k = 0; k < op_channels(op->in[0]); k++)
        backward_channel(op, k, op_by_batch(op, pass));
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

/* clang-format off */
static const struct op_case cases[] = {
    { "relu",        3, 5, 5, 32, { .act = ACT_RELU } },
    { "gelu",        3, 5, 5, 32, { .act = ACT_GELU } },
    { "silu",        3, 5, 5, 32, { .act = ACT_SILU } },
    { "alone",       2, 4, 3, 24, { .act = ACT_NONE } },
    { "no scale",    3, 3, 3, 20, { .act = ACT_GELU, .affine_scale_fixed = true, .eps = 1e-12F, .momentum = 0.4F } },
    { "odd",         3, 3, 2,  7, { .act = ACT_RELU } },
    { "silu odd",    1, 3, 3, 37, { .act = ACT_SILU, .affine_scale_fixed = true } },
    { "one channel", 2, 3, 3,  1, { .act = ACT_GELU } },
    { "vector",      8, 1, 1, 48, { .act = ACT_RELU } },
    { "few values",  3, 1, 1,  5, { .act = ACT_NONE } },
    { "wide",        3, 2, 2, 260, { .act = ACT_RELU } },
    { "fixed",       3, 5, 5, 32, { .act = ACT_RELU, .fixed_stats = true } },
    { "fixed odd",   3, 3, 2,  7, { .act = ACT_NONE, .fixed_stats = true } },
    { 0 },
};
/* clang-format on */

const struct op_def op_batchnorm = {
    .name = "batchnorm",
    .help = "batch normalisation with an activation behind it",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_batchnorm_cpu),
            [DEVICE_CUDA] = &op_batchnorm_cuda },
    .cases = cases,
};

/* conv2d_cpu.c -- convolution on device cpu: by the tiles' own kernels, by Winograd's
 * in bf16 or in f32, or by oneDNN, whichever is the fastest. The first two also do a
 * max pool behind it.
 */
#include <limits.h>
#include <stdlib.h>

#include "backends.h"
#include "channel_sums.h"
#include "conv_amx.h"
#include "conv_few.h"
#include "conv_skip.h"
#include "conv_wino_bf16.h"
#include "conv_wino_f32.h"
#include "fusion.h"
#include "layer_onednn.h"

/* One of amx, wino_bf16, wino_f32 and layer does the work, the others are NULL. In
 * front of `layer`, `few` may do the forward pass in its place, or `skip` copy the
 * pixels that it reads.
 */
struct state {
    struct conv_amx *amx;
    struct conv_wino_bf16 *wino_bf16;
    struct conv_wino_f32 *wino_f32;
    struct conv_few *few;
    struct conv_skip *skip;
    struct onednn_layer *layer;
};

static struct onednn_shape shape_of(const struct op *op)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    return (struct onednn_shape){
        .n = in[0],
        .h = in[1],
        .w = in[2],
        .c = in[3],
        .oh = out[1],
        .ow = out[2],
        .k = out[3],
        .kernel = op->attr.kernel,
        .stride = op->attr.stride,
        .pad = op->attr.pad,
        .dtype = op->in[0]->dtype,
        .bias = op->param[1] != NULL,
    };
}

static void release(struct op *op)
{
    struct state *s = op->state;
    if (!s)
        return;
    conv_amx_free(s->amx);
    conv_wino_bf16_free(s->wino_bf16);
    conv_wino_f32_free(s->wino_f32);
    conv_few_free(s->few);
    conv_skip_free(s->skip);
    onednn_layer_free(s->layer);
    free(s);
    op->state = NULL;
}

/* In bf16 oneDNN 2.6 returns wrong gradients of a convolution by one pixel with an odd
 * number of outputs; the product of matrices that it is comes out right, but is slower
 * elsewhere. */
static void make_product(struct onednn_shape *s)
{
    const size_t pixels = (size_t)s->n * (size_t)s->h * (size_t)s->w;
    if (s->dtype != SLUICE_BF16 || s->k % 2 == 0 || s->kernel > 1 || s->stride > 1 ||
        s->pad || pixels > INT_MAX)
        return;
    s->inner = true;
    s->n = (int)pixels;
    s->h = s->w = s->oh = s->ow = 1;
}

static int plan_parts(struct op *op, struct device *dev, struct state *s,
                      struct sluice_error *err)
{
    struct onednn_shape shape = shape_of(op);
    const bool pooled = op->within && op->within->fusion == &op_conv2d_maxpool;
    if (pooled ? amx_usable() : conv_amx_fits(&shape))
        return conv_amx_create(&s->amx, dev, &shape, pooled, op->measures, err);
    if (pooled || conv_wino_bf16_fits(dev, &shape, false))
        return conv_wino_bf16_create(&s->wino_bf16, dev, &shape, pooled, err);
    if (conv_wino_f32_fits(dev, &shape))
        return conv_wino_f32_create(&s->wino_f32, dev, &shape, err);
    int rc = conv_few_fits(&shape) ? conv_few_create(&s->few, &shape, err) : 0;
    if (rc == 0 && conv_skip_fits(&shape))
        rc = conv_skip_create(&s->skip, &shape, err);
    make_product(&shape);
    if (rc == 0)
        rc = onednn_layer_create(&s->layer, dev, &shape, err);
    return rc < 0 ? rc
                  : onednn_layer_prepare(s->layer, op->in[0]->grad != NULL,
                                         op->param[0]->grad != NULL, err);
}

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    struct state *s = calloc(1, sizeof *s);
    op->state = s;
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "conv2d %s: no memory", op->name);
    const int rc = plan_parts(op, dev, s, err);
    if (rc < 0)
        release(op);
    return rc;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    const struct state *s = op->state;
    const float *weight = op->param[0]->data;
    const float *bias = op->param[1] ? op->param[1]->data : NULL;
    const void *x = op->in[0]->data;
    void *y = op->out[0]->data;
    if (s->few)
        conv_few_forward(s->few, dev, x, weight, bias, y);
    else if (s->amx)
        conv_amx_forward(s->amx, dev, x, weight, bias, pass->training, y);
    else if (s->wino_bf16)
        conv_wino_bf16_forward(s->wino_bf16, dev, x, weight, y);
    else if (s->wino_f32)
        conv_wino_f32_forward(s->wino_f32, dev, x, weight, bias, y);
    else
        return onednn_layer_forward(s->layer,
                                    s->skip ? conv_skip_take(s->skip, dev, x) : x,
                                    weight, bias, y, err);
    return 0;
}

static int skip_backward(struct op *op, struct device *dev, const struct state *s,
                         struct sluice_error *err)
{
    const struct tensor *x = op->in[0], *weight = op->param[0];
    const void *dy = op->out[0]->grad;
    int rc = 0;
    if (x->grad) {
        rc = onednn_layer_backward_data(s->layer, dy, weight->data,
                                        conv_skip_pixels(s->skip), err);
        conv_skip_spread(s->skip, dev, x->grad);
    }
    if (rc == 0 && weight->grad)
        rc = onednn_layer_backward_weight(
            s->layer, conv_skip_take(s->skip, dev, x->data), dy, weight->grad, err);
    return rc < 0 ? rc : layer_backward_bias(op, dev, err);
}

/* By own kernels; dy is the result's gradient or, behind a pool, the windows'. */
static void own_backward(const struct op *op, struct device *dev, const void *dy)
{
    const struct state *s = op->state;
    const struct tensor *x = op->in[0], *weight = op->param[0];
    if (x->grad && s->wino_bf16)
        conv_wino_bf16_backward_data(s->wino_bf16, dev, dy, weight->data, x->grad);
    else if (x->grad && s->wino_f32)
        conv_wino_f32_backward_data(s->wino_f32, dev, dy, weight->data, x->grad);
    else if (x->grad)
        conv_amx_backward_data(s->amx, dev, dy, weight->data, x->grad);
    if (weight->grad && s->wino_bf16)
        conv_wino_bf16_backward_weight(s->wino_bf16, dev, x->data, dy, weight->grad);
    else if (weight->grad && s->wino_f32)
        conv_wino_f32_backward_weight(s->wino_f32, dev, x->data, dy, weight->grad);
    else if (weight->grad)
        conv_amx_backward_weight(s->amx, dev, x->data, dy, weight->grad);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass;
    const struct state *s = op->state;
    const void *dy = op->out[0]->grad;
    if (s->skip)
        return skip_backward(op, dev, s, err);
    if (s->layer)
        return layer_backward(op, dev, s->layer, err);
    own_backward(op, dev, dy);
    return layer_backward_bias(op, dev, err);
}

bool conv2d_measures(const struct op *op)
{
    const struct state *s = op && op->measures ? op->state : NULL;
    return s && s->amx;
}

void conv2d_moments(const struct op *op, int c, double *mean, double *square)
{
    const struct state *s = op->state;
    conv_amx_moments(s->amx, c, mean, square);
}

static void params_changed(struct op *op)
{
    const struct state *s = op->state;
    if (s && s->amx)
        conv_amx_stale(s->amx);
    if (s && s->layer)
        onednn_layer_stale(s->layer);
}

const struct op_backend op_conv2d_cpu = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .release = release,
    .params_changed = params_changed,
};

/* Can the tiles or Winograd's kernels do both? The largest batch decides: where it is
 * worth it for that one, the smaller ones go the same way. */
static bool pools(const struct device *dev, const struct op *conv,
                  const struct op *pool)
{
    const struct op_attr *a = &pool->attr;
    const struct onednn_shape shape = shape_of(conv);
    return a->kernel == 2 && a->stride == 2 && a->pad == 0 &&
           (conv_amx_fits(&shape) || conv_wino_bf16_fits(dev, &shape, true));
}

static int pool_forward(struct op *conv, struct op *pool, struct device *dev,
                        struct pass *pass, struct sluice_error *err)
{
    (void)err;
    const struct state *s = conv->state;
    const void *x = conv->in[0]->data;
    const float *weight = conv->param[0]->data;
    if (s->wino_bf16)
        conv_wino_bf16_forward(s->wino_bf16, dev, x, weight, pool->out[0]->data);
    else
        conv_amx_forward(s->amx, dev, x, weight,
                         conv->param[1] ? conv->param[1]->data : NULL, pass->training,
                         pool->out[0]->data);
    return 0;
}

/* A window's gradient goes to one of its pixels, so the bias's is the same sum. */
static int pool_backward(struct op *conv, struct op *pool, struct device *dev,
                         struct pass *pass, struct sluice_error *err)
{
    (void)pass;
    const struct tensor *y = pool->out[0], *bias = conv->param[1];
    own_backward(conv, dev, y->grad);
    return bias && bias->grad ? channel_sum(dev, y, y->grad, bias->grad, err) : 0;
}

const struct op_fusion op_conv2d_maxpool = { .first = &op_conv2d,
                                             .second = &op_maxpool,
                                             .fits = pools,
                                             .forward = pool_forward,
                                             .backward = pool_backward };

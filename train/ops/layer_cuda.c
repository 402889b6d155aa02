/* layer_cuda.c -- conv2d and linear on device cuda: the library multiplies; packing
 * weights into its order and type, biases and their gradients are own kernels. */
#include <stdlib.h>

#include "channel_cuda.h"

struct state {
    struct gpu *gpu;
    struct gpu_layer *layer;
    void *packed;   /* the weight, for both directions */
    void *gradient; /* the weight's, as the library leaves it */
    void *partial;  /* sums of the bias's gradient */
    bool fresh;     /* packed is the parameter's present value */
};

static struct gpu_layer_shape shape_of(const struct op *op, const struct gpu *gpu)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    return (struct gpu_layer_shape){ .inner = op->def == &op_linear,
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
                                     .tf32 = gpu->tf32,
                                     .wants_data = op->in[0]->grad,
                                     .wants_weight = op->param[0]->grad };
}

static struct pack_args pack_of(const struct op *op, void *plain, void *packed,
                                enum sluice_dtype dtype)
{
    const bool inner = op->def == &op_linear;
    const int *in = op->in[0]->shape;
    return (struct pack_args){ .dtype = dtype,
                               .k = op->out[0]->shape[3],
                               .c = in[3],
                               .h = inner ? in[1] : op->attr.kernel,
                               .w = inner ? in[2] : op->attr.kernel,
                               .plain = plain,
                               .packed = packed };
}

static void release(struct op *op)
{
    struct state *s = op->state;
    if (!s)
        return;
    const struct gpu_runtime *run = s->gpu->run;
    run->layer_free(s->gpu, s->layer);
    run->release(s->gpu, s->packed);
    run->release(s->gpu, s->gradient);
    run->release(s->gpu, s->partial);
    free(s);
    op->state = NULL;
}

static int plan_parts(const struct op *op, struct state *s, struct sluice_error *err)
{
    const struct gpu_runtime *run = s->gpu->run;
    const struct gpu_layer_shape shape = shape_of(op, s->gpu);
    const struct channel_args cut = channel_cut(op->out[0]);
    const size_t weight = tensor_elements(op->param[0]);
    int rc = run->layer_open(s->gpu, &s->layer, &shape, err);
    if (rc == 0)
        rc = run->allocate(s->gpu, &s->packed, weight * sluice_dtype_size(shape.dtype),
                           err);
    if (rc == 0 && op->param[0]->grad)
        rc = run->allocate(s->gpu, &s->gradient, weight * sizeof(float), err);
    if (rc == 0 && op->param[1])
        rc = run->allocate(s->gpu, &s->partial, channel_partial_bytes(&cut), err);
    return rc;
}

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    struct state *s = calloc(1, sizeof *s);
    op->state = s;
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s %s: no memory", op->def->name,
                           op->name);
    s->gpu = gpu_of(dev);
    const int rc = plan_parts(op, s, err);
    if (rc < 0)
        release(op);
    return rc;
}

static int renew(const struct op *op, struct state *s, struct sluice_error *err)
{
    const struct pack_args a =
        pack_of(op, op->param[0]->data, s->packed, op->in[0]->dtype);
    if (s->fresh)
        return 0;
    const int rc = each_pack_weight(s->gpu, tensor_elements(op->param[0]), &a, err);
    s->fresh = rc == 0;
    return rc;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass;
    struct state *s = op->state;
    struct tensor *y = op->out[0];
    int rc = renew(op, s, err);
    if (rc == 0)
        rc = s->gpu->run->layer_forward(s->gpu, s->layer, op->in[0]->data, s->packed,
                                        y->data, err);
    if (rc < 0 || !op->param[1])
        return rc;
    const struct bias_args a = { .dtype = y->dtype,
                                 .count = tensor_elements(y),
                                 .c = op_channels(y),
                                 .y = y->data,
                                 .bias = op->param[1]->data };
    return each_add_bias(s->gpu, runs_of(a.count), &a, err);
}

/* A convolution's gradient comes in the activations' type, an inner product's in float.
 */
static int backward_weight(const struct op *op, const struct state *s,
                           struct sluice_error *err)
{
    const enum sluice_dtype dtype =
        op->def == &op_linear ? SLUICE_F32 : op->in[0]->dtype;
    const struct pack_args a = pack_of(op, op->param[0]->grad, s->gradient, dtype);
    const int rc = s->gpu->run->layer_weight(s->gpu, s->layer, op->in[0]->data,
                                             op->out[0]->grad, s->gradient, err);
    return rc < 0
               ? rc
               : each_unpack_gradient(s->gpu, tensor_elements(op->param[0]), &a, err);
}

static int backward_bias(const struct op *op, const struct state *s,
                         struct sluice_error *err)
{
    struct channel_args a = channel_cut(op->out[0]);
    a.sums = SUMS_PLAIN;
    a.dy = op->out[0]->grad;
    a.partial = s->partial;
    a.dbias = op->param[1]->grad;
    return channel_sum_up(s->gpu, &a, err);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass;
    struct state *s = op->state;
    int rc = 0;
    if (op->in[0]->grad)
        rc = renew(op, s, err);
    if (rc == 0 && op->in[0]->grad)
        rc = s->gpu->run->layer_data(s->gpu, s->layer, op->out[0]->grad, s->packed,
                                     op->in[0]->grad, err);
    if (rc == 0 && op->param[0]->grad)
        rc = backward_weight(op, s, err);
    if (rc == 0 && op->param[1] && op->param[1]->grad)
        rc = backward_bias(op, s, err);
    return rc;
}

static void params_changed(struct op *op)
{
    struct state *s = op->state;
    if (s)
        s->fresh = false;
}

const struct op_backend op_conv2d_cuda = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .release = release,
    .params_changed = params_changed,
};
const struct op_backend op_linear_cuda = {
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .release = release,
    .params_changed = params_changed,
};

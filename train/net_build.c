/* net_build.c -- appending operators to a network. Shapes are known at each step, so a
 * mistake is reported where it is made. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_internal.h"

static bool failed(const struct net *net)
{
    return net->first_error.code != SLUICE_OK;
}

/* Only the first error is kept: the later ones follow from it. */
#define FAIL(net, ...)                                                                 \
    ((void)(failed(net) ? 0 : sluice_fail(&(net)->first_error, __VA_ARGS__)))

void net_fail(struct net *net, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    FAIL(net, SLUICE_EINVAL, "%s", text);
}

/* Takes ownership of `item`, also when there is no room for it. */
static bool append(struct net *net, struct list *list, void *item)
{
    if (item && list->count == list->room) {
        const int room = list->room ? 2 * list->room : 32;
        void **at = realloc(list->at, (size_t)room * sizeof(*at));
        if (at) {
            list->at = at;
            list->room = room;
        }
    }
    if (!item || list->count == list->room) {
        free(item);
        FAIL(net, SLUICE_ENOMEM, "no memory for the network's description");
        return false;
    }
    list->at[list->count++] = item;
    return true;
}

static struct node *append_node(struct net *net, struct op *producer)
{
    struct node *node = calloc(1, sizeof *node);
    if (!append(net, &net->nodes, node))
        return NULL;
    node->net = net;
    node->producer = producer;
    node->data_of = node->grad_of = node;
    node->tensor.dtype = net->dev->compute;
    return node;
}

int net_create(struct net **out, struct device *dev, const struct net_input *input,
               struct sluice_error *err)
{
    *out = NULL;
    if (input->batch < 1 || input->height < 1 || input->width < 1 ||
        input->channels < 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "network input of %dx%dx%dx%d: expected positive sizes",
                           input->batch, input->height, input->width, input->channels);
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a network");
    net->dev = dev;
    net->input = *input;
    net->current = -1;
    struct node *node = append_node(net, NULL);
    if (!node) {
        net_free(net);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a network");
    }
    snprintf(node->tensor.name, sizeof node->tensor.name, "input");
    node->tensor.rank = 4;
    const int shape[4] = { input->batch, input->height, input->width, input->channels };
    memcpy(node->tensor.shape, shape, sizeof shape);
    *out = net;
    return 0;
}

struct tensor *net_input(struct net *net)
{
    return &net_node_of(net, 0)->tensor;
}

/* One producer and one consumer: a second consumer's gradient would be lost. */
static bool consume(struct net *net, struct op *op, int i, struct tensor *t)
{
    struct node *node = (struct node *)t;
    if (node->net != net) {
        FAIL(net, SLUICE_EINVAL, "%s: its input '%s' is of another network", op->name,
             t->name);
        return false;
    }
    if (node->consumer) {
        FAIL(net, SLUICE_EINVAL,
             "%s: its input '%s' is consumed by '%s' already: fork it", op->name,
             t->name, node->consumer->name);
        return false;
    }
    node->consumer = op;
    op->in[i] = t;
    return true;
}

/* The tensors that shape() fills in exist before it and are removed if it leaves them
 * without a shape. */
static bool add_tensors(struct net *net, struct op *op)
{
    for (int i = 0; i < op->def->outputs; i++) {
        struct node *node = append_node(net, op);
        if (!node)
            return false;
        op->out[i] = &node->tensor;
        snprintf(node->tensor.name, sizeof node->tensor.name, "%s", op->name);
    }
    for (int i = 0; i < OP_PARAMS + OP_BUFFERS; i++) {
        struct tensor *t = calloc(1, sizeof *t);
        if (!append(net, i < OP_PARAMS ? &net->params : &net->buffers, t))
            return false;
        *(i < OP_PARAMS ? &op->param[i] : &op->buffer[i - OP_PARAMS]) = t;
    }
    return true;
}

/* "weight" of "conv1" is "conv1.weight"; those of rank 0 go. */
static void settle(struct net *net, struct list *list, struct tensor **of, int count,
                   const char *op_name)
{
    for (int i = count - 1; i >= 0; i--) {
        struct tensor *t = of[i];
        const int at = list->count - count + i;
        if (t->rank == 0) {
            free(t);
            of[i] = NULL;
            memmove(&list->at[at], &list->at[at + 1],
                    (size_t)(count - 1 - i) * sizeof(*list->at));
            continue;
        }
        char full[sizeof t->name * 2];
        snprintf(full, sizeof full, "%s.%s", op_name, t->name);
        if (strlen(full) < sizeof t->name)
            memcpy(t->name, full, strlen(full) + 1);
        else
            FAIL(net, SLUICE_EINVAL, "the name '%s' is too long", full);
        t->trainable = list == &net->params;
        t->lr_scale = t->decay_scale = 1;
    }
    int kept = 0;
    for (int i = 0; i < count; i++)
        kept += of[i] != NULL;
    list->count += kept - count;
}

static bool name_is_new(const struct net *net, const struct op *op)
{
    for (int i = 0; i < net->ops.count; i++)
        if (net_op_of(net, i) != op && strcmp(net_op_of(net, i)->name, op->name) == 0)
            return false;
    return true;
}

static struct op *append_op(struct net *net, const struct op_def *def, const char *name,
                            const struct op_attr *attr)
{
    struct op *op = calloc(1, sizeof *op);
    if (!append(net, &net->ops, op))
        return NULL;
    op->def = def;
    op->attr = *attr;
    op->number = net->ops.count - 1;
    if (name && *name)
        snprintf(op->name, sizeof op->name, "%s", name);
    else
        snprintf(op->name, sizeof op->name, "%s%d", def->name, op->number);
    if (name && strlen(name) >= sizeof op->name)
        FAIL(net, SLUICE_EINVAL, "the name '%s' is too long", name);
    else if (!name_is_new(net, op))
        FAIL(net, SLUICE_EINVAL, "two operators are named '%s'", op->name);
    return op;
}

struct tensor *net_op(struct net *net, const struct op_def *def, const char *name,
                      const struct op_attr *attr, struct tensor *a, struct tensor *b)
{
    const bool two = def->inputs > 1, missing = !a || (two && !b);
    if (missing)
        FAIL(net, SLUICE_EINVAL, "%s %s: an input is missing", def->name,
             name ? name : "");
    if (missing || failed(net))
        return NULL;
    struct op *op = append_op(net, def, name, attr);
    if (failed(net) || !consume(net, op, 0, a) || (two && !consume(net, op, 1, b)) ||
        !add_tensors(net, op))
        return NULL;
    if (def->shape(op, &net->first_error) < 0)
        return NULL;
    settle(net, &net->params, op->param, OP_PARAMS, op->name);
    settle(net, &net->buffers, op->buffer, OP_BUFFERS, op->name);
    return failed(net) ? NULL : op->out[0];
}

struct op *net_last(struct net *net)
{
    return net->ops.count ? net_op_of(net, net->ops.count - 1) : NULL;
}

struct tensor *net_conv2d(struct net *net, struct tensor *x, const char *name,
                          int channels, int kernel, int stride, int pad, bool bias)
{
    const struct op_attr attr = { .out_channels = channels,
                                  .kernel = kernel,
                                  .stride = stride,
                                  .pad = pad,
                                  .bias = bias };
    return net_op(net, &op_conv2d, name, &attr, x, NULL);
}

struct tensor *net_linear(struct net *net, struct tensor *x, const char *name,
                          int channels, bool bias)
{
    const struct op_attr attr = { .out_channels = channels, .bias = bias };
    return net_op(net, &op_linear, name, &attr, x, NULL);
}

struct tensor *net_batchnorm(struct net *net, struct tensor *x, const char *name,
                             enum activation act)
{
    return net_op(net, &op_batchnorm, name, &(struct op_attr){ .act = act }, x, NULL);
}

struct tensor *net_activation(struct net *net, struct tensor *x, enum activation act)
{
    return net_op(net, &op_activation, NULL, &(struct op_attr){ .act = act }, x, NULL);
}

struct tensor *net_maxpool(struct net *net, struct tensor *x, int kernel, int stride)
{
    const struct op_attr attr = { .kernel = kernel, .stride = stride };
    return net_op(net, &op_maxpool, NULL, &attr, x, NULL);
}

struct tensor *net_globalmax(struct net *net, struct tensor *x)
{
    return net_op(net, &op_globalmax, NULL, &(struct op_attr){ 0 }, x, NULL);
}

struct tensor *net_globalavg(struct net *net, struct tensor *x)
{
    return net_op(net, &op_globalavg, NULL, &(struct op_attr){ 0 }, x, NULL);
}

struct tensor *net_dropout(struct net *net, struct tensor *x, float p)
{
    return net_op(net, &op_dropout, NULL, &(struct op_attr){ .p = p }, x, NULL);
}

struct tensor *net_dropout_channels(struct net *net, struct tensor *x, float p)
{
    const struct op_attr attr = { .p = p, .per_channel = true };
    return net_op(net, &op_dropout, NULL, &attr, x, NULL);
}

struct tensor *net_droppath(struct net *net, struct tensor *x, float p, bool per_sample,
                            enum drop_scaling scaling)
{
    const struct op_attr attr = { .p = p,
                                  .per_sample = per_sample,
                                  .scaling = scaling };
    return net_op(net, &op_droppath, NULL, &attr, x, NULL);
}

struct tensor *net_gate(struct net *net, struct tensor *x, struct tensor *factors)
{
    return net_op(net, &op_gate, NULL, &(struct op_attr){ 0 }, x, factors);
}

struct tensor *net_flatten(struct net *net, struct tensor *x)
{
    return net_op(net, &op_flatten, NULL, &(struct op_attr){ 0 }, x, NULL);
}

struct tensor *net_softmax(struct net *net, struct tensor *x)
{
    return net_op(net, &op_softmax, NULL, &(struct op_attr){ 0 }, x, NULL);
}

struct tensor *net_scale(struct net *net, struct tensor *x, float scale)
{
    return net_op(net, &op_scale, NULL, &(struct op_attr){ .scale = scale }, x, NULL);
}

struct tensor *net_add(struct net *net, struct tensor *a, struct tensor *b)
{
    return net_op(net, &op_add, NULL, &(struct op_attr){ 0 }, a, b);
}

struct tensor *net_add_relu(struct net *net, struct tensor *a, struct tensor *b)
{
    return net_op(net, &op_add_relu, NULL, &(struct op_attr){ 0 }, a, b);
}

struct tensor *net_concat(struct net *net, struct tensor *a, struct tensor *b)
{
    return net_op(net, &op_concat, NULL, &(struct op_attr){ 0 }, a, b);
}

void net_fork(struct net *net, struct tensor *x, struct tensor **a, struct tensor **b)
{
    *a = net_op(net, &op_fork, NULL, &(struct op_attr){ 0 }, x, NULL);
    *b = *a ? net_last(net)->out[1] : NULL;
}

struct tensor *net_softmax_xent(struct net *net, struct tensor *x,
                                float label_smoothing)
{
    const struct op_attr attr = { .label_smoothing = label_smoothing };
    return net_op(net, &op_softmax_xent, NULL, &attr, x, NULL);
}

struct tensor *net_head_loss(struct net *net, struct tensor *x, int head, float weight,
                             float label_smoothing)
{
    const struct op_attr attr = { .label_smoothing = label_smoothing,
                                  .head = head,
                                  .loss_weight = weight };
    return net_op(net, &op_softmax_xent, NULL, &attr, x, NULL);
}

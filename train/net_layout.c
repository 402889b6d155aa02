/* net_layout.c -- where everything of a network lies in its arena.
 *
 *     parameters | their gradients | buffers | activations and their gradients
 *
 * The first three are each one piece, in the order they were built, with zeros between
 * tensors where alignment asks for it: copying, reducing over ranks and taking norms
 * are single loops. The last shares memory by time. With N operators forward of
 * operator i happens at moment 1 + i and backward at 2N - i:
 *
 *     data of a tensor from p to c   from forward of p to the last one that may read
 *                                    it: backward of p, as operators may look at their
 *                                    output
 *     its gradient                   from backward of c, which writes it, to backward
 *                                    of p, which reads it
 *
 * An operator that runs as a part of another one has that one's moments.
 */
#include <stdlib.h>

#include "net_internal.h"

static int forward_at(const struct op *op)
{
    return op ? 1 + net_turn(op) : 0;
}

/* A fork that its producer sums runs with it. */
static int backward_at(const struct net *net, const struct op *op)
{
    if (op->settled == FORK_READ)
        op = ((const struct node *)op->in[0])->producer;
    return 2 * net->ops.count - net_turn(op);
}

static bool has_backward(const struct op *op)
{
    for (int i = 0; i < op->def->inputs; i++)
        if (((const struct node *)op->in[i])->wants_grad)
            return true;
    for (int i = 0; i < OP_PARAMS; i++)
        if (op->param[i] && op->param[i]->trainable)
            return true;
    return false;
}

/* A gradient is wanted if something trainable lies before it. Operators stand in order,
 * so an operator's inputs are settled when it is reached. */
void net_settle_wants(struct net *net)
{
    for (int i = 0; i < net->ops.count; i++) {
        const struct op *op = net_op_of(net, i);
        const bool wants = has_backward(op);
        for (int k = 0; k < op->def->outputs; k++)
            ((struct node *)op->out[k])->wants_grad =
                wants && op->def != &op_softmax_xent;
    }
}

static struct node *root(struct node *node, bool grad)
{
    for (;;) {
        struct node *up = grad ? node->grad_of : node->data_of;
        if (up == node)
            return node;
        node = up;
    }
}

/* A shared gradient has one writer, the consumer of the sum or the operator whose
 * inputs have the same gradient; all others only read. */
static void settle_aliases(struct net *net)
{
    for (int i = 0; i < net->ops.count; i++) {
        const struct op *op = net_op_of(net, i);
        for (int k = 0; op->def->alias && k < op->def->outputs; k++)
            ((struct node *)op->out[k])->data_of = (struct node *)op->in[0];
        for (int k = 0; op->def->alias_grad && k < op->def->inputs; k++)
            ((struct node *)op->in[k])->grad_of = (struct node *)op->out[0];
        if (op->def->shared_grad)
            ((struct node *)op->in[1])->grad_of = (struct node *)op->in[0];
        if (op->settled)
            ((struct node *)op->in[0])->grad_of = (struct node *)op->out[0];
        if (op->settled == FORK_ADDED)
            ((struct node *)op->out[1])->grad_of = (struct node *)op->out[0];
    }
}

static void extend(struct arena_item *item, int first, int last, size_t size)
{
    if (item->size == 0)
        *item = (struct arena_item){ .size = size, .first = first, .last = last };
    if (first < item->first)
        item->first = first;
    if (last > item->last)
        item->last = last;
}

static void data_life(const struct net *net, const struct node *node,
                      struct arena_item *item)
{
    const struct op *from = node->producer, *to = node->consumer;
    const int end = 2 * net->ops.count + 1;
    int first = forward_at(from), last = to ? forward_at(to) : end;
    if (to && has_backward(to) && backward_at(net, to) > last)
        last = backward_at(net, to);
    if (from && has_backward(from) && backward_at(net, from) > last)
        last = backward_at(net, from);
    if (!from)
        last = end; /* the input may be looked at whenever */
    extend(item, first, last, tensor_bytes(&node->tensor));
}

static void grad_life(const struct net *net, const struct node *node,
                      struct arena_item *item)
{
    /* Without a consumer the caller writes it, between forward and backward. */
    const int first =
        node->consumer ? backward_at(net, node->consumer) : net->ops.count;
    extend(item, first, backward_at(net, node->producer), tensor_bytes(&node->tensor));
}

/* Between two operators that run as one: it exists in registers alone. */
static bool is_inside(const struct node *node)
{
    return node->producer && node->producer->within;
}

/* Two items a node, its data and its gradient; those of aliases go to the root's. */
static void collect_lives(const struct net *net, struct arena_item *items)
{
    for (int i = 0; i < net->nodes.count; i++) {
        struct node *node = net_node_of(net, i);
        node->data_item = 2 * i;
        node->grad_item = 2 * i + 1;
    }
    for (int i = 0; i < net->nodes.count; i++) {
        struct node *node = net_node_of(net, i);
        node->data_item = root(node, false)->data_item;
        node->grad_item = root(node, true)->grad_item;
        if (is_inside(node))
            continue;
        data_life(net, node, &items[node->data_item]);
        if (node->wants_grad)
            grad_life(net, node, &items[node->grad_item]);
    }
}

/* Offsets of parameters, gradients and buffers, in that order from 0; the end. With a
 * base the pointers are set. */
static size_t place_tensors(struct net *net, unsigned char *base)
{
    size_t at = 0;
    for (int part = 0; part < 3; part++) {
        const struct list *list = part < 2 ? &net->params : &net->buffers;
        for (int i = 0; i < list->count; i++) {
            struct tensor *t = list->at[i];
            if (part == 1 && !t->trainable)
                continue;
            if (base)
                *(part == 1 ? &t->grad : &t->data) = base + at;
            at += arena_round(tensor_bytes(t));
        }
    }
    return at;
}

float *net_gradients(struct net *net, size_t *count)
{
    float *begin = NULL, *end = NULL;
    for (int i = 0; i < net->params.count; i++) {
        const struct tensor *t = net->params.at[i];
        if (!t->grad)
            continue;
        begin = begin ? begin : t->grad;
        end = (float *)t->grad + tensor_elements(t);
    }
    *count = (size_t)(end - begin);
    return begin;
}

struct net_bytes net_memory_parts(const struct net *net)
{
    struct net_bytes b = { 0 };
    for (int i = 0; i < net->params.count; i++) {
        const struct tensor *t = net->params.at[i];
        b.parameters += arena_round(tensor_bytes(t));
        b.gradients += t->grad ? arena_round(tensor_bytes(t)) : 0;
    }
    for (int i = 0; i < net->buffers.count; i++)
        b.buffers += arena_round(tensor_bytes(net->buffers.at[i]));
    b.activations = net->arena_used - b.parameters - b.gradients - b.buffers;
    return b;
}

static void place_nodes(struct net *net, const struct arena_item *items)
{
    for (int i = 0; i < net->nodes.count; i++) {
        struct node *node = net_node_of(net, i);
        if (is_inside(node))
            continue;
        node->tensor.data = net->arena.base + items[node->data_item].offset;
        if (node->wants_grad)
            node->tensor.grad = net->arena.base + items[node->grad_item].offset;
    }
}

int net_layout(struct net *net, struct sluice_error *err)
{
    const int count = 2 * net->nodes.count;
    struct arena_item *items = calloc((size_t)count, sizeof *items);
    if (!items)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the network's plan");
    net_settle_wants(net);
    settle_aliases(net);
    collect_lives(net, items);
    net->arena_used = arena_plan(items, count, place_tensors(net, NULL));
    const int rc = arena_open_on(&net->arena, net->dev, net->arena_used, err);
    if (rc == 0) {
        (void)place_tensors(net, net->arena.base);
        place_nodes(net, items);
    }
    free(items);
    return rc;
}

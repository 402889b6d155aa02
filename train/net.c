/* net.c -- finishing, resizing and running a network. */
#include <assert.h>
#include <stdlib.h>

#include "net_internal.h"

/* Every output has its consumer, but for the last operator's and the losses'. */
static int check_outputs(const struct net *net, struct sluice_error *err)
{
    const struct op *last = net->ops.count ? net_op_of(net, net->ops.count - 1) : NULL;
    if (!last)
        return sluice_fail(err, SLUICE_EINVAL, "the network has no operators");
    for (int i = 0; i < net->nodes.count; i++) {
        const struct node *node = net_node_of(net, i);
        const struct op *from = node->producer;
        if (!node->consumer && from != last && (!from || from->def != &op_softmax_xent))
            return sluice_fail(err, SLUICE_EINVAL, "nothing consumes '%s'",
                               node->tensor.name);
    }
    return 0;
}

/* One loss of each head, the network's own last. */
static int check_heads(const struct net *net, struct sluice_error *err)
{
    const struct op *last = net_op_of(net, net->ops.count - 1);
    const int heads = net_heads(net);
    for (int i = 0; i < heads; i++)
        if (!net_head(net, i))
            return sluice_fail(err, SLUICE_EINVAL,
                               "%d losses, but none of them is of head %d", heads, i);
    if (heads && net_head(net, 0) != last)
        return sluice_fail(err, SLUICE_EINVAL,
                           "'%s' stands behind the network's own loss", last->name);
    return 0;
}

static int check_backends(const struct net *net, struct sluice_error *err)
{
    for (int i = 0; i < net->ops.count; i++) {
        const struct op *op = net_op_of(net, i);
        if (!net_backend(net, op))
            return sluice_fail(err, SLUICE_EUNBUILT, "%s: no %s on this device (%s)",
                               op->name, op->def->name, net->dev->about);
    }
    return 0;
}

static void set_batch(struct net *net, int n)
{
    for (int i = 0; i < net->nodes.count; i++)
        net_node_of(net, i)->tensor.shape[0] = n;
    net->batch = n;
}

/* Exchange the operators' states with those kept in the slot. */
static void swap_states(struct net *net, struct plan_slot *slot)
{
    for (int i = 0; i < net->ops.count; i++) {
        struct op *op = net_op_of(net, i);
        void *state = op->state;
        op->state = slot->state[i];
        slot->state[i] = state;
    }
}

/* The operators hold no state before and after. */
static void empty_slot(struct net *net, struct plan_slot *slot)
{
    if (!slot->state)
        return;
    swap_states(net, slot);
    for (int i = 0; i < net->ops.count; i++) {
        struct op *op = net_op_of(net, i);
        const struct op_backend *be = net_backend(net, op);
        if (op->state && be && be->release)
            be->release(op);
        op->state = NULL;
    }
    free(slot->state);
    *slot = (struct plan_slot){ 0 };
}

static int fill_slot(struct net *net, struct plan_slot *slot, struct sluice_error *err)
{
    int rc = 0;
    slot->state = calloc((size_t)net->ops.count, sizeof(*slot->state));
    if (!slot->state)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the network's plan");
    for (int i = 0; i < net->ops.count && rc == 0; i++) {
        struct op *op = net_op_of(net, i);
        const struct op_backend *be = net_backend(net, op);
        rc = be->plan ? be->plan(op, net->dev, err) : 0;
    }
    swap_states(net, slot);
    if (rc < 0)
        empty_slot(net, slot);
    return rc;
}

/* On a GPU a plan is memory, choices of the library's, and graphs that were recorded.
 */
static int oldest_slot(const struct net *net)
{
    const int count = net->dev->kind == DEVICE_CUDA ? PLAN_SLOTS : PLAN_SLOTS_HOST;
    int found = -1;
    for (int i = 0; i < count; i++)
        if (i != net->current &&
            (found < 0 || net->slot[i].used < net->slot[found].used))
            found = i;
    return found;
}

static int find_slot(const struct net *net, int n)
{
    for (int i = 0; i < PLAN_SLOTS; i++)
        if (net->slot[i].batch == n)
            return i;
    return -1;
}

/* On failure the network keeps the batch size it had. */
static int use_batch(struct net *net, int n, struct sluice_error *err)
{
    const int before = net->batch;
    int found = find_slot(net, n), rc = 0;
    if (net->current >= 0)
        swap_states(net, &net->slot[net->current]);
    set_batch(net, n);
    if (found < 0) {
        found = oldest_slot(net);
        empty_slot(net, &net->slot[found]);
        rc = fill_slot(net, &net->slot[found], err);
        net->slot[found].id = ++net->clock;
    }
    if (rc == 0) {
        net->current = found;
        net->slot[found].batch = n;
        net->slot[found].used = ++net->clock;
    } else {
        set_batch(net, before);
    }
    if (net->current >= 0)
        swap_states(net, &net->slot[net->current]);
    if (rc == 0)
        net_params_changed(net);
    return rc;
}

int net_finish(struct net *net, struct sluice_error *err)
{
    assert(net->current < 0);
    int rc = net->first_error.code;
    if (rc != SLUICE_OK)
        return sluice_fail(err, net->first_error.code, "%s", net->first_error.message);
    if ((rc = check_outputs(net, err)) < 0 || (rc = check_heads(net, err)) < 0 ||
        (rc = check_backends(net, err)) < 0 || (rc = net_find_branches(net, err)) < 0)
        return rc;
    if (!net->separate)
        net_fuse(net);
    if ((rc = net_layout(net, err)) < 0)
        return rc;
    return use_batch(net, net->input.batch, err);
}

int net_resize(struct net *net, int n, struct sluice_error *err)
{
    assert(net->current >= 0);
    if (n < 1 || n > net->input.batch)
        return sluice_fail(err, SLUICE_EINVAL,
                           "a batch of %d images: the network takes 1 to %d", n,
                           net->input.batch);
    return n == net->batch ? 0 : use_batch(net, n, err);
}

int net_forward(struct net *net, struct pass *pass, struct sluice_error *err)
{
    assert(net->current >= 0);
    for (int i = 0; i < net->ops.count; i++) {
        struct op *op = net_op_of(net, i);
        const bool idle = op->within || net_rests(net, op, pass);
        const int rc = idle ? 0 : net_timed(net, op, true, pass, err);
        if (rc < 0)
            return rc;
    }
    return net_fetch_times(net, true, pass, err);
}

/* Parameters may be frozen between steps: what then has nobody to compute for is left
 * out. */
static bool has_backward(const struct op *op)
{
    if (op->fusion && has_backward(op->first))
        return true;
    for (int i = 0; i < op->def->inputs; i++)
        if (op->in[i]->grad)
            return true;
    for (int i = 0; i < OP_PARAMS; i++)
        if (op->param[i] && op->param[i]->grad && op->param[i]->trainable)
            return true;
    return false;
}

int net_backward(struct net *net, struct pass *pass, struct sluice_error *err)
{
    assert(net->current >= 0);
    for (int i = net->ops.count - 1; i >= 0; i--) {
        struct op *op = net_op_of(net, i);
        if (op->within || op->settled || !has_backward(op))
            continue;
        if (net_rests_backward(net, op, pass)) {
            net_rest_backward(net, op, pass);
            continue;
        }
        const int rc = net_timed(net, op, false, pass, err);
        if (rc < 0)
            return rc;
    }
    return net_fetch_times(net, false, pass, err);
}

void net_params_changed(struct net *net)
{
    for (int i = 0; i < net->ops.count; i++) {
        struct op *op = net_op_of(net, i);
        if (net_backend(net, op)->params_changed)
            net_backend(net, op)->params_changed(op);
    }
}

void net_freeze(struct net *net, uint64_t epoch)
{
    bool changed = false;
    for (int i = 0; i < net->params.count; i++) {
        struct tensor *t = net->params.at[i];
        if (!t->trainable || !t->train_epochs || epoch < (uint64_t)t->train_epochs)
            continue;
        t->trainable = false;
        changed = true;
    }
    if (!changed)
        return;
    net_settle_wants(net);
    for (int i = 0; i < net->nodes.count; i++)
        if (!net_node_of(net, i)->wants_grad)
            net_node_of(net, i)->tensor.grad = NULL;
}

static void free_list(struct list *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->at[i]);
    free(list->at);
}

void net_free(struct net *net)
{
    if (!net)
        return;
    if (net->current >= 0)
        swap_states(net, &net->slot[net->current]);
    for (int i = 0; i < PLAN_SLOTS; i++)
        empty_slot(net, &net->slot[i]);
    arena_close(&net->arena);
    free_list(&net->ops);
    free_list(&net->nodes);
    free_list(&net->params);
    free_list(&net->buffers);
    free(net->branch);
    free(net);
}

struct device *net_device(struct net *net)
{
    return net->dev;
}

int net_op_count(const struct net *net)
{
    return net->ops.count;
}

struct op *net_op_at(struct net *net, int i)
{
    return net_op_of(net, i);
}

int net_param_count(const struct net *net)
{
    return net->params.count;
}

struct tensor *net_param(struct net *net, int i)
{
    return net->params.at[i];
}

int net_buffer_count(const struct net *net)
{
    return net->buffers.count;
}

struct tensor *net_buffer(struct net *net, int i)
{
    return net->buffers.at[i];
}

size_t net_param_elements(const struct net *net)
{
    size_t sum = 0;
    for (int i = 0; i < net->params.count; i++)
        sum += tensor_elements(net->params.at[i]);
    return sum;
}

struct tensor *net_probabilities(struct net *net)
{
    const struct op *last = net_last(net);
    return last && last->def == &op_softmax_xent ? last->out[0] : NULL;
}

int net_heads(const struct net *net)
{
    int count = 0;
    for (int i = 0; i < net->ops.count; i++)
        count += net_op_of(net, i)->def == &op_softmax_xent;
    return count;
}

struct op *net_head(const struct net *net, int head)
{
    for (int i = 0; i < net->ops.count; i++)
        if (net_op_of(net, i)->def == &op_softmax_xent &&
            net_op_of(net, i)->attr.head == head)
            return net_op_of(net, i);
    return NULL;
}

uint64_t net_plan(const struct net *net)
{
    return net->slot[net->current].id;
}

size_t net_memory(const struct net *net)
{
    return net->arena.size;
}

/* Each weight of a matrix or filter meets every output pixel once. */
double op_flops(const struct op *op)
{
    const struct tensor *weight = op->param[0], *out = op->out[0];
    if (!weight || weight->rank < 2)
        return 0;
    return 2.0 * (double)tensor_elements(weight) * out->shape[1] * out->shape[2];
}

double net_flops(const struct net *net)
{
    double sum = 0;
    for (int i = 0; i < net->ops.count; i++)
        sum += op_flops(net_op_of(net, i));
    return sum;
}

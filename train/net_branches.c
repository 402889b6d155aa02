/* net_branches.c -- residual branches that droppath leaves out for a whole batch are
 * not computed: neither their outputs nor their gradients.
 *
 * To the branch of a droppath belong the operators all of whose outputs end in it.
 * Where its one draw of the step is "out", they rest: the droppath, which then looks at
 * no input, gives zeros; their parameters' gradients are zeros, and so is what the
 * branch adds to the gradient of the tensor it starts from. Running statistics within
 * the branch stay as they are. On device cuda a step is recorded once for all draws, so
 * there branches are computed and multiplied by zero, and the statistics move. */
#include <stdlib.h>
#include <string.h>

#include "net_internal.h"
#include "ops/droppath.h"

/* Do all outputs of op end in the branch of `path`? */
static bool ends_in(const struct net *net, const struct op *op, const struct op *path)
{
    for (int k = 0; k < op->def->outputs; k++) {
        const struct op *to = ((const struct node *)op->out[k])->consumer;
        while (to && to != path)
            to = net->branch[to->number];
        if (!to)
            return false;
    }
    return true;
}

int net_find_branches(struct net *net, struct sluice_error *err)
{
    net->branch = calloc((size_t)net->ops.count, sizeof(*net->branch));
    if (!net->branch)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for the network's plan");
    /* Inner branches come first: their droppath stands before the outer one. */
    for (int i = 0; i < net->ops.count; i++) {
        struct op *path = net_op_of(net, i);
        if (path->def != &op_droppath || path->attr.per_sample || !(path->attr.p > 0))
            continue;
        for (int k = i - 1; k >= 0; k--) {
            struct op *op = net_op_of(net, k);
            if (!net->branch[k] && ends_in(net, op, path))
                net->branch[k] = path;
        }
    }
    return 0;
}

bool net_rests(const struct net *net, const struct op *op, const struct pass *pass)
{
    if (net->compute_all || net->dev->kind == DEVICE_CUDA)
        return false;
    for (op = net->branch[op->number]; op; op = net->branch[op->number])
        if (droppath_factor(op, pass, 0) == 0)
            return true;
    return false;
}

bool net_rests_backward(const struct net *net, const struct op *op,
                        const struct pass *pass)
{
    /* A droppath has nothing to give to a branch that rests. */
    if (op->def == &op_droppath)
        op = ((const struct node *)op->in[0])->producer;
    return op && net_rests(net, op, pass);
}

/* Does a fork's producer know by itself that nothing comes from there? */
static bool unread(const struct tensor *t)
{
    const struct op *from = ((const struct node *)t)->producer;
    return from->settled == FORK_READ && t == from->out[1];
}

void net_rest_backward(const struct net *net, struct op *op, const struct pass *pass)
{
    for (int i = 0; i < OP_PARAMS; i++)
        if (op->param[i] && op->param[i]->grad && op->param[i]->trainable)
            memset(op->param[i]->grad, 0, tensor_bytes(op->param[i]));
    for (int i = 0; i < op->def->inputs; i++) {
        const struct op *from = ((const struct node *)op->in[i])->producer;
        if (op->in[i]->grad && !op->adds && !unread(op->in[i]) &&
            !net_rests(net, from, pass))
            memset(op->in[i]->grad, 0, tensor_bytes(op->in[i]));
    }
}

/* net_fuse.c -- operators that run as one, and gradients that need no pass of their
 * own.
 *
 *     gate -> add_relu        device cpu has these pairs as one operator (fusion.h):
 *     droppath -> add_relu    what passes between them is never written, and has no
 *     batchnorm -> add_relu   place in the arena
 *     conv2d -> maxpool
 *
 *     fork                    its backward sums two gradients. Where its producer can
 *                             read two, it does; where the consumer that runs last can
 *                             add to what the other one wrote, that one does.
 *
 *     conv2d, batchnorm       where the convolution's kernels can measure what they
 *                             write, the normalisation need not read it for that
 *
 * A pair runs when its second operator's turn comes, forward and backward. */
#include "net_internal.h"
#include "ops/fusion.h"

static struct op *consumer_of(const struct tensor *t)
{
    return ((const struct node *)t)->consumer;
}

static struct op *producer_of(const struct tensor *t)
{
    return ((const struct node *)t)->producer;
}

/* The pair that `first` is the first of, or NULL. */
static const struct op_fusion *pair_of(const struct net *net, const struct op *first)
{
    const struct op *second = consumer_of(first->out[0]);
    const struct op_fusion *const *table = op_fusions(net->dev->kind);
    if (first->def->outputs != 1 || !second || second->fusion ||
        second->in[second->def->inputs - 1] != first->out[0])
        return NULL;
    for (int i = 0; table && table[i]; i++)
        if (table[i]->first == first->def && table[i]->second == second->def &&
            (!table[i]->fits || table[i]->fits(net->dev, first, second)))
            return table[i];
    return NULL;
}

static void fuse_pairs(struct net *net)
{
    for (int i = 0; i < net->ops.count; i++) {
        struct op *first = net_op_of(net, i);
        const struct op_fusion *fusion = pair_of(net, first);
        if (!fusion)
            continue;
        first->within = consumer_of(first->out[0]);
        first->within->fusion = fusion;
        first->within->first = first;
    }
}

/* Of the fork's two consumers, the one that runs last in backward: can it add? */
static bool last_adds(const struct net *net, const struct op *fork)
{
    struct op *a = consumer_of(fork->out[0]), *b = consumer_of(fork->out[1]);
    if (!a || !b || a == b)
        return false;
    struct op *last = net_turn(a) < net_turn(b) ? a : b;
    struct op *other = last == a ? b : a;
    /* What the other one wrote must be this memory, and nobody else's. */
    if (!net_backend(net, last)->adds_gradient || last->within || last->fusion ||
        other->def->alias_grad || other->def->shared_grad || other->def == &op_fork)
        return false;
    last->adds = true;
    return true;
}

static void settle_fork(const struct net *net, struct op *fork)
{
    struct op *from = producer_of(fork->in[0]);
    if (last_adds(net, fork)) {
        fork->settled = FORK_ADDED;
    } else if (from && !from->more &&
               (from->fusion ? from->fusion->reads_two_gradients
                             : net_backend(net, from)->reads_two_gradients)) {
        fork->settled = FORK_READ;
        from->more = fork->out[1];
    }
}

/* The convolution whose result, pooled or not, the normalisation reads. */
static struct op *convolution_before(const struct op *norm)
{
    struct op *from = producer_of(norm->in[0]);
    if (from && from->first)
        from = from->first;
    return from && from->def == &op_conv2d ? from : NULL;
}

static void let_convolutions_measure(struct net *net)
{
    for (int i = 0; i < net->ops.count; i++) {
        struct op *norm = net_op_of(net, i);
        struct op *conv = norm->def == &op_batchnorm ? convolution_before(norm) : NULL;
        if (conv && !norm->attr.fixed_stats) {
            norm->measured_by = conv;
            conv->measures = true;
        }
    }
}

void net_fuse(struct net *net)
{
    fuse_pairs(net);
    let_convolutions_measure(net);
    for (int i = 0; i < net->ops.count; i++)
        if (net_op_of(net, i)->def == &op_fork)
            settle_fork(net, net_op_of(net, i));
}

int net_op_forward(struct net *net, struct op *op, struct pass *pass,
                   struct sluice_error *err)
{
    if (op->within)
        return 0;
    return op->fusion ? op->fusion->forward(op->first, op, net->dev, pass, err)
                      : net_backend(net, op)->forward(op, net->dev, pass, err);
}

int net_op_backward(struct net *net, struct op *op, struct pass *pass,
                    struct sluice_error *err)
{
    if (op->within || op->settled)
        return 0;
    op->more_grad = NULL;
    /* A branch that rests has nothing to add. */
    if (op->more && !net_rests(net, consumer_of(op->more), pass))
        op->more_grad = op->more->grad;
    return op->fusion ? op->fusion->backward(op->first, op, net->dev, pass, err)
                      : net_backend(net, op)->backward(op, net->dev, pass, err);
}

/* net_internal.h -- what building, planning and running a network share. */
#ifndef SLUICE_NET_INTERNAL_H
#define SLUICE_NET_INTERNAL_H

#include "arena.h"
#include "net.h"

/* An activation: the tensor, and its place in the network. */
struct node {
    struct tensor tensor; /* first: a tensor of the network is its node */
    struct net *net;
    struct op *producer; /* NULL: the input */
    struct op *consumer; /* NULL: none yet; at the end only the last operator's */
    bool wants_grad;
    struct node *data_of; /* whose memory data and grad lie in: itself, or by alias */
    struct node *grad_of;
    int data_item, grad_item; /* of the arena's plan; -1: none */
};

struct list {
    void **at;
    int count, room;
};

/* The operators' states for one batch size. */
struct plan_slot {
    int batch; /* 0: empty */
    void **state;
    uint64_t id;   /* of no other plan of this network */
    uint64_t used; /* when, for throwing out the older one */
};

enum {
    PLAN_SLOTS = 4,      /* a full and a short last batch, in training and in testing */
    PLAN_SLOTS_HOST = 2, /* the two alone: on the host a plan costs little */
};

struct net {
    struct device *dev;
    struct net_input input;
    struct sluice_error first_error; /* while building */
    struct list ops, nodes, params, buffers;
    struct arena arena;
    size_t arena_used;
    struct plan_slot slot[PLAN_SLOTS];
    int current; /* slot; -1: not finished */
    int batch;   /* of the present slot */
    uint64_t clock;
    struct op_time *times; /* the caller's; NULL: nothing is measured */
    /* (ops.count): the droppath that may leave the operator out for a whole batch, or
     * NULL. */
    struct op **branch;
    bool separate;    /* join no operators: to test that joining changes little */
    bool compute_all; /* leave out no branch: to test that doing so changes nothing */
};

static inline struct op *net_op_of(const struct net *net, int i)
{
    return net->ops.at[i];
}

static inline struct node *net_node_of(const struct net *net, int i)
{
    return net->nodes.at[i];
}

static inline const struct op_backend *net_backend(const struct net *net,
                                                   const struct op *op)
{
    return op->def->on[net->dev->kind];
}

/* Which activations want a gradient, by which parameters are trained. */
void net_settle_wants(struct net *net);
/* Fill in net->branch. */
int net_find_branches(struct net *net, struct sluice_error *err);
/* Does the operator rest in this step, as its branch is left out? See net_branches.c.
 */
bool net_rests(const struct net *net, const struct op *op, const struct pass *pass);
bool net_rests_backward(const struct net *net, const struct op *op,
                        const struct pass *pass);
/* Instead of the backward of an operator that rests: zeros where others will read. */
void net_rest_backward(const struct net *net, struct op *op, const struct pass *pass);
/* Join operators, as far as the device can; before the layout. From then on they must
 * be run by the next two functions: an operator that runs within another does nothing
 * by itself. */
void net_fuse(struct net *net);
int net_op_forward(struct net *net, struct op *op, struct pass *pass,
                   struct sluice_error *err);
int net_op_backward(struct net *net, struct op *op, struct pass *pass,
                    struct sluice_error *err);
/* Run an operator in one direction, and measure it if net->times is set. Where only the
 * device knows how long it took, net_fetch_times adds that at the end of the pass. */
int net_timed(struct net *net, struct op *op, bool forward, struct pass *pass,
              struct sluice_error *err);
int net_fetch_times(struct net *net, bool forward, const struct pass *pass,
                    struct sluice_error *err);
/* When an operator runs: of a joined pair both run in the second one's turn. */
static inline int net_turn(const struct op *op)
{
    return op->within ? op->within->number : op->number;
}

/* Lay out the arena and point every tensor into it. */
int net_layout(struct net *net, struct sluice_error *err);

#endif

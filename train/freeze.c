/* freeze.c -- see freeze.h. */
#include "freeze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCKS_MOST = 1000000,
};

/* "layer1" or "layer1." of "layer1.0.conv1.weight", but not of "layer10.weight". */
static bool begins(const char *name, const char *prefix, size_t length)
{
    return strncmp(name, prefix, length) == 0 &&
           (!name[length] || name[length] == '.' || prefix[length - 1] == '.');
}

/* How many there are. */
static int freeze_named(struct net *net, const char *prefix, size_t length)
{
    int found = 0;
    for (int i = 0; i < net_param_count(net); i++) {
        struct tensor *t = net_param(net, i);
        if (!begins(t->name, prefix, length))
            continue;
        t->trainable = false;
        found++;
    }
    return found;
}

static const char *first_name(struct net *net)
{
    return net_param_count(net) ? net_param(net, 0)->name : "";
}

static void freeze_list(struct net *net, const char *what)
{
    for (const char *at = what; *at;) {
        const size_t length = strcspn(at, ",");
        if (!length || !freeze_named(net, at, length)) {
            net_fail(net,
                     "init.freeze: no parameter is called '%.*s' or begins so; the "
                     "first is '%s'",
                     (int)(length < 60 ? length : 60), at, first_name(net));
            return;
        }
        at += length + (at[length] == ',');
    }
}

static int freeze_block(struct net *net, long number)
{
    char prefix[32];
    const int n = snprintf(prefix, sizeof prefix, "blocks.%ld.", number);
    return freeze_named(net, prefix, (size_t)n);
}

static void freeze_blocks(struct net *net, const char *count)
{
    char *end;
    const long wanted = strtol(count, &end, 10);
    long found = 0;
    if (end == count || *end || wanted < 1 || wanted > BLOCKS_MOST) {
        net_fail(net,
                 "init.freeze: expected a number from 1 behind 'blocks:', found "
                 "'%.40s'",
                 count);
        return;
    }
    while (found < wanted && freeze_block(net, found))
        found++;
    if (!found)
        net_fail(
            net,
            "init.freeze: this network has no blocks ('blocks.0.' in a name); name "
            "what to freeze, such as '%.*s'",
            (int)strcspn(first_name(net), "."), first_name(net));
    else if (found < wanted)
        net_fail(net,
                 "init.freeze: expected at most the network's %ld blocks, found %ld",
                 found, wanted);
}

static bool has_params(const struct op *op)
{
    return op->param[0] || op->param[1];
}

static void freeze_backbone(struct net *net)
{
    int last = net_op_count(net) - 1;
    /* Linear layers of a gate are not the end's. */
    while (
        last >= 0 && net_op_at(net, last)->def != &op_gate &&
        (net_op_at(net, last)->def == &op_linear || !has_params(net_op_at(net, last))))
        last--;
    if (last < 0)
        net_fail(net, "init.freeze=backbone: the network is of linear layers alone");
    for (int i = 0; i <= last; i++)
        for (int k = 0; k < OP_PARAMS; k++)
            if (net_op_at(net, i)->param[k])
                net_op_at(net, i)->param[k]->trainable = false;
}

static bool learns(const struct op *op)
{
    for (int k = 0; k < OP_PARAMS; k++)
        if (op->param[k] && op->param[k]->trainable)
            return true;
    return false;
}

static void fix_stats(struct net *net)
{
    for (int i = 0; i < net_op_count(net); i++) {
        struct op *op = net_op_at(net, i);
        if (op->def == &op_batchnorm && !learns(op))
            op->attr.fixed_stats = true;
    }
}

void freeze(struct net *net, const char *what, bool fixed_stats)
{
    if (strcmp(what, "none") == 0 || !*what)
        return;
    if (strcmp(what, "backbone") == 0)
        freeze_backbone(net);
    else if (strncmp(what, "blocks:", 7) == 0)
        freeze_blocks(net, what + 7);
    else
        freeze_list(net, what);
    if (fixed_stats)
        fix_stats(net);
    if (!net_trainable_elements(net))
        net_fail(net, "init.freeze: '%.80s' leaves nothing to train", what);
}

size_t net_trainable_elements(struct net *net)
{
    size_t sum = 0;
    for (int i = 0; i < net_param_count(net); i++)
        if (net_param(net, i)->trainable)
            sum += tensor_elements(net_param(net, i));
    return sum;
}

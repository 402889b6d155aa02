/* trainer_plan.c -- what a run would be: data, device, layers, memory; nothing trained,
 * nothing written. */
#include "trainer_parts.h"

static void say_layer(struct trainer *t, const struct op *op)
{
    const struct tensor *out = op->out[0];
    char shape[48], count[24] = "";
    size_t parameters = 0;
    for (int i = 0; i < OP_PARAMS; i++)
        parameters += op->param[i] ? tensor_elements(op->param[i]) : 0;
    if (parameters)
        snprintf(count, sizeof(count), "  %10zu", parameters);
    else if (op->attr.p > 0)
        snprintf(count, sizeof(count), "    p=%.4f", (double)op->attr.p);
    snprintf(shape, sizeof(shape), "%dx%dx%d", out->shape[1], out->shape[2],
             out->shape[3]);
    trainer_say(t, "%-24s  %-12s  %11s%s", op->name, op->def->name, shape, count);
}

static void say_layers(struct trainer *t)
{
    trainer_say(t, "%-24s  %-12s  %11s  %10s", "layer", "operator", "output",
                "weights");
    for (int i = 0; i < net_op_count(t->net); i++)
        if (net_op_at(t->net, i)->def != &op_fork)
            say_layer(t, net_op_at(t->net, i));
}

static double mib(size_t bytes)
{
    return (double)bytes / 1048576;
}

static void say_memory(struct trainer *t)
{
    const struct net_bytes b = net_memory_parts(t->net);
    size_t state = 0;
    for (int i = 0; i < optim_state_count(t->opt); i++)
        state += tensor_bytes(optim_state(t->opt, i));
    trainer_say(t,
                "memory for %d images: activations %.2f MiB, parameters %.2f MiB, "
                "gradients %.2f MiB, buffers %.2f MiB, optimizer %.2f MiB; in all %.2f "
                "MiB",
                net_input(t->net)->shape[0], mib(b.activations), mib(b.parameters),
                mib(b.gradients), mib(b.buffers), mib(state),
                mib(net_memory(t->net) + state));
}

int trainer_plan(struct config *cfg, const struct trainer_watch *watch,
                 struct sluice_error *err)
{
    struct trainer t = { .cfg = cfg, .watch = watch };
    const int rc = trainer_open_parts(&t, err);
    if (rc == 0) {
        trainer_describe(&t);
        say_layers(&t);
        say_memory(&t);
    }
    trainer_close(&t);
    return rc;
}

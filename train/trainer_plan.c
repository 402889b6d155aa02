/* trainer_plan.c -- what a run is, in words: data, device, network; and what one would
 * be, with its layers and memory, nothing trained and nothing written. */
#include <inttypes.h>
#include <string.h>

#include "freeze.h"
#include "trainer_parts.h"

static void describe_feed(struct trainer *t, const char *what, const struct feed *feed,
                          const struct data_info *info)
{
    struct sluice_loader_stats stats;
    sluice_loader_stats(feed->loader, &stats);
    trainer_say(t, "%s  %s: %" PRIu64 " images of %dx%dx%d, %d classes; io %s: %s",
                what, info->path, info->used, info->source.height, info->source.width,
                info->source.channels, info->classes, sluice_io_name(stats.io),
                stats.io_reason);
    if (sluice_dataset_damaged_slot(info->dataset) >= 0)
        trainer_say(t, "%s  %s: commit slot %d is damaged: the last append may be lost",
                    what, info->path, sluice_dataset_damaged_slot(info->dataset));
}

/* Of a run for a look at whether a network learns at all. */
static void say_seen(struct trainer *t, const char *what, const struct data_info *info)
{
    if (trainer_same_images(&t->train_info, info))
        trainer_say(t, "%s  the images it is trained on: no measure of what it learns",
                    what);
}

/* What a run of other weights begins with, and what of them is trained. */
static void describe_start(struct trainer *t)
{
    const struct pretrained_report *r = &t->pretrained;
    const size_t all = net_param_elements(t->net);
    const size_t trained = net_trainable_elements(t->net);
    if (r->copied)
        trainer_say(t, "init   %s: %d tensors copied, %d unused; %d left as made%s%s",
                    r->path, r->copied, r->unused, r->left, r->left ? ": " : "",
                    r->names);
    if (strcmp(t->cfg->init.freeze, "none") != 0)
        trainer_say(t, "frozen %s: %zu parameters, %zu (%.1f%%) are trained",
                    t->cfg->init.freeze, all - trained, trained,
                    100.0 * (double)trained / (double)all);
}

void trainer_say_slow(struct trainer *t)
{
    const int slow = t->ahead ? ahead_own_directions(t->ahead) : 0;
    if (slow > t->slow_told)
        trainer_say(t,
                    "slow: cuDNN has no deterministic algorithm for %d directions of "
                    "convolutions; own kernels take their place",
                    slow);
    t->slow_told = slow;
}

void trainer_describe(struct trainer *t)
{
    if (*t->run.path)
        trainer_say(t, "run    %s", t->run.path);
    describe_feed(t, "train", &t->train, &t->train_info);
    if (t->test.loader)
        describe_feed(t, t->validated ? "valid" : "test ", &t->test, &t->test_info);
    if (t->final.loader)
        describe_feed(t, "test ", &t->final, &t->final_info);
    say_seen(t, t->validated ? "valid" : "test ", &t->test_info);
    say_seen(t, "test ", &t->final_info);
    trainer_say(t, "augment %s (%s)", t->cfg->data.augment,
                sluice_augment_path(t->train.augment));
    trainer_say(t, "device %s", t->dev->about);
    if (t->ranks)
        trainer_say(t, "ranks  %d processes, %d images each a step; sums by %s",
                    ranks_count(t->ranks), t->cfg->training.batch_size,
                    t->ahead ? ahead_sums(t->ahead) : "MPI");
    if (t->ahead)
        trainer_say(t, "images %s, augmented by it; steps %s",
                    ahead_is_resident(t->ahead) ? "all in the GPU's memory"
                                                : "streamed to the GPU",
                    t->cfg->run.profile ? "timed, operator by operator"
                                        : "replayed as graphs");
    trainer_say_slow(t);
    trainer_say(t, "model  %s: %zu parameters, %.1f MFLOP an image, %.0f MiB",
                t->model->name, net_param_elements(t->net), net_flops(t->net) / 1e6,
                (double)net_memory(t->net) / 1048576);
    describe_start(t);
    if (t->at.step)
        trainer_say(t,
                    "continues at epoch %" PRIu64 ", batch %" PRIu64 ", step %" PRIu64
                    " of %" PRIu64,
                    t->at.epoch + 1, t->at.batch, t->at.step, t->total_steps);
}

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
    int rc = trainer_check_test_range(&t, err);
    if (rc == 0)
        rc = trainer_open_parts(&t, err);
    if (rc == 0)
        rc = trainer_distill_try(&t, err);
    if (rc == 0)
        rc = trainer_init_weights(&t, err);
    if (rc == 0) {
        trainer_describe(&t);
        say_layers(&t);
        say_memory(&t);
    }
    trainer_close(&t);
    return rc;
}

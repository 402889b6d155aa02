/* trainer.c -- the loop; see trainer.h. Read train_steps first. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device_memory.h"
#include "trainer_parts.h"

bool trainer_stopped(const struct trainer *t)
{
    const bool stopped = t->watch->stopped && t->watch->stopped(t->watch->ctx);
    return ranks_any(t->ranks, stopped);
}

int trainer_save_last(struct trainer *t, struct sluice_error *err)
{
    int rc = trainer_save(t, "last", err);
    t->saved_at = clock_seconds();
    return rc;
}

int trainer_stop_here(struct trainer *t, struct sluice_error *err)
{
    int rc = trainer_save_last(t, err);
    if (rc < 0)
        return rc;
    trainer_say(t, "stopped at epoch %" PRIu64 ", batch %" PRIu64, t->at.epoch + 1,
                t->at.batch);
    return sluice_fail(err, SLUICE_ESTOPPED,
                       "stopped at epoch %" PRIu64 ", batch %" PRIu64
                       "; continue with: sluice train resume=%s",
                       t->at.epoch + 1, t->at.batch, t->run.path);
}

static const char *what_is_kept(const struct trainer *t)
{
    char path[RUN_PATH];
    const bool saved =
        *t->run.path &&
        access(run_file(path, &t->run, "checkpoints/last.safetensors"), F_OK) == 0;
    return saved ? "; the last checkpoint is kept" : "";
}

int trainer_check_loss(const struct trainer *t, double loss, double lr,
                       struct sluice_error *err)
{
    if (isfinite(loss))
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "epoch %" PRIu64 ", batch %" PRIu64
                       ": the loss is %g: training diverged at learning rate %.3g%s",
                       t->at.epoch + 1, t->at.batch, isnan(loss) ? fabs(loss) : loss,
                       lr, what_is_kept(t));
}

int trainer_check_test(const struct trainer *t, const struct data_info *info,
                       struct sluice_error *err)
{
    if (!t->evaluation.no_number)
        return 0;
    const uint64_t last = t->at.step ? t->at.step - 1 : 0;
    ranks_found_by_all(t->ranks);
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: sample %" PRIu64 ": after step %" PRIu64
                       " the network's outputs are no numbers (NaN): training diverged "
                       "at learning rate %.3g%s",
                       info->path, t->evaluation.no_number->id, t->at.step,
                       schedule_at(&t->schedule, last).lr, what_is_kept(t));
}

uint64_t trainer_rank_seed(const struct trainer *t)
{
    return t->cfg->seed ^ (uint64_t)ranks_self(t->ranks) << 53;
}

int trainer_spread(struct trainer *t, struct tensor *tensor, struct sluice_error *err)
{
    const size_t bytes = tensor_bytes(tensor);
    void *copy = t->ranks ? malloc(bytes) : NULL;
    if (!t->ranks)
        return 0;
    if (!copy)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", bytes);
    int rc = device_read(t->dev, copy, tensor->data, bytes, err);
    if (rc == 0) {
        ranks_spread(t->ranks, copy, bytes);
        rc = device_write(t->dev, tensor->data, copy, bytes, err);
    }
    free(copy);
    return rc;
}

/* The batch into the network's input, mixed on the way where the recipe says so. */
static int take_images(struct trainer *t, const struct sluice_batch *b, void *input,
                       struct sluice_error *err)
{
    if (t->mixes)
        return sluice_augment_mix(t->train.augment, b, input, t->mixes, err);
    memcpy(input, b->pixels, (size_t)b->count * sluice_shape_bytes(&b->shape));
    return 0;
}

/* What all ranks together found, and the mean of their images' gradients. Returns how
 * many images these are. */
static int join_ranks(struct trainer *t, struct pass *pass, int images)
{
    const int own = images;
    size_t count;
    float *gradients = net_gradients(t->net, &count);
    if (!t->ranks)
        return images;
    trainer_heads_join(t, pass, &images);
    const float share = (float)((double)own / images);
    for (size_t i = 0; i < count; i++)
        gradients[i] *= share;
    ranks_sum_floats(t->ranks, gradients, count);
    return images;
}

/* Forward, backward, update: weights of step n from those of step n - 1. */
static int step(struct trainer *t, const struct sluice_batch *b, struct pass *pass,
                struct schedule_value now, int *images, struct sluice_error *err)
{
    const struct tensor *in = net_input(t->net);
    int rc;
    *pass = (struct pass){ .training = true,
                           .seed = trainer_rank_seed(t),
                           .step = t->at.step,
                           .labels = b->labels + t->train_info.label_column,
                           .label_stride = b->label_columns,
                           .mixes = t->mixes };
    if ((rc = net_resize(t->net, b->count, err)) < 0)
        return rc;
    if ((rc = take_images(t, b, in->data, err)) < 0 ||
        (rc = trainer_distill_step(t, b, pass, err)) < 0)
        return rc;
    if ((rc = net_forward(t->net, pass, err)) < 0)
        return rc;
    if ((rc = trainer_check_loss(t, pass->loss, now.lr, err)) < 0 ||
        (rc = net_backward(t->net, pass, err)) < 0)
        return rc;
    *images = join_ranks(t, pass, b->count);
    if ((rc = trainer_gradients_record(t, err)) < 0)
        return rc;
    const double before = clock_seconds();
    optim_step(t->opt, now.lr, now.momentum);
    t->profile.optimizer += clock_seconds() - before;
    return 0;
}

static void tell_progress(struct trainer *t, double lr)
{
    const struct epoch_sums *s = &t->sums;
    const double rate = s->seconds > 0 ? (double)s->images / s->seconds : 0;
    const uint64_t left = t->total_steps - t->at.step;
    const struct trainer_progress now = {
        .epoch = (int)t->at.epoch + 1,
        .epochs = t->total_epochs,
        .step = t->at.step,
        .steps = t->total_steps,
        .images = s->images,
        .loss = s->loss / (double)s->images,
        .accuracy = s->correct / (double)s->images,
        .lr = lr,
        .images_per_second = rate,
        .wait = s->seconds > 0 ? s->wait / s->seconds : 0,
        .seconds_left = (double)left * s->seconds / (double)t->at.batch,
    };
    if (t->watch->step)
        t->watch->step(t->watch->ctx, &now);
}

/* Account for one finished step and move on to the next batch. */
int trainer_advance(struct trainer *t, const struct pass *pass, int images, double wait,
                    double seconds, struct schedule_value now, struct sluice_error *err)
{
    int rc = 0;
    t->sums.loss += pass->loss * images;
    t->sums.correct += pass->correct;
    trainer_distill_count(t, images);
    t->sums.images += (uint64_t)images;
    trainer_heads_add(t, pass, images);
    t->sums.wait += wait;
    t->sums.seconds += seconds;
    t->total_seconds += seconds;
    t->profile.wait += wait;
    t->profile.total += seconds;
    t->profile.images += (uint64_t)images;
    t->profile.steps++;
    t->at.step++;
    t->at.batch++;
    if (t->at.step < t->total_steps && (!t->ahead || ahead_count(t->ahead) == 0))
        profile_forget_first(&t->profile);
    if (t->steps && t->at.step % (uint64_t)t->cfg->run.log_every == 0)
        rc = trainer_record_step(t, pass->loss, pass->correct / images, now, err);
    tell_progress(t, now.lr);
    return rc;
}

bool trainer_epoch_done(const struct trainer *t)
{
    return t->at.batch >= t->steps_per_epoch || t->at.step >= t->total_steps;
}

bool trainer_time_to_save(const struct trainer *t)
{
    const double every = t->cfg->run.checkpoint_every_seconds;
    return every > 0 && ranks_any(t->ranks, clock_seconds() - t->saved_at >= every);
}

/* The rest of the present epoch, batch by batch. */
static int train_steps(struct trainer *t, struct sluice_error *err)
{
    const struct sluice_batch *b;
    struct pass pass;
    int images, rc = sluice_loader_seek(t->train.loader, (uint32_t)t->at.epoch,
                                        t->at.batch, err);
    net_freeze(t->net, t->at.epoch);
    while (rc == 0 && !trainer_epoch_done(t)) {
        if (trainer_stopped(t))
            return trainer_stop_here(t, err);
        const double asked = clock_seconds();
        const int n = sluice_loader_next(t->train.loader, &b, err);
        const double got = clock_seconds();
        if (n <= 0)
            return n < 0 ? n
                         : sluice_fail(err, SLUICE_ECORRUPT,
                                       "%.300s: the epoch ended at batch %" PRIu64
                                       " of %" PRIu64,
                                       t->cfg->data.train, t->at.batch,
                                       t->steps_per_epoch);
        const struct schedule_value now = schedule_at(&t->schedule, t->at.step);
        rc = step(t, b, &pass, now, &images, err);
        sluice_loader_release(t->train.loader, b);
        if (rc == 0)
            rc = trainer_advance(t, &pass, images, got - asked, clock_seconds() - asked,
                                 now, err);
        if (rc == 0 && !trainer_epoch_done(t) && trainer_time_to_save(t))
            rc = trainer_save_last(t, err);
    }
    return rc;
}

static int run(struct config *cfg, const char *folder,
               const struct trainer_watch *watch, struct trainer_result *result,
               struct sluice_error *err)
{
    struct trainer t = { .cfg = cfg,
                         .watch = watch,
                         .began = clock_seconds(),
                         .load = machine_load_read("/proc/stat") };
    const struct trainer_watch silent = { .ctx = watch->ctx,
                                          .stopped = watch->stopped };
    int rc = ranks_open(&t.ranks, err);
    result->rank = ranks_self(t.ranks);
    if (result->rank)
        t.watch = &silent;
    if (rc == 0)
        rc = trainer_open(&t, folder, err);
    t.saved_at = clock_seconds();
    while (rc == 0 && !trainer_is_over(&t)) {
        rc = t.ahead ? trainer_train_ahead(&t, err) : train_steps(&t, err);
        if (rc == 0)
            rc = trainer_finish_epoch(&t, err);
    }
    if (rc == 0)
        rc = trainer_finish_run(&t, result, err);
    if (rc < 0 && rc != SLUICE_ESTOPPED && err) {
        if (t.log)
            fprintf(t.log, "ended by an error: %s\n", err->message);
        ranks_end(t.ranks, err);
    }
    trainer_close(&t);
    return rc;
}

int trainer_run(struct config *cfg, const struct trainer_watch *watch,
                struct trainer_result *result, struct sluice_error *err)
{
    return run(cfg, NULL, watch, result, err);
}

int trainer_resume(struct config *cfg, const char *folder,
                   const struct trainer_watch *watch, struct trainer_result *result,
                   struct sluice_error *err)
{
    return run(cfg, folder, watch, result, err);
}

/* trainer_ahead.c -- the loop of an epoch on a device that runs behind the host: steps
 * are pushed until there are enough of them, and accounted for when they are done. */
#include <inttypes.h>
#include <string.h>

#include "device_memory.h"
#include "trainer_parts.h"

int trainer_open_ahead(struct trainer *t, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    if (!device_has_memory(t->dev))
        return 0;
    const struct ahead_options options = {
        .net = t->net,
        .opt = t->opt,
        .feed = &t->train,
        .info = &t->train_info,
        .batch_size = cfg->training.batch_size,
        .seed = trainer_rank_seed(t),
        .timed = cfg->run.profile,
        .resident = t->resident,
        .ranks = t->ranks,
    };
    return ahead_open(&t->ahead, &options, err);
}

/* The next step that is not pushed yet. */
static int push(struct trainer *t, struct sluice_error *err)
{
    const uint64_t more = (uint64_t)ahead_count(t->ahead);
    struct ahead_step s = { .step = t->at.step + more,
                            .epoch = (uint32_t)t->at.epoch,
                            .number = t->at.batch + more };
    s.now = schedule_at(&t->schedule, s.step);
    if (!ahead_is_resident(t->ahead)) {
        const double asked = clock_seconds();
        const int n = sluice_loader_next(t->train.loader, &s.batch, err);
        s.wait = clock_seconds() - asked;
        if (n <= 0)
            return n < 0
                       ? n
                       : sluice_fail(err, SLUICE_ECORRUPT,
                                     "%.300s: the epoch ended at batch %" PRIu64
                                     " of %" PRIu64,
                                     t->cfg->data.train, s.number, t->steps_per_epoch);
    }
    return ahead_push(t->ahead, &s, err);
}

static bool all_pushed(const struct trainer *t)
{
    const uint64_t more = (uint64_t)ahead_count(t->ahead);
    return t->at.batch + more >= t->steps_per_epoch ||
           t->at.step + more >= t->total_steps;
}

/* 1: a step was accounted for. */
static int pull(struct trainer *t, bool block, double *since, struct sluice_error *err)
{
    struct ahead_done done;
    int rc = ahead_pull(t->ahead, &done, block, err);
    if (rc <= 0)
        return rc;
    struct pass pass = { .loss = done.loss, .correct = done.correct };
    memcpy(pass.head, done.head, sizeof(pass.head));
    if ((rc = trainer_check_loss(t, done.loss, done.now.lr, err)) < 0)
        return rc;
    const double now = clock_seconds();
    t->profile.optimizer += done.optimizer;
    rc = trainer_advance(t, &pass, done.images, done.wait, now - *since, done.now, err);
    *since = now;
    return rc < 0 ? rc : 1;
}

/* Stop, save, or push a step: where there is room for one, as all ranks come by here
 * equally often, although their GPUs may not be equally far. */
static int go_on(struct trainer *t, bool *moved, double *since,
                 struct sluice_error *err)
{
    const bool stop = trainer_stopped(t);
    int rc = 0;
    if (!stop && !(*moved && trainer_time_to_save(t))) {
        *moved = true;
        return push(t, err);
    }
    while (ahead_count(t->ahead) && rc >= 0)
        rc = pull(t, true, since, err);
    *moved = false;
    if (rc < 0)
        return rc;
    return stop ? trainer_stop_here(t, err) : trainer_save_last(t, err);
}

int trainer_train_ahead(struct trainer *t, struct sluice_error *err)
{
    double since = clock_seconds();
    bool moved = false; /* since the last checkpoint */
    int rc = 0;
    if (!ahead_is_resident(t->ahead))
        rc = sluice_loader_seek(t->train.loader, (uint32_t)t->at.epoch, t->at.batch,
                                err);
    net_freeze(t->net, t->at.epoch);
    while (rc >= 0 && !trainer_epoch_done(t)) {
        if (all_pushed(t) || ahead_full(t->ahead))
            rc = pull(t, true, &since, err);
        else
            rc = go_on(t, &moved, &since, err);
        while (rc >= 0 && (rc = pull(t, false, &since, err)) > 0)
            ;
    }
    return rc < 0 ? rc : 0;
}

/* trainer_finish.c -- what comes behind the last batch, of an epoch and of the run:
 * tests, rows, checkpoints, the result. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "outputs.h"
#include "trainer_parts.h"

/* One line for each damaged image that training came upon since, and for what a GPU
 * turned out to be slow at. */
static void tell_news(struct trainer *t)
{
    static const char *const done[] = { "", "skipped", "substituted" };
    struct sluice_damage d;
    while (sluice_loader_damage(t->train.loader, t->damage_told, &d) == 0) {
        t->damage_told++;
        trainer_say(t, "damaged, %s: %s", done[t->cfg->data.on_error], d.message);
    }
    trainer_say_slow(t);
}

/* Rank 0's running statistics are the network's; others differ, and train without. */
static int measure(struct trainer *t, struct feed *feed, const struct data_info *info,
                   struct sluice_error *err)
{
    const struct tta tta = evaluate_tta(t->cfg);
    int rc = 0;
    for (int i = 0; i < net_buffer_count(t->net) && rc == 0; i++)
        rc = trainer_spread(t, net_buffer(t->net, i), err);
    if (rc < 0)
        return rc;
    evaluation_free(&t->evaluation);
    rc = evaluate(&t->evaluation, t->net, feed->loader, info, &tta, t->ranks, err);
    return rc < 0 ? rc : trainer_check_test(t, info, err);
}

static int test(struct trainer *t, struct sluice_error *err)
{
    t->evaluated_step = t->at.step;
    return measure(t, &t->test, &t->test_info, err);
}

static bool test_is_due(const struct trainer *t)
{
    const int every = t->cfg->eval.every;
    const uint64_t finished = t->at.epoch + 1;
    return t->test.loader &&
           (t->at.step >= t->total_steps || (every && finished % (uint64_t)every == 0));
}

static bool checkpoint_is_due(const struct trainer *t)
{
    const int every = t->cfg->run.checkpoint_every_epochs;
    return trainer_is_over(t) || (every && t->at.epoch % (uint64_t)every == 0);
}

static void fill_row(struct trainer *t)
{
    const struct epoch_sums *s = &t->sums;
    const struct schedule_value v = schedule_at(&t->schedule, t->at.step - 1);
    t->last = (struct epoch_row){
        .epoch = (int)t->at.epoch + 1,
        .step = t->at.step,
        .loss = s->loss / (double)s->images,
        .accuracy = s->correct / (double)s->images,
        .test_loss = (double)NAN,
        .test_accuracy = (double)NAN,
        .lr = v.lr,
        .momentum = v.momentum,
        .seconds = s->seconds,
        .images_per_second = s->seconds > 0 ? (double)s->images / s->seconds : 0,
        .wait = s->seconds > 0 ? s->wait / s->seconds : 0,
        .memory_mib = trainer_resident_mib(),
        .validated = t->validated,
    };
    trainer_heads_row(t);
}

static int save_best(struct trainer *t, struct sluice_error *err)
{
    const int rc = trainer_save(t, "best", err);
    return rc < 0 || ranks_self(t->ranks)
               ? rc
               : outputs_publish(&t->run, "best", t->cfg->run.name, "best", err);
}

/* Those epochs' weights stay when later ones are saved. */
static int keep_epoch(struct trainer *t, struct sluice_error *err)
{
    const int every = t->cfg->run.keep_every_epochs;
    char name[48];
    if (!every || t->at.epoch % (uint64_t)every != 0)
        return 0;
    snprintf(name, sizeof(name), "epoch_%" PRIu64, t->at.epoch);
    return trainer_save(t, name, err);
}

/* The row comes before the checkpoint that counts the epoch as
 * done: a crash in between writes the row again, never loses it. */
int trainer_finish_epoch(struct trainer *t, struct sluice_error *err)
{
    const bool tested = test_is_due(t);
    bool best = false;
    int rc = 0;
    tell_news(t);
    fill_row(t);
    if (tested) {
        if ((rc = test(t, err)) < 0)
            return rc;
        t->last.test_loss = t->evaluation.loss;
        t->last.test_accuracy = t->evaluation.accuracy;
        trainer_heads_tested(t);
        best = t->evaluation.accuracy > t->at.best_accuracy;
        if (best)
            t->at.best_accuracy = t->evaluation.accuracy;
    }
    if ((rc = trainer_record_epoch(t, err)) < 0)
        return rc;
    if (tested)
        trainer_steer(t);
    t->at.epoch++;
    t->at.batch = 0;
    t->sums = (struct epoch_sums){ 0 };
    if (best && (rc = save_best(t, err)) < 0)
        return rc;
    if ((rc = keep_epoch(t, err)) < 0)
        return rc;
    return checkpoint_is_due(t) ? trainer_save_last(t, err) : 0;
}

/* Continuing a run that was complete already: its last row stands in the file. */
static int recall_last_row(struct trainer *t, struct sluice_error *err)
{
    struct epoch_row *rows;
    char path[RUN_PATH];
    int n, rc = metrics_read(&rows, &n, run_file(path, &t->run, "metrics.csv"), err);
    if (rc == 0 && n)
        t->last = rows[n - 1];
    free(rows);
    return rc;
}

/* The set of the end, where another one was watched until now. */
static int final_test(struct trainer *t, struct sluice_error *err)
{
    t->evaluated_step = UINT64_MAX;
    return measure(t, &t->final, &t->final_info, err);
}

/* Where a model of layout `outputs` stands. */
static void say_model(struct trainer *t, const char *kind)
{
    char path[RUN_PATH];
    if (*outputs_model(path, &t->run, kind, t->cfg->run.name))
        trainer_say(t, "%-6s %s", kind, path);
}

static void say_result(struct trainer *t, const struct trainer_result *r)
{
    if (t->validated)
        trainer_say(t, "validation accuracy %.2f%% (best %.2f%%)",
                    100 * r->validation_accuracy, 100 * r->best_accuracy);
    if (t->validated && isfinite(r->accuracy))
        trainer_say(t, "test accuracy %.2f%% after %d epochs, %.1f s of training",
                    100 * r->accuracy, (int)t->at.epoch, r->seconds);
    else if (isfinite(r->accuracy))
        trainer_say(t,
                    "test accuracy %.2f%% (best %.2f%%) after %d epochs, %.1f s of "
                    "training",
                    100 * r->accuracy, 100 * r->best_accuracy, (int)t->at.epoch,
                    r->seconds);
    if (t->test.loader)
        say_model(t, "best");
    say_model(t, "final");
}

int trainer_finish_run(struct trainer *t, struct trainer_result *result,
                       struct sluice_error *err)
{
    int rc = 0;
    if (!t->last.epoch && !ranks_self(t->ranks))
        rc = recall_last_row(t, err);
    if (rc == 0 && t->test.loader && t->evaluated_step != t->at.step)
        rc = test(t, err);
    if (rc < 0)
        return rc;
    *result = (struct trainer_result){
        .run = t->run,
        .rank = ranks_self(t->ranks),
        .seconds = t->total_seconds,
        .accuracy = (double)NAN,
        .validation_accuracy = (double)NAN,
        .best_accuracy = t->test.loader ? t->at.best_accuracy : (double)NAN,
    };
    if (t->test.loader)
        *(t->validated ? &result->validation_accuracy : &result->accuracy) =
            t->evaluation.accuracy;
    if (t->final.loader) {
        if ((rc = final_test(t, err)) < 0)
            return rc;
        result->accuracy = t->evaluation.accuracy;
    }
    if (ranks_self(t->ranks))
        return 0;
    if ((rc = trainer_record_end(t, result, err)) < 0 ||
        (rc = outputs_publish(&t->run, "final", t->cfg->run.name, "last", err)) < 0)
        return rc;
    say_result(t, result);
    return trainer_flush_log(t, err);
}

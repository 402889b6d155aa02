/* trainer_record.c -- what a run writes about itself: log, tables, events, plots,
 * checkpoints and the summary. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "plot.h"
#include "text_write.h"
#include "trainer_parts.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0"
#endif

double trainer_resident_mib(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    double size, resident = (double)NAN;
    if (!f)
        return resident;
    if (fscanf(f, "%lf %lf", &size, &resident) != 2)
        resident = (double)NAN;
    fclose(f);
    return resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

/* The most that it ever was. */
static double peak_mib(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024
                                               : (double)NAN;
}

void trainer_say(struct trainer *t, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (t->log)
        fprintf(t->log, "%s\n", line);
    if (t->watch->message)
        t->watch->message(t->watch->ctx, line);
}

int trainer_flush_log(struct trainer *t, struct sluice_error *err)
{
    char path[RUN_PATH];
    if (ranks_self(t->ranks))
        return 0;
    return file_flush(t->log, run_file(path, &t->run, "log.txt"), err);
}

void trainer_load_extra(struct trainer *t)
{
    t->sums = (struct epoch_sums){
        .loss = extra_number(&t->at, "loss_sum", 0),
        .correct = extra_number(&t->at, "correct", 0),
        .hard = extra_number(&t->at, "hard_sum", 0),
        .soft = extra_number(&t->at, "soft_sum", 0),
        .images = (uint64_t)extra_number(&t->at, "images", 0),
        .seconds = extra_number(&t->at, "seconds", 0),
        .wait = extra_number(&t->at, "wait", 0),
    };
    trainer_heads_load(t);
    t->total_seconds = extra_number(&t->at, "total_seconds", 0);
}

/* A copy of a checkpoint says alone what it was trained with. */
static int save_with_recipe(struct trainer *t, const char *path,
                            struct sluice_error *err)
{
    char *recipe = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&recipe, &size);
    if (to)
        config_write(to, t->cfg, NULL);
    if (!to || fclose(to)) {
        free(recipe);
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    }
    t->at.recipe = recipe;
    const int rc = checkpoint_save(path, t->net, t->opt, &t->at, err);
    t->at.recipe = NULL;
    free(recipe);
    return rc;
}

/* What was recorded until now, before a checkpoint that will not record it again. */
static int sync_records(struct trainer *t, struct sluice_error *err)
{
    struct table *const tables[] = { t->epochs, t->steps, t->gradients, t->distilled };
    int rc = t->events ? tfevents_sync(t->events, err) : 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        rc = table_sync(tables[i], err);
    if (rc == 0 && t->wandb)
        rc = wandb_sync(t->wandb, err);
    return rc;
}

int trainer_save(struct trainer *t, const char *name, struct sluice_error *err)
{
    char path[RUN_PATH], file[64], steering[512], heads[TRAINER_HEADS_TEXT];
    const struct sluice_shape shape = sluice_augment_shape(t->train.augment);
    if (ranks_self(t->ranks))
        return 0;
    snprintf(t->at.extra, sizeof(t->at.extra),
             "{\"classes\":%d,\"class_names\":%" PRIu32
             ",\"height\":%d,\"width\":%d,\"channels\":%d,"
             "\"train_images\":%" PRIu64
             ",\"ranks\":%d,\"loss_sum\":%.17g,\"correct\":%.17g"
             ",\"images\":%" PRIu64 ",\"seconds\":%.17g,\"wait\":%.17g,"
             "\"hard_sum\":%.17g,\"soft_sum\":%.17g,\"teacher_crc\":%" PRIu32
             ",\"total_seconds\":%.17g,\"accuracy\":%.17g%s%s}",
             t->classes, data_info_names(&t->train_info), shape.height, shape.width,
             shape.channels, t->train_info.used, ranks_count(t->ranks), t->sums.loss,
             t->sums.correct, t->sums.images, t->sums.seconds, t->sums.wait,
             t->sums.hard, t->sums.soft, t->teacher.crc, t->total_seconds,
             t->evaluated_step == t->at.step ? t->evaluation.accuracy : -1.0,
             trainer_steering_text(steering, t), trainer_heads_save(heads, t));
    snprintf(file, sizeof(file), "checkpoints/%s.safetensors", name);
    const int rc = sync_records(t, err);
    return rc < 0 ? rc : save_with_recipe(t, run_file(path, &t->run, file), err);
}

int trainer_record_step(struct trainer *t, double loss, double accuracy,
                        struct schedule_value now, struct sluice_error *err)
{
    const struct step_row row = { t->at.step, (int)t->at.epoch + 1, loss, accuracy,
                                  now.lr,     now.momentum };
    tfevents_scalar(t->events, "step/loss", row.step, loss);
    tfevents_scalar(t->events, "step/learning_rate", row.step, now.lr);
    if (t->wandb) {
        wandb_value(t->wandb, "step/loss", row.step, loss);
        wandb_value(t->wandb, "step/learning_rate", row.step, now.lr);
    }
    return table_step(t->steps, &row, err);
}

void trainer_event(struct trainer *t, const char *tag, double value)
{
    if (!isfinite(value))
        return;
    tfevents_scalar(t->events, tag, t->last.step, value);
    if (t->wandb)
        wandb_value(t->wandb, tag, t->last.step, value);
}

/* What the table of epochs has beside the events. */
static int record_wandb_epoch(struct trainer *t, struct sluice_error *err)
{
    const struct epoch_row *r = &t->last;
    if (!t->wandb)
        return 0;
    wandb_value(t->wandb, "epoch", r->step, r->epoch);
    wandb_value(t->wandb, "momentum", r->step, r->momentum);
    wandb_value(t->wandb, "seconds", r->step, r->seconds);
    wandb_value(t->wandb, "wait", r->step, r->wait);
    wandb_value(t->wandb, "memory_mib", r->step, r->memory_mib);
    return wandb_flush(t->wandb, err);
}

static int record_wandb_end(struct trainer *t, const struct trainer_result *r,
                            struct sluice_error *err)
{
    if (!t->wandb)
        return 0;
    wandb_summary(t->wandb, "test/accuracy", r->accuracy);
    wandb_summary(t->wandb, "validation/accuracy", r->validation_accuracy);
    wandb_summary(t->wandb, "best_accuracy", r->best_accuracy);
    wandb_summary(t->wandb, "train_seconds", r->seconds);
    return wandb_finish(t->wandb, err);
}

int trainer_record_epoch(struct trainer *t, struct sluice_error *err)
{
    const struct epoch_row *r = &t->last;
    char line[256];
    int rc;
    if (ranks_self(t->ranks))
        return 0;
    trainer_event(t, "train/loss", r->loss);
    trainer_event(t, "train/accuracy", r->accuracy);
    trainer_event(t, r->validated ? "validation/loss" : "test/loss", r->test_loss);
    trainer_event(t, r->validated ? "validation/accuracy" : "test/accuracy",
                  r->test_accuracy);
    trainer_event(t, "learning_rate", r->lr);
    trainer_event(t, "images_per_second", r->images_per_second);
    fprintf(t->log, "%s\n", epoch_line(line, r, t->total_epochs));
    if (t->watch->epoch)
        t->watch->epoch(t->watch->ctx, r, t->total_epochs);
    trainer_heads_record(t);
    if ((rc = table_epoch(t->epochs, r, err)) < 0 ||
        (rc = trainer_distill_record(t, err)) < 0 ||
        (rc = tfevents_flush(t->events, err)) < 0 ||
        (rc = record_wandb_epoch(t, err)) < 0)
        return rc;
    return trainer_flush_log(t, err);
}

/* Of metrics.csv, accuracies in percent. */
struct columns {
    double *epoch, *loss, *test_loss, *accuracy, *test_accuracy, *lr;
};

static int draw_plots(struct trainer *t, int count, const struct columns *c,
                      struct sluice_error *err)
{
    const char *watched = t->validated ? "validation" : "test";
    const struct series loss[] = { { "train", c->loss }, { watched, c->test_loss } };
    const struct series accuracy[] = { { "train", c->accuracy },
                                       { watched, c->test_accuracy } };
    const struct series lr[] = { { "learning rate", c->lr } };
    const int lines = t->test.loader ? 2 : 1;
    const struct plot plots[] = {
        { "Loss", "epoch", "cross-entropy", c->epoch, count, loss, lines },
        { "Accuracy", "epoch", "%", c->epoch, count, accuracy, lines },
        { "Learning rate", "epoch", "learning rate", c->epoch, count, lr, 1 },
    };
    static const char *const files[] = { "plots/loss.svg", "plots/accuracy.svg",
                                         "plots/learning_rate.svg" };
    char path[RUN_PATH];
    int rc = 0;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = plot_write(run_file(path, &t->run, files[i]), &plots[i], err);
    return rc;
}

static int write_plots(struct trainer *t, struct sluice_error *err)
{
    struct epoch_row *rows;
    char path[RUN_PATH];
    int n, rc = metrics_read(&rows, &n, run_file(path, &t->run, "metrics.csv"), err);
    if (rc < 0)
        return rc;
    double *all = calloc((size_t)n * 6 + 1, sizeof(*all));
    if (!all) {
        free(rows);
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    }
    const struct columns c = { all,         all + n,     all + 2 * n,
                               all + 3 * n, all + 4 * n, all + 5 * n };
    for (int i = 0; i < n; i++) {
        c.epoch[i] = rows[i].epoch;
        c.loss[i] = rows[i].loss;
        c.test_loss[i] = rows[i].test_loss;
        c.accuracy[i] = 100 * rows[i].accuracy;
        c.test_accuracy[i] = 100 * rows[i].test_accuracy;
        c.lr[i] = rows[i].lr;
    }
    rc = draw_plots(t, n, &c, err);
    free(all);
    free(rows);
    return rc;
}

static void put_json_text(FILE *to, const char *key, const char *text)
{
    fprintf(to, "  \"%s\": ", key);
    write_quoted(to, text);
    fputs(",\n", to);
}

static void put_json_number(FILE *to, const char *key, double x)
{
    if (isfinite(x))
        fprintf(to, "  \"%s\": %.9g,\n", key, x);
    else
        fprintf(to, "  \"%s\": null,\n", key);
}

/* Of the final weights; `best` are other weights, chosen by the watched set. */
static void put_measured(FILE *to, const struct trainer *t,
                         const struct trainer_result *r)
{
    const struct data_info *test = t->validated ? &t->final_info : &t->test_info;
    if (t->validated) {
        put_json_number(to, "validation_images", (double)t->test_info.used);
        put_json_number(to, "validation_loss", t->last.test_loss);
        put_json_number(to, "validation_accuracy", r->validation_accuracy);
        put_json_number(to, "best_validation_accuracy", r->best_accuracy);
    }
    put_json_number(to, "test_images", (double)test->count);
    put_json_number(to, "test_loss", test->dataset ? t->evaluation.loss : (double)NAN);
    put_json_number(to, "test_accuracy", r->accuracy);
    if (!t->validated)
        put_json_number(to, "best_test_accuracy", r->best_accuracy);
}

static int write_summary(struct trainer *t, const struct trainer_result *r,
                         struct sluice_error *err)
{
    const struct machine_load now = machine_load_read("/proc/stat");
    char path[RUN_PATH], tta[64];
    struct new_file f;
    int rc = file_begin(&f, run_file(path, &t->run, "summary.json"), err);
    if (rc < 0)
        return rc;
    fputs("{\n", f.to);
    put_json_text(f.to, "version", SLUICE_VERSION);
    put_json_text(f.to, "model", t->model->name);
    put_json_text(f.to, "device", t->dev->about);
    put_json_text(f.to, "tta", config_choice(tta, "eval.tta", t->cfg->eval.tta));
    put_json_number(f.to, "parameters", (double)net_param_elements(t->net));
    put_json_number(f.to, "epochs", (double)t->at.epoch);
    put_json_text(f.to, "ended_by", trainer_ended_by(t));
    put_json_number(f.to, "steps", (double)t->at.step);
    put_json_number(f.to, "train_images", (double)t->train_info.used);
    put_measured(f.to, t, r);
    trainer_heads_summary(f.to, t);
    put_json_number(f.to, "train_loss", t->last.loss);
    put_json_number(f.to, "train_accuracy", t->last.accuracy);
    put_json_number(f.to, "images_per_second", t->last.images_per_second);
    put_json_number(f.to, "planned_memory_mib", (double)net_memory(t->net) / 1048576);
    put_json_number(f.to, "peak_memory_mib", peak_mib());
    put_json_number(f.to, "run_seconds", clock_seconds() - t->began);
    put_json_number(f.to, "other_load", machine_load_others(&t->load, &now));
    fprintf(f.to, "  \"train_seconds\": %.3f\n}\n", r->seconds);
    return file_commit(&f, err);
}

static void say_line(void *ctx, const char *text)
{
    trainer_say(ctx, "%s", text);
}

static int record_profile(struct trainer *t, struct sluice_error *err)
{
    struct profile_peaks peaks;
    char path[RUN_PATH];
    int rc;
    if (!t->profile.times || !t->profile.steps)
        return 0;
    if ((rc = profile_measure_peaks(&peaks, t->dev, err)) < 0 ||
        (rc = profile_write(&t->profile, &peaks,
                            run_file(path, &t->run, "profile.json"), err)) < 0)
        return rc;
    profile_print(&t->profile, &peaks, say_line, t);
    return 0;
}

int trainer_record_end(struct trainer *t, struct trainer_result *result,
                       struct sluice_error *err)
{
    int rc = 0;
    if (t->test.loader)
        rc = evaluation_write(
            &t->evaluation, t->final.loader ? &t->final_info : &t->test_info,
            (enum predictions_kind)t->cfg->eval.predictions, &t->run, err);
    if (rc == 0 && t->cfg->run.plots)
        rc = write_plots(t, err);
    if (rc == 0)
        rc = record_profile(t, err);
    if (rc == 0)
        rc = record_wandb_end(t, result, err);
    return rc < 0 ? rc : write_summary(t, result, err);
}

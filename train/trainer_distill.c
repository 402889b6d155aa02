/* trainer_distill.c -- a run that learns from a teacher, too: its logits, what they
 * count in each epoch, and what is said about that. */
#include <unistd.h>

#include "device_memory.h"
#include "trainer_parts.h"

static bool stopped(void *ctx)
{
    return trainer_stopped(ctx);
}

static void say(void *ctx, const char *line)
{
    trainer_say(ctx, "%s", line);
}

static int check(const struct trainer *t, struct sluice_error *err)
{
    if (device_has_memory(t->dev))
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "distill.teacher: not on device cuda; say device=cpu");
    if (ranks_count(t->ranks) > 1)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "distill.teacher: expected one process, found %d",
                           ranks_count(t->ranks));
    if (t->mixes)
        return sluice_fail(err, SLUICE_EINVAL,
                           "distill.teacher: images that are mixed (%.80s) have no "
                           "logits of a teacher",
                           t->cfg->data.augment);
    const double final = t->cfg->distill.temperature_final;
    if (final > 0 && final < 0.01) /* squared, it leaves no gradient */
        return sluice_fail(err, SLUICE_EINVAL,
                           "distill.temperature_final: expected 0, or a number from "
                           "0.01 to 1000, found %g",
                           final);
    return 0;
}

static struct teacher_ask asking(struct trainer *t)
{
    return (struct teacher_ask){ t->cfg, &t->train_info, t->classes, t->dev,
                                 t,      stopped,        say };
}

static int ask_teacher(struct trainer *t, struct sluice_error *err)
{
    const struct teacher_ask ask = asking(t);
    return teacher_run(&t->teacher, &ask, err);
}

int trainer_distill_try(struct trainer *t, struct sluice_error *err)
{
    const struct teacher_ask ask = asking(t);
    if (!*t->cfg->distill.teacher)
        return 0;
    const int rc = check(t, err);
    return rc < 0 ? rc : teacher_check(&ask, err);
}

int trainer_distill_begin(struct trainer *t, bool new_run, struct sluice_error *err)
{
    if (!*t->cfg->distill.teacher)
        return 0;
    const int rc = check(t, err);
    return rc < 0 || !new_run ? rc : ask_teacher(t, err);
}

int trainer_distill_keep(struct trainer *t, struct sluice_error *err)
{
    char path[RUN_PATH];
    const double crc = t->at.step ? extra_number(&t->at, "teacher_crc", -1) : -1;
    int rc = 0;
    if (!*t->cfg->distill.teacher)
        return 0;
    run_file(path, &t->run, "teacher_logits.npy");
    if (t->teacher.logits) {
        rc = teacher_save(&t->teacher, &t->run, err);
    } else if (t->at.step || access(path, F_OK) == 0) {
        rc = teacher_load(&t->teacher, &t->run, &t->train_info, t->classes, crc, err);
    } else { /* killed before they were written */
        rc = ask_teacher(t, err);
        rc = rc < 0 ? rc : teacher_save(&t->teacher, &t->run, err);
    }
    return rc < 0 ? rc
                  : table_open(&t->distilled, run_file(path, &t->run, "distill.csv"),
                               TABLE_DISTILL, t->at.epoch, err);
}

int trainer_distill_step(struct trainer *t, const struct sluice_batch *b,
                         struct pass *pass, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    const uint64_t epoch = t->at.epoch;
    if (!t->teacher.logits)
        return 0;
    t->distill.alpha =
        teacher_anneal(cfg->distill.alpha_start, cfg->distill.alpha_final,
                       cfg->distill.alpha_epochs, epoch);
    t->distill.temperature = teacher_anneal(cfg->distill.temperature,
                                            cfg->distill.temperature_final > 0
                                                ? cfg->distill.temperature_final
                                                : cfg->distill.temperature,
                                            cfg->distill.temperature_epochs, epoch);
    pass->distill = &t->distill;
    return teacher_rows(&t->teacher, b->ids, b->count, cfg->training.batch_size,
                        &t->distill.teacher, err);
}

void trainer_distill_count(struct trainer *t, int images)
{
    t->sums.hard += t->distill.hard * images;
    t->sums.soft += t->distill.soft * images;
}

int trainer_distill_record(struct trainer *t, struct sluice_error *err)
{
    const double images = (double)t->sums.images;
    const struct distill_row row = { .epoch = t->last.epoch,
                                     .step = t->last.step,
                                     .loss = t->last.loss,
                                     .student = t->sums.hard / images,
                                     .soft = t->sums.soft / images,
                                     .alpha = t->distill.alpha,
                                     .temperature = t->distill.temperature };
    if (!t->distilled)
        return 0;
    trainer_event(t, "distill/student_loss", row.student);
    trainer_event(t, "distill/distill_loss", row.soft);
    trainer_event(t, "distill/alpha", row.alpha);
    trainer_event(t, "distill/temperature", row.temperature);
    return table_distill(t->distilled, &row, err);
}

void trainer_distill_close(struct trainer *t)
{
    table_close(t->distilled);
    teacher_free(&t->teacher);
}

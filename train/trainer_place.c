/* trainer_place.c -- the folder of a run: made for a new one, found for one that goes
 * on, with its record and the files that grow. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_parts.h"
#include "run_config.h"
#include "trainer_parts.h"

static int write_config(struct trainer *t, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    int rc = file_begin(&f, run_file(path, &t->run, "config.yaml"), err);
    if (rc < 0)
        return rc;
    config_write(f.to, t->cfg,
                 "The resolved recipe of this run; recipe=THIS_FILE runs it again.");
    if ((rc = file_commit(&f, err)) < 0 ||
        (rc = file_begin(&f, run_file(path, &t->run, "config.json"), err)) < 0)
        return rc;
    config_write_json(f.to, t->cfg);
    return file_commit(&f, err);
}

/* What is written reads back to the same: else no one could continue or test the run.
 */
static int check_record(const struct trainer *t, struct sluice_error *err)
{
    struct config *again = calloc(1, sizeof(*again));
    struct sluice_error own = { .code = SLUICE_OK };
    char *yaml = NULL, crc[16] = "";
    size_t size = 0;
    FILE *to = open_memstream(&yaml, &size);
    if (to)
        config_write(to, t->cfg, NULL);
    if (!to || fclose(to) || !again) {
        free(yaml);
        free(again);
        return sluice_fail(err, SLUICE_ENOMEM, "config.yaml: out of memory");
    }
    int rc = config_from_text(again, "config.yaml", yaml, NULL, 0, &own);
    if (rc == 0)
        config_crc(crc, again);
    if (rc < 0 || strcmp(crc, t->crc) != 0)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "a run that could not be continued, as its record would not "
                         "be read: %.400s",
                         rc < 0 ? own.message : "config.yaml says something else");
    free(yaml);
    free(again);
    return rc;
}

static int load_weights(struct trainer *t, const char *path, struct sluice_error *err)
{
    int rc = checkpoint_load(path, t->net, t->opt, &t->at, err);
    if (rc < 0)
        return rc;
    if (strcmp(t->at.config_crc, t->crc) != 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: made with another recipe than config.yaml beside "
                           "it (%s, not %s)",
                           path, t->at.config_crc, t->crc);
    const double images = extra_number(&t->at, "train_images", -1);
    if (images >= 0 && images != (double)t->train_info.used)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: expected the %.0f images that the run began with, "
                           "found %" PRIu64,
                           t->cfg->data.train, images, t->train_info.used);
    const double ranks = extra_number(&t->at, "ranks", 1);
    if (ranks != ranks_count(t->ranks))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: expected as many processes as the run began with, "
                           "%.0f, found %d",
                           path, ranks, ranks_count(t->ranks));
    trainer_load_extra(t);
    net_params_changed(t->net);
    return 0;
}

int trainer_place(struct trainer *t, const char *folder, struct sluice_error *err)
{
    char path[RUN_PATH];
    int rc;
    if (!folder) {
        config_full_path(t->cfg->data.train);
        config_full_path(t->cfg->data.validation);
        config_full_path(t->cfg->data.test);
        config_full_path(t->cfg->distill.teacher);
        config_full_path(t->cfg->init.from);
        snprintf(t->cfg->data.augment, sizeof(t->cfg->data.augment), "%s",
                 sluice_augment_describe(t->train.augment));
        config_crc(t->crc, t->cfg);
        if ((rc = check_record(t, err)) < 0 || (rc = trainer_init_weights(t, err)) < 0)
            return rc;
        /* Names like runs/latest mean the same to all until all have looked. */
        ranks_any(t->ranks, false);
        if (ranks_self(t->ranks) ||
            (rc = run_dir_create(&t->run, t->cfg->run.dir, t->cfg->run.name,
                                 (enum run_layout)t->cfg->run.layout, err)) < 0)
            return rc;
        return run_dir_settle(&t->run, write_config(t, err));
    }
    config_crc(t->crc, t->cfg);
    if ((rc = run_dir_open(&t->run, folder, err)) < 0)
        return rc;
    run_file(path, &t->run, "checkpoints/last.safetensors");
    /* Killed before its first checkpoint, a run begins anew: the seed is the same. */
    return access(path, F_OK) < 0 ? trainer_init_weights(t, err)
                                  : load_weights(t, path, err);
}

static int open_log(struct trainer *t, struct sluice_error *err)
{
    char path[RUN_PATH];
    FILE *log = fopen(run_file(path, &t->run, "log.txt"), "ae");
    if (!log)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    if (run_dir_lock(fileno(log), t->run.path, "training in this run", err) < 0) {
        fclose(log);
        return SLUICE_EINVAL;
    }
    t->log = log;
    return 0;
}

/* The configuration goes along, every key of it. */
static int open_wandb(struct trainer *t, struct sluice_error *err)
{
    const char *name = strrchr(t->run.path, '/');
    char *json = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&json, &size);
    if (to)
        config_write_json(to, t->cfg);
    if (!to || fclose(to)) {
        free(json);
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", t->run.path);
    }
    const struct wandb_about about = { t->cfg->run.wandb_project,
                                       name ? name + 1 : t->run.path,
                                       t->cfg->run.wandb_notes, t->cfg->run.wandb_tags,
                                       json };
    const int rc = wandb_open(&t->wandb, t->run.path, &about, t->at.step, err);
    free(json);
    return rc;
}

int trainer_open_records(struct trainer *t, struct sluice_error *err)
{
    char path[RUN_PATH];
    int rc = ranks_self(t->ranks) ? 1 : open_log(t, err);
    if (rc)
        return rc < 0 ? rc : 0;
    rc = table_open_heads(&t->epochs, run_file(path, &t->run, "metrics.csv"),
                          net_heads(t->net), t->at.epoch, err);
    if (rc == 0 && t->cfg->run.gradients_every)
        rc = table_open(&t->gradients, run_file(path, &t->run, "gradients.csv"),
                        TABLE_GRADIENTS, t->at.step, err);
    if (rc == 0 && t->cfg->run.log_every)
        rc = table_open(&t->steps, run_file(path, &t->run, "steps.csv"), TABLE_STEPS,
                        t->at.step, err);
    if (rc < 0)
        return rc;
    rc = tfevents_continue(&t->events, t->run.path, t->at.step, err);
    return rc < 0 || !t->cfg->run.wandb ? rc : open_wandb(t, err);
}

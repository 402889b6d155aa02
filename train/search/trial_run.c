/* trial_run.c -- from a trial's values to its accuracies; see trial_run.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "run_config.h"
#include "trial_run.h"

struct args {
    char **at;
    int count;
    int rc;
    struct sluice_error *err;
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a,
                                                      const char *format, ...)
{
    char **at = realloc(a->at, (size_t)(a->count + 1) * sizeof(*at));
    va_list list;
    va_start(list, format);
    if (at)
        a->at = at;
    if (!at || vasprintf(&at[a->count], format, list) < 0)
        a->rc = sluice_fail(a->err, SLUICE_ENOMEM, "out of memory");
    else
        a->count++;
    va_end(list);
}

/* A model that is laid over another drops the options before it: it comes first. */
static bool is_model(const char *key)
{
    return strcmp(key, "model.name") == 0 || strcmp(key, "model") == 0;
}

static void add_experiment(struct args *a, const struct study *s, const char *name,
                           bool models)
{
    const size_t n = strlen(name);
    for (int i = 0; i < s->experiments.count; i++) {
        const struct setting *e = &s->experiments.at[i];
        const char *key = e->key + n + 1;
        if (strncmp(e->key, name, n) == 0 && e->key[n] == '.' &&
            is_model(key) == models)
            add(a, "%s=%s", key, e->value);
    }
}

static void add_params(struct args *a, const struct study *s, const struct trial *t,
                       bool models)
{
    char text[PARAM_TEXT];
    for (int i = 0; i < s->space.count; i++)
        if (is_model(s->space.at[i].key) == models)
            add(a, "%s=%s", s->space.at[i].key,
                param_text(text, &s->space.at[i], t->values[i]));
}

static void add_trial(struct args *a, const struct study *s, const struct trial *t)
{
    char folder[RUN_PATH];
    for (int first = 1; first >= 0; first--) {
        add_params(a, s, t, first);
        if (s->o.kind == STUDY_LIST)
            add_experiment(a, s, t->name, first);
    }
    if (s->o.kind == STUDY_FOLDS)
        add(a, "data.fold=%d/%d", study_number(s, t), s->o.folds);
    add(a, "run.dir=%s", trial_folder(folder, s, t));
    add(a, "run.layout=plain");
}

int trial_config(struct config *cfg, const struct study *s, const struct trial *t,
                 struct sluice_error *err)
{
    struct args a = { .err = err };
    add(&a, "run.plots=false");
    for (int i = 0; i < s->space.fixed.count; i++)
        add(&a, "%s=%s", s->space.fixed.at[i].key, s->space.fixed.at[i].value);
    for (int i = 0; i < s->arg_count; i++)
        add(&a, "%s", s->args[i]);
    if (t)
        add_trial(&a, s, t);
    if (s->o.kind == STUDY_SPACE && !s->o.on_test) {
        add(&a, "data.test=");
        add(&a, "data.test_range=");
    }
    if (a.rc == 0)
        a.rc = config_from_recipe(cfg, (const char *const *)a.at, a.count, err);
    for (int i = 0; i < a.count; i++)
        free(a.at[i]);
    free(a.at);
    return a.rc;
}

int trial_check_watched(const struct config *cfg, const struct study *s,
                        struct sluice_error *err)
{
    const bool validated = *cfg->data.validation || *cfg->data.fold;
    if (s->o.kind != STUDY_SPACE)
        return 0;
    if (s->o.on_test && (validated || !*cfg->data.test))
        return sluice_fail(err, SLUICE_EINVAL,
                           validated
                               ? "--on-test: expected no validation set, found one%s"
                               : "--on-test: expected a data.test%s",
                           "");
    if (!s->o.on_test && !validated)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.validation: expected a set to choose by, found none; "
                           "say data.validation=FILE.sluice or data.fold=1/5, or "
                           "--on-test");
    return 0;
}

/* ---- watching it ---- */

struct watcher {
    struct study *study;
    struct trial *trial;
    const struct trainer_watch *inner;
    bool prune, recall; /* recall: earlier epochs stand in the run's folder */
    struct sluice_error err;
    int rc;
};

/* As a table holds it, so that it is the same when it is read from there. */
static double as_written(double accuracy)
{
    char text[32];
    snprintf(text, sizeof(text), "%.9g", accuracy);
    return isnan(accuracy) ? accuracy : strtod(text, NULL);
}

static void decide(struct watcher *w)
{
    const struct study *s = w->study;
    const struct curve **complete = calloc((size_t)s->count, sizeof(const void *));
    int n = 0;
    for (int i = 0; complete && i < s->count; i++)
        if (s->trials[i].state == TRIAL_COMPLETE)
            complete[n++] = &s->trials[i].curve;
    if (complete && s->o.kind == STUDY_SPACE)
        w->prune = pruner_ends(&s->o.pruner, &w->trial->curve, complete, n);
    free(complete);
}

static void note(struct watcher *w, int epoch, double accuracy)
{
    if (w->rc == 0)
        w->rc = curve_set(&w->trial->curve, epoch, as_written(accuracy), &w->err);
}

static void on_epoch(void *ctx, const struct epoch_row *row, int epochs)
{
    struct watcher *w = ctx;
    note(w, row->epoch, row->test_accuracy);
    if (!isnan(row->test_accuracy))
        decide(w);
    if (w->inner->epoch)
        w->inner->epoch(w->inner->ctx, row, epochs);
}

/* The epochs of a run that went on, by its table. */
static void recall(struct watcher *w)
{
    struct epoch_row *rows = NULL;
    struct run_dir run;
    char path[RUN_PATH];
    int n = 0, rc;
    w->recall = false;
    rc = run_dir_open(&run, trial_folder(path, w->study, w->trial), &w->err);
    if (rc == 0)
        rc = metrics_read(&rows, &n, run_file(path, &run, "metrics.csv"), &w->err);
    w->trial->curve.epochs = 0;
    for (int i = 0; i < n; i++)
        note(w, rows[i].epoch, rows[i].test_accuracy);
    free(rows);
    w->rc = w->rc < 0 ? w->rc : rc;
    decide(w);
}

static int on_stopped(void *ctx)
{
    struct watcher *w = ctx;
    if (w->recall)
        recall(w);
    return w->prune || w->rc < 0 ||
           (w->inner->stopped && w->inner->stopped(w->inner->ctx));
}

static void on_message(void *ctx, const char *line)
{
    const struct trainer_watch *inner = ((struct watcher *)ctx)->inner;
    if (inner->message)
        inner->message(inner->ctx, line);
}

static void on_step(void *ctx, const struct trainer_progress *now)
{
    const struct trainer_watch *inner = ((struct watcher *)ctx)->inner;
    if (inner->step)
        inner->step(inner->ctx, now);
}

/* ---- running it ---- */

static int begin(struct watcher *w, struct config *cfg, struct trainer_result *result,
                 struct sluice_error *err)
{
    const struct trainer_watch watch = { w, on_message, on_step, on_epoch, on_stopped };
    const int rc = trial_config(cfg, w->study, w->trial, err);
    return rc < 0 ? rc : trainer_run(cfg, &watch, result, err);
}

static int go_on(struct watcher *w, const char *folder, struct config *cfg,
                 struct trainer_result *result, struct sluice_error *err)
{
    const struct trainer_watch watch = { w, on_message, on_step, on_epoch, on_stopped };
    int rc = config_from_run(cfg, folder, NULL, 0, true, err);
    w->recall = true;
    if (rc == 0)
        rc = trainer_resume(cfg, folder, &watch, result, err);
    /* It had come to its end before: nobody asked whether to stop. */
    if (rc == 0 && w->recall)
        recall(w);
    return rc;
}

static void take_result(struct trial *t, const struct trainer_result *r)
{
    const bool validated = !isnan(r->validation_accuracy);
    t->state = TRIAL_COMPLETE;
    t->best = r->best_accuracy;
    t->final = validated ? r->validation_accuracy : r->accuracy;
    t->test = validated ? r->accuracy : (double)NAN;
}

static double best_of(const struct curve *c)
{
    double best = (double)NAN;
    for (int i = 0; i < c->epochs; i++)
        best = fmax(best, c->at[i]);
    return best;
}

static int fail(struct study *s, struct trial *t, int rc,
                const struct sluice_error *err)
{
    const bool of_study = rc == SLUICE_EIO || rc == SLUICE_ECORRUPT;
    if (of_study && s->o.kind == STUDY_SPACE)
        return rc;
    t->state = TRIAL_FAILED;
    t->best = best_of(&t->curve);
    snprintf(t->message, sizeof(t->message), "%s", err->message);
    return 0;
}

int trial_run(struct study *s, struct trial *t, const struct trainer_watch *watch,
              struct sluice_error *err)
{
    struct watcher w = { .study = s, .trial = t, .inner = watch };
    struct trainer_result result;
    struct run_dir run;
    char folder[RUN_PATH];
    struct config *cfg = calloc(1, sizeof(*cfg));
    const double began = clock_seconds();
    if (!cfg)
        return sluice_fail(err, SLUICE_ENOMEM, "out of memory");
    trial_folder(folder, s, t);
    int rc = run_dir_open(&run, folder, err) == 0 ? go_on(&w, folder, cfg, &result, err)
                                                  : begin(&w, cfg, &result, err);
    free(cfg);
    t->seconds += clock_seconds() - began;
    if (w.rc < 0)
        return sluice_fail(err, (enum sluice_code)w.rc, "%s", w.err.message);
    if (rc == SLUICE_ESTOPPED && w.prune &&
        !(watch->stopped && watch->stopped(watch->ctx))) {
        t->state = TRIAL_PRUNED;
        t->best = best_of(&t->curve);
        t->final = t->curve.at[t->curve.epochs - 1];
        return 0;
    }
    if (rc == SLUICE_ESTOPPED)
        return rc;
    if (rc == 0)
        take_result(t, &result);
    if (rc == 0 && isnan(t->best) && s->o.kind == STUDY_SPACE)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "no accuracy: there is no set to choose by");
    return rc < 0 ? fail(s, t, rc, err) : 0;
}

void trial_drop_weights(const struct study *s, const struct trial *t)
{
    static const char *const files[] = { "checkpoints/last.safetensors",
                                         "checkpoints/best.safetensors" };
    char path[RUN_PATH];
    struct run_dir run;
    if (run_dir_open(&run, trial_folder(path, s, t), NULL) < 0)
        return;
    for (int i = 0; i < 2; i++)
        unlink(run_file(path, &run, files[i]));
}

/* search_main.c -- sluice-search: many training runs, one after the other: values of a
 * space, experiments of a list, folds of a training set. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "options.h"
#include "progress.h"
#include "ranks.h"
#include "recipe.h"
#include "run_config.h"
#include "search_setup.h"
#include "study_report.h"
#include "train_report.h"
#include "trial_run.h"

enum { ARGUMENTS = 128 };

struct arguments {
    const char *resume, *out;
    int trials, sampler, pruner, patience, startup, warmup, folds;
    double timeout, min_delta;
    uint64_t seed;
    bool on_test, keep, verbose, quiet;
    bool given[32]; /* options, in the order of the table */
};

static const struct cli_option options[] = {
    /* clang-format off */
    { "trials", CLI_INT, offsetof(struct arguments, trials), 1, 1e6, NULL,
      "in all [50; of a grid: all of its points]" },
    { "timeout", CLI_DOUBLE, offsetof(struct arguments, timeout), 0, 1e9, NULL,
      "seconds after which no trial begins [none]" },
    { "sampler", CLI_CHOICE, offsetof(struct arguments, sampler), 0, 0, STUDY_SAMPLERS,
      "where values come from: Parzen estimators after 10 random trials, chance, a grid [tpe]" },
    { "pruner", CLI_CHOICE, offsetof(struct arguments, pruner), 0, 0, PRUNERS,
      "what ends a trial early: no gain for some epochs, nothing, a median of others [plateau]" },
    { "patience", CLI_INT, offsetof(struct arguments, patience), 1, 1e6, NULL,
      "plateau: measured epochs without a gain [5]" },
    { "min-delta", CLI_DOUBLE, offsetof(struct arguments, min_delta), 0, 100, NULL,
      "plateau: percentage points that are a gain when exceeded [0.1]" },
    { "startup-trials", CLI_INT, offsetof(struct arguments, startup), 0, 1e6, NULL,
      "median: complete ones before the first is ended [5]" },
    { "warmup-epochs", CLI_INT, offsetof(struct arguments, warmup), 0, 1e6, NULL,
      "median: of every trial, in which it is not ended [20]" },
    { "seed", CLI_UINT64, offsetof(struct arguments, seed), 0, 0, NULL,
      "of the values; the runs' own is the key seed [0]" },
    { "on-test", CLI_FLAG, offsetof(struct arguments, on_test), 0, 0, NULL,
      "choose by data.test, whose accuracy is then no measure of anything" },
    { "folds", CLI_INT, offsetof(struct arguments, folds), 2, 1000, NULL,
      "no search: so many runs, each measured on its own part of data.train" },
    { "out", CLI_STRING, offsetof(struct arguments, out), 0, 0, NULL,
      "folder of the study [searches/<date>-<time>-<recipe>]" },
    { "resume", CLI_STRING, offsetof(struct arguments, resume), 0, 0, NULL,
      "go on with the study in this folder; --trials and --timeout may be new" },
    { "keep", CLI_FLAG, offsetof(struct arguments, keep), 0, 0, NULL,
      "keep the checkpoints of all trials of a space, not of the best alone" },
    { "verbose", CLI_FLAG, offsetof(struct arguments, verbose), 0, 0, NULL,
      "what sluice train prints, of every trial" },
    { "quiet", CLI_FLAG, offsetof(struct arguments, quiet), 0, 0, NULL,
      "the table at the end alone" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

static const char epilogue[] =
    "examples:\n"
    "  sluice search recipe=mnist_cnn data.fold=1/6 search_space=sgd --trials=20\n"
    "  sluice search recipe=se_resnet search_space=adamw 'optimizer.lr={log: [1e-4, "
    "1e-2]}'\n"
    "  sluice search recipe=mnist_cnn data.fold=1/6 --sampler=grid \\\n"
    "      'optimizer.lr={log: [1e-4, 1e-2, 5]}' 'training.batch_size={choice: [64, "
    "128]}'\n"
    "  sluice search recipe=resnet9_ffcv experiments=list.yaml\n"
    "  sluice search recipe=mnist_cnn --folds=5\n"
    "  sluice search --resume=searches/20260101-120000-mnist_cnn\n"
    "  sluice train recipe=mnist_cnn training=searches/.../best_training.yaml\n\n"
    "A key that varies is written {log: [LOW, HIGH]}, {uniform: ...}, {int: ...},\n"
    "{log_int: ...} or {choice: [A, B]}; search_space=NAME is a file of such keys.\n"
    "experiments=FILE has a name for each set of keys. Trials are chosen by the best\n"
    "accuracy on data.validation. Exit status 0: every trial has ended, failed ones "
    "too.\n";

static void say(const struct arguments *a, const char *line)
{
    if (!a->quiet)
        fprintf(stderr, "%s\n", line);
}

/* One line on standard output for each trial that has ended. */
static void tell_trial(const struct arguments *a, const struct study *s,
                       const struct trial *t, int all)
{
    const struct trial *best = study_best(s);
    const int number = study_number(s, t);
    char text[512], state[64], accuracy[40] = "", leader[64] = "";
    if (a->quiet)
        return;
    if (!isnan(t->best))
        snprintf(accuracy, sizeof(accuracy), "  acc %.2f%%", 100 * t->best);
    if (best && s->o.kind == STUDY_SPACE)
        snprintf(leader, sizeof(leader), "  best %.2f%% (trial %d)", 100 * best->best,
                 study_number(s, best));
    printf("trial %3d/%d  %-8s%s%s  epochs %d  %.1fs  %s%s%s\n", number,
           number > all ? number : all, choice_name(state, STUDY_STATES, (int)t->state),
           accuracy, leader, t->curve.epochs, t->seconds,
           trial_text(text, sizeof(text), s, t), *t->message ? ": " : "", t->message);
    fflush(stdout);
}

/* The trial that was running when the study stopped, or a new one. */
static int next_trial(struct study *s, struct trial **t, struct sluice_error *err)
{
    int rc;
    if (s->count && s->trials[s->count - 1].state == TRIAL_RUNNING) {
        *t = &s->trials[s->count - 1];
        return 0;
    }
    if ((rc = study_add_trial(s, t, err)) < 0 || (rc = study_suggest(s, *t, err)) < 0)
        return rc;
    return study_save(s, err);
}

static void drop_weights(const struct study *s, const struct trial *t, int best_before)
{
    const struct trial *best = study_best(s);
    if (s->o.kind != STUDY_SPACE || t->state == TRIAL_RUNNING)
        return;
    if (t != best)
        trial_drop_weights(s, t);
    else if (best_before)
        trial_drop_weights(s, &s->trials[best_before - 1]);
}

static int one_trial(struct study *s, const struct arguments *a, int all,
                     const struct trainer_watch *watch, struct sluice_error *err)
{
    const struct trial *best = study_best(s);
    const int best_before = best ? study_number(s, best) : 0;
    struct trial *t;
    int rc = next_trial(s, &t, err);
    if (rc < 0)
        return rc;
    const int ended = trial_run(s, t, watch, err);
    if ((rc = study_save(s, ended < 0 ? NULL : err)) < 0 || ended < 0)
        return ended < 0 ? ended : rc;
    if (!a->keep)
        drop_weights(s, t, best_before);
    tell_trial(a, s, t, all);
    return study_write_results(s, err);
}

static int interrupted(const struct study *s, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ESTOPPED,
                       "stopped in trial %d; continue with: sluice search --resume=%s",
                       s->count ? s->count : 1, s->folder);
}

static int run_trials(struct study *s, const struct arguments *a,
                      struct sluice_error *err)
{
    const double began = seconds_now();
    struct train_report report;
    int all, rc = study_size(s, &all, err);
    report_begin(&report, a->quiet || !a->verbose);
    struct trainer_watch watch = report_watch(&report);
    if (!a->verbose)
        watch.epoch = NULL;
    cli_catch_signals();
    while (rc == 0 && (s->count < all ||
                       (s->count && s->trials[s->count - 1].state == TRIAL_RUNNING))) {
        if (cli_interrupted())
            return interrupted(s, err);
        if (a->timeout > 0 && seconds_now() - began >= a->timeout) {
            say(a, "no time left: no further trial begins");
            break;
        }
        rc = one_trial(s, a, all, &watch, err);
    }
    return rc == SLUICE_ESTOPPED ? interrupted(s, err) : rc;
}

static void take_options(struct study *s, const struct arguments *a)
{
    s->o = (struct study_options){
        .sampler = (enum study_sampler)a->sampler,
        .pruner = { (enum pruner_kind)a->pruner, a->patience, a->min_delta / 100,
                    a->startup, a->warmup },
        .seed = a->seed,
        .trials = a->trials                    ? a->trials
                  : a->sampler == SAMPLER_GRID ? 0
                                               : 50,
        .folds = a->folds,
        .on_test = a->on_test,
    };
}

/* searches/<date>-<time>-<name>, with a number behind it if that is there. */
static void name_folder(struct study *s, const char *out)
{
    char stamp[32];
    struct tm tm;
    const time_t now = time(NULL);
    if (out) {
        snprintf(s->folder, sizeof(s->folder), "%s", out);
        return;
    }
    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    for (int i = 1; i < 1000; i++) {
        snprintf(s->folder, sizeof(s->folder), "searches/%s-%s", stamp, s->name);
        const size_t n = strlen(s->folder);
        if (i > 1)
            snprintf(s->folder + n, sizeof(s->folder) - n, "-%d", i);
        if (access(s->folder, F_OK) < 0)
            return;
    }
}

/* Everything that can be refused is refused before its folder is made. */
static int begin_study(struct study *s, const struct arguments *a, const char **list,
                       int count, struct sluice_error *err)
{
    struct config *cfg = calloc(1, sizeof(*cfg));
    int all, rc = 0;
    take_options(s, a);
    if (!cfg)
        return sluice_fail(err, SLUICE_ENOMEM, "out of memory");
    if (a->out && strlen(a->out) >= sizeof(s->folder))
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "--out: expected below %zu bytes, found %zu",
                         sizeof(s->folder), strlen(a->out));
    if (rc == 0 && !getcwd(s->place, sizeof(s->place)))
        rc = sluice_fail(err, SLUICE_EIO, "working folder: %s", strerror(errno));
    if (rc == 0 && (rc = search_setup(s, list, count, err)) == 0 &&
        (rc = study_size(s, &all, err)) == 0 && (rc = search_check(s, cfg, err)) == 0) {
        name_folder(s, a->out);
        rc = study_create(s, err);
    }
    free(cfg);
    return rc;
}

/* In the folder where it was begun, so that relative paths mean the same. */
static int load_study(struct study *s, const struct arguments *a,
                      struct sluice_error *err)
{
    char *folder = realpath(a->resume, NULL);
    int rc =
        folder ? 0
               : sluice_fail(err, SLUICE_EIO, "%.300s: %s", a->resume, strerror(errno));
    snprintf(s->folder, sizeof(s->folder), "%s", folder ? folder : "");
    if (rc == 0 && (rc = study_lock(s, err)) == 0)
        rc = study_load(s, folder, err);
    free(folder);
    if (rc == 0 && chdir(s->place) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s: the search was begun there",
                         s->place, strerror(errno));
    if (rc == 0 && a->trials)
        s->o.trials = a->trials;
    return rc < 0 ? rc : search_check_same(s, err);
}

static int run(struct study *s, const struct arguments *a, const char **list, int count,
               struct sluice_error *err)
{
    char line[1200];
    int rc = ranks_alone("a search trains one run after the other", err);
    if (rc < 0)
        return rc;
    rc = a->resume ? load_study(s, a, err) : begin_study(s, a, list, count, err);
    if (rc < 0)
        return rc;
    snprintf(line, sizeof(line), "study  %s", s->folder);
    say(a, line);
    if (s->o.on_test)
        say(a, "choosing by the test set: its accuracies are too good for figures");
    if ((rc = run_trials(s, a, err)) < 0 || (rc = study_write_results(s, err)) < 0)
        return rc;
    study_print(stdout, s);
    if (study_best(s) && s->o.kind == STUDY_SPACE) {
        snprintf(line, sizeof(line),
                 "sluice train with the best: training=%s/best_training.yaml",
                 s->folder);
        say(a, line);
    }
    return 0;
}

/* The first option that a study which goes on does not take; NULL: none. */
static const char *not_of_resume(const bool *given)
{
    static const char taken[] = " trials timeout resume keep verbose quiet ";
    char word[40];
    for (int i = 0; options[i].name; i++) {
        snprintf(word, sizeof(word), " %s ", options[i].name);
        if (given[i] && !strstr(taken, word))
            return options[i].name;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static const char *list[ARGUMENTS];
    struct study study = { .count = 0 };
    struct arguments a = {
        .patience = 5, .min_delta = 0.1, .startup = 5, .warmup = 20
    };
    struct sluice_error err = { .code = SLUICE_OK };
    const struct cli_spec spec = {
        .program = "sluice search",
        .arguments = "[recipe=NAME] [search_space=NAME|FILE.yaml] [KEY=VALUE ...]",
        .summary = "Find good values of a recipe's keys, by many short runs; or run a "
                   "list of\nexperiments, or the folds of a cross-validation. "
                   "Everything is kept in one folder.\n",
        .options = options,
        .arguments_min = 0,
        .arguments_max = ARGUMENTS,
        .epilogue = epilogue,
        .given = a.given,
    };
    const int count = cli_parse(&spec, argc, argv, &a, list);
    const char *foreign = a.resume ? not_of_resume(a.given) : NULL;
    if (foreign) {
        fprintf(stderr,
                "sluice search: --%s: a study goes on as it began; --trials and "
                "--timeout may be new\n",
                foreign);
        return CLI_USAGE;
    }
    if (a.resume ? count > 0 : !count) {
        fprintf(stderr, a.resume ? "sluice search: --resume takes no keys: a study "
                                   "goes on as it began\n"
                                 : "sluice search: expected recipe=NAME (see sluice "
                                   "search --help)\n");
        return CLI_USAGE;
    }
    const int rc = run(&study, &a, list, count, &err);
    study_free(&study);
    return rc < 0 ? cli_report("sluice search", &err)
                  : cli_finish("sluice search", CLI_OK);
}

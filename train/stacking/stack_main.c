/* stack_main.c -- sluice-stack: a network that learns from what others, each trained
 * without a part of the training set, say of that part. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "npy.h"
#include "options.h"
#include "ranks.h"
#include "run_config.h"
#include "run_dir.h"
#include "stack_report.h"

enum { ARGUMENTS = 64 };

struct arguments {
    int strategy;
    bool quiet;
};

static const struct cli_option options[] = {
    /* clang-format off */
    { "strategy", CLI_CHOICE, offsetof(struct arguments, strategy), 0, 0,
      LEVEL_STRATEGY_NAMES,
      "of predictions.csv: how the networks of a base's folds become one [all_folds]" },
    { "quiet", CLI_FLAG, offsetof(struct arguments, quiet), 0, 0, NULL,
      "the table at the end alone" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

/* What a network of answers has a use for: keys, and what keys begin with, up to a dot.
 */
static const char *const keys[] = {
    "recipe",
    "seed",
    "device",
    "threads",
    "model",
    "model.",
    "init.weights",
    "training",
    "training.",
    "optimizer",
    "optimizer.",
    "schedule",
    "schedule.",
    "stop",
    "stop.",
    "data.test",
    "data.test_range",
    "eval.predictions",
    "run.dir",
    "run.name",
    NULL,
};

struct stack {
    struct config cfg;
    const struct arguments *a;
    struct level_one l;
    struct meta *meta;
    struct stack_result result;
    struct run_dir run;
    struct meta_epoch *epochs; /* (count) */
    int count, room;
};

static void say(void *ctx, const char *line)
{
    const struct stack *s = ctx;
    if (!s->a->quiet)
        fprintf(stderr, "%s\n", line);
}

static int stopped(void *ctx)
{
    (void)ctx;
    return cli_interrupted();
}

static int take_epoch(void *ctx, const struct meta_epoch *e, struct sluice_error *err)
{
    struct stack *s = ctx;
    if (s->count == s->room) {
        const int room = s->room ? 2 * s->room : 64;
        struct meta_epoch *more = realloc(s->epochs, (size_t)room * sizeof *more);
        if (!more)
            return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d epochs", room);
        s->epochs = more;
        s->room = room;
    }
    s->epochs[s->count++] = *e;
    if (s->a->quiet)
        return 0;
    printf("epoch %3d/%d  loss %.4f  held back %.4f %.2f%%  lr %.3g\n", e->epoch,
           s->cfg.training.epochs, e->loss, e->held_loss, 100 * e->held_accuracy,
           e->lr);
    fflush(stdout);
    return 0;
}

static bool is_key(const char *arg)
{
    const size_t length = strcspn(arg, "=");
    for (int i = 0; keys[i]; i++) {
        const size_t n = strlen(keys[i]);
        if (keys[i][n - 1] == '.' ? strncmp(arg, keys[i], n) == 0
                                  : n == length && strncmp(arg, keys[i], n) == 0)
            return true;
    }
    return false;
}

/* Studies first, then keys; the recipe, unless another is named. */
static int read_keys(struct stack *s, const char **list, int count, int *studies,
                     struct sluice_error *err)
{
    const char *args[ARGUMENTS + 1] = { "recipe=level_one" };
    int n = 1;
    for (*studies = 0; *studies < count && !strchr(list[*studies], '=');)
        ++*studies;
    for (int i = *studies; i < count; i++) {
        if (!is_key(list[i]))
            return sluice_fail(err, SLUICE_EINVAL,
                               "'%.100s': expected folders of studies, then KEY=VALUE "
                               "of model, training, optimizer, schedule, stop, "
                               "data.test, seed, device, threads or run.dir",
                               list[i]);
        if (strncmp(list[i], "recipe=", 7) == 0)
            args[0] = list[i];
        else
            args[n++] = list[i];
    }
    if (*studies < 1 || *studies > LEVEL_BASES)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected 1 to %d folders of studies, found %d", LEVEL_BASES,
                           *studies);
    return config_from_recipe(&s->cfg, args, n, err);
}

static int write_config(const struct stack *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    const int rc = file_begin(&f, run_file(path, &s->run, "config.yaml"), err);
    if (rc < 0)
        return rc;
    config_write(f.to, &s->cfg, "What `sluice stack` was told of the network.");
    return file_commit(&f, err);
}

static int write_metrics(const struct stack *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    const int rc = file_begin(&f, run_file(path, &s->run, "metrics.csv"), err);
    if (rc < 0)
        return rc;
    fputs("epoch,loss,held_loss,held_accuracy,lr\n", f.to);
    for (int i = 0; i < s->count; i++) {
        const struct meta_epoch *e = &s->epochs[i];
        fprintf(f.to, "%d,%.9g,%.9g,%.9g,%.9g\n", e->epoch, e->loss, e->held_loss,
                e->held_accuracy, e->lr);
    }
    return file_commit(&f, err);
}

static int write_summary(const struct stack *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    const int rc = file_begin(&f, run_file(path, &s->run, "summary.json"), err);
    if (rc < 0)
        return rc;
    stack_write_json(f.to, &s->result, &s->l, s->meta, s->count);
    return file_commit(&f, err);
}

static int write_all(struct stack *s, struct sluice_error *err)
{
    char path[RUN_PATH];
    int rc = run_dir_create(&s->run, s->cfg.run.dir, s->cfg.run.name, RUN_PLAIN, err);
    if (rc < 0)
        return rc;
    /* A run has these, empty at first. */
    rmdir(run_file(path, &s->run, "checkpoints"));
    rmdir(run_file(path, &s->run, "plots"));
    if ((rc = run_dir_settle(&s->run, write_config(s, err))) < 0 ||
        (rc = write_metrics(s, err)) < 0 ||
        (rc = npy_write(run_file(path, &s->run, "level_one.npy"), s->l.answers,
                        s->l.count, s->l.bases * s->l.classes, err)) < 0)
        return rc;
    if (s->l.tested)
        rc = evaluation_write(&s->result.test, &s->l.about,
                              (enum predictions_kind)s->cfg.eval.predictions, &s->run,
                              err);
    return rc < 0 ? rc : write_summary(s, err);
}

static int run(struct stack *s, const char **list, int count, struct sluice_error *err)
{
    const struct level_watch asked = { s, say, stopped };
    const struct meta_watch trained = { s, take_epoch, stopped };
    int studies, rc = ranks_alone("one process asks all networks", err);
    if (rc < 0 || (rc = read_keys(s, list, count, &studies, err)) < 0 ||
        (rc = meta_check(&s->cfg, studies, err)) < 0)
        return rc;
    cli_catch_signals();
    if ((rc = level_one_gather(&s->l, list, studies, &s->cfg, &asked, err)) < 0 ||
        (rc = meta_train(&s->meta, &s->l, &s->cfg, &trained, err)) < 0 ||
        (rc = stack_measure(&s->result, &s->l, s->meta,
                            (enum level_strategy)s->a->strategy, err)) < 0 ||
        (rc = write_all(s, err)) < 0)
        return rc;
    stack_print(stdout, &s->result, &s->l);
    if (!s->a->quiet)
        fprintf(stderr, "wrote %s\n", s->run.path);
    return 0;
}

int main(int argc, char **argv)
{
    static struct stack s;
    static const char *list[ARGUMENTS];
    struct arguments a = { 0 };
    struct sluice_error err = { .code = SLUICE_OK };
    const struct cli_spec spec = {
        .program = "sluice stack",
        .arguments = "STUDY... [KEY=VALUE ...]",
        .summary =
            "Stack a network on others: it learns from what they say of training "
            "images that\neach of them was trained without. STUDY is a folder of "
            "`sluice search --folds=N`.\n",
        .options = options,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS,
        .epilogue =
            "examples:\n"
            "  sluice search recipe=resnet9_ffcv --folds=5 --out=folds/resnet9\n"
            "  sluice search recipe=se_resnet_short --folds=5 --out=folds/se_resnet\n"
            "  sluice stack folds/resnet9 folds/se_resnet\n"
            "  sluice stack folds/* model.hidden=[64] model.dropout=0.5 "
            "data.test=other.sluice\n\n"
            "Keys are those of sluice train, as far as a network of numbers has a use\n"
            "for them, over recipe=level_one. Images are read, and seen from several "
            "sides,\nas the studies' own recipes say.\n",
    };
    s.a = &a;
    const int count = cli_parse(&spec, argc, argv, &a, list);
    const int rc = run(&s, list, count, &err);
    free(s.epochs);
    stack_result_free(&s.result);
    meta_close(s.meta);
    level_one_free(&s.l);
    return rc < 0 ? cli_report("sluice stack", &err)
                  : cli_finish("sluice stack", CLI_OK);
}

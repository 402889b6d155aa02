/* eval_main.c -- sluice-eval: how well a trained network does on a file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ensemble.h"
#include "npy.h"
#include "options.h"
#include "outputs.h"
#include "progress.h"
#include "ranks.h"

enum {
    ARGUMENTS = 64,
    ROWS_SHOWN = 10,
};

struct arguments {
    int checkpoint;
    const char *out;
    bool probabilities, quiet;
};

static const struct cli_option options[] = {
    /* clang-format off */
    { "checkpoint", CLI_CHOICE, offsetof(struct arguments, checkpoint), 0, 0, "last|best",
      "of a run: the latest weights, or those that did best on the way [last]" },
    { "out", CLI_STRING, offsetof(struct arguments, out), 0, 0, NULL,
      "folder for predictions.csv and per_class.csv [RUN/eval, or evaluations/...; of several: ensemble]" },
    { "probabilities", CLI_FLAG, offsetof(struct arguments, probabilities), 0, 0, NULL,
      "write those of all classes, too: probabilities.npy, a row for each prediction" },
    { "quiet", CLI_FLAG, offsetof(struct arguments, quiet), 0, 0, NULL,
      "the last line alone" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

struct test {
    struct evaluator by, other; /* the first network; each further one, in its turn */
    struct run_dir out;
    struct evaluation result;
    float *scores; /* see evaluate_scores(); NULL: not wanted */
    bool several;  /* networks */
};

/* Their numbers may still mean the same, under other names. Where the set has none, the
 * names of the first network count. */
static void compare_names(const struct evaluator *e, const struct evaluator *first)
{
    char number[32], name[64];
    const uint32_t names = data_info_names(&e->info);
    const double own = extra_number(&e->meta, "class_names", 0);
    const double others = extra_number(&first->meta, "class_names", 0);
    if (names && own > 0 && own != names)
        fprintf(
            stderr,
            "sluice eval: %s: its classes are not called as in training of %s (class 0 "
            "is '%s' here): numbers alone are compared\n",
            e->info.path, e->checkpoint,
            text_name(name, sizeof(name), data_info_class(number, &e->info, 0)));
    if (!names && own > 0 && others > 0 && own != others)
        fprintf(stderr,
                "sluice eval: %s: its classes are not called as those of %s: numbers "
                "alone are compared\n",
                e->checkpoint, first->checkpoint);
}

/* The one that was named, or the layout's own. */
static int place_results(struct test *t, const struct arguments *a,
                         struct sluice_error *err)
{
    const struct evaluator *e = &t->by;
    const double accuracy = extra_number(&e->meta, "accuracy", -1);
    if (!a->out && !t->several && e->run.layout == RUN_OUTPUTS)
        return outputs_evaluation(&t->out, &e->run, e->cfg.run.name,
                                  accuracy < 0 ? (double)NAN : accuracy, e->checkpoint,
                                  err);
    if (a->out || t->several)
        snprintf(t->out.path, sizeof(t->out.path), "%.1380s",
                 a->out ? a->out : "ensemble");
    else
        snprintf(t->out.path, sizeof(t->out.path), "%.1380s/eval", e->run.path);
    return make_folder(t->out.path, err);
}

/* Of the samples that there are predictions of, one behind the other. */
static int write_probabilities(struct test *t, struct sluice_error *err)
{
    const size_t classes = (size_t)t->result.classes;
    char path[RUN_PATH];
    for (uint64_t i = 0; i < t->result.count; i++) {
        const size_t from = (size_t)(t->result.at[i].id - t->by.info.first) * classes;
        for (size_t c = 0; c < classes; c++)
            t->scores[i * classes + c] = expf(t->scores[from + c]);
    }
    return npy_write(run_file(path, &t->out, "probabilities.npy"), t->scores,
                     t->result.count, t->result.classes, err);
}

static int write_results(struct test *t, const struct arguments *a,
                         struct sluice_error *err)
{
    const enum predictions_kind kind =
        (enum predictions_kind)t->by.cfg.eval.predictions;
    int rc = place_results(t, a, err);
    if (rc == 0)
        rc = evaluation_write(&t->result, &t->by.info, kind, &t->out, err);
    return rc < 0 || !a->probabilities ? rc : write_probabilities(t, err);
}

/* Of a network with several losses, what each part does by itself. */
static void print_heads(const struct evaluation *r)
{
    for (int i = 1; i < r->heads && r->labelled; i++)
        printf("base %d  loss %.4f  acc %.2f%%\n", i, r->head[i].loss,
               100 * r->head[i].accuracy);
    if (r->heads > 1 && r->labelled)
        printf("meta  loss %.4f  acc %.2f%%\n", r->head[0].loss,
               100 * r->head[0].accuracy);
}

static int print_results(const struct test *t, const struct arguments *a,
                         double seconds, struct sluice_error *err)
{
    const struct evaluator *e = &t->by;
    const struct evaluation *r = &t->result;
    char tta[64], count[32], views[32] = "";
    int rc = a->quiet ? 0 : evaluation_print(stdout, r, &e->info, err);
    if (!a->quiet && e->cfg.eval.predictions == PREDICTIONS_LABELS)
        evaluation_print_first(stdout, r, &e->info, ROWS_SHOWN);
    config_choice(tta, "eval.tta", e->cfg.eval.tta);
    if (e->cfg.eval.tta == TTA_CROPS)
        snprintf(views, sizeof(views), " of %d views", e->cfg.eval.views);
    if (e->cfg.eval.tta != TTA_NONE && e->cfg.eval.sure > 0)
        snprintf(views + strlen(views), sizeof(views) - strlen(views), " below %g",
                 e->cfg.eval.sure);
    if (!a->quiet)
        print_heads(r);
    if (r->labelled)
        printf("test  loss %.4f  acc %.2f%%  images %s  tta %s%s  %.1fs\n", r->loss,
               100 * r->accuracy, text_count(count, r->count), tta, views, seconds);
    else
        printf("test  images %s  tta %s%s  %.1fs: no labels, predictions alone\n",
               text_count(count, r->count), tta, views, seconds);
    return rc;
}

static int measure(struct test *t, struct sluice_error *err)
{
    struct evaluator *e = &t->by;
    const struct tta tta = evaluate_tta(&e->cfg);
    if (!t->scores)
        return evaluate(&t->result, e->net, e->feed.loader, &e->info, &tta, NULL, err);
    return evaluate_scores(&t->result, t->scores, e->net, e->feed.loader, &e->info,
                           &tta, err);
}

static void say_network(const struct arguments *a, int number, double accuracy,
                        const char *what)
{
    if (!a->quiet && isnan(accuracy))
        printf("network %d  %s\n", number, what);
    else if (!a->quiet)
        printf("network %d  acc %.2f%%  %s\n", number, 100 * accuracy, what);
}

static int join(struct test *t, struct ensemble *all, const char *run,
                const char **keys, int key_count, const struct arguments *a,
                struct sluice_error *err)
{
    double alone;
    int rc = evaluator_load(&t->other, run, (enum evaluator_weights)a->checkpoint, keys,
                            key_count, err);
    if (rc == 0)
        rc = ensemble_join(all, &t->other, &alone, err);
    if (rc == 0) {
        compare_names(&t->other, &t->by);
        say_network(a, all->networks, alone, run);
    }
    evaluator_close(&t->other);
    return rc;
}

/* The other runs answer along with the first. */
static int join_all(struct test *t, const char **runs, int count, const char **keys,
                    int key_count, const struct arguments *a, struct sluice_error *err)
{
    struct ensemble all = { &t->by, &t->result, t->scores, 1 };
    int rc = 0;
    say_network(a, 1, t->result.accuracy, runs[0]);
    for (int i = 1; i < count && rc == 0; i++)
        rc = join(t, &all, runs[i], keys, key_count, a, err);
    if (rc < 0)
        return rc;
    evaluation_decide(&t->result, t->scores, t->by.info.first);
    return 0;
}

static int run(struct test *t, const char **list, int count, const struct arguments *a,
               struct sluice_error *err)
{
    const double start = seconds_now();
    struct evaluator *e = &t->by;
    int runs = 1, rc = ranks_alone("a network is tested by one", err);
    while (runs < count && !strchr(list[runs], '='))
        runs++;
    const char **keys = list + runs;
    t->several = runs > 1;
    if (rc == 0)
        rc = evaluator_load(e, list[0], (enum evaluator_weights)a->checkpoint, keys,
                            count - runs, err);
    if (rc < 0 || (rc = evaluator_open(e, err)) < 0)
        return rc;
    const size_t scores = (size_t)e->info.count * (size_t)e->classes;
    if ((a->probabilities || t->several) &&
        !(t->scores = calloc(scores, sizeof(*t->scores))))
        return sluice_fail(err, SLUICE_ENOMEM,
                           "%.300s: no memory for %zu probabilities", e->info.path,
                           scores);
    if ((rc = measure(t, err)) < 0 ||
        (rc = evaluation_check(&t->result, e->checkpoint, err)) < 0)
        return rc;
    compare_names(e, e);
    if ((t->several &&
         (rc = join_all(t, list, runs, keys, count - runs, a, err)) < 0) ||
        (rc = write_results(t, a, err)) < 0)
        return rc;
    if (!a->quiet)
        fprintf(stderr, "%s, epoch %llu; %s\nwrote %s/predictions.csv\n", e->checkpoint,
                (unsigned long long)e->meta.epoch, e->dev->about, t->out.path);
    return print_results(t, a, seconds_now() - start, err);
}

int main(int argc, char **argv)
{
    static struct test t;
    static const char *list[ARGUMENTS];
    struct arguments a = { 0 };
    struct sluice_error err = { .code = SLUICE_OK };
    const struct cli_spec spec = {
        .program = "sluice eval",
        .arguments = "RUN_OR_CHECKPOINT... [KEY=VALUE ...]",
        .summary = "Accuracy, per-class table and predictions of a trained network, "
                   "or of several: the\nmean of their probabilities. Keys are those "
                   "of sluice train, such as\ndata.test=FILE.sluice or "
                   "eval.tta=flip.\n",
        .options = options,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS,
        .epilogue =
            "examples:\n"
            "  sluice eval runs/latest\n"
            "  sluice eval runs/latest --checkpoint=best eval.tta=flip\n"
            "  sluice eval outputs/best_models/cifar10_resnet_se_best.safetensors\n"
            "  sluice eval runs/latest data.test=other.sluice --out=results\n"
            "  sluice eval runs/*-seed0 runs/*-seed1 runs/*-seed2 --out=three\n",
    };
    int count = cli_parse(&spec, argc, argv, &a, list), rc;
    rc = run(&t, list, count, &a, &err);
    free(t.scores);
    evaluation_free(&t.result);
    evaluator_close(&t.by);
    return rc < 0 ? cli_report("sluice eval", &err) : cli_finish("sluice eval", CLI_OK);
}

/* level_one.c -- see level_one.h. */
#include "level_one.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluator.h"

#define SOFTNESS 0.1 /* of the weights of WEIGHTED */

/* While one base is asked. */
struct asking {
    struct level_one *l;
    const struct config *cfg;
    const struct level_watch *watch;
    const struct study *study;
    int base;
    struct evaluator by; /* the network of the present fold */
    float *scores;       /* (count, classes) */
    bool *answered;      /* (count) training images, by a fold of this base */
    uint64_t answers;    /* how many are */
};

static int no_memory(struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ENOMEM, "no memory for the networks' answers");
}

/* What the first network's answers tell about all others'. */
static int make_rows(struct level_one *l, const struct evaluator *e,
                     struct sluice_error *err)
{
    const size_t row = (size_t)l->bases * (size_t)e->classes;
    l->classes = e->classes;
    l->count = e->info.count;
    l->answers = calloc((size_t)l->count * row, sizeof *l->answers);
    l->labels = malloc((size_t)l->count * sizeof *l->labels);
    return l->answers && l->labels ? 0 : no_memory(err);
}

static int check_alike(const struct level_one *l, const struct evaluator *e,
                       const struct data_info *info, uint64_t count,
                       struct sluice_error *err)
{
    if (e->classes == l->classes && info->count == count)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: expected %" PRIu64 " images of %d classes, as the "
                       "first study has, found %" PRIu64 " of %d",
                       e->checkpoint, count, l->classes, info->count, e->classes);
}

/* One answer to a training image, which has none of this base yet. */
static int keep_answer(struct asking *a, const struct prediction *p,
                       struct sluice_error *err)
{
    struct level_one *l = a->l;
    const size_t classes = (size_t)l->classes, bases = (size_t)l->bases;
    const uint64_t i = p->id - a->by.info.first;
    const char *why = a->answered[i] ? "two folds have it"
                      : a->base && l->labels[i] != p->label
                          ? "its label is another one than in the first study"
                          : NULL;
    if (why)
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: sample %" PRIu64 ": %s",
                           a->study->folder, p->id, why);
    a->answered[i] = true;
    l->labels[i] = p->label;
    memcpy(l->answers + (i * bases + (size_t)a->base) * classes,
           a->scores + i * classes, classes * sizeof *l->answers);
    a->answers++;
    return 0;
}

static int ask(struct asking *a, struct evaluation *r, float *scores,
               struct sluice_error *err)
{
    struct evaluator *e = &a->by;
    const struct tta tta = evaluate_tta(&e->cfg);
    const int rc =
        evaluate_scores(r, scores, e->net, e->feed.loader, &e->info, &tta, err);
    return rc < 0 ? rc : evaluation_check(r, e->checkpoint, err);
}

/* For what is asked of the folds; none of the base's has answered before the first. */
static int make_room(struct asking *a, struct sluice_error *err)
{
    const struct level_one *l = a->l;
    if (!a->scores) {
        a->scores = calloc((size_t)l->count * (size_t)l->classes, sizeof *a->scores);
        a->answered = calloc((size_t)l->count, sizeof *a->answered);
    }
    if (!a->scores || !a->answered)
        return no_memory(err);
    if (a->answers == 0)
        memset(a->answered, 0, (size_t)l->count * sizeof *a->answered);
    return 0;
}

/* The images that fold `fold` held back. */
static int ask_held_back(struct asking *a, int fold, struct sluice_error *err)
{
    struct level_one *l = a->l;
    struct evaluator *e = &a->by;
    struct evaluation r = { .classes = 0 };
    *e->cfg.data.test = 0;
    int rc = evaluator_open(e, err);
    if (rc == 0 && !e->info.folds)
        rc = sluice_fail(err, SLUICE_EINVAL, "%.300s: expected data.fold in its run",
                         e->run.path);
    if (rc == 0)
        rc = l->answers ? check_alike(l, e, &e->info, l->count, err)
                        : make_rows(l, e, err);
    if (rc == 0)
        rc = make_room(a, err);
    if (rc == 0)
        rc = ask(a, &r, a->scores, err);
    for (uint64_t i = 0; rc == 0 && i < r.count; i++)
        rc = keep_answer(a, &r.at[i], err);
    if (rc == 0)
        l->base[a->base].accuracy[fold] = r.accuracy;
    evaluation_free(&r);
    return rc;
}

static int make_test(struct level_one *l, const struct evaluator *e,
                     const struct evaluation *r, struct sluice_error *err)
{
    l->test_labels = malloc((size_t)r->count * sizeof *l->test_labels);
    l->test_ids = malloc((size_t)r->count * sizeof *l->test_ids);
    if (!l->test_labels || !l->test_ids)
        return no_memory(err);
    for (uint64_t i = 0; i < r->count; i++) {
        l->test_labels[i] = r->at[i].label;
        l->test_ids[i] = r->at[i].id;
    }
    return data_info_open(&l->about, "data.test", l->test, e->cfg.data.test_range,
                          &e->cfg, err);
}

/* Answers are put together by position: another part of the file, or another of its
 * labels, would be taken for what the first study was asked. */
static int check_tests(const struct level_one *l, const struct evaluator *e,
                       const struct evaluation *r, struct sluice_error *err)
{
    for (uint64_t i = 0; i < r->count; i++) {
        const struct prediction *p = &r->at[i];
        if (p->id != l->test_ids[i])
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: test image %" PRIu64
                               ": expected sample %" PRIu64
                               ", as the first study has (data.test_range), found "
                               "sample %" PRIu64,
                               e->checkpoint, i, l->test_ids[i], p->id);
        if (p->label != l->test_labels[i])
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.180s: sample %" PRIu64 " of %.180s: expected label "
                               "%" PRId64 ", as the first study has, found %" PRId64,
                               e->checkpoint, p->id, l->test, l->test_labels[i],
                               p->label);
    }
    return 0;
}

/* All test images, by the network of fold `fold`. */
static int ask_tests(struct asking *a, int fold, struct sluice_error *err)
{
    struct level_one *l = a->l;
    struct evaluator *e = &a->by;
    struct level_base *base = &l->base[a->base];
    struct evaluation r = { .classes = 0 };
    snprintf(e->cfg.data.test, sizeof e->cfg.data.test, "%s", l->test);
    if (*a->cfg->data.test_range)
        snprintf(e->cfg.data.test_range, sizeof e->cfg.data.test_range, "%s",
                 a->cfg->data.test_range);
    int rc = evaluator_open(e, err);
    if (rc == 0 && l->tested)
        rc = check_alike(l, e, &e->info, l->tested, err);
    if (rc < 0)
        return rc;
    l->tested = e->info.count;
    const size_t all = (size_t)l->tested * (size_t)l->classes;
    if (!base->test)
        base->test = calloc((size_t)base->folds * all, sizeof *base->test);
    if (!base->test)
        return no_memory(err);
    rc = ask(a, &r, base->test + (size_t)fold * all, err);
    if (rc == 0)
        rc = l->test_labels ? check_tests(l, e, &r, err) : make_test(l, e, &r, err);
    evaluation_free(&r);
    return rc;
}

static int load(struct asking *a, const char *folder, struct sluice_error *err)
{
    struct evaluator *e = &a->by;
    evaluator_close(e);
    const int rc = evaluator_load(e, folder, WEIGHTS_LAST, NULL, 0, err);
    if (rc < 0)
        return rc;
    if (a->cfg->device)
        e->cfg.device = a->cfg->device;
    if (a->cfg->threads)
        e->cfg.threads = a->cfg->threads;
    return 0;
}

static int ask_fold(struct asking *a, int fold, struct sluice_error *err)
{
    struct level_one *l = a->l;
    const struct level_base *base = &l->base[a->base];
    char folder[RUN_PATH], line[256];
    trial_folder(folder, a->study, &a->study->trials[fold]);
    if (a->watch->stopped(a->watch->ctx))
        return sluice_fail(err, SLUICE_ESTOPPED, "stopped: nothing was written");
    int rc = load(a, folder, err);
    if (rc == 0 && a->base == 0 && fold == 0)
        snprintf(l->test, sizeof l->test, "%s",
                 *a->cfg->data.test ? a->cfg->data.test : a->by.cfg.data.test);
    if (rc == 0)
        rc = ask_held_back(a, fold, err);
    if (rc == 0 && *l->test && (rc = load(a, folder, err)) == 0)
        rc = ask_tests(a, fold, err);
    if (rc < 0)
        return rc;
    snprintf(line, sizeof line, "base %d, fold %d of %d: %.2f%% of what it held back",
             a->base + 1, fold + 1, base->folds, 100 * base->accuracy[fold]);
    a->watch->say(a->watch->ctx, line);
    return 0;
}

static int check_study(const struct study *s, struct sluice_error *err)
{
    if (s->o.kind != STUDY_FOLDS)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: expected a study of folds, as sluice search "
                           "--folds=5 makes it",
                           s->folder);
    for (int i = 0; i < s->o.folds; i++)
        if (i >= s->count || s->trials[i].state != TRIAL_COMPLETE)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: fold %d of %d is not complete: go on with "
                               "sluice search --resume=%.300s",
                               s->folder, i + 1, s->o.folds, s->folder);
    return 0;
}

static int load_study(struct study *s, const char *folder, struct sluice_error *err)
{
    const int rc = study_load(s, folder, err);
    return rc < 0 ? rc : check_study(s, err);
}

static int ask_base(struct asking *a, const char *folder, struct sluice_error *err)
{
    struct study study = { .count = 0 };
    struct level_base *base = &a->l->base[a->base];
    int rc = load_study(&study, folder, err);
    if (rc == 0) {
        a->study = &study;
        a->answers = 0;
        base->folds = study.o.folds;
        snprintf(base->name, sizeof base->name, "%s", study.name);
        base->accuracy = calloc((size_t)base->folds, sizeof *base->accuracy);
        rc = base->accuracy ? 0 : no_memory(err);
    }
    for (int fold = 0; fold < base->folds && rc == 0; fold++)
        rc = ask_fold(a, fold, err);
    if (rc == 0 && a->answers != a->l->count)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "%.300s: its folds have %" PRIu64 " of %" PRIu64 " samples",
                         folder, a->answers, a->l->count);
    study_free(&study);
    return rc;
}

int level_one_gather(struct level_one *out, const char *const *studies, int count,
                     const struct config *cfg, const struct level_watch *watch,
                     struct sluice_error *err)
{
    struct asking *a = calloc(1, sizeof *a);
    int rc = a ? 0 : no_memory(err);
    *out = (struct level_one){ .bases = count };
    if (rc < 0)
        return rc;
    a->l = out;
    a->cfg = cfg;
    a->watch = watch;
    /* What is wrong with the last is said before the first is asked. */
    for (int b = 0; b < count && rc == 0; b++) {
        struct study study = { .count = 0 };
        rc = load_study(&study, studies[b], err);
        study_free(&study);
    }
    for (a->base = 0; a->base < count && rc == 0; a->base++)
        rc = ask_base(a, studies[a->base], err);
    evaluator_close(&a->by);
    free(a->scores);
    free(a->answered);
    free(a);
    if (rc < 0)
        level_one_free(out);
    return rc;
}

void level_one_free(struct level_one *l)
{
    for (int b = 0; b < l->bases; b++) {
        free(l->base[b].accuracy);
        free(l->base[b].test);
    }
    free(l->answers);
    free(l->labels);
    free(l->test_labels);
    free(l->test_ids);
    data_info_close(&l->about);
    *l = (struct level_one){ 0 };
}

/* ---- test images ---- */

static int best_fold(const struct level_base *base)
{
    int best = 0;
    for (int k = 1; k < base->folds; k++)
        if (base->accuracy[k] > base->accuracy[best])
            best = k;
    return best;
}

/* What fold k counts; all together 1. */
static double weight(const struct level_base *base, int k, enum level_strategy strategy)
{
    const int best = best_fold(base);
    double sum = 0;
    if (strategy == ALL_FOLDS)
        return 1.0 / base->folds;
    if (strategy == BEST_FOLD)
        return k == best;
    for (int i = 0; i < base->folds; i++)
        sum += exp((base->accuracy[i] - base->accuracy[best]) / SOFTNESS);
    return exp((base->accuracy[k] - base->accuracy[best]) / SOFTNESS) / sum;
}

/* Less the logarithm of what they come to together. */
static void normalize(float *answer, int classes)
{
    double most = (double)answer[0], sum = 0;
    for (int c = 1; c < classes; c++)
        most = fmax(most, (double)answer[c]);
    for (int c = 0; c < classes; c++)
        sum += exp((double)answer[c] - most);
    for (int c = 0; c < classes; c++)
        answer[c] = (float)((double)answer[c] - most - log(sum));
}

void level_one_test(float *out, const struct level_one *l, enum level_strategy strategy)
{
    const size_t classes = (size_t)l->classes, bases = (size_t)l->bases;
    const size_t all = (size_t)l->tested * classes;
    memset(out, 0, bases * all * sizeof *out);
    for (size_t b = 0; b < bases; b++) {
        const struct level_base *base = &l->base[b];
        for (int k = 0; k < base->folds; k++) {
            const float share = (float)weight(base, k, strategy);
            const float *said = base->test + (size_t)k * all;
            for (size_t i = 0; share > 0 && i < all; i++)
                out[(i / classes * bases + b) * classes + i % classes] +=
                    share * said[i];
        }
        for (size_t i = 0; i < l->tested; i++)
            normalize(out + (i * bases + b) * classes, l->classes);
    }
}

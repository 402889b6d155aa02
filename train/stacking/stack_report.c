/* stack_report.c -- see stack_report.h. */
#include "stack_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text_write.h"

#define NOTHING ((double)NAN)

/* The class with the most of base `base`, or, for -1, of all together. */
static int vote(const float *answers, int bases, int classes, int base)
{
    double most = -(double)INFINITY;
    int best = 0;
    for (int c = 0; c < classes; c++) {
        double sum = 0;
        for (int b = 0; b < bases; b++)
            sum += base < 0 || b == base ? (double)answers[b * classes + c] : 0;
        best = sum > most ? c : best;
        most = fmax(sum, most);
    }
    return best;
}

/* Of `count` rows (bases, classes), those of `list` or all. */
static double accuracy(const float *answers, const int64_t *labels,
                       const uint64_t *list, uint64_t count, int bases, int classes,
                       int base)
{
    const size_t width = (size_t)bases * (size_t)classes;
    uint64_t right = 0, labelled = 0;
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t at = list ? list[i] : i;
        right += vote(answers + at * width, bases, classes, base) == labels[at];
        labelled += labels[at] >= 0;
    }
    return labelled ? (double)right / (double)labelled : NOTHING;
}

/* While it is measured. */
struct measuring {
    const struct level_one *l;
    struct meta *meta;
    float *answers; /* (tested or held, bases, classes) */
    float *scores;  /* (tested or held, classes): what is stacked */
};

static void measure_held(struct stack_result *out, const struct measuring *w)
{
    const struct level_one *l = w->l;
    uint64_t count;
    const uint64_t *held = meta_held(w->meta, &count);
    for (int b = 0; b <= l->bases; b++)
        out->row[b].held = accuracy(l->answers, l->labels, held, count, l->bases,
                                    l->classes, b < l->bases ? b : -1);
}

/* What is stacked, on what it did not learn from. */
static int measure_stacked(struct stack_result *out, struct measuring *w,
                           struct sluice_error *err)
{
    const struct level_one *l = w->l;
    const size_t width = (size_t)l->bases * (size_t)l->classes;
    uint64_t count, right = 0;
    const uint64_t *held = meta_held(w->meta, &count);
    for (uint64_t i = 0; i < count; i++)
        memcpy(w->answers + i * width, l->answers + held[i] * width,
               width * sizeof *w->answers);
    const int rc = meta_apply(w->meta, w->answers, count, w->scores, err);
    for (uint64_t i = 0; i < count && rc == 0; i++)
        right += vote(w->scores + i * (size_t)l->classes, 1, l->classes, 0) ==
                 l->labels[held[i]];
    out->row[l->bases + 1].held = (double)right / (double)count;
    return rc;
}

static int measure_tests(struct stack_result *out, struct measuring *w,
                         enum level_strategy strategy, struct sluice_error *err)
{
    const struct level_one *l = w->l;
    level_one_test(w->answers, l, strategy);
    for (int b = 0; b <= l->bases; b++)
        out->row[b].test[strategy] =
            accuracy(w->answers, l->test_labels, NULL, l->tested, l->bases, l->classes,
                     b < l->bases ? b : -1);
    const int rc = meta_apply(w->meta, w->answers, l->tested, w->scores, err);
    if (rc == 0)
        out->row[l->bases + 1].test[strategy] =
            accuracy(w->scores, l->test_labels, NULL, l->tested, 1, l->classes, 0);
    return rc;
}

/* The scores as `sluice eval` would say them. */
static int keep_test(struct stack_result *out, const struct measuring *w,
                     struct sluice_error *err)
{
    const struct level_one *l = w->l;
    struct evaluation *e = &out->test;
    *e = (struct evaluation){ .classes = l->classes,
                              .count = l->tested,
                              .labelled = l->about.label_field >= 0 };
    if (!(e->at = calloc((size_t)l->tested, sizeof *e->at)))
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " predictions",
                           l->tested);
    for (uint64_t i = 0; i < l->tested; i++)
        e->at[i] =
            (struct prediction){ .id = l->test_ids[i], .label = l->test_labels[i] };
    evaluation_decide(e, w->scores, l->about.first);
    return evaluation_check(e, "the stacked network", err);
}

static void name_rows(struct stack_result *out, const struct level_one *l)
{
    out->rows = l->bases + 2;
    for (int i = 0; i < out->rows; i++) {
        struct stack_row *row = &out->row[i];
        if (i < l->bases)
            snprintf(row->name, sizeof row->name, "base %d: %s", i + 1,
                     l->base[i].name);
        else
            snprintf(row->name, sizeof row->name, i == l->bases ? "mean" : "stacked");
        row->held = NOTHING;
        for (int s = 0; s < LEVEL_STRATEGIES; s++)
            row->test[s] = NOTHING;
    }
}

int stack_measure(struct stack_result *out, const struct level_one *l, struct meta *m,
                  enum level_strategy chosen, struct sluice_error *err)
{
    const size_t most = (size_t)(l->tested > l->count ? l->tested : l->count);
    const size_t classes = (size_t)l->classes;
    struct measuring w = { .l = l, .meta = m };
    int rc = 0;
    *out = (struct stack_result){ .rows = 0 };
    name_rows(out, l);
    w.answers = calloc(most * (size_t)l->bases * classes + 1, sizeof *w.answers);
    w.scores = calloc(most * classes + 1, sizeof *w.scores);
    if (!w.answers || !w.scores)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu answers", most);
    if (rc == 0) {
        measure_held(out, &w);
        rc = measure_stacked(out, &w, err);
    }
    for (int s = 0; s < LEVEL_STRATEGIES && rc == 0 && l->tested; s++) {
        rc = measure_tests(out, &w, (enum level_strategy)s, err);
        if (rc == 0 && s == (int)chosen)
            rc = keep_test(out, &w, err);
    }
    free(w.answers);
    free(w.scores);
    return rc;
}

void stack_result_free(struct stack_result *r)
{
    evaluation_free(&r->test);
}

static const char *strategy_name(char buf[64], int strategy)
{
    return choice_name(buf, LEVEL_STRATEGY_NAMES, strategy);
}

static void print_share(FILE *to, double x)
{
    if (isnan(x))
        fprintf(to, "  %10s", "-");
    else
        fprintf(to, "  %9.2f%%", 100 * x);
}

void stack_print(FILE *to, const struct stack_result *r, const struct level_one *l)
{
    char buf[64];
    fprintf(to, "%-28s  %10s", "", "held back");
    for (int s = 0; s < LEVEL_STRATEGIES && l->tested; s++)
        fprintf(to, "  %10s", strategy_name(buf, s));
    fputc('\n', to);
    for (int i = 0; i < r->rows; i++) {
        fprintf(to, "%-28.60s", r->row[i].name);
        print_share(to, r->row[i].held);
        for (int s = 0; s < LEVEL_STRATEGIES && l->tested; s++)
            print_share(to, r->row[i].test[s]);
        fputc('\n', to);
    }
}

static void put_number(FILE *to, const char *key, double x)
{
    fprintf(to, isnan(x) ? "\"%s\": null" : "\"%s\": %.9g", key, x);
}

static void put_row(FILE *to, const struct stack_row *row, const struct level_base *b)
{
    char buf[64];
    fputs("    { \"name\": ", to);
    write_quoted(to, row->name);
    fputs(", ", to);
    put_number(to, "held_accuracy", row->held);
    for (int s = 0; s < LEVEL_STRATEGIES; s++) {
        char key[96];
        snprintf(key, sizeof key, "test_accuracy_%s", strategy_name(buf, s));
        fputs(", ", to);
        put_number(to, key, row->test[s]);
    }
    if (b)
        fputs(", \"fold_accuracies\": [", to);
    for (int k = 0; b && k < b->folds; k++)
        fprintf(to, "%s%.9g", k ? ", " : "", b->accuracy[k]);
    fputs(b ? "] }" : " }", to);
}

void stack_write_json(FILE *to, const struct stack_result *r, const struct level_one *l,
                      const struct meta *m, int epochs)
{
    fprintf(to,
            "{\n  \"classes\": %d,\n  \"train_images\": %" PRIu64
            ",\n  \"test_images\": %" PRIu64
            ",\n  \"parameters\": %zu,\n  \"epochs\": %d,\n  ",
            l->classes, l->count, l->tested, meta_parameters(m), epochs);
    put_number(to, "test_loss", l->tested ? r->test.loss : NOTHING);
    fputs(",\n  \"rows\": [\n", to);
    for (int i = 0; i < r->rows; i++) {
        put_row(to, &r->row[i], i < l->bases ? &l->base[i] : NULL);
        fputs(i + 1 < r->rows ? ",\n" : "\n  ]\n}\n", to);
    }
}

/* evaluate_text.c -- an evaluation as files and as a table for people. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "progress.h"

enum {
    PAIRS_SHOWN = 5,
    NAME_SHOWN = 256,
    CLASSES_SHOWN = 100, /* of the printed table; the file has them all */
};

/* (classes, classes): images of class row that were taken for class column. */
static uint64_t *count_pairs(const struct evaluation *e, struct sluice_error *err)
{
    const size_t n = (size_t)e->classes;
    uint64_t *pairs = calloc(n * n, sizeof(*pairs));
    if (!pairs) {
        sluice_fail(err, SLUICE_ENOMEM, "no memory for a table of %zu classes", n);
        return NULL;
    }
    for (uint64_t i = 0; i < e->count && e->labelled; i++)
        if (e->at[i].label >= 0 && e->at[i].label < e->classes)
            pairs[(size_t)e->at[i].label * n + (size_t)e->at[i].predicted]++;
    return pairs;
}

struct class_counts {
    uint64_t images, predicted, correct;
};

static struct class_counts count_class(const uint64_t *pairs, int classes, int c)
{
    struct class_counts out = { 0 };
    const size_t n = (size_t)classes;
    for (size_t k = 0; k < n; k++) {
        out.images += pairs[(size_t)c * n + k];
        out.predicted += pairs[k * n + (size_t)c];
    }
    out.correct = pairs[(size_t)c * n + (size_t)c];
    return out;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* A CSV field: quoted where it must be. */
static void put_field(FILE *to, const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++)
        fprintf(to, *text == '"' ? "\"\"" : "%c", *text);
    fputc('"', to);
}

static void put_prediction(FILE *to, const struct prediction *p)
{
    fprintf(to, "%" PRIu64 ",", p->id);
    if (p->label >= 0)
        fprintf(to, "%" PRId64, p->label);
    fprintf(to, ",%d,%.6f\n", p->predicted, (double)p->probability);
}

static int write_predictions(const struct evaluation *e, const struct data_info *info,
                             enum predictions_kind kind, const char *path,
                             struct sluice_error *err)
{
    struct new_file f;
    int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    fputs(kind == PREDICTIONS_FULL ? "id,label,prediction,probability\n"
                                   : "ID,Labels\n",
          f.to);
    for (uint64_t i = 0; i < e->count; i++)
        if (kind == PREDICTIONS_FULL)
            put_prediction(f.to, &e->at[i]);
        else
            fprintf(f.to, "%" PRIu64 ",%d\n", e->at[i].id - info->first,
                    e->at[i].predicted);
    return file_commit(&f, err);
}

static int write_classes(const struct evaluation *e, const uint64_t *pairs,
                         const struct data_info *info, const char *path,
                         struct sluice_error *err)
{
    struct new_file f;
    char buf[32];
    int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    fputs("class,name,images,predicted,correct,recall,precision\n", f.to);
    for (int c = 0; c < e->classes; c++) {
        const struct class_counts n = count_class(pairs, e->classes, c);
        fprintf(f.to, "%d,", c);
        put_field(f.to, data_info_class(buf, info, c));
        fprintf(f.to, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.6f,%.6f\n", n.images,
                n.predicted, n.correct, share(n.correct, n.images),
                share(n.correct, n.predicted));
    }
    return file_commit(&f, err);
}

int evaluation_write(const struct evaluation *e, const struct data_info *info,
                     enum predictions_kind kind, const struct run_dir *folder,
                     struct sluice_error *err)
{
    char path[RUN_PATH];
    uint64_t *pairs;
    int rc = write_predictions(e, info, kind, run_file(path, folder, "predictions.csv"),
                               err);
    if (rc < 0 || !e->labelled)
        return rc;
    if (!(pairs = count_pairs(e, err)))
        return SLUICE_ENOMEM;
    rc = write_classes(e, pairs, info, run_file(path, folder, "per_class.csv"), err);
    free(pairs);
    return rc;
}

void evaluation_print_first(FILE *to, const struct evaluation *e,
                            const struct data_info *info, uint64_t most)
{
    fputs("ID,Labels\n", to);
    for (uint64_t i = 0; i < e->count && i < most; i++)
        fprintf(to, "%" PRIu64 ",%d\n", e->at[i].id - info->first, e->at[i].predicted);
    if (e->count > most)
        fprintf(to, "... and %" PRIu64 " more\n", e->count - most);
}

static const char *shown_class(char buf[NAME_SHOWN], const struct data_info *info,
                               int label)
{
    char number[32];
    return text_name(buf, NAME_SHOWN, data_info_class(number, info, label));
}

static void print_pairs(FILE *to, const struct evaluation *e, uint64_t *pairs,
                        const struct data_info *info)
{
    const size_t n = (size_t)e->classes;
    char a[NAME_SHOWN], b[NAME_SHOWN];
    for (size_t c = 0; c < n; c++)
        pairs[c * n + c] = 0;
    for (int shown = 0; shown < PAIRS_SHOWN; shown++) {
        size_t most = 0;
        for (size_t i = 1; i < n * n; i++)
            most = pairs[i] > pairs[most] ? i : most;
        if (!pairs[most])
            return;
        fprintf(to, "%s %s taken for %s: %" PRIu64 "\n",
                shown ? "             " : "most mistaken",
                shown_class(a, info, (int)(most / n)),
                shown_class(b, info, (int)(most % n)), pairs[most]);
        pairs[most] = 0;
    }
}

int evaluation_print(FILE *to, const struct evaluation *e, const struct data_info *info,
                     struct sluice_error *err)
{
    uint64_t *pairs;
    char buf[NAME_SHOWN];
    if (!e->labelled)
        return 0;
    if (!(pairs = count_pairs(e, err)))
        return SLUICE_ENOMEM;
    fprintf(to, "%-20s %8s %8s %9s\n", "class", "images", "recall", "precision");
    for (int c = 0; c < e->classes && c < CLASSES_SHOWN; c++) {
        const struct class_counts n = count_class(pairs, e->classes, c);
        fprintf(to, "%-20s %8" PRIu64 " %7.2f%% %8.2f%%\n", shown_class(buf, info, c),
                n.images, 100 * share(n.correct, n.images),
                100 * share(n.correct, n.predicted));
    }
    if (e->classes > CLASSES_SHOWN)
        fprintf(to, "... and %d more: per_class.csv\n", e->classes - CLASSES_SHOWN);
    print_pairs(to, e, pairs, info);
    free(pairs);
    return 0;
}

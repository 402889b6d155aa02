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

struct class_counts {
    uint64_t images, predicted, correct;
};

static bool has_label(const struct evaluation *e, uint64_t i)
{
    return e->labelled && e->at[i].label >= 0 && e->at[i].label < e->classes;
}

/* (classes), to be freed. */
static struct class_counts *count_classes(const struct evaluation *e,
                                          struct sluice_error *err)
{
    struct class_counts *counts = calloc((size_t)e->classes, sizeof(*counts));
    if (!counts)
        sluice_fail(err, SLUICE_ENOMEM, "no memory for a table of %d classes",
                    e->classes);
    for (uint64_t i = 0; counts && i < e->count; i++) {
        if (!has_label(e, i))
            continue;
        counts[e->at[i].label].images++;
        counts[e->at[i].predicted].predicted++;
        counts[e->at[i].label].correct += e->at[i].label == e->at[i].predicted;
    }
    return counts;
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

static int write_classes(const struct evaluation *e, const struct class_counts *counts,
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
        const struct class_counts n = counts[c];
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
    int rc = write_predictions(e, info, kind, run_file(path, folder, "predictions.csv"),
                               err);
    if (rc < 0 || !e->labelled)
        return rc;
    struct class_counts *counts = count_classes(e, err);
    if (!counts)
        return SLUICE_ENOMEM;
    rc = write_classes(e, counts, info, run_file(path, folder, "per_class.csv"), err);
    free(counts);
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

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Of a sorted list the key that is there most often behind those shown already: fewer
 * times than the last, or as often and larger. Returns how often. */
static uint64_t next_pair(const uint64_t *keys, uint64_t count, uint64_t times,
                          uint64_t *key)
{
    const uint64_t last = *key;
    uint64_t best = 0, n;
    for (uint64_t i = 0; i < count; i += n) {
        for (n = 1; i + n < count && keys[i + n] == keys[i];)
            n++;
        if (n > best && (n < times || (n == times && keys[i] > last))) {
            best = n;
            *key = keys[i];
        }
    }
    return best;
}

static int print_pairs(FILE *to, const struct evaluation *e,
                       const struct data_info *info, struct sluice_error *err)
{
    const uint64_t n = (uint64_t)e->classes;
    char a[NAME_SHOWN], b[NAME_SHOWN];
    uint64_t count = 0, key = 0, times = UINT64_MAX;
    uint64_t *keys = calloc(e->count + 1, sizeof(*keys));
    if (!keys)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " mistakes",
                           e->count);
    for (uint64_t i = 0; i < e->count; i++)
        if (has_label(e, i) && e->at[i].label != e->at[i].predicted)
            keys[count++] = (uint64_t)e->at[i].label * n + (uint64_t)e->at[i].predicted;
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (int shown = 0; shown < PAIRS_SHOWN; shown++) {
        if (!(times = next_pair(keys, count, times, &key)))
            break;
        fprintf(to, "%s %s taken for %s: %" PRIu64 "\n",
                shown ? "             " : "most mistaken",
                shown_class(a, info, (int)(key / n)),
                shown_class(b, info, (int)(key % n)), times);
    }
    free(keys);
    return 0;
}

int evaluation_print(FILE *to, const struct evaluation *e, const struct data_info *info,
                     struct sluice_error *err)
{
    char buf[NAME_SHOWN];
    if (!e->labelled)
        return 0;
    struct class_counts *counts = count_classes(e, err);
    if (!counts)
        return SLUICE_ENOMEM;
    fprintf(to, "%-20s %8s %8s %9s\n", "class", "images", "recall", "precision");
    for (int c = 0; c < e->classes && c < CLASSES_SHOWN; c++) {
        const struct class_counts n = counts[c];
        fprintf(to, "%-20s %8" PRIu64 " %7.2f%% %8.2f%%\n", shown_class(buf, info, c),
                n.images, 100 * share(n.correct, n.images),
                100 * share(n.correct, n.predicted));
    }
    if (e->classes > CLASSES_SHOWN)
        fprintf(to, "... and %d more: per_class.csv\n", e->classes - CLASSES_SHOWN);
    free(counts);
    return print_pairs(to, e, info, err);
}

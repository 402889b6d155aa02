/* bench_shuffle.c -- `sluice bench --shuffle`: how many classes a batch sees and how
 * alike neighbours are in each order, beside what chance gives: for the file as it is,
 * and as if its samples lay sorted by class, which is the worst case. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* The classes of the samples, as numbers 0 .. classes-1. */
struct labels {
    int *of;     /* (count) */
    int *sorted; /* (count): the same, rising */
    uint64_t count;
    int classes;
    uint64_t *sizes; /* (classes) */
};

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void free_labels(struct labels *l)
{
    free(l->of);
    free(l->sorted);
    free(l->sizes);
}

static int number_labels(struct labels *l, const struct sluice_dataset *ds,
                         struct sluice_error *err)
{
    const int field = sluice_dataset_find_label(ds);
    const uint64_t n = sluice_dataset_count(ds);
    if (field < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no integer field to sort by",
                           sluice_dataset_name(ds));
    int64_t *values = malloc(n * sizeof(*values));
    l->count = n;
    l->of = malloc(n * sizeof(*l->of));
    l->sorted = malloc(n * sizeof(*l->sorted));
    l->sizes = calloc(n, sizeof(*l->sizes));
    if (!values || !l->of || !l->sorted || !l->sizes) {
        free(values);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for its labels",
                           sluice_dataset_name(ds));
    }
    for (uint64_t i = 0; i < n; i++)
        values[i] = sluice_dataset_integer(ds, field, i);
    qsort(values, n, sizeof(*values), by_value);
    for (uint64_t i = 0; i < n; i++)
        if (i == 0 || values[i] != values[l->classes - 1])
            values[l->classes++] = values[i];
    for (uint64_t i = 0; i < n; i++) {
        const int64_t value = sluice_dataset_integer(ds, field, i);
        const int64_t *at =
            bsearch(&value, values, (size_t)l->classes, sizeof(*values), by_value);
        l->of[i] = (int)(at - values);
        l->sizes[l->of[i]]++;
    }
    uint64_t at = 0;
    for (int c = 0; c < l->classes; c++)
        for (uint64_t i = 0; i < l->sizes[c]; i++)
            l->sorted[at++] = c;
    free(values);
    return 0;
}

/* Classes in a batch that is drawn from all samples without replacement. */
static double chance(const struct labels *l, int batch)
{
    const double n = (double)l->count, b = batch < n ? batch : n;
    double sum = 0;
    for (int c = 0; c < l->classes; c++) {
        const double rest = n - (double)l->sizes[c];
        sum += 1 - (rest < b ? 0
                             : exp(lgamma(rest + 1) - lgamma(rest - b + 1) -
                                   lgamma(n + 1) + lgamma(n - b + 1)));
    }
    return sum;
}

struct mix {
    double classes, sorted_classes; /* in a batch */
    double neighbour;               /* correlation of places in the file */
    uint64_t batches, pairs;
    double last;
    uint8_t *seen; /* (classes) */
};

static int different(const int *of, const uint64_t *ids, int n, uint8_t *seen,
                     int classes)
{
    int sum = 0;
    memset(seen, 0, (size_t)classes);
    for (int i = 0; i < n; i++) {
        sum += !seen[of[ids[i]]];
        seen[of[ids[i]]] = 1;
    }
    return sum;
}

static void add_batch(struct mix *m, const struct labels *l, const uint64_t *ids, int n)
{
    for (int i = 0; i < n; i++) {
        const double place = ((double)ids[i] + 0.5) / (double)l->count - 0.5;
        if (i || m->batches)
            m->neighbour += place * m->last * 12; /* their variance is 1/12 */
        m->pairs += i || m->batches;
        m->last = place;
    }
    m->classes += different(l->of, ids, n, m->seen, l->classes);
    m->sorted_classes += different(l->sorted, ids, n, m->seen, l->classes);
    m->batches++;
}

static int measure(struct mix *m, const char *path, const struct bench_options *opt,
                   const struct labels *l, enum sluice_order order,
                   struct sluice_error *err)
{
    struct bench_options in_order = *opt;
    in_order.order = (int)order;
    struct sluice_loader_options o = bench_loader_options(&in_order);
    struct sluice_loader *ld;
    int n = 1;
    o.threads = 1;
    o.batches = 1;
    o.io = SLUICE_IO_PREAD;
    int rc = sluice_loader_open(&ld, path, &o, err);
    uint64_t *ids = malloc((size_t)opt->batch_size * sizeof(*ids));
    m->seen = malloc((size_t)l->classes + 1);
    if (rc == 0 && (!ids || !m->seen))
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    /* Full batches only: a short one sees fewer classes for no fault of its order. */
    for (uint64_t b = 0; rc == 0 && b < sluice_loader_batches(ld); b++) {
        n = sluice_loader_ids(ld, 0, b, ids, opt->batch_size, err);
        if (n == opt->batch_size || b == 0)
            add_batch(m, l, ids, n);
    }
    if (rc == 0) {
        m->classes /= (double)m->batches;
        m->sorted_classes /= (double)m->batches;
        m->neighbour /= (double)m->pairs;
    }
    sluice_loader_close(ld);
    free(ids);
    free(m->seen);
    return rc;
}

static int read_labels(struct labels *l, const char *path,
                       const struct bench_options *opt, struct sluice_error *err)
{
    struct sluice_loader_options o = bench_loader_options(opt);
    struct sluice_loader *ld;
    o.threads = o.batches = o.batch_size = 1;
    o.io = SLUICE_IO_PREAD;
    int rc = sluice_loader_open(&ld, path, &o, err);
    if (rc < 0)
        return rc;
    rc = number_labels(l, sluice_loader_dataset(ld), err);
    sluice_loader_close(ld);
    return rc;
}

static void print_mix(const char *path, const struct bench_options *opt,
                      const struct labels *l, const struct mix mix[3])
{
    static const char *const names[] = { "random", "sequential", "quasi_random" };
    const double ideal = chance(l, opt->batch_size);
    if (opt->json)
        printf("{\"samples\": %" PRIu64 ", \"classes\": %d, \"batch_size\": %d, "
               "\"ideal\": {\"classes\": %.4f, \"sorted_classes\": %.4f, "
               "\"neighbour\": 0}",
               l->count, l->classes, opt->batch_size, ideal, ideal);
    else
        printf("%s: %" PRIu64 " samples of %d classes, batches of %d, one epoch\n"
               "              classes in a batch                correlation of\n"
               "order         as the file is  sorted by class   neighbours\n"
               "%-12s  %14.2f  %15.2f  %+.5f\n",
               path, l->count, l->classes, opt->batch_size, "ideal", ideal, ideal, 0.0);
    for (int i = 0; i < 3; i++)
        printf(opt->json ? ", \"%s\": {\"classes\": %.4f, \"sorted_classes\": %.4f, "
                           "\"neighbour\": %.6f}"
                         : "%-12s  %14.2f  %15.2f  %+.5f\n",
               names[i], mix[i].classes, mix[i].sorted_classes, mix[i].neighbour);
    if (opt->json)
        printf("}\n");
}

int bench_shuffle(const char *path, const struct bench_options *opt,
                  struct sluice_error *err)
{
    struct labels l = { NULL };
    struct mix mix[3] = { { 0 } };
    int rc = read_labels(&l, path, opt, err);
    for (int order = 0; order < 3 && rc == 0; order++)
        rc = measure(&mix[order], path, opt, &l, (enum sluice_order)order, err);
    if (rc == 0)
        print_mix(path, opt, &l, mix);
    free_labels(&l);
    return rc;
}

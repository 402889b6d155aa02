/* view.c -- see view.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "view.h"

static int no_memory(const struct sluice_loader *ld, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ENOMEM,
                       "%s: no memory for %" PRIu64 " sample numbers", ld->file.path,
                       ld->in_use);
}

/* ---- the list ---- */

/* Numbers between blanks; # begins a comment. */
static int read_list(struct sluice_loader *ld, const char *path,
                     struct sluice_error *err)
{
    FILE *f = fopen(path, "re");
    unsigned long line = 1;
    uint64_t room = 0;
    int c, rc = 0;
    if (!f)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    ld->in_use = 0;
    while (rc == 0 && (c = getc(f)) != EOF) {
        uint64_t n = 0;
        int digits = 0;
        if (c == '#')
            while (c != '\n' && c != EOF)
                c = getc(f);
        line += c == '\n';
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == EOF)
            continue;
        for (; c >= '0' && c <= '9' && digits < 18; c = getc(f), digits++)
            n = n * 10 + (uint64_t)(c - '0');
        if (!digits || (c != EOF && !strchr(" \t\r\n,#", c)))
            rc = sluice_fail(err, SLUICE_EINVAL,
                             "%s: line %lu: expected a sample number", path, line);
        else if (ld->in_use == room) {
            room = room ? room * 2 : 1024;
            uint64_t *more = realloc(ld->subset, room * sizeof(*more));
            rc = more ? 0 : no_memory(ld, err);
            ld->subset = more ? more : ld->subset;
        }
        if (rc == 0)
            ld->subset[ld->in_use++] = n;
        ungetc(c, f);
    }
    if (rc == 0 && ferror(f))
        rc = sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    fclose(f);
    return rc;
}

static int take_list(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    const uint64_t total = sluice_dataset_count(ld->file.dataset);
    int rc = 0;
    ld->in_use = o->subset ? o->subset_count : total;
    if (o->subset && o->subset_file)
        return sluice_fail(err, SLUICE_EINVAL, "%s: a subset, and a file of one",
                           ld->file.path);
    if (o->subset_file && (rc = read_list(ld, o->subset_file, err)) < 0)
        return rc;
    if (o->subset) {
        ld->subset = malloc((ld->in_use + 1) * sizeof(*ld->subset));
        if (!ld->subset)
            return no_memory(ld, err);
        memcpy(ld->subset, o->subset, ld->in_use * sizeof(*ld->subset));
    }
    for (uint64_t i = 0; ld->subset && i < ld->in_use; i++)
        if (ld->subset[i] >= total)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: subset names sample %" PRIu64 " of %" PRIu64,
                               ld->file.path, ld->subset[i], total);
    if (!ld->in_use)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no samples", ld->file.path);
    return 0;
}

/* ---- classes ---- */

struct member {
    int64_t class;
    uint64_t place; /* that ties are broken by */
    uint64_t index; /* among the samples in use */
};

static int by_class(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static int class_field(const struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_dataset *ds = ld->file.dataset;
    const char *name = ld->opt.class_field;
    const int field =
        name ? sluice_dataset_find(ds, name) : sluice_dataset_find_label(ds);
    for (int i = 0; i < ld->label_columns; i++)
        if (ld->label_fields[i] == field)
            return field;
    return sluice_fail(err, SLUICE_EINVAL, "%s: no integer field %s", ld->file.path,
                       name ? name : "to tell classes by");
}

/* The samples in use, sorted by class (all alike where `field` < 0), and within one in
 * the order of a permutation that `seed` gives, or as they stand. NULL: no memory. */
static struct member *sort_members(const struct sluice_loader *ld, int field,
                                   const uint64_t *seed)
{
    struct member *m = malloc((ld->in_use + 1) * sizeof(*m));
    struct sluice_permutation p;
    if (seed)
        sluice_permutation_init_window(&p, ld->in_use, *seed, UINT32_MAX, 0);
    for (uint64_t i = 0; m && i < ld->in_use; i++) {
        m[i].index = i;
        m[i].place = seed ? sluice_permutation_at(&p, i) : i;
        m[i].class = field < 0 ? 0
                               : sluice_dataset_integer(ld->file.dataset, field,
                                                        sluice_view_sample(ld, i));
    }
    if (m)
        qsort(m, ld->in_use, sizeof(*m), by_class);
    return m;
}

/* ---- folds ---- */

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The shuffled samples, class behind class, are dealt out to the folds in turn: so
 * sizes differ by one at most, and so do those of each class. */
static int take_fold(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    uint64_t kept = 0;
    int field = -1;
    if (!o->folds)
        return 0;
    if (o->folds > 0 && ld->in_use < (uint64_t)o->folds)
        return sluice_fail(err, SLUICE_EINVAL, "%s: %d folds of %" PRIu64 " samples",
                           ld->file.path, o->folds, ld->in_use);
    if (o->stratified && (field = class_field(ld, err)) < 0)
        return field;
    struct member *m = sort_members(ld, field, &o->fold_seed);
    uint64_t *list = malloc((ld->in_use + 1) * sizeof(*list));
    for (uint64_t i = 0; m && list && i < ld->in_use; i++)
        if ((i % (uint64_t)o->folds == (uint64_t)o->fold) == o->fold_test)
            list[kept++] = sluice_view_sample(ld, m[i].index);
    const bool poor = !m || !list;
    free(m);
    if (poor) {
        free(list);
        return no_memory(ld, err);
    }
    /* In the order of the file: SEQUENTIAL and QUASI_RANDOM read it so. */
    qsort(list, kept, sizeof(*list), by_number);
    free(ld->subset);
    ld->subset = list;
    ld->in_use = kept;
    return 0;
}

/* ---- weights ---- */

static double weight_of(const struct sluice_loader *ld, int64_t class)
{
    return ld->opt.balanced ? 1 : ld->opt.class_weights[class];
}

/* Classes that have samples in use, each with the list of them. */
static int weigh_classes(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    struct sluice_draws *d = &ld->draws;
    const int field = class_field(ld, err);
    uint64_t classes = 0, bad = 0;
    int rc = 0;
    if (field < 0)
        return field;
    struct member *m = sort_members(ld, field, NULL);
    double *weights = malloc((ld->in_use + 1) * sizeof(*weights));
    uint64_t *first = malloc((ld->in_use + 1) * sizeof(*first));
    uint64_t *members = malloc((ld->in_use + 1) * sizeof(*members));
    if (!m || !weights || !first || !members)
        rc = no_memory(ld, err);
    for (uint64_t i = 0; rc == 0 && i < ld->in_use; i++) {
        members[i] = m[i].index;
        if (!o->balanced && (m[i].class < 0 || m[i].class >= o->class_count))
            rc = sluice_fail(err, SLUICE_EINVAL,
                             "%s: sample %" PRIu64 " is of class %" PRId64
                             ": expected class_weights for it, found weights for %d",
                             ld->file.path, sluice_view_sample(ld, m[i].index),
                             m[i].class, o->class_count);
        else if (i == 0 || m[i].class != m[i - 1].class) {
            first[classes] = i;
            weights[classes++] = weight_of(ld, m[i].class);
        }
    }
    if (rc == 0) {
        first[classes] = ld->in_use;
        struct sluice_error why;
        rc = sluice_draws_create(d, weights, classes, &bad, &why);
        if (rc < 0)
            sluice_fail(err, (enum sluice_code)rc, "%s: classes: %.300s", ld->file.path,
                        why.message);
    }
    if (rc == 0) {
        d->first = first;
        d->members = members;
        first = members = NULL;
    }
    free(m);
    free(weights);
    free(first);
    free(members);
    return rc;
}

static int weigh_samples(struct sluice_loader *ld, struct sluice_error *err)
{
    const double *all = ld->opt.sample_weights;
    const uint64_t total = sluice_dataset_count(ld->file.dataset);
    struct sluice_error why;
    uint64_t bad = 0;
    if (ld->opt.sample_weight_count != total)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: weights for %" PRIu64 " samples, it has %" PRIu64,
                           ld->file.path, ld->opt.sample_weight_count, total);
    double *weights = malloc((ld->in_use + 1) * sizeof(*weights));
    if (!weights)
        return no_memory(ld, err);
    for (uint64_t i = 0; i < ld->in_use; i++)
        weights[i] = all[sluice_view_sample(ld, i)];
    const int rc = sluice_draws_create(&ld->draws, weights, ld->in_use, &bad, &why);
    free(weights);
    return rc < 0 ? sluice_fail(err, (enum sluice_code)rc,
                                "%s: sample %" PRIu64 ": %.300s", ld->file.path,
                                sluice_view_sample(ld, bad), why.message)
                  : 0;
}

static int take_weights(struct sluice_loader *ld, struct sluice_error *err)
{
    const struct sluice_loader_options *o = &ld->opt;
    const int ways = o->balanced + !!o->class_weights + !!o->sample_weights;
    ld->count = ld->in_use;
    if (ways > 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: expected one of balanced, class_weights and "
                           "sample_weights, found %d",
                           ld->file.path, ways);
    if (!ways)
        return o->epoch_samples
                   ? sluice_fail(err, SLUICE_EINVAL,
                                 "%s: epoch_samples: of samples that are drawn by "
                                 "weights only",
                                 ld->file.path)
                   : 0;
    if (o->order != SLUICE_RANDOM)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: balanced, class_weights, sample_weights: expected the "
                           "order random, since each place is drawn",
                           ld->file.path);
    ld->count = o->epoch_samples ? o->epoch_samples : ld->in_use;
    return o->sample_weights ? weigh_samples(ld, err) : weigh_classes(ld, err);
}

/* ---- all ---- */

int sluice_view_create(struct sluice_loader *ld, struct sluice_error *err)
{
    struct sluice_loader_options *o = &ld->opt;
    int rc = take_list(ld, err);
    if (rc < 0 || (rc = take_fold(ld, err)) < 0 || (rc = take_weights(ld, err)) < 0)
        return rc;
    o->subset = NULL; /* the caller's: copied */
    o->class_weights = o->sample_weights = NULL;
    o->subset_file = o->class_field = NULL;
    return 0;
}

void sluice_view_free(struct sluice_loader *ld)
{
    free(ld->subset);
    sluice_draws_free(&ld->draws);
}

/* pruner.c -- when a trial is hopeless; see pruner.h. */
#include <math.h>
#include <stdlib.h>

#include "pruner.h"

int curve_set(struct curve *c, int epoch, double accuracy, struct sluice_error *err)
{
    double *at = realloc(c->at, (size_t)epoch * sizeof(*at));
    if (!at)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d epochs", epoch);
    c->at = at;
    for (int i = c->epochs; i < epoch; i++)
        at[i] = (double)NAN;
    at[epoch - 1] = accuracy;
    c->epochs = epoch;
    return 0;
}

double curve_last(const struct curve *c, int *epoch)
{
    *epoch = c->epochs;
    while (*epoch && isnan(c->at[*epoch - 1]))
        --*epoch;
    return *epoch ? c->at[*epoch - 1] : (double)NAN;
}

static bool on_plateau(const struct pruner *p, const struct curve *c)
{
    double best = -(double)INFINITY;
    int without = 0;
    for (int i = 0; i < c->epochs; i++) {
        if (isnan(c->at[i]))
            continue;
        if (c->at[i] > best + p->min_delta) {
            best = c->at[i];
            without = 0;
        } else {
            without++;
        }
    }
    return without >= p->patience;
}

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool below_median(const struct pruner *p, const struct curve *c,
                         const struct curve *const *complete, int count)
{
    double best = -(double)INFINITY, median;
    int n = 0;
    if (count < p->startup || c->epochs <= p->warmup || isnan(c->at[c->epochs - 1]))
        return false;
    double *then = calloc((size_t)count + 1, sizeof(*then));
    if (!then)
        return false; /* a trial that goes on costs time alone */
    for (int i = 0; i < count; i++)
        if (complete[i]->epochs >= c->epochs && !isnan(complete[i]->at[c->epochs - 1]))
            then[n++] = complete[i]->at[c->epochs - 1];
    for (int i = 0; i < c->epochs; i++)
        best = c->at[i] > best ? c->at[i] : best;
    qsort(then, (size_t)n, sizeof(*then), compare_numbers);
    median = n ? 0.5 * (then[(n - 1) / 2] + then[n / 2]) : -(double)INFINITY;
    free(then);
    return best < median;
}

bool pruner_ends(const struct pruner *p, const struct curve *so_far,
                 const struct curve *const *complete, int count)
{
    if (!so_far->epochs)
        return false;
    switch (p->kind) {
    case PRUNER_PLATEAU:
        return on_plateau(p, so_far);
    case PRUNER_MEDIAN:
        return below_median(p, so_far, complete, count);
    case PRUNER_NONE:
        return false;
    }
    return false;
}

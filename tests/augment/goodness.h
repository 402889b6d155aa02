/* goodness.h -- whether numbers have the distribution that they should: Kolmogorov and
 * Smirnov's test for what is continuous, chi-square for what is not, at levels that a
 * right generator misses once in a thousand. */
#ifndef SLUICE_TESTS_GOODNESS_H
#define SLUICE_TESTS_GOODNESS_H

#include <stdlib.h>
#include <string.h>

#include "check.h"

/* Categories 0 .. count - 1. */
struct bins {
    const char *what;
    int count;
    const double *expect; /* (count): their probabilities; NULL: all the same */
};

static inline int goodness_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static inline void check_uniform(const char *what, int which, double *v, int n)
{
    double worst = 0;
    qsort(v, (size_t)n, sizeof(*v), goodness_compare);
    for (int i = 0; i < n; i++) {
        const double above = (i + 1.0) / n - v[i], below = v[i] - (double)i / n;
        worst = fmax(worst, fmax(above, below));
    }
    CHECK(worst * sqrt(n) <= 1.95, "%s: number %d: Kolmogorov-Smirnov %g of %d", what,
          which, worst * sqrt(n), n);
}

/* The limit is the upper 0.1 % point, by Wilson and Hilferty's approximation. */
static inline void check_bins(const struct bins *t, int which, const double *v, int n)
{
    static int count[1024];
    double sum = 0;
    int freedom = -1;
    REQUIRE(t->count <= 1024, "%d bins", t->count);
    memset(count, 0, sizeof(count));
    for (int i = 0; i < n; i++) {
        REQUIRE(v[i] >= 0 && v[i] < t->count, "%s: category %g", t->what, v[i]);
        count[(int)v[i]]++;
    }
    for (int i = 0; i < t->count; i++) {
        const double want = n * (t->expect ? t->expect[i] : 1.0 / t->count);
        CHECK(want > 0 || !count[i], "%s: category %d is impossible", t->what, i);
        freedom += want > 0;
        sum += want > 0 ? (count[i] - want) * (count[i] - want) / want : 0;
    }
    if (!freedom) /* every image alike */
        return;
    const double k = freedom, c = 2 / (9 * k);
    const double limit = k * pow(1 - c + 3.0902 * sqrt(c), 3);
    CHECK(sum <= limit, "%s: number %d: chi-square %g over %d bins, limit %g", t->what,
          which, sum, t->count, limit);
}

#endif

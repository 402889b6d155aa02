/* gradient_stats.c -- see gradient_stats.h. Quartiles by Hoare's selection: "Algorithm
 * 65: find" (1961). */
#include "gradient_stats.h"

#include <math.h>

/* Put the k-th smallest of x[begin ... end - 1] to its place, smaller ones before it
 * and larger ones behind it. */
static float select_kth(float *x, size_t begin, size_t end, size_t k)
{
    while (end - begin > 1) {
        const float pivot = x[begin + (end - begin) / 2];
        size_t less = begin, equal = begin, more = end;
        while (equal < more) {
            const float v = x[equal];
            if (v < pivot) {
                x[equal++] = x[less];
                x[less++] = v;
            } else if (v > pivot) {
                x[equal] = x[--more];
                x[more] = v;
            } else {
                equal++;
            }
        }
        if (k >= less && k < more)
            return pivot;
        if (k < less)
            end = less;
        else
            begin = more;
    }
    return x[begin];
}

/* All before `from` are smaller already. */
static double quantile(float *x, size_t from, size_t count, double share)
{
    const double at = share * (double)(count - 1);
    const size_t k = (size_t)at;
    const double below = (double)select_kth(x, from, count, k);
    if (k + 1 == count || at == (double)k)
        return below;
    double above = (double)x[k + 1];
    for (size_t i = k + 2; i < count; i++)
        above = fmin(above, (double)x[i]);
    return below + (above - below) * (at - (double)k);
}

struct gradient_stats gradient_stats(const float *g, size_t count, float *room)
{
    struct gradient_stats s = { .norm = 0 };
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        squares += (double)g[i] * (double)g[i];
        room[i] = fabsf(g[i]);
    }
    s.norm = sqrt(squares);
    for (int i = 0; i < 3; i++) {
        const double share = 0.25 * (i + 1);
        const size_t before = (size_t)(0.25 * i * (double)(count - 1));
        s.quartile[i] =
            isnan(squares) ? (double)NAN : quantile(room, i ? before : 0, count, share);
    }
    return s;
}

/* gradient_stats.h -- how large the numbers of a gradient are. */
#ifndef SLUICE_GRADIENT_STATS_H
#define SLUICE_GRADIENT_STATS_H

#include <stddef.h>

struct gradient_stats {
    double quartile[3]; /* of |g|: first, median, third */
    double norm;        /* square root of the sum of squares */
};

/* Of g[count], count > 0; quartiles between two numbers are interpolated, as NumPy's
 * are. A number that is none makes all of them NaN. `room` is (count), overwritten. */
struct gradient_stats gradient_stats(const float *g, size_t count, float *room);

#endif

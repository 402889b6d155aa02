/* draws.c -- see draws.h. Whole numbers, so that the same weights give the same draws
 * whatever the compiler makes of sums of doubles. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include <sluice/rng.h>

#include "draws.h"

enum { DRAWS_STREAM = 0xfffe }; /* augmentation's operations count from 0 */

int sluice_draws_create(struct sluice_draws *d, const double *weights, uint64_t count,
                        uint64_t *bad, struct sluice_error *err)
{
    double sum = 0;
    uint64_t edge = 0;
    for (uint64_t i = 0; i < count; i++) {
        *bad = i;
        if (!(weights[i] >= 0 && weights[i] <= 1e300))
            return sluice_fail(err, SLUICE_EINVAL,
                               "weight %g: expected a number, 0 or more", weights[i]);
        sum += weights[i];
    }
    *bad = 0;
    if (!(sum > 0 && sum <= 1e300))
        return sluice_fail(err, SLUICE_EINVAL, "weights: their sum is %g", sum);
    *d = (struct sluice_draws){ .count = count };
    d->edges = malloc(count * sizeof(*d->edges));
    if (!d->edges)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " weights",
                           count);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t whole = (uint64_t)(weights[i] / sum * 0x1p52);
        edge += whole ? whole : weights[i] > 0;
        d->edges[i] = edge;
    }
    return 0;
}

void sluice_draws_free(struct sluice_draws *d)
{
    free(d->edges);
    free(d->first);
    free(d->members);
    *d = (struct sluice_draws){ .count = 0 };
}

/* Uniform in [0, n): the bias is below n / 2^64. */
static uint64_t below(struct sluice_rng *rng, uint64_t n)
{
    const uint64_t high = sluice_rng_u32(rng);
    return (uint64_t)((unsigned __int128)(high << 32 | sluice_rng_u32(rng)) * n >> 64);
}

uint64_t sluice_draws_at(const struct sluice_draws *d, uint64_t seed, uint32_t epoch,
                         uint64_t position)
{
    struct sluice_rng rng = sluice_rng_open(seed, epoch, position, DRAWS_STREAM);
    const uint64_t at = below(&rng, d->edges[d->count - 1]);
    uint64_t low = 0, high = d->count - 1; /* the first whose edge is above `at` */
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        if (d->edges[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    if (!d->first)
        return low;
    return d->members[d->first[low] + below(&rng, d->first[low + 1] - d->first[low])];
}

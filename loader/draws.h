/* draws.h -- samples drawn with replacement, by weights: position p of an epoch shows
 * the sample that Philox(seed, epoch, p) picks from a table of cumulative weights. Like
 * the permutations: any position in the same short time, no state. */
#ifndef SLUICE_LOADER_DRAWS_H
#define SLUICE_LOADER_DRAWS_H

#include <stdint.h>

#include <sluice/error.h>

/* Things with weights; behind each a list of samples in use (`members`), or itself. */
struct sluice_draws {
    uint64_t count;
    uint64_t *edges;   /* (count): sums of the weights up to each, whole numbers */
    uint64_t *first;   /* (count + 1) of members; NULL: each thing is one sample */
    uint64_t *members; /* positions among the samples in use */
};

/* `weights`: (count) finite, none below 0, not all 0. Copied, as whole numbers whose
 * sum is about 2^52: what rounds to 0 and is not 0 becomes 1. *bad: the weight at
 * fault. */
int sluice_draws_create(struct sluice_draws *d, const double *weights, uint64_t count,
                        uint64_t *bad, struct sluice_error *err);
void sluice_draws_free(struct sluice_draws *d);

/* The sample in use at `position` of the epoch. */
uint64_t sluice_draws_at(const struct sluice_draws *d, uint64_t seed, uint32_t epoch,
                         uint64_t position);

#endif

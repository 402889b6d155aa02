/* select.h -- which samples of a packed file: the label that strata go by, and a random
 * order within each. For programs. */
#ifndef SLUICE_SELECT_H
#define SLUICE_SELECT_H

#include <sluice/format.h>

struct candidate {
    int64_t stratum; /* the label; 0 for all where there are no strata */
    uint64_t key;    /* Philox of (seed, sample) */
    uint64_t sample;
};

/* The samples whose byte in `chosen` is not 0 (NULL: all), by stratum, then in random
 * order; to be freed. Adding samples or strata does not change the order of the others.
 */
int select_order(struct candidate **out, size_t *count, const uint8_t *chosen,
                 const struct sluice_dataset *ds, uint64_t seed, bool stratified,
                 struct sluice_error *err);

#endif

/* select.c -- see select.h. */
#include <stdlib.h>

#include <sluice/rng.h>

#include "select.h"

static int by_key(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

int select_order(struct candidate **out, size_t *count, const uint8_t *chosen,
                 const struct sluice_dataset *ds, uint64_t seed, bool stratified,
                 struct sluice_error *err)
{
    const uint64_t samples = sluice_dataset_count(ds);
    const int field = stratified ? sluice_dataset_find_label(ds) : -1;
    *out = NULL;
    *count = 0;
    if (stratified && field < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%s: --stratified, but no labels",
                           sluice_dataset_name(ds));
    struct candidate *c = malloc((samples + 1) * sizeof(*c));
    size_t n = 0;
    if (!c)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory",
                           sluice_dataset_name(ds));
    for (uint64_t i = 0; i < samples; i++) {
        struct sluice_rng rng = sluice_rng_at(seed, i, 0);
        const uint64_t key = (uint64_t)sluice_rng_u32(&rng) << 32;
        if (!chosen || chosen[i])
            c[n++] =
                (struct candidate){ field < 0 ? 0
                                              : sluice_dataset_integer(ds, field, i),
                                    key | sluice_rng_u32(&rng), i };
    }
    qsort(c, n, sizeof(*c), by_key);
    *out = c;
    *count = n;
    return 0;
}

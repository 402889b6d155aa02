/* dataset_internal.h -- what an open file consists of. */
#ifndef SLUICE_DATASET_INTERNAL_H
#define SLUICE_DATASET_INTERNAL_H

#include <sluice/format_emit.h>

/* One field of one segment. */
struct table {
    const struct sluice_store *store;
    uint8_t *bytes; /* column, checksums or index: what store says */
    bool in_order;  /* each payload lies behind the one ahead of it */
};

struct sluice_dataset {
    char *name;
    struct sluice_commit commit;
    int damaged_slot; /* -1: none */
    struct sluice_directory dir;
    uint64_t *first;      /* (segments + 1): number of each segment's first sample */
    struct table *tables; /* (segments, fields) */
    size_t memory;
};

/* index.c: SLUICE_ECORRUPT where an entry of the table `t` of an INDEXED store is one
 * that no payload of the field can have; otherwise t->in_order is known. */
int sluice_index_check(const struct sluice_dataset *ds, struct table *t,
                       const struct sluice_field *f, uint64_t samples,
                       struct sluice_error *err);

/* The bytes of a scalar in its resident column; asserts that there is one. */
const uint8_t *sluice_scalar_at(const struct sluice_dataset *ds, int field,
                                uint64_t sample);

#endif

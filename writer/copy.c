/* copy.c -- see copy.h. */
#include "copy.h"
#include "options.h"

int copy_all(struct packed *p, struct sluice_writer *w, struct progress *progress,
             uint64_t *done, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    const uint64_t count = sluice_dataset_count(p->dataset);
    int rc = 0;
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        if ((rc = packed_read(p, i, values, err)) == 0)
            rc = sluice_writer_append(w, values, err);
        progress_update(progress, ++*done, NULL);
        if (rc == 0 && cli_interrupted())
            rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
    }
    return rc;
}

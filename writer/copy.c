/* copy.c -- see copy.h. */
#include "copy.h"
#include "options.h"

int copy_all(struct packed *p, struct sluice_writer *w, const struct candidate *order,
             struct progress *progress, uint64_t *done, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    const uint64_t count = sluice_dataset_count(p->dataset);
    const int image = sluice_dataset_find_kind(p->dataset, SLUICE_KIND_IMAGE);
    struct sluice_pixel_sums sums;
    const bool known = packed_sums(p->dataset, &sums);
    int rc = 0;
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        const uint64_t sample = order ? order[i].sample : i;
        if ((rc = packed_read(p, sample, values, err)) < 0)
            break;
        if (known) { /* those of all, once */
            values[image].sums = &sums;
            if (i == 1)
                sums = (struct sluice_pixel_sums){ .channels = 0 };
        }
        rc = sluice_writer_append(w, values, err);
        progress_update(progress, ++*done, NULL);
        if (rc == 0 && cli_interrupted())
            rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
    }
    return rc;
}

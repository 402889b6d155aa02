/* resident.c -- the payload in memory. A mapping as large as the file is reserved, and
 * each sample is read to its own offset in it when it is first wanted, so that opening
 * costs nothing and the memory used is what was visited. */
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core.h"

/* A sample's state. Whoever moves it from ABSENT to LOADING reads it; the release store
 * of PRESENT makes the bytes visible to all who see it. A failed load goes back to
 * ABSENT: the next one who wants it meets the failure itself. */
enum { ABSENT, LOADING, PRESENT };

int sluice_resident_create(struct sluice_loader *ld, struct sluice_error *err)
{
    struct resident *r = &ld->resident;
    const uint64_t samples = sluice_dataset_count(ld->file.dataset);
    r->size = ld->file.size;
    r->state = calloc(samples ? samples : 1, 1);
    r->base = ld->file.sys->map(r->size);
    if (!r->base || !r->state)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory to keep %zu bytes",
                           ld->file.path, r->size);
    /* Hints: fewer page faults, and a cold file streams in from now on. */
    madvise(r->base, r->size, MADV_HUGEPAGE);
    posix_fadvise(ld->file.fd, 0, 0, POSIX_FADV_WILLNEED);
    return 0;
}

void sluice_resident_free(struct sluice_loader *ld)
{
    if (ld->resident.base)
        ld->file.sys->unmap(ld->resident.base, ld->resident.size);
    free(ld->resident.state);
    ld->resident = (struct resident){ NULL, 0, NULL };
}

static int load(struct sluice_loader *ld, uint64_t sample,
                const struct sluice_extent *x, uint8_t *to, struct sluice_error *err)
{
    size_t done;
    int rc = sluice_file_pread(&ld->file, to, x->size, x->offset, &done);
    if (rc < 0 || done < x->size)
        return sluice_file_fail(&ld->file, sample, x, rc, err);
    return sluice_file_check(&ld->file, sample, x, to, err);
}

int sluice_resident_get(struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, const uint8_t **out,
                        uint64_t *bytes_read, struct sluice_error *err)
{
    _Atomic uint8_t *state = (_Atomic uint8_t *)&ld->resident.state[sample];
    uint8_t *to = ld->resident.base + x->offset, expected;
    *out = to;
    while (atomic_load_explicit(state, memory_order_acquire) != PRESENT) {
        expected = ABSENT;
        if (!atomic_compare_exchange_strong(state, &expected, LOADING)) {
            sched_yield(); /* another thread is at it, for microseconds */
            continue;
        }
        int rc = load(ld, sample, x, to, err);
        atomic_store_explicit(state, rc < 0 ? ABSENT : PRESENT, memory_order_release);
        if (rc < 0)
            return rc;
        *bytes_read += x->size;
    }
    return 0;
}

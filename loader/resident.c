/* resident.c -- the payload in memory. A mapping as large as the file is reserved, and
 * each sample lies in it at the offset that it has in the file. Samples that share
 * bytes are refused: loading one would write where another is in use. Workers load what
 * they want and do not find; beside them one thread loads everything in the order of
 * the file, in large reads. So opening costs nothing, the first batch waits for its own
 * samples only, and a cold file still arrives at the speed of sequential reading. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core.h"

/* A sample's state. Whoever moves it to LOADING reads it; the release store of PRESENT
 * makes the bytes visible to all who see it. A failed load goes back to ABSENT: who
 * wants the sample meets the failure himself, and no other sample suffers.
 * UNWANTED is ABSENT for a sample outside the subset: not loaded ahead. */
enum { ABSENT, UNWANTED, LOADING, PRESENT };

enum {
    RUN_BYTES = 1 << 20, /* of one read ahead */
    RUN_SAMPLES = 4096,
    AHEAD_BYTES = 8 << 20,  /* of which the kernel is told in advance */
    PREFETCH_MAX = 4 << 10, /* bytes of the next image brought near meanwhile */
    LINE = 64,
};

static _Atomic uint8_t *state_of(const struct sluice_loader *ld, uint64_t sample)
{
    return (_Atomic uint8_t *)&ld->resident.state[sample];
}

static bool present(const struct sluice_loader *ld, uint64_t sample)
{
    return atomic_load_explicit(state_of(ld, sample), memory_order_acquire) == PRESENT;
}

static bool claim(const struct sluice_loader *ld, uint64_t sample, uint8_t expected)
{
    return atomic_compare_exchange_strong_explicit(state_of(ld, sample), &expected,
                                                   LOADING, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void settle(const struct sluice_loader *ld, uint64_t sample, bool good)
{
    atomic_store_explicit(state_of(ld, sample), good ? PRESENT : ABSENT,
                          memory_order_release);
}

int sluice_resident_create(struct sluice_loader *ld, struct sluice_error *err)
{
    struct resident *r = &ld->resident;
    const uint64_t samples = sluice_dataset_count(ld->file.dataset);
    if (!sluice_dataset_in_order(ld->file.dataset, ld->image_field))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: expected samples in their order that share no bytes, "
                           "to keep them in memory, found others: use another backend",
                           ld->file.path);
    r->size = ld->file.size;
    r->state = calloc(samples ? samples : 1, 1);
    r->base = ld->file.sys->map(r->size);
    if (!r->base || !r->state) {
        sluice_resident_free(ld);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory to keep %zu bytes",
                           ld->file.path, (size_t)ld->file.size);
    }
    if (ld->subset) {
        memset(r->state, UNWANTED, samples);
        for (uint64_t i = 0; i < ld->in_use; i++)
            r->state[ld->subset[i]] = ABSENT;
    }
    /* Fewer page faults; but a few samples of a large file would become it whole. */
    if (!ld->subset)
        madvise(r->base, r->size, MADV_HUGEPAGE);
    return 0;
}

void sluice_resident_stop(struct sluice_loader *ld)
{
    __atomic_store_n(&ld->resident.stop, true, __ATOMIC_RELAXED);
    if (ld->resident.filling)
        pthread_join(ld->resident.filler, NULL);
    ld->resident.filling = false;
}

void sluice_resident_free(struct sluice_loader *ld)
{
    if (ld->resident.base)
        ld->file.sys->unmap(ld->resident.base, ld->resident.size);
    free(ld->resident.state);
    ld->resident = (struct resident){ .base = NULL };
}

/* ---- one sample, when it is wanted ---- */

static int load(struct sluice_loader *ld, uint64_t sample,
                const struct sluice_extent *x, uint8_t *to, uint64_t *bytes_read,
                struct sluice_error *err)
{
    size_t done;
    int rc = sluice_file_pread(&ld->file, to, x->size, x->offset, &done);
    *bytes_read += done;
    if (rc < 0 || done < x->size)
        return sluice_file_fail(&ld->file, sample, x, rc, err);
    return sluice_file_check(&ld->file, sample, x, to, err);
}

int sluice_resident_get(struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, uint8_t *scratch,
                        const uint8_t **out, uint64_t *bytes_read,
                        struct sluice_error *err)
{
    uint8_t *place = ld->resident.base + x->offset;
    int rc;
    *out = place;
    if (present(ld, sample))
        return 0;
    if (claim(ld, sample, ABSENT) || claim(ld, sample, UNWANTED)) {
        rc = load(ld, sample, x, place, bytes_read, err);
        settle(ld, sample, rc == 0);
        return rc;
    }
    if (present(ld, sample))
        return 0;
    /* Another thread is at it, with a large read perhaps: not worth waiting for. */
    *out = scratch;
    return load(ld, sample, x, scratch, bytes_read, err);
}

/* Where the sample lies; its first bytes are on their way from memory afterwards. */
static int locate(const struct sluice_loader *ld, uint64_t sample,
                  struct sluice_extent *x, struct sluice_error *err)
{
    int rc = sluice_sample_locate(ld, sample, x, err);
    const uint8_t *p = rc < 0 ? NULL : ld->resident.base + x->offset;
    for (size_t at = 0; p && at < x->size && at < PREFETCH_MAX; at += LINE)
        __builtin_prefetch(p + at);
    return rc;
}

/* Get and put one sample, and tell reading from the rest. */
static int serve(struct worker *w, struct chunk *c, int i,
                 const struct sluice_extent *x, double *reading,
                 struct sluice_error *err)
{
    const uint8_t *pixels;
    const uint64_t sample = c->slot->ids[i];
    const bool there = present(w->ld, sample);
    const double before = there ? 0 : sluice_seconds();
    int rc =
        sluice_resident_get(w->ld, sample, x, w->scratch, &pixels, &w->bytes_read, err);
    if (!there)
        *reading += sluice_seconds() - before;
    return rc == SLUICE_ECORRUPT ? sluice_sample_damaged(w, c, i, rc, err)
           : rc < 0              ? rc
                                 : sluice_sample_put(w, c, i, x, pixels, err);
}

void sluice_resident_run(struct worker *w, struct chunk *c)
{
    const uint64_t *ids = c->slot->ids;
    const double before = sluice_seconds();
    struct sluice_extent x, next = { 0 };
    struct sluice_error err;
    double reading = 0;
    sluice_chunk_ids(w->ld, c);
    int rc = locate(w->ld, ids[c->from], &x, &err), after = 0;
    for (int i = c->from; i < c->to && !sluice_cancelled(w->ld); i++, x = next) {
        struct sluice_error later;
        if (i + 1 < c->to)
            after = locate(w->ld, ids[i + 1], &next, &later);
        rc = rc < 0 ? sluice_sample_damaged(w, c, i, rc, &err)
                    : serve(w, c, i, &x, &reading, &err);
        if (rc < 0) {
            sluice_chunk_fail(c, i, rc, &err);
            break;
        }
        rc = after;
        if (rc < 0)
            err = later;
    }
    w->read_seconds += reading;
    w->transform_seconds += sluice_seconds() - before - reading;
}

/* ---- everything, ahead ---- */

/* Samples [first, first + count), claimed; their bytes are [begin, end) without gaps:
 * what lies in a gap might be a sample that another thread is at. */
struct run {
    uint64_t first, begin, end;
    struct sluice_extent x[RUN_SAMPLES];
    int count;
};

/* Claim neighbours from `sample` on; returns how many samples this is about, claimed or
 * passed over. */
static uint64_t gather(struct sluice_loader *ld, struct run *r, uint64_t sample,
                       uint64_t total)
{
    r->first = sample;
    for (r->count = 0; r->count < RUN_SAMPLES && sample < total; sample++) {
        struct sluice_extent *x = &r->x[r->count];
        if (sluice_sample_locate(ld, sample, x, NULL) < 0)
            break;
        if (r->count &&
            (x->offset != r->end || x->offset + x->size - r->begin > RUN_BYTES))
            break;
        if (!claim(ld, sample, ABSENT))
            break;
        if (!r->count++)
            r->begin = x->offset;
        r->end = x->offset + x->size;
    }
    return r->count ? (uint64_t)r->count : 1;
}

static void load_run(struct sluice_loader *ld, const struct run *r)
{
    size_t done;
    sluice_file_pread(&ld->file, ld->resident.base + r->begin, r->end - r->begin,
                      r->begin, &done);
    for (int i = 0; i < r->count; i++) {
        const struct sluice_extent *x = &r->x[i];
        const bool good = x->offset + x->size <= r->begin + done &&
                          sluice_file_check(&ld->file, r->first + (uint64_t)i, x,
                                            ld->resident.base + x->offset, NULL) == 0;
        settle(ld, r->first + (uint64_t)i, good);
    }
    __atomic_fetch_add(&ld->resident.filled, done, __ATOMIC_RELAXED);
}

/* It reports nothing: whoever wants a sample that could not be loaded tries it again
 * and says what is wrong. */
static void *fill(void *arg)
{
    struct sluice_loader *ld = arg;
    const uint64_t total = sluice_dataset_count(ld->file.dataset);
    struct run *r = malloc(sizeof(*r));
    uint64_t told = 0;
    for (uint64_t at = 0; r && at < total;) {
        if (__atomic_load_n(&ld->resident.stop, __ATOMIC_RELAXED))
            break;
        at += gather(ld, r, at, total);
        if (!r->count)
            continue;
        if (r->end + AHEAD_BYTES / 2 > told) {
            told = told > r->begin ? told : r->begin;
            ld->file.sys->advise(ld->file.fd, told, AHEAD_BYTES);
            told += AHEAD_BYTES;
        }
        load_run(ld, r);
    }
    free(r);
    return NULL;
}

void sluice_resident_fill(struct sluice_loader *ld)
{
    /* Without the thread, samples are loaded as they are wanted. */
    ld->resident.filling = ld->file.sys->thread(&ld->resident.filler, fill, ld) == 0;
}

/* budget.c -- the most memory that a loader comes to hold: known when it is opened,
 * from its options and the largest sample, and held against opt.memory_limit. Not in
 * it: stacks of threads, what the kernel keeps for io_uring, and the page cache. */
#include <inttypes.h>

#include "core.h"

enum {
    INFLATER = 512 << 10, /* zstd's, dictionary apart */
    SMALL = 128 << 10,    /* of a worker: engine, names of what is damaged */
    LARGE_PAGE = 2 << 20  /* that slabs are rounded up to, and aligned with */
};

static uint64_t inflater_bound(const struct sluice_loader *ld)
{
    const void *dictionary;
    size_t size;
    sluice_dataset_zstd(ld->file.dataset, &dictionary, &size);
    return ld->most_plain ? ld->most_plain + INFLATER + size : 0;
}

/* Cutting, scaling and decoding one image. */
static uint64_t decoder_bound(const struct sluice_loader *ld)
{
    const struct sluice_shape *s = &ld->source;
    const uint64_t channels = (uint64_t)s->channels;
    const uint64_t sides = (uint64_t)ld->most_height + (uint64_t)ld->most_width +
                           (uint64_t)s->height + (uint64_t)s->width;
    if (!ld->encoded)
        return 0;
    return ld->most_pixels * channels + ld->pixel_bytes +
           (uint64_t)ld->most_height * (uint64_t)s->width * channels + 64 * sides +
           ld->jpeg_memory + inflater_bound(ld);
}

static uint64_t worker_bound(const struct sluice_loader *ld)
{
    const bool instead = ld->opt.on_error == SLUICE_SUBSTITUTE;
    const uint64_t one = decoder_bound(ld) + SMALL + (instead ? ld->in_bytes : 0);
    const uint64_t resident = one + ld->in_bytes, disk = one + sluice_decks_bound(ld);
    return ld->engine_kind                         ? disk
           : ld->resident.base || resident >= disk ? resident
                                                   : disk;
}

static uint64_t batches_bound(const struct sluice_loader *ld)
{
    const uint64_t images = (uint64_t)ld->opt.batch_size;
    const uint64_t numbers = images * ((uint64_t)ld->label_columns + 1) * 8;
    const uint64_t each = images * sluice_shape_bytes(&ld->transform.out) + 64;
    const uint64_t slab = (uint64_t)ld->opt.batches * each;
    return slab + (slab < 2 * LARGE_PAGE ? 64 : 2 * LARGE_PAGE) +
           (uint64_t)ld->opt.batches * (numbers + sizeof(struct slot) + 64);
}

static uint64_t view_bound(const struct sluice_loader *ld)
{
    const struct sluice_draws *d = &ld->draws;
    return (ld->subset ? ld->in_use * 8 : 0) + d->count * 8 +
           (d->first ? (d->count + 1) * 8 + ld->in_use * 8 : 0);
}

/* Without the payload, should that be kept in memory. */
static uint64_t bound(const struct sluice_loader *ld)
{
    return sizeof(*ld) + batches_bound(ld) + view_bound(ld) +
           sluice_dataset_memory(ld->file.dataset) +
           sluice_dataset_count(ld->file.dataset) + /* resident: states */
           (uint64_t)ld->opt.threads * (sizeof(struct worker) + worker_bound(ld)) +
           (1 << 20);
}

void sluice_budget_update(struct sluice_loader *ld)
{
    ld->memory_bound = (size_t)bound(ld) + (ld->resident.base ? ld->resident.size : 0);
}

int sluice_budget_settle(struct sluice_loader *ld, struct sluice_error *err)
{
    const uint64_t most = bound(ld), limit = ld->opt.memory_limit;
    if (most > SIZE_MAX / 2)
        return sluice_fail(err, SLUICE_EINVAL, "%s: batches of impossible size",
                           ld->file.path);
    if (!limit)
        return 0;
    if (most > limit)
        return sluice_fail(err, SLUICE_ENOMEM,
                           "%s: expected to hold at most %" PRIu64
                           " bytes (memory_limit), found a need of %" PRIu64
                           ": %d batches of %d samples, %d threads",
                           ld->file.path, limit, most, ld->opt.batches,
                           ld->opt.batch_size, ld->opt.threads);
    if (ld->opt.memory_budget > limit - most)
        ld->opt.memory_budget = (size_t)(limit - most);
    return 0;
}

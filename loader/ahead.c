/* ahead.c -- QUASI_RANDOM through the page cache: when a window of blocks is begun, the
 * kernel is told of the next one, so that it is read block by block before its samples
 * are asked for one by one. */
#include "core.h"

static void advise_block(const struct sluice_loader *ld, uint64_t block)
{
    const uint64_t first = block * ld->opt.block, behind = first + ld->opt.block;
    const uint64_t last = (behind < ld->count ? behind : ld->count) - 1;
    struct sluice_extent a, b;
    if (sluice_dataset_locate(ld->file.dataset, ld->image_field, first, &a, NULL) < 0 ||
        sluice_dataset_locate(ld->file.dataset, ld->image_field, last, &b, NULL) < 0 ||
        b.offset < a.offset) /* an append lies between them */
        return;
    ld->file.sys->advise(ld->file.fd, a.offset, b.offset + b.size - a.offset);
}

static void advise_window(const struct sluice_loader *ld, uint32_t epoch,
                          uint64_t window)
{
    const struct sluice_epoch_order *o = &ld->order[epoch & 1];
    for (uint64_t i = 0, block; i < o->open; i++)
        if (sluice_blocks_in_window(o, window, i, &block))
            advise_block(ld, block);
}

void sluice_ahead(struct sluice_loader *ld, const struct chunk *c)
{
    if (ld->opt.order != SLUICE_QUASI_RANDOM || ld->opt.io == SLUICE_IO_DIRECT ||
        ld->subset)
        return;
    const uint32_t epoch = c->slot->batch.epoch;
    const uint64_t window =
        sluice_blocks_window(&ld->order[epoch & 1], c->slot->first + (uint64_t)c->from);
    /* One worker tells of it; the number grows until a seek, which makes it 0: not the
     * neighbour of any. */
    const uint64_t now = (uint64_t)epoch << 32 | ((uint32_t)window + 2);
    uint64_t told = __atomic_load_n(&ld->told_ahead, __ATOMIC_RELAXED);
    if (told >= now || !__atomic_compare_exchange_n(&ld->told_ahead, &told, now, false,
                                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    if (told + 1 != now)
        advise_window(ld, epoch, window);
    advise_window(ld, epoch, window + 1);
}

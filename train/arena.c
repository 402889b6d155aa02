/* arena.c -- offsets by greedy first fit, largest items first.
 *
 * Optimal packing of intervals is NP-hard; placing large things first and each at the
 * lowest offset that is free throughout its life comes within a few percent for the
 * nested lives of a training step (what is made last in forward dies first in
 * backward).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arena.h"
#include "device_memory.h"

/* An item's place in the order of placing. */
struct rank {
    size_t size;
    int item;
};

static int by_size(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x->item - y->item; /* qsort is not stable */
}

/* Lowest offset from `start` on at which the item of rank `at` meets none of those
 * placed before it that live at the same time. Each miss moves beyond one of them, so
 * it ends. */
static size_t first_fit(const struct arena_item *items, const struct rank *order,
                        int at, size_t start)
{
    const struct arena_item *item = &items[order[at].item];
    size_t offset = start;
    for (int i = 0; i < at; i++) {
        const struct arena_item *p = &items[order[i].item];
        const int together = p->first <= item->last && item->first <= p->last;
        if (together && p->offset < offset + arena_round(item->size) &&
            offset < p->offset + arena_round(p->size)) {
            offset = p->offset + arena_round(p->size);
            i = -1;
        }
    }
    return offset;
}

size_t arena_plan(struct arena_item *items, int count, size_t start)
{
    struct rank *order = calloc((size_t)count + 1, sizeof *order);
    size_t end = start = arena_round(start);
    for (int i = 0; order && i < count; i++)
        order[i] = (struct rank){ items[i].size, i };
    if (order)
        qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        /* Without memory for the order: side by side is right, too. */
        struct arena_item *item = &items[order ? order[i].item : i];
        item->offset = order ? first_fit(items, order, i, start) : end;
        if (item->offset + arena_round(item->size) > end)
            end = item->offset + arena_round(item->size);
    }
    free(order);
    return end;
}

int arena_open(struct arena *arena, size_t size, struct sluice_error *err)
{
    const size_t huge = (size_t)2 << 20;
    *arena = (struct arena){ 0 };
    if (size > (size_t)1 << 46)
        return sluice_fail(err, SLUICE_ENOMEM, "the network needs %.0f GB",
                           (double)size / 1e9);
    size = (size + huge - 1) / huge * huge;
    void *base =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return sluice_fail(err, SLUICE_ENOMEM,
                           "the network needs %.1f MB, which the system refuses",
                           (double)size / 1e6);
    /* Advice only: without huge pages it is slower, not wrong. */
    (void)madvise(base, size, MADV_HUGEPAGE);
    *arena = (struct arena){ .base = base, .size = size };
    return 0;
}

int arena_open_on(struct arena *arena, struct device *dev, size_t size,
                  struct sluice_error *err)
{
    void *base;
    if (!device_has_memory(dev))
        return arena_open(arena, size, err);
    *arena = (struct arena){ 0 };
    const int rc = device_allocate(dev, &base, size, err);
    if (rc == 0)
        *arena = (struct arena){ .base = base, .size = size, .dev = dev };
    return rc;
}

void arena_close(struct arena *arena)
{
    if (arena->base && arena->dev)
        device_release(arena->dev, arena->base);
    else if (arena->base)
        munmap(arena->base, arena->size);
    memset(arena, 0, sizeof *arena);
}

/* arena.h -- one allocation for everything a network holds, and the plan of who lies
 * where in it. */
#ifndef SLUICE_ARENA_H
#define SLUICE_ARENA_H

#include <stddef.h>

#include <sluice/error.h>

enum {
    ARENA_ALIGN = 64, /* a cache line, and an AVX-512 register */
};

/* Something that occupies `size` bytes during the moments first..last, both included.
 * Two things that are never alive at one moment may share bytes. */
struct arena_item {
    size_t size;
    int first, last;
    size_t offset; /* filled in; a multiple of ARENA_ALIGN */
};

/* Give every item its offset, from `start` on; returns the end of the last byte used,
 * rounded up. The result depends on the items alone. */
size_t arena_plan(struct arena_item *items, int count, size_t start);

static inline size_t arena_round(size_t size)
{
    return (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

struct device;

struct arena {
    unsigned char *base;
    size_t size;
    struct device *dev; /* whose memory it is; NULL: the host's */
};

/* Zeroed memory, in huge pages where the system has them. */
int arena_open(struct arena *arena, size_t size, struct sluice_error *err);
/* The same where dev's operators work: on device cuda it is the GPU's. */
int arena_open_on(struct arena *arena, struct device *dev, size_t size,
                  struct sluice_error *err);
void arena_close(struct arena *arena); /* one that is all zero is fine */

#endif

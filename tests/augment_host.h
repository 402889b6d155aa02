/* augment_host.h -- the augmentation kernel without a GPU: its body in loops over
 * blocks, phases and threads. Every thread is through with a phase before the first
 * begins the next, and they come in one order in even blocks and in the other in odd
 * ones: what a thread takes from another of its own phase is not there yet, or is, and
 * the result differs. */
#ifndef SLUICE_TESTS_AUGMENT_HOST_H
#define SLUICE_TESTS_AUGMENT_HOST_H

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* r->scratch: planes are b->scratch, as on the GPU. 0; -1 without memory. */
static inline int launch_on_host(const struct plan *p, const struct room *r,
                                 const struct sluice_augment_gpu_batch *b, int threads)
{
    const size_t bytes = room_bytes(p, r);
    struct block *shared = malloc(sizeof(*shared));
    uint8_t *memory = r->scratch ? NULL : malloc(bytes + 1);
    const int good = shared && (r->scratch || memory);
    for (int n = 0; good && n < b->count; n++) {
        uint8_t *planes =
            r->scratch ? (uint8_t *)b->scratch + (size_t)n * bytes : memory;
        memset(shared, 0xEE, sizeof(*shared));
        memset(planes, 0xEE, bytes);
        for (int phase = 0; block_has(shared, phase); phase++)
            for (int i = 0; i < threads; i++)
                block_phase(p, r, b, shared, planes, phase, n,
                            n % 2 ? i : threads - 1 - i, threads);
    }
    free(shared);
    free(memory);
    return good ? 0 : -1;
}

#endif

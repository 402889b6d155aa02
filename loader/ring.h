/* ring.h -- one io_uring; see struct sluice_sys for what the calls mean. Only ring.c
 * knows liburing, and it is not compiled where liburing is absent. */
#ifndef SLUICE_LOADER_RING_H
#define SLUICE_LOADER_RING_H

#include "sys.h"

int sluice_ring_open(struct sluice_ring **out, unsigned depth, int fd);
int sluice_ring_queue(struct sluice_ring *r, void *buf, size_t size, uint64_t offset,
                      uint64_t tag);
int sluice_ring_submit(struct sluice_ring *r, bool wait);
int sluice_ring_reap(struct sluice_ring *r, struct sluice_completion *out, int max);
void sluice_ring_close(struct sluice_ring *r);

#endif

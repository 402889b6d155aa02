/* gpu_on_host.h -- device cuda without a GPU: gpu.h's table over host memory. Kernels'
 * bodies run in loops over blocks, phases and threads. Device memory begins as noise,
 * and a recorded step keeps the arguments it was recorded with.
 *
 * If guarded it is as unkind as a GPU can be: work is done as late as the host's
 * waiting allows, so that memory reused too early shows, and the host that touches
 * device memory dies of it. Of the two lanes now one is as far ahead as the other lets
 * it, now the other. If not, work is done at once, for tests that look into
 * tensors. */
#ifndef SLUICE_GPU_ON_HOST_H
#define SLUICE_GPU_ON_HOST_H

#include <stdbool.h>

/* From now on device_open("cuda") opens it. */
void gpu_on_host(bool guarded);
/* From now on convolutions are those of layer_own.h, as if the library had none. */
void gpu_on_host_own(void);
/* So far: */
struct gpu_on_host_count {
    long work;     /* launches, copies and library calls done, replayed ones included */
    long waits;    /* the host waited: for the stream, or for a mark that blocks */
    long marks;    /* points in the stream that were marked */
    long records;  /* graphs recorded */
    long replays;  /* graphs replayed */
    long memories; /* device or pinned memory was asked for */
    long layers;   /* layers were opened: where algorithms are chosen */
    long beside;   /* augmentations done while the step before was not */
};
struct gpu_on_host_count gpu_on_host_count(void);

#endif

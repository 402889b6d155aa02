/* gpu_on_host.h -- device cuda without a GPU: gpu.h's table over host memory. Kernels'
 * bodies run in loops over blocks, phases and threads. It is as unkind as a GPU can be:
 * work is done as late as the host's waiting allows, so memory that is reused too early
 * shows; device memory begins as noise; a recorded step keeps the arguments it was
 * recorded with; and, if guarded, the host that touches device memory dies of it. */
#ifndef SLUICE_GPU_ON_HOST_H
#define SLUICE_GPU_ON_HOST_H

#include <stdbool.h>

/* From now on device_open("cuda") opens it. */
void gpu_on_host(bool guarded);
/* Launches and library calls done so far, replayed ones included, and replays. */
long gpu_on_host_work(void);
long gpu_on_host_replays(void);

#endif

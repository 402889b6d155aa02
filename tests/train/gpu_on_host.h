/* gpu_on_host.h -- device cuda without a GPU: gpu.h's table over host memory. Kernels'
 * bodies run in loops over blocks, phases and threads. Device memory begins as noise,
 * and a recorded step keeps the arguments it was recorded with.
 *
 * If guarded it is as unkind as a GPU can be: work is done as late as the host's
 * waiting allows, so that memory reused too early shows, and the host that touches
 * device memory dies of it. If not, work is done at once, for tests that look into
 * tensors. */
#ifndef SLUICE_GPU_ON_HOST_H
#define SLUICE_GPU_ON_HOST_H

#include <stdbool.h>

/* From now on device_open("cuda") opens it. */
void gpu_on_host(bool guarded);
/* Launches and library calls done so far, replayed ones included, and replays. */
long gpu_on_host_work(void);
long gpu_on_host_replays(void);

#endif

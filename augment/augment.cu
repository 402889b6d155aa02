/* augment.cu -- one block, one image: see kernel.h. */
#include <pthread.h>

#include <sluice/augment_cuda.h>

#include "cuda_try.h"
#include "kernel.h"
#include "pipeline.h"

/* 128 registers for each of 512 threads are all that a multiprocessor has. */
enum { THREADS_MOST = 512, DEVICES = 64, SHARED_ALWAYS = 48 * 1024 };

__global__ static void
__launch_bounds__(THREADS_MOST, 1) augment(const __grid_constant__ struct plan p,
        const __grid_constant__ struct sluice_augment_gpu_batch b,
        const __grid_constant__ struct room r)
{
    extern __shared__ __align__(16) uint8_t memory[];
    struct block *shared = (struct block *)memory;
    const int n = (int)blockIdx.x;
    uint8_t *planes = r.scratch ? (uint8_t *)b.scratch + n * room_bytes(&p, &r)
                                : memory + BLOCK_BYTES;
    for (int phase = 0; block_has(shared, phase); phase++) {
        block_phase(&p, &r, &b, shared, planes, phase, n, (int)threadIdx.x,
                    (int)blockDim.x);
        __syncthreads();
    }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int granted[DEVICES]; /* bytes of shared memory; 0: not asked yet */

/* Shared memory that a block may have on this thread's device, the most that there is.
 * The kernel is allowed it once for each device, so that launches need not. */
static int shared_most(size_t *bytes, struct sluice_error *err)
{
    int device = 0, most = 0;
    CUDA_TRY(err, cudaGetDevice(&device));
    pthread_mutex_lock(&lock);
    most = device < DEVICES ? granted[device] : 0;
    pthread_mutex_unlock(&lock);
    *bytes = (size_t)most;
    if (most)
        return 0;
    CUDA_TRY(err, cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                         device));
    most = most < SHARED_ALWAYS ? SHARED_ALWAYS : most;
    CUDA_TRY(err, cudaFuncSetAttribute(
                      augment, cudaFuncAttributeMaxDynamicSharedMemorySize, most));
    pthread_mutex_lock(&lock);
    if (device < DEVICES)
        granted[device] = most;
    pthread_mutex_unlock(&lock);
    *bytes = (size_t)most;
    return 0;
}

/* Without a device the answer is that for the least shared memory that any device has:
 * as much scratch as any of them needs. */
extern "C" size_t sluice_augment_cuda_scratch(const struct sluice_augment *aug,
                                              int count)
{
    const struct plan *p = sluice_augment_plan(aug);
    size_t most = 0;
    if (shared_most(&most, NULL) < 0)
        most = SHARED_ALWAYS;
    const struct room r = room_choose(p, most, BLOCK_BYTES);
    return r.scratch && count > 0 ? room_bytes(p, &r) * (size_t)count : 0;
}

extern "C" int sluice_augment_cuda(const struct sluice_augment *aug,
                                   const struct sluice_augment_gpu_batch *batch,
                                   void *stream, struct sluice_error *err)
{
    const struct plan *p = sluice_augment_plan(aug);
    const struct sluice_augment_gpu_batch *b = batch;
    size_t most = 0;
    if (b->count < 0 || (b->count && (!b->images || !b->ids || !b->out)))
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: a batch of %d without images, ids or result",
                           b->count);
    if ((uintptr_t)b->out % VECTOR)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "augment: the result begins at %p: expected a multiple of %d", b->out,
            VECTOR);
    if (!b->count)
        return 0;
    const int rc = shared_most(&most, err);
    if (rc < 0)
        return rc;
    const struct room r = room_choose(p, most, BLOCK_BYTES);
    const size_t bytes = BLOCK_BYTES + (r.scratch ? 0 : room_bytes(p, &r));
    if (r.scratch && !b->scratch)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: images of %dx%dx%d need %zu bytes of scratch each",
                           p->source_height, p->source_width, p->channels,
                           room_bytes(p, &r));
    /* Few threads are enough for a small image, and let more blocks live at once. */
    const int threads = p->height * p->width <= 4096 ? THREADS_MOST / 4
                        : room_for_two(bytes, most)  ? THREADS_MOST / 2
                                                     : THREADS_MOST;
    augment<<<(unsigned)b->count, threads, bytes, (cudaStream_t)stream>>>(*p, *b, r);
    CUDA_TRY(err, cudaGetLastError());
    return 0;
}

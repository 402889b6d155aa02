/* augment.cu -- one block, one image: see kernel.h. */
#include <sluice/augment_cuda.h>

#include "cuda_try.h"
#include "kernel.h"
#include "pipeline.h"

enum { THREADS_MOST = 512 };

__global__ static void
__launch_bounds__(THREADS_MOST) augment(const __grid_constant__ struct plan p,
        const __grid_constant__ struct sluice_augment_gpu_batch b)
{
    extern __shared__ __align__(16) uint8_t room[];
    struct block *shared = (struct block *)room;
    const int n = (int)blockIdx.x;
    uint8_t *between = 0;
    if (p.stages > 1) {
        const size_t each = between_bytes(&p);
        between = b.scratch ? (uint8_t *)b.scratch + n * each : room + sizeof(*shared);
    }
    for (int phase = 0; phase < block_phases(&p); phase++) {
        block_phase(&p, &b, shared, between, phase, n, (int)threadIdx.x,
                    (int)blockDim.x);
        __syncthreads();
    }
}

extern "C" size_t sluice_augment_cuda_scratch(const struct sluice_augment *aug,
                                              int count)
{
    const struct plan *p = sluice_augment_plan(aug);
    return between_shared(p) || count < 0 ? 0 : between_bytes(p) * (size_t)count;
}

extern "C" int sluice_augment_cuda(const struct sluice_augment *aug,
                                   const struct sluice_augment_gpu_batch *batch,
                                   void *stream, struct sluice_error *err)
{
    const struct plan *p = sluice_augment_plan(aug);
    struct sluice_augment_gpu_batch b = *batch;
    const int shared = between_shared(p);
    const size_t room = sizeof(struct block) + (shared ? between_bytes(p) : 0);
    /* Few threads are enough for a small image, and let more blocks live at once. */
    const int threads = p->height * p->width > 4096 ? THREADS_MOST : 128;
    if (b.count < 0 || (b.count && (!b.images || !b.ids || !b.out)))
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: a batch of %d without images, ids or result",
                           b.count);
    if ((uintptr_t)b.out % STORE_BYTES)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "augment: the result begins at %p: expected a multiple of %d", b.out,
            STORE_BYTES);
    if (!shared && !b.scratch)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: images of %dx%dx%d need scratch", p->height,
                           p->width, p->channels);
    if (!b.count)
        return 0;
    if (shared)
        b.scratch = NULL;
    if (room > 48 * 1024)
        CUDA_TRY(err, cudaFuncSetAttribute(augment,
                                           cudaFuncAttributeMaxDynamicSharedMemorySize,
                                           (int)room));
    augment<<<(unsigned)b.count, threads, room, (cudaStream_t)stream>>>(*p, b);
    CUDA_TRY(err, cudaGetLastError());
    return 0;
}

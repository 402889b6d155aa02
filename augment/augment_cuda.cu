/* augment_cuda.cu -- one thread, one output pixel; see chain_thread in chain.h. */
#include <sluice/augment_cuda.h>

#include "chain.h"
#include "cuda_try.h"

enum { THREADS = 256 };

__global__ static void augment(struct chain c, const uint8_t *const *images,
                               const uint64_t *ids, uint32_t epoch, void *out,
                               size_t out_bytes, int blocks_per_image)
{
    chain_thread(&c, images, ids, epoch, out, out_bytes, (int)blockIdx.x, blocks_per_image,
                 (int)threadIdx.x, (int)blockDim.x);
}

extern "C" int sluice_augment_cuda(const struct sluice_augment *aug,
                                   const uint8_t *const *images, const uint64_t *ids, int count,
                                   uint32_t epoch, void *out, void *stream,
                                   struct sluice_error *err)
{
    const struct chain *c = (const struct chain *)sluice_augment_chain(aug);
    const struct sluice_shape shape = sluice_augment_shape(aug);
    const int per_image = (c->height * c->width + THREADS - 1) / THREADS;
    if (count < 1 || (long long)count * per_image > 0x7fffffffLL)
        return sluice_fail(err, SLUICE_EINVAL, "a batch of %d images does not fit a grid", count);
    augment<<<(unsigned)(count * per_image), THREADS, 0, (cudaStream_t)stream>>>(
        *c, images, ids, epoch, out, sluice_shape_bytes(&shape), per_image);
    CUDA_TRY(err, cudaGetLastError());
    return 0;
}

/* augment_nocuda.c -- sluice/augment_cuda.h in a build without CUDA. */
#include <sluice/augment_cuda.h>

size_t sluice_augment_cuda_scratch(const struct sluice_augment *aug, int count)
{
    (void)aug;
    (void)count;
    return 0;
}

int sluice_augment_cuda(const struct sluice_augment *aug,
                        const struct sluice_augment_gpu_batch *batch, void *stream,
                        struct sluice_error *err)
{
    (void)aug;
    (void)batch;
    (void)stream;
    return sluice_fail(err, SLUICE_EUNBUILT, "augment: this build has no CUDA");
}

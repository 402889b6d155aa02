/* augment_nocuda.c -- what a build without CUDA says. */
#include <sluice/augment_cuda.h>

int sluice_augment_cuda(const struct sluice_augment *aug, const uint8_t *const *images,
                        const uint64_t *ids, int count, uint32_t epoch, void *out,
                        void *stream, struct sluice_error *err)
{
    (void)aug, (void)images, (void)ids, (void)count, (void)epoch, (void)out,
        (void)stream;
    return sluice_fail(err, SLUICE_EUNBUILT, "this build has no CUDA");
}

/* sluice/augment_cuda.h -- the same pipelines on a GPU: one kernel launch per batch
 * does the whole chain. Byte for byte what the CPU gives. No CUDA header is needed to
 * include this one. */
#ifndef SLUICE_AUGMENT_CUDA_H
#define SLUICE_AUGMENT_CUDA_H

#include <sluice/augment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Augment `count` images into `out` (count, ...sluice_augment_shape), all in the GPU's
 * memory: images[i] is where image i (u8 HWC) lies, in a staged batch or in a set that
 * stays on the GPU; ids[i] is its sample number. Asynchronous on `stream` (a
 * cudaStream_t); may be captured in a CUDA graph. SLUICE_EUNBUILT in a build without
 * CUDA. */
int sluice_augment_cuda(const struct sluice_augment *aug, const uint8_t *const *images,
                        const uint64_t *ids, int count, uint32_t epoch, void *out,
                        void *stream, struct sluice_error *err);

/* The planned chain, for tests that execute the kernel's body on the CPU. */
const void *sluice_augment_chain(const struct sluice_augment *aug);

#ifdef __cplusplus
}
#endif
#endif

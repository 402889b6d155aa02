/* sluice/augment_cuda.h -- the same pipelines on a GPU: one kernel launch per batch
 * runs the whole chain, draws included, and gives byte for byte what the CPU gives. No
 * CUDA header is needed to include this one.
 *
 *     struct sluice_augment_gpu_batch b = { .images = set, .at = ids, .ids = ids,
 *                                           .count = n, .epoch = epoch, .out = out };
 *     rc = sluice_augment_cuda(aug, &b, stream, &err);
 *
 * The call only enqueues: what the pointers lead to must stay until the stream has
 * passed it. It may be captured in a CUDA graph; `epoch_at` is for that. The first call
 * for a device, of either function, asks it for shared memory and lets the kernel have
 * it: do that before capturing. Calls from several threads are fine.
 *
 * Global memory is read once for each image and written once. Flips, one translate and
 * rectangles go straight from source to result; all else happens in a block's shared
 * memory, where an image lies as planes, and one spare plane or as many as channels.
 * With one, square images of three channels fit up to 235 pixels a side on H100 and
 * H200, 197 on A100, 150 on compute capability 8.6 and 8.9. Larger ones lie in scratch:
 * each step then reads and writes global memory. A mixed image also reads its partner,
 * and mixup writes the result, reads it and writes it again where both images do not
 * fit (from 167, 140 and 107 pixels on). */
#ifndef SLUICE_AUGMENT_CUDA_H
#define SLUICE_AUGMENT_CUDA_H

#include <sluice/augment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All pointers are to memory of the GPU. */
struct sluice_augment_gpu_batch {
    const uint8_t *images; /* u8 HWC images without gaps: a staged batch, or a set
                              that stays on the GPU */
    const uint64_t *at;    /* (count): image i is images[at[i]]; NULL: images[i] */
    const uint64_t *ids;   /* (count): sample numbers, the keys of the draws */
    int count;
    uint32_t epoch;
    const uint32_t *epoch_at; /* NULL, or where the epoch is read instead, so that a
                                 graph can be replayed in another epoch */
    uint64_t number; /* of the batch within the epoch: what cutmix and mixup draw by */
    const uint64_t *number_at; /* likewise */
    struct sluice_mix *mixes;  /* NULL, or (count): how each image was mixed */
    void *out;     /* (count, ...sluice_augment_shape), at a multiple of 16 bytes */
    void *scratch; /* sluice_augment_cuda_scratch() bytes */
};

/* Bytes of scratch for a batch of `count` on the calling thread's device: 0 unless
 * images lie there, see above. Without a device, as if it had 48 KiB of shared memory,
 * which is enough for all. */
size_t sluice_augment_cuda_scratch(const struct sluice_augment *aug, int count);

/* Enqueue on `stream` (a cudaStream_t). SLUICE_EUNBUILT in a build without CUDA,
 * SLUICE_EDEVICE if the device refuses. */
int sluice_augment_cuda(const struct sluice_augment *aug,
                        const struct sluice_augment_gpu_batch *batch, void *stream,
                        struct sluice_error *err);

#ifdef __cplusplus
}
#endif
#endif

/* channel_cuda.h -- how kernels_channel.h cuts rows and channels among blocks. */
#ifndef SLUICE_CHANNEL_CUDA_H
#define SLUICE_CHANNEL_CUDA_H

#include "../cuda/gpu.h"
#include "backends.h"

/* The cut of t's rows into chunks and channels into tiles; all else is zero. */
struct channel_args channel_cut(const struct tensor *t);
/* Bytes of the partial sums. */
size_t channel_partial_bytes(const struct channel_args *a);

int channel_sum_up(struct gpu *gpu, const struct channel_args *a,
                   struct sluice_error *err);
int channel_norm_apply(struct gpu *gpu, const struct channel_args *a,
                       struct sluice_error *err);
int channel_norm_backward(struct gpu *gpu, const struct channel_args *a,
                          struct sluice_error *err);

#endif

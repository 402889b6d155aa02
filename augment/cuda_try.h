/* cuda_try.h -- return SLUICE_EDEVICE with the call's text and CUDA's word for it. */
#ifndef SLUICE_CUDA_TRY_H
#define SLUICE_CUDA_TRY_H

#include <cuda_runtime.h>

#include <sluice/error.h>

#define CUDA_TRY(err, call)                                                            \
    do {                                                                               \
        cudaError_t cuda_try_status = (call);                                          \
        if (cuda_try_status != cudaSuccess)                                            \
            return sluice_fail(err, SLUICE_EDEVICE, "%s: %s", #call,                   \
                               cudaGetErrorString(cuda_try_status));                   \
    } while (0)

#endif

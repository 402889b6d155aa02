/* launch.cu -- the kernels: each body of kernel_list.h, called once for each phase with a
 * barrier of the block after it. */
#include "kernels_all.h"

#include <sluice/error.h>

#define KERNEL(name, args, phases, room)                                               \
    __global__ static void __launch_bounds__(BLOCK)                                    \
        kernel_##name(const __grid_constant__ struct args a)                           \
    {                                                                                  \
        __shared__ __align__(16) unsigned char shared[room];                           \
        struct spot at = { (int)blockIdx.x,  (int)gridDim.x, (int)threadIdx.x,         \
                           (int)blockDim.x, 0,               shared };                 \
        for (; at.phase < (phases); at.phase++) {                                      \
            name(&a, &at);                                                             \
            if ((phases) > 1)                                                          \
                __syncthreads();                                                       \
        }                                                                              \
    }
#include "kernel_list.h"
#undef KERNEL

static const char *const names[] = {
#define KERNEL(name, args, phases, room) #name,
#include "kernel_list.h"
#undef KERNEL
};

extern "C" int cuda_launch(enum gpu_kernel kernel, int blocks, int threads,
                           const void *args, void *stream, struct sluice_error *err)
{
    const cudaStream_t to = (cudaStream_t)stream;
    switch (kernel) {
#define KERNEL(name, args_of, phases, room)                                            \
    case KERNEL_##name:                                                                \
        kernel_##name<<<(unsigned)blocks, (unsigned)threads, 0, to>>>(                 \
            *(const struct args_of *)args);                                            \
        break;
#include "kernel_list.h"
#undef KERNEL
    case KERNELS:
        return sluice_fail(err, SLUICE_EINVAL, "CUDA: no such kernel");
    }
    const cudaError_t status = cudaGetLastError();
    if (status != cudaSuccess)
        return sluice_fail(err, SLUICE_EDEVICE, "CUDA: kernel %s, %d blocks of %d: %s",
                           names[kernel], blocks, threads, cudaGetErrorString(status));
    return 0;
}

/* curand.cu -- cuRAND's Philox, from its own header, gives the numbers of sluice/rng.h:
 * curand_init(seed, sample, offset) with offset = 4 * (epoch << 32 | operation << 16).
 *
 * cuRAND's functions are for the device; told otherwise, the same code runs on the CPU,
 * so the first half of the test needs no GPU, and no nvcc. */
#define QUALIFIERS static inline __host__ __device__
#include <curand_kernel.h>

#include <sluice/rng.h>

#include "check.h"

enum { CASES = 27, WORDS = 11 };

__host__ __device__ static void words(int i, uint32_t *ours, uint32_t *theirs)
{
    const uint64_t seed = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 0xfedcba9876543210ull;
    const uint64_t sample = i / 3 % 3 * 0x123456789abcdefull;
    const uint32_t epoch = i / 9 == 0 ? 0 : i / 9 == 1 ? 7 : 0x3fffffffu;
    const uint16_t operation = (uint16_t)(i * 2521);
    struct sluice_rng r = sluice_rng_open(seed, epoch, sample, operation);
    curandStatePhilox4_32_10_t state;
    curand_init(seed, sample, 4 * ((uint64_t)epoch << 32 | (uint32_t)operation << 16),
                &state);
    for (int n = 0; n < WORDS; n++) {
        ours[n] = sluice_rng_u32(&r);
        theirs[n] = curand(&state);
    }
}

#ifdef __CUDACC__
__global__ static void words_on_gpu(uint32_t *ours, uint32_t *theirs)
{
    const int i = (int)threadIdx.x;
    words(i, ours + i * WORDS, theirs + i * WORDS);
}
#endif

static void compare(const char *where, const uint32_t (*ours)[WORDS],
                    const uint32_t (*theirs)[WORDS])
{
    for (int i = 0; i < CASES; i++)
        for (int n = 0; n < WORDS; n++)
            CHECK(ours[i][n] == theirs[i][n], "%s: case %d, word %d: %08x, not %08x",
                  where, i, n, ours[i][n], theirs[i][n]);
}

int main(void)
{
    static uint32_t ours[CASES][WORDS], theirs[CASES][WORDS];
    for (int i = 0; i < CASES; i++)
        words(i, ours[i], theirs[i]);
    compare("CPU", ours, theirs);
#ifdef __CUDACC__
    static uint32_t gpu[2][CASES][WORDS];
    int devices = 0;
    if (cudaGetDeviceCount(&devices) == cudaSuccess && devices) {
        uint32_t *memory;
        REQUIRE(cudaMalloc(&memory, sizeof(gpu)) == cudaSuccess, "no memory");
        words_on_gpu<<<1, CASES>>>(memory, memory + CASES * WORDS);
        REQUIRE(cudaMemcpy(gpu, memory, sizeof(gpu), cudaMemcpyDeviceToHost) ==
                    cudaSuccess,
                "%s", cudaGetErrorString(cudaGetLastError()));
        cudaFree(memory);
        compare("GPU", gpu[0], theirs);
        compare("GPU's cuRAND", theirs, gpu[1]);
    }
#endif
    return check_done();
}

/* bench_gpu.c -- the kernel's traffic and, where there is a GPU, its speed: GB/s of
 * images in and out, beside what the same GPU copies. Not a test. Batches are gathered
 * at random from a set that stays on the GPU.
 *
 *     bench_augment_gpu              batches of 512 to 8192, 32 and 224 pixels
 *     bench_augment_gpu --bytes      what an image reads and writes; needs no GPU: the
 *                                    kernel's body counts it */
#include <cuda_runtime.h>
#include <string.h>

#include <sluice/augment_cuda.h>

#include "check.h"

/* Bytes of global memory: see kernel_block.h. */
static struct {
    size_t source, result, back, planes;
} traffic;
#define TRAFFIC(what, bytes) (traffic.what += (size_t)(bytes))

#include "augment_host.h"
#include "pipeline.h"

enum { ROUNDS = 20, EACH = 5, SET = 1 << 30 };

static const char *const chains[] = {
    "normalize",
    "flip,translate:pad=4:fill=reflect,cutout:size=8,normalize",
    "translate:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:contrast=0.3:"
    "saturation=0.3:hue=0.1,perspective:distortion=0.2,normalize,erase:p=0.3:scale=0."
    "02/"
    "0.2,cutmix:p=0.7",
    "translate:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:contrast=0.3:"
    "saturation=0.3:hue=0.1,perspective:distortion=0.2,normalize,erase:p=0.3:scale=0."
    "02/0.2",
    "rotate:degrees=15,normalize,mixup",
    "geometry:mode=fused,translate:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:"
    "contrast=0.3:saturation=0.3:hue=0.1,perspective:distortion=0.2,normalize,erase:p="
    "0.3:scale=0.02/0.2,cutmix:p=0.7",
};

#define DO(call)                                                                       \
    do {                                                                               \
        const cudaError_t status = (call);                                             \
        REQUIRE(status == cudaSuccess, "%s: %s", #call, cudaGetErrorString(status));   \
    } while (0)

static struct sluice_augment *make(const char *chain, int side)
{
    static const double mean[] = { 125, 122, 113 }, std[] = { 51, 50, 52 };
    const struct sluice_augment_options o = { .source = { side, side, 3, SLUICE_U8,
                                                          SLUICE_NHWC },
                                              .seed = 1,
                                              .dtype = SLUICE_BF16,
                                              .mean = mean,
                                              .std = std,
                                              .mixes = 1 };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, chain, &o, &err) == 0, "%s", err.message);
    return a;
}

/* What must cross the memory for an image: itself, what it becomes, and its two
 * numbers. */
static size_t in_and_out(const struct plan *p)
{
    return (size_t)p->source_height * p->source_width * p->channels +
           (size_t)p->height * p->width * p->channels * 2 + 2 * sizeof(uint64_t);
}

/* Of a block's shared memory, as devices have it. */
static const struct {
    const char *name;
    size_t most;
} kinds[] = {
    { "H100, H200", 227 * 1024 },
    { "A100", 163 * 1024 },
    { "sm_86, sm_89", 99 * 1024 },
};

/* Up to which side a square image of three channels stays in shared memory. */
static void sides_of(void)
{
    for (size_t d = 0; d < sizeof(kinds) / sizeof(*kinds); d++) {
        int most = 0;
        for (int side = 8; side < 400; side++) {
            struct sluice_augment *a = make("rotate:degrees=9", side);
            const struct room r =
                room_choose(sluice_augment_plan(a), kinds[d].most, BLOCK_BYTES);
            most = r.scratch ? most : side;
            sluice_augment_free(a);
        }
        printf("%s: up to %d x %d x 3 in shared memory\n", kinds[d].name, most, most);
    }
}

/* The kernel's body, run here on a batch of noise, counts what it reads and writes. */
static void bytes_of(int side, size_t kind)
{
    enum { COUNT = 8 };
    for (size_t k = 0; k < sizeof(chains) / sizeof(*chains); k++) {
        struct sluice_augment *a = make(chains[k], side);
        const struct plan *p = sluice_augment_plan(a);
        const struct sluice_shape shape = sluice_augment_shape(a);
        const struct room r = room_choose(p, kinds[kind].most, BLOCK_BYTES);
        const size_t in = (size_t)side * (size_t)side * 3,
                     out = sluice_shape_bytes(&shape);
        uint64_t ids[COUNT];
        uint8_t *set = malloc(COUNT * in), *result = malloc(COUNT * out);
        uint8_t *scratch = malloc(COUNT * room_bytes(p, &r) + 1);
        struct sluice_mix mixes[COUNT];
        int mixed = 0;
        REQUIRE(set && result && scratch, "no memory");
        for (size_t i = 0; i < COUNT * in; i++)
            set[i] = (uint8_t)(i * 2654435761u >> 13);
        for (uint64_t i = 0; i < COUNT; i++)
            ids[i] = i;
        const struct sluice_augment_gpu_batch b = { .images = set,
                                                    .ids = ids,
                                                    .count = COUNT,
                                                    .mixes = mixes,
                                                    .out = result,
                                                    .scratch = scratch };
        memset(&traffic, 0, sizeof(traffic));
        REQUIRE(launch_on_host(p, &r, &b, 128) == 0, "no memory");
        for (int i = 0; i < COUNT && p->mixes; i++)
            mixed += mixes[i].share < 1;
        printf("| %d | %s | %.2f of %zu | %.2f of %zu | %zu | %zu | %d of %d | %zu%s | "
               "`%s` "
               "|\n",
               side, kinds[kind].name, (double)traffic.source / COUNT / (double)in, in,
               (double)traffic.result / COUNT / (double)out, out, traffic.back / COUNT,
               r.scratch ? traffic.planes / COUNT : 0, mixed, COUNT,
               BLOCK_BYTES + (r.scratch ? 0 : room_bytes(p, &r)),
               r.scratch      ? ", planes in scratch"
               : p->arranged  ? ", no planes"
               : r.spare == 1 ? ", one spare plane"
                              : "",
               chains[k]);
        free(set);
        free(result);
        free(scratch);
        sluice_augment_free(a);
    }
}

static float milliseconds(cudaEvent_t from, cudaEvent_t to)
{
    float ms = 0;
    DO(cudaEventRecord(to, 0));
    DO(cudaEventSynchronize(to));
    DO(cudaEventElapsedTime(&ms, from, to));
    return ms / EACH;
}

/* GB/s read and written by copies within the GPU. */
static double copying(void *to, const void *from, size_t bytes, cudaEvent_t ev[2])
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        DO(cudaEventRecord(ev[0], 0));
        for (int i = 0; i < EACH; i++)
            DO(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, 0));
        const double rate = 2e-6 * (double)bytes / (double)milliseconds(ev[0], ev[1]);
        best = rate > best ? rate : best;
    }
    return best;
}

static void measure(const char *chain, int side, int count, const uint8_t *set,
                    cudaEvent_t ev[2])
{
    struct sluice_augment *a = make(chain, side);
    const struct plan *p = sluice_augment_plan(a);
    const struct sluice_shape out = sluice_augment_shape(a);
    const size_t each = (size_t)side * (size_t)side * 3;
    uint64_t *at = malloc((size_t)count * sizeof(*at)), *gpu_at;
    struct sluice_error err = { 0 };
    struct sluice_augment_gpu_batch b = { .images = set, .count = count };
    struct sluice_rng r = sluice_rng_at(1, 2, 3);
    double best = 1e30;
    REQUIRE(at, "no memory");
    for (int i = 0; i < count; i++)
        at[i] = sluice_rng_below(&r, (uint32_t)(SET / each));
    DO(cudaMalloc((void **)&gpu_at, (size_t)count * sizeof(*at)));
    DO(cudaMemcpy(gpu_at, at, (size_t)count * sizeof(*at), cudaMemcpyHostToDevice));
    b.at = b.ids = gpu_at;
    DO(cudaMalloc(&b.out, (size_t)count * sluice_shape_bytes(&out)));
    if (sluice_augment_cuda_scratch(a, count))
        DO(cudaMalloc(&b.scratch, sluice_augment_cuda_scratch(a, count)));
    for (int round = 0; round < ROUNDS; round++) {
        DO(cudaEventRecord(ev[0], 0));
        for (int i = 0; i < EACH; i++, b.epoch++)
            REQUIRE(sluice_augment_cuda(a, &b, 0, &err) == 0, "%s", err.message);
        const double ms = (double)milliseconds(ev[0], ev[1]);
        best = ms < best ? ms : best;
    }
    const double rate = 1e-6 * (double)in_and_out(p) * count / best;
    const double most =
        copying(b.out, set, (size_t)count * sluice_shape_bytes(&out), ev);
    printf("| %d | %d | %.0f | %.1f | %.0f | %.0f%% | `%s` |\n", side, count,
           count / best * 1e3, rate, most, 100 * rate / most, chain);
    fflush(stdout);
    cudaFree(gpu_at);
    cudaFree(b.out);
    cudaFree(b.scratch);
    free(at);
    sluice_augment_free(a);
}

int main(int argc, char **argv)
{
    int devices = 0;
    cudaEvent_t ev[2];
    uint8_t *set;
    if (argc > 1 && strcmp(argv[1], "--bytes") == 0) {
        printf(
            "| side | GPU | read, times the image | written, times the result | bytes "
            "read back | bytes of planes written in scratch | mixed | shared bytes of "
            "a block | u8 to bf16 |\n|---|---|---|---|---|---|---|---|---|\n");
        for (size_t d = 0; d < sizeof(kinds) / sizeof(*kinds); d++) {
            bytes_of(32, d);
            bytes_of(224, d);
        }
        sides_of();
        return 0;
    }
    if (cudaGetDeviceCount(&devices) != cudaSuccess || !devices)
        SKIP("no GPU");
    DO(cudaMalloc((void **)&set, SET));
    DO(cudaMemset(set, 77, SET));
    DO(cudaEventCreate(&ev[0]));
    DO(cudaEventCreate(&ev[1]));
    printf("| side | batch | images/s | GB/s | copy, GB/s | share | u8 to bf16 "
           "|\n|---|---|---|---|---|---|---|\n");
    for (int side = 32; side <= 224; side += 192)
        for (size_t k = 0; k < sizeof(chains) / sizeof(*chains); k++)
            for (int count = 512; count <= 8192; count *= 2)
                measure(chains[k], side, count, set, ev);
    DO(cudaFree(set));
    return 0;
}

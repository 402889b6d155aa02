/* gpu.c -- whole batches from the GPU are, byte for byte, those of the CPU; also when
 * the launch is replayed from a CUDA graph in another epoch. */
#include <cuda_runtime.h>

#include <sluice/augment_cuda.h>

#include "check.h"
#include "pipelines.h"

enum { SET = 5, COUNT = 4, NUMBER = 12 };

/* Sides that need other placements of planes, from several spare ones to scratch. */
static const int large[] = { 97, 128, 160, 200, 224, 300 };
enum { LARGE = sizeof(large) / sizeof(*large) };

static const uint64_t at[COUNT] = { 3, 0, 4, 3 };
static const uint64_t ids[COUNT] = { 7, 1000000007, 0, 0xffffffffffff };

#define DO(call)                                                                       \
    do {                                                                               \
        const cudaError_t status = (call);                                             \
        REQUIRE(status == cudaSuccess, "%s: %s", #call, cudaGetErrorString(status));   \
    } while (0)

static void *on_gpu(const void *from, size_t size)
{
    void *p;
    DO(cudaMalloc(&p, size ? size : 1));
    if (from && size)
        DO(cudaMemcpy(p, from, size, cudaMemcpyHostToDevice));
    return p;
}

static void check_batch(const struct sluice_augment *a, const struct sluice_shape *s,
                        const uint8_t *set, uint32_t epoch, const void *gpu_out,
                        const char *what)
{
    const struct sluice_transform t = sluice_augment_transform(a);
    const size_t in = sluice_shape_bytes(s), out = sluice_shape_bytes(&t.out);
    uint8_t *plain = aligned_noise(COUNT * out, 1),
            *got = aligned_noise(COUNT * out, 2);
    uint8_t *want = aligned_noise(COUNT * out, 3);
    const struct sluice_batch whole = { .shape = t.out,
                                        .count = COUNT,
                                        .pixels = plain,
                                        .ids = ids,
                                        .epoch = epoch,
                                        .number = NUMBER };
    struct sluice_mix mixes[COUNT];
    DO(cudaMemcpy(got, gpu_out, COUNT * out, cudaMemcpyDeviceToHost));
    for (int n = 0; n < COUNT; n++) {
        const struct sluice_image image = { set + at[n] * in, s->height, s->width,
                                            s->channels,      ids[n],    epoch };
        REQUIRE(t.apply(t.arg, &image, plain + (size_t)n * out, NULL) == 0, "apply");
    }
    REQUIRE(sluice_augment_mix(a, &whole, want, mixes, NULL) == 0, "mix");
    for (int n = 0; n < COUNT; n++)
        CHECK(memcmp(want + (size_t)n * out, got + (size_t)n * out, out) == 0,
              "%s: %s of %dx%dx%d as %s, layout %d: image %d", what,
              sluice_augment_describe(a), s->height, s->width, s->channels,
              sluice_dtype_name(t.out.dtype), t.out.layout, n);
    free(plain);
    free(want);
    free(got);
}

/* The captured launch reads its epoch from memory. */
static void replay(const struct sluice_augment *a, const struct sluice_shape *source,
                   const uint8_t *set, const struct sluice_augment_gpu_batch *b,
                   uint32_t *epoch_at, cudaStream_t stream)
{
    cudaGraph_t graph;
    cudaGraphExec_t run;
    struct sluice_error err = { 0 };
    DO(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    REQUIRE(sluice_augment_cuda(a, b, stream, &err) == 0, "%s", err.message);
    DO(cudaStreamEndCapture(stream, &graph));
    DO(cudaGraphInstantiate(&run, graph, 0));
    for (uint32_t epoch = 11; epoch < 14; epoch++) {
        DO(cudaMemcpyAsync(epoch_at, &epoch, sizeof(epoch), cudaMemcpyHostToDevice,
                           stream));
        DO(cudaGraphLaunch(run, stream));
        DO(cudaStreamSynchronize(stream));
        check_batch(a, source, set, epoch, b->out, "graph");
    }
    DO(cudaGraphExecDestroy(run));
    DO(cudaGraphDestroy(graph));
}

static void compare(const struct sluice_augment_options *o, int k, const uint8_t *set,
                    int replays, cudaStream_t stream)
{
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, pipelines[k], o, &err) == 0, "%s", err.message);
    const struct sluice_shape shape = sluice_augment_shape(a);
    struct sluice_augment_gpu_batch b = {
        .images = on_gpu(set, SET * sluice_shape_bytes(&o->source)),
        .at = on_gpu(at, sizeof(at)),
        .ids = on_gpu(ids, sizeof(ids)),
        .count = COUNT,
        .epoch = 5,
        .number = NUMBER,
        .out = on_gpu(NULL, COUNT * sluice_shape_bytes(&shape)),
        .scratch = on_gpu(NULL, sluice_augment_cuda_scratch(a, COUNT)),
    };
    uint32_t *epoch_at = on_gpu(NULL, sizeof(*epoch_at));
    REQUIRE(sluice_augment_cuda(a, &b, stream, &err) == 0, "%s", err.message);
    DO(cudaStreamSynchronize(stream));
    check_batch(a, &o->source, set, 5, b.out, "launch");
    b.epoch_at = epoch_at;
    if (replays)
        replay(a, &o->source, set, &b, epoch_at, stream);
    cudaFree((void *)b.images);
    cudaFree((void *)b.at);
    cudaFree((void *)b.ids);
    cudaFree(b.out);
    cudaFree(b.scratch);
    cudaFree(epoch_at);
    sluice_augment_free(a);
}

int main(void)
{
    int devices = 0;
    cudaStream_t stream;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || !devices)
        SKIP("no GPU");
    DO(cudaStreamCreate(&stream));
    for (int i = 0; i < CASES + LARGE; i++) {
        struct sluice_augment_options o = case_options(i % CASES, SLUICE_AUGMENT_BEST);
        if (i >= CASES) {
            o.source.height = large[i - CASES];
            o.source.width = large[i - CASES] + (i - CASES) % 2;
            o.source.channels = 3;
            o.dtype = SLUICE_BF16;
        }
        uint8_t *set = aligned_noise(SET * sluice_shape_bytes(&o.source), 3);
        for (int k = 0; k < PIPELINES; k++)
            if (i >= CASES || case_suits(i, k))
                compare(&o, k, set, i % 8 == 1 || i >= CASES, stream);
        free(set);
    }
    DO(cudaStreamDestroy(stream));
    return check_done();
}

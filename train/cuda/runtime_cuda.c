/* runtime_cuda.c -- gpu.h's table on CUDA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layer_own.h"
#include "runtime_cuda.h"

enum { OLDEST = 80 /* compute capability that the kernels are built for */ };

/* None, which is SLUICE_EUNBUILT; or there is one that does not answer. */
static int no_gpu(cudaError_t status, struct sluice_error *err)
{
    int has = 0, needs = 0; /* CUDA's version, 12020 for 12.2 */
    const char *why =
        status == cudaSuccess ? "none is visible" : cudaGetErrorString(status);
    if (status != cudaSuccess && status != cudaErrorNoDevice &&
        status != cudaErrorInsufficientDriver && status != cudaErrorStubLibrary)
        return sluice_fail(err, SLUICE_EDEVICE, "device cuda: %s%s", why,
                           status == cudaErrorSystemNotReady
                               ? " (is nvidia-fabricmanager running?)"
                               : "");
    if (status != cudaErrorInsufficientDriver ||
        cudaDriverGetVersion(&has) != cudaSuccess ||
        cudaRuntimeGetVersion(&needs) != cudaSuccess)
        return sluice_fail(err, SLUICE_EUNBUILT, "device cuda: no GPU: %s", why);
    if (!has)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "device cuda: no GPU: no driver is installed");
    return sluice_fail(
        err, SLUICE_EUNBUILT,
        "device cuda: no GPU: expected a driver for CUDA %d.%d or later, "
        "found one for %d.%d",
        needs / 1000, needs % 1000 / 10, has / 1000, has % 1000 / 10);
}

/* The GPU of this process, used by the calling thread from now on, and its memory. */
static int find_gpu(struct gpu *gpu, char about[80], size_t *memory,
                    struct sluice_error *err)
{
    struct cudaDeviceProp prop;
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || !count)
        return no_gpu(status, err);
    const int number = gpu->local % count;
    CUDA_TRY(err, cudaGetDeviceProperties(&prop, number));
    if (prop.major * 10 + prop.minor < OLDEST)
        return sluice_fail(
            err, SLUICE_EUNBUILT,
            "device cuda: %s has compute capability %d.%d, expected %d.%d "
            "or later",
            prop.name, prop.major, prop.minor, OLDEST / 10, OLDEST % 10);
    CUDA_TRY(err, cudaSetDevice(number));
    memcpy(gpu->identity, prop.uuid.bytes, GPU_IDENTITY);
    *memory = prop.totalGlobalMem;
    snprintf(about, 80, "%.40s, cuDNN %zu", prop.name, cudnnGetVersion());
    return number;
}

/* By the whole of the memory, not by what is free, since algorithms depend on it. */
static size_t workspace_for(size_t memory)
{
    return memory / WORKSPACE_SHARE > WORKSPACE ? memory / WORKSPACE_SHARE : WORKSPACE;
}

static int open_parts(struct cuda *c, struct sluice_error *err)
{
    for (int i = 0; i < GPU_LANES; i++)
        CUDA_TRY(err, cudaStreamCreateWithFlags(&c->stream[i], cudaStreamNonBlocking));
    for (int i = 0; i < GPU_SIGNALS; i++)
        CUDA_TRY(err, cudaEventCreateWithFlags(&c->signal[i], cudaEventDisableTiming));
    for (int i = 0; i < GPU_MARKS; i++)
        CUDA_TRY(err, cudaEventCreateWithFlags(&c->mark[i], cudaEventDisableTiming));
    CUDNN_TRY(err, cudnnCreate(&c->cudnn));
    CUDNN_TRY(err, cudnnSetStream(c->cudnn, c->stream[LANE_STEP]));
    LT_TRY(err, cublasLtCreate(&c->lt));
    return 0;
}

static void cuda_close(struct gpu *gpu)
{
    struct cuda *c = cuda_of(gpu);
    (void)cuda_wait(gpu, NULL);
    nccl_close(c->nccl);
    if (c->cudnn)
        cudnnDestroy(c->cudnn);
    if (c->lt)
        cublasLtDestroy(c->lt);
    for (int i = 0; i < GPU_MARKS; i++)
        if (c->mark[i])
            cudaEventDestroy(c->mark[i]);
    for (int i = 0; i < GPU_SIGNALS; i++)
        if (c->signal[i])
            cudaEventDestroy(c->signal[i]);
    for (int i = 0; i < c->stamps; i++)
        cudaEventDestroy(c->stamp[i]);
    free(c->stamp);
    cudaFree(c->workspace);
    for (int i = 0; i < GPU_LANES; i++)
        if (c->stream[i])
            cudaStreamDestroy(c->stream[i]);
    free(c);
    gpu->impl = NULL;
}

static int cuda_open(struct gpu *gpu, char about[80], struct sluice_error *err)
{
    size_t memory = 0;
    const int number = find_gpu(gpu, about, &memory, err);
    if (number < 0)
        return number;
    gpu->impl = calloc(1, sizeof(struct cuda));
    if (!gpu->impl)
        return sluice_fail(err, SLUICE_ENOMEM, "device cuda: no memory");
    cuda_of(gpu)->number = number;
    cuda_of(gpu)->room = workspace_for(memory);
    const int rc = open_parts(gpu->impl, err);
    if (rc < 0)
        cuda_close(gpu);
    return rc;
}

static int cuda_enter(struct gpu *gpu, struct sluice_error *err)
{
    CUDA_TRY(err, cudaSetDevice(cuda_of(gpu)->number));
    return 0;
}

static int cuda_allocate(struct gpu *gpu, void **out, size_t bytes,
                         struct sluice_error *err)
{
    size_t left = 0, all = 0;
    (void)gpu;
    *out = NULL;
    if (cudaMalloc(out, bytes ? bytes : 1) == cudaSuccess)
        return 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&left, &all);
    return sluice_fail(err, SLUICE_ENOMEM,
                       "device cuda: no memory for %.1f MB: %.1f MB of %.1f are free",
                       (double)bytes / 1e6, (double)left / 1e6, (double)all / 1e6);
}

static void cuda_release(struct gpu *gpu, void *memory)
{
    (void)gpu;
    cudaFree(memory); /* waits for what uses it */
}

/* A loader's threads ask for it, too. */
static int cuda_pin(struct gpu *gpu, void **out, size_t bytes, struct sluice_error *err)
{
    *out = NULL;
    CUDA_TRY(err, cudaSetDevice(cuda_of(gpu)->number));
    CUDA_TRY(err, cudaHostAlloc(out, bytes ? bytes : 1, cudaHostAllocDefault));
    return 0;
}

static void cuda_unpin(struct gpu *gpu, void *memory)
{
    if (memory && cudaSetDevice(cuda_of(gpu)->number) == cudaSuccess)
        cudaFreeHost(memory);
}

static size_t cuda_memory_free(struct gpu *gpu)
{
    size_t left = 0, all = 0;
    (void)gpu;
    return cudaMemGetInfo(&left, &all) == cudaSuccess ? left : 0;
}

static int cuda_copy(struct gpu *gpu, void *to, const void *from, size_t bytes,
                     enum gpu_copy way, struct sluice_error *err)
{
    static const enum cudaMemcpyKind kinds[] = {
        [COPY_TO_GPU] = cudaMemcpyHostToDevice,
        [COPY_TO_HOST] = cudaMemcpyDeviceToHost,
        [COPY_ON_GPU] = cudaMemcpyDeviceToDevice,
    };
    CUDA_TRY(err, cudaMemcpyAsync(to, from, bytes, kinds[way], cuda_lane(gpu)));
    return 0;
}

static int cuda_zero(struct gpu *gpu, void *memory, size_t bytes,
                     struct sluice_error *err)
{
    CUDA_TRY(err, cudaMemsetAsync(memory, 0, bytes, cuda_lane(gpu)));
    return 0;
}

static int launch(struct gpu *gpu, enum gpu_kernel kernel, int blocks, int threads,
                  const void *args, struct sluice_error *err)
{
    return cuda_launch(kernel, blocks, threads, args, cuda_lane(gpu), err);
}

static int cuda_augment(struct gpu *gpu, const struct sluice_augment *aug,
                        const struct sluice_shape *source,
                        const struct sluice_augment_gpu_batch *batch,
                        struct sluice_error *err)
{
    (void)source;
    return sluice_augment_cuda(aug, batch, cuda_lane(gpu), err);
}

/* One of the two; what cuDNN has no algorithm for is our own kernels'. */
struct gpu_layer {
    struct gpu_layer_shape shape;
    struct cudnn_layer *conv;
    struct lt_layer *inner;
    int own; /* directions that cuDNN does not do */
};

/* As it turns out when the layer is made, or first runs. */
static void count_own(struct gpu *gpu, struct gpu_layer *layer)
{
    const struct cudnn_has has = cudnn_layer_has(layer->conv);
    const int own = !has.forward + (layer->shape.wants_data && !has.data) +
                    (layer->shape.wants_weight && !has.weight);
    gpu->own_directions += own - layer->own;
    layer->own = own;
}

static void layer_free(struct gpu *gpu, struct gpu_layer *layer)
{
    (void)gpu;
    if (!layer)
        return;
    cudnn_layer_free(layer->conv);
    lt_layer_free(layer->inner);
    free(layer);
}

static int layer_open(struct gpu *gpu, struct gpu_layer **out,
                      const struct gpu_layer_shape *shape, struct sluice_error *err)
{
    struct cuda *c = cuda_of(gpu);
    int rc = 0;
    *out = NULL;
    if (!c->workspace) /* multiply uses it, too, in networks with layers */
        rc = cuda_allocate(gpu, &c->workspace, c->room, err);
    struct gpu_layer *layer = calloc(1, sizeof *layer);
    if (!layer && rc == 0)
        rc = sluice_fail(err, SLUICE_ENOMEM, "device cuda: no memory for a layer");
    if (rc == 0)
        rc = shape->inner ? lt_layer_open(&layer->inner, c, shape, err)
                          : cudnn_layer_open(&layer->conv, c, shape, err);
    if (rc < 0) {
        layer_free(gpu, layer);
        return rc;
    }
    layer->shape = *shape;
    if (layer->conv)
        count_own(gpu, layer);
    *out = layer;
    return 0;
}

static int layer_forward(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                         const void *w, void *y, struct sluice_error *err)
{
    struct cuda *c = cuda_of(gpu);
    if (layer->inner)
        return lt_layer_forward(layer->inner, c, x, w, y, err);
    const int rc = cudnn_layer_forward(layer->conv, c, x, w, y, err);
    if (rc)
        return rc < 0 ? rc : 0;
    count_own(gpu, layer);
    return own_forward(gpu, &layer->shape, x, w, y, err);
}

static int layer_data(struct gpu *gpu, struct gpu_layer *layer, const void *dy,
                      const void *w, void *dx, struct sluice_error *err)
{
    struct cuda *c = cuda_of(gpu);
    if (layer->inner)
        return lt_layer_data(layer->inner, c, dy, w, dx, err);
    const int rc = cudnn_layer_data(layer->conv, c, dy, w, dx, err);
    if (rc)
        return rc < 0 ? rc : 0;
    count_own(gpu, layer);
    return own_data(gpu, &layer->shape, dy, w, dx, err);
}

static int layer_weight(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                        const void *dy, void *dw, struct sluice_error *err)
{
    struct cuda *c = cuda_of(gpu);
    if (layer->inner)
        return lt_layer_weight(layer->inner, c, x, dy, dw, err);
    const int rc = cudnn_layer_weight(layer->conv, c, x, dy, dw, err);
    if (rc)
        return rc < 0 ? rc : 0;
    count_own(gpu, layer);
    return own_weight(gpu, &layer->shape, x, dy, dw, err);
}

static int multiply(struct gpu *gpu, const struct gpu_product *product, const float *a,
                    const float *b, const float *from, float *c,
                    struct sluice_error *err)
{
    return lt_multiply(cuda_of(gpu), product, a, b, from, c, err);
}

static int cuda_sum_open(struct gpu *gpu, char about[40], struct sluice_error *err)
{
    return nccl_open(&cuda_of(gpu)->nccl, NULL, about, err);
}

static int cuda_sum_id(struct gpu *gpu, unsigned char id[GPU_SUM_ID],
                       struct sluice_error *err)
{
    return nccl_id(cuda_of(gpu)->nccl, id, err);
}

static int cuda_sum_join(struct gpu *gpu, const unsigned char id[GPU_SUM_ID], int self,
                         int count, struct sluice_error *err)
{
    return nccl_join(cuda_of(gpu)->nccl, id, self, count, err);
}

static int cuda_sum(struct gpu *gpu, const struct gpu_sum *sum,
                    struct sluice_error *err)
{
    return nccl_sum(cuda_of(gpu)->nccl, sum, cuda_lane(gpu), err);
}

static void cuda_sum_leave(struct gpu *gpu)
{
    nccl_leave(cuda_of(gpu)->nccl);
}

const struct gpu_runtime gpu_runtime_cuda = {
    .open = cuda_open,
    .enter = cuda_enter,
    .close = cuda_close,
    .allocate = cuda_allocate,
    .release = cuda_release,
    .pin = cuda_pin,
    .unpin = cuda_unpin,
    .memory_free = cuda_memory_free,
    .copy = cuda_copy,
    .zero = cuda_zero,
    .launch = launch,
    .augment = cuda_augment,
    .wait = cuda_wait,
    .signal = cuda_signal,
    .follow = cuda_follow,
    .mark = cuda_mark,
    .passed = cuda_passed,
    .stamp = cuda_stamp,
    .between = cuda_between,
    .record_begin = cuda_record_begin,
    .record_end = cuda_record_end,
    .replay = cuda_replay,
    .graph_free = cuda_graph_free,
    .layer_open = layer_open,
    .layer_free = layer_free,
    .layer_forward = layer_forward,
    .layer_data = layer_data,
    .layer_weight = layer_weight,
    .multiply = multiply,
    .sum_open = cuda_sum_open,
    .sum_id = cuda_sum_id,
    .sum_join = cuda_sum_join,
    .sum = cuda_sum,
    .sum_leave = cuda_sum_leave,
};

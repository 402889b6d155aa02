/* gpu_on_host.c -- gpu.h's table, whose work becomes tasks: see gpu_host.h, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/layer_own.h"
#include "gpu_host.h"

enum { WARP = 32 };

struct gpu_on_host_count gpu_host_count;

static bool guarded, own;

/* As many GPUs as processes, or so many. */
static void identify(struct gpu *gpu)
{
    const char *count = getenv("GPU_ON_HOST_COUNT");
    const int number = count ? gpu->local % atoi(count) : gpu->local;
    memset(gpu->identity, 1 + number, sizeof gpu->identity);
}

static int host_enter(struct gpu *gpu, struct sluice_error *err)
{
    (void)err;
    host(gpu)->lanes.user = pthread_self();
    return 0;
}

static int host_open(struct gpu *gpu, char about[80], struct sluice_error *err)
{
    struct host_gpu *h = calloc(1, sizeof *h);
    gpu->impl = h;
    if (!h)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    h->lanes.at_once = !guarded;
    h->lanes.user = pthread_self();
    identify(gpu);
    snprintf(about, 80, "kernels on the CPU");
    return memory_open(&h->memory, guarded, err);
}

static void host_close(struct gpu *gpu)
{
    struct host_gpu *h = host(gpu);
    memory_close(&h->memory);
    lanes_close(&h->lanes);
    nccl_close(h->lanes.nccl);
    free(h);
}

static int host_copy(struct gpu *gpu, void *to, const void *from, size_t bytes,
                     enum gpu_copy way, struct sluice_error *err)
{
    (void)way, (void)err;
    return lanes_enqueue(
        gpu, &(struct task){ .what = COPY, .to = to, .a = from, .bytes = bytes });
}

static int host_zero(struct gpu *gpu, void *memory, size_t bytes,
                     struct sluice_error *err)
{
    (void)err;
    return lanes_enqueue(gpu,
                         &(struct task){ .what = ZERO, .to = memory, .bytes = bytes });
}

static int host_launch(struct gpu *gpu, enum gpu_kernel kernel, int blocks, int threads,
                       const void *args, struct sluice_error *err)
{
    struct task t = {
        .what = LAUNCH, .kernel = kernel, .blocks = blocks, .threads = threads
    };
    if (blocks < 1 || threads < 1 || threads > BLOCK || threads % WARP ||
        task_args_size(kernel) > ARGS_MOST)
        return sluice_fail(err, SLUICE_EDEVICE, "kernel %d: %d blocks of %d",
                           (int)kernel, blocks, threads);
    memcpy(t.args, args, task_args_size(kernel));
    return lanes_enqueue(gpu, &t);
}

static int host_augment(struct gpu *gpu, const struct sluice_augment *aug,
                        const struct sluice_shape *source,
                        const struct sluice_augment_gpu_batch *batch,
                        struct sluice_error *err)
{
    const struct task t = { .what = AUGMENT, .aug = aug, .batch = *batch };
    (void)source;
    (void)err;
    return lanes_enqueue(gpu, &t);
}

static int host_layer_open(struct gpu *gpu, struct gpu_layer **out,
                           const struct gpu_layer_shape *shape,
                           struct sluice_error *err)
{
    const int rc = lanes_free_for(gpu, "a layer opened", err);
    gpu_host_count.layers++;
    *out = rc == 0 ? malloc(sizeof **out) : NULL;
    if (rc < 0)
        return rc;
    if (!*out)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    (*out)->s = *shape;
    return 0;
}

static void host_layer_free(struct gpu *gpu, struct gpu_layer *layer)
{
    if (layer)
        lanes_drain(gpu, -1);
    free(layer);
}

static int host_layer_forward(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                              const void *weight, void *y, struct sluice_error *err)
{
    if (own && !layer->s.inner)
        return own_forward(gpu, &layer->s, x, weight, y, err);
    return lanes_enqueue(
        gpu, &(struct task){
                 .what = FORWARD, .layer = layer, .a = x, .b = weight, .to = y });
}

static int host_layer_data(struct gpu *gpu, struct gpu_layer *layer, const void *dy,
                           const void *weight, void *dx, struct sluice_error *err)
{
    if (!layer->s.wants_data)
        return sluice_fail(err, SLUICE_EDEVICE, "a gradient that was not asked for");
    if (own && !layer->s.inner)
        return own_data(gpu, &layer->s, dy, weight, dx, err);
    return lanes_enqueue(
        gpu,
        &(struct task){ .what = DATA, .layer = layer, .a = dy, .b = weight, .to = dx });
}

static int host_layer_weight(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                             const void *dy, void *dweight, struct sluice_error *err)
{
    if (!layer->s.wants_weight)
        return sluice_fail(err, SLUICE_EDEVICE, "a gradient that was not asked for");
    if (own && !layer->s.inner)
        return own_weight(gpu, &layer->s, x, dy, dweight, err);
    return lanes_enqueue(
        gpu, &(struct task){
                 .what = WEIGHT, .layer = layer, .a = x, .b = dy, .to = dweight });
}

static int host_multiply(struct gpu *gpu, const struct gpu_product *product,
                         const float *a, const float *b, const float *from, float *c,
                         struct sluice_error *err)
{
    (void)err;
    return lanes_enqueue(gpu, &(struct task){ .what = PRODUCT,
                                              .product = *product,
                                              .a = a,
                                              .b = b,
                                              .from = from,
                                              .to = c });
}

/* NCCL is a library that sums in the host's memory. */
static int host_sum_open(struct gpu *gpu, char about[40], struct sluice_error *err)
{
    const char *path = getenv("GPU_ON_HOST_NCCL");
    return path ? nccl_open(&host(gpu)->lanes.nccl, path, about, err)
                : sluice_fail(err, SLUICE_EUNBUILT, "NCCL: none on the CPU");
}

static int host_sum_id(struct gpu *gpu, unsigned char id[GPU_SUM_ID],
                       struct sluice_error *err)
{
    return nccl_id(host(gpu)->lanes.nccl, id, err);
}

static int host_sum_join(struct gpu *gpu, const unsigned char id[GPU_SUM_ID], int self,
                         int count, struct sluice_error *err)
{
    return nccl_join(host(gpu)->lanes.nccl, id, self, count, err);
}

static int host_sum(struct gpu *gpu, const struct gpu_sum *sum,
                    struct sluice_error *err)
{
    (void)err;
    return lanes_enqueue(gpu, &(struct task){ .what = SUM, .sum = *sum });
}

/* As NCCL, which waits for their end. */
static void host_sum_leave(struct gpu *gpu)
{
    const struct lanes *l = &host(gpu)->lanes;
    if (l->nccl && l->graphs) {
        fprintf(stderr, "sums left while %d graphs are there\n", l->graphs);
        abort();
    }
    nccl_leave(l->nccl);
}

static const struct gpu_runtime host_runtime = {
    .open = host_open,
    .enter = host_enter,
    .close = host_close,
    .allocate = memory_allocate,
    .release = memory_release,
    .pin = memory_pin,
    .unpin = memory_unpin,
    .memory_free = memory_left,
    .copy = host_copy,
    .zero = host_zero,
    .launch = host_launch,
    .augment = host_augment,
    .wait = lanes_wait,
    .signal = lanes_signal,
    .follow = lanes_follow,
    .mark = lanes_mark,
    .passed = lanes_passed,
    .stamp = lanes_stamp,
    .between = lanes_between,
    .record_begin = graph_begin,
    .record_end = graph_end,
    .replay = graph_replay,
    .graph_free = graph_free,
    .layer_open = host_layer_open,
    .layer_free = host_layer_free,
    .layer_forward = host_layer_forward,
    .layer_data = host_layer_data,
    .layer_weight = host_layer_weight,
    .multiply = host_multiply,
    .sum_open = host_sum_open,
    .sum_id = host_sum_id,
    .sum_join = host_sum_join,
    .sum = host_sum,
    .sum_leave = host_sum_leave,
};

void gpu_on_host(bool guard_memory)
{
    guarded = guard_memory;
    gpu_runtime = &host_runtime;
}

void gpu_on_host_own(void)
{
    own = true;
}

struct gpu_on_host_count gpu_on_host_count(void)
{
    return gpu_host_count;
}

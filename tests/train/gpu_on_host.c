/* gpu_on_host.c -- see gpu_on_host.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "cuda/layer_own.h"
#include "gpu_on_host.h"
#include "gpu_task.h"

enum { PIECES = 4096, STAMPS = 512 };

struct tasks {
    struct task *at;
    int count, room;
};

struct gpu_graph {
    struct tasks tasks;
};

struct queue {
    struct tasks tasks;
    int done; /* of the tasks */
};

struct host_gpu {
    struct queue lane[GPU_LANES];
    struct tasks *recording;
    long enqueued;               /* tasks so far */
    long signalled[GPU_SIGNALS]; /* by the host: signals enqueued */
    long given[GPU_SIGNALS];     /* by the lane: those it has passed */
    int turn;                    /* the lane that goes first */
    bool passed[GPU_MARKS];
    double stamp[STAMPS]; /* NaN: not passed */
    unsigned char *pool;  /* guarded: all device memory, one piece after the other */
    size_t used;
    struct piece {
        void *at;
        size_t size;
        bool taken;
    } piece[PIECES];
    int pieces;
};

static const size_t pool_size = (size_t)1 << 32;
static bool guarded, own;
static struct gpu_on_host_count count;

static struct host_gpu *host(struct gpu *gpu)
{
    return gpu->impl;
}

static void guard(struct gpu *gpu, int rights)
{
    if (host(gpu)->pool && host(gpu)->used)
        (void)mprotect(host(gpu)->pool, host(gpu)->used, rights);
}

static void append(struct tasks *list, const struct task *task)
{
    if (list->count == list->room) {
        list->room = list->room ? 2 * list->room : 256;
        list->at = realloc(list->at, (size_t)list->room * sizeof *list->at);
        if (!list->at)
            abort();
    }
    list->at[list->count++] = *task;
}

static void perform(struct gpu *gpu, const struct task *t)
{
    struct host_gpu *h = host(gpu);
    struct timespec now;
    count.work += t->what <= PRODUCT;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (t->what == MARK)
        h->passed[t->mark] = true;
    else if (t->what == STAMP)
        h->stamp[t->mark] = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    else if (t->what == SIGNAL)
        h->given[t->mark]++;
    else if (t->what != FOLLOW)
        task_run(t);
}

/* What this lane does next; NULL: nothing, or it waits for the other. */
static struct task *runnable(struct host_gpu *h, int lane)
{
    const struct queue *l = &h->lane[lane];
    struct task *t = l->done < l->tasks.count ? &l->tasks.at[l->done] : NULL;
    return t && t->what == FOLLOW && h->given[t->mark] < t->awaited ? NULL : t;
}

/* Work through the lanes, up to this mark or to their end. */
static void drain(struct gpu *gpu, int mark)
{
    struct host_gpu *h = host(gpu);
    const int first = h->turn++ % GPU_LANES;
    struct task *t = NULL;
    guard(gpu, PROT_READ | PROT_WRITE);
    while (mark < 0 || !h->passed[mark]) {
        const int lane = (t = runnable(h, first)) ? first : !first;
        if (!t && !(t = runnable(h, lane)))
            break;
        const struct task *other = runnable(h, !lane);
        count.beside += t->what == AUGMENT && other && other->when < t->when;
        h->lane[lane].done++;
        perform(gpu, t);
    }
    guard(gpu, PROT_NONE);
    for (int i = 0; i < GPU_LANES; i++)
        if (h->lane[i].done == h->lane[i].tasks.count)
            h->lane[i].done = h->lane[i].tasks.count = 0;
        else if (mark < 0)
            abort(); /* each lane waits for the other */
}

static int enqueue(struct gpu *gpu, const struct task *t)
{
    struct host_gpu *h = host(gpu);
    struct tasks *to = h->recording ? h->recording : &h->lane[gpu->lane].tasks;
    append(to, t);
    to->at[to->count - 1].when = h->enqueued++;
    if (!h->recording && !h->pool)
        drain(gpu, -1);
    return 0;
}

static int idle_only(struct gpu *gpu, const char *what, struct sluice_error *err)
{
    return host(gpu)->recording
               ? sluice_fail(err, SLUICE_EDEVICE, "%s while a graph is recorded", what)
               : 0;
}

static int host_open(struct gpu *gpu, char about[80], struct sluice_error *err)
{
    struct host_gpu *h = calloc(1, sizeof *h);
    gpu->impl = h;
    if (!h)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    if (guarded) {
        void *pool = mmap(NULL, pool_size, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pool == MAP_FAILED)
            return sluice_fail(err, SLUICE_ENOMEM, "no address space");
        h->pool = pool;
    }
    snprintf(about, 80, "kernels on the CPU");
    return 0;
}

static void host_close(struct gpu *gpu)
{
    struct host_gpu *h = host(gpu);
    if (h->pool)
        munmap(h->pool, pool_size);
    for (int i = 0; i < GPU_LANES; i++)
        free(h->lane[i].tasks.at);
    free(h);
}

/* A piece of the pool: a released one of this size, or a new one. */
static void *take_piece(struct host_gpu *h, size_t size)
{
    size = (size + 4095) / 4096 * 4096;
    for (int i = 0; i < h->pieces; i++)
        if (!h->piece[i].taken && h->piece[i].size == size) {
            h->piece[i].taken = true;
            return h->piece[i].at;
        }
    if (h->pieces == PIECES || h->used + size > pool_size)
        return NULL;
    h->piece[h->pieces++] = (struct piece){ h->pool + h->used, size, true };
    h->used += size;
    return h->piece[h->pieces - 1].at;
}

static int host_allocate(struct gpu *gpu, void **out, size_t bytes,
                         struct sluice_error *err)
{
    struct host_gpu *h = host(gpu);
    const size_t size = (bytes / GPU_ALIGN + 1) * GPU_ALIGN;
    int rc = idle_only(gpu, "memory asked for", err);
    count.memories++;
    *out = NULL;
    if (rc < 0)
        return rc;
    *out = h->pool ? take_piece(h, size) : aligned_alloc(GPU_ALIGN, size);
    if (!*out)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", bytes);
    guard(gpu, PROT_READ | PROT_WRITE);
    memset(*out, 0xEE, size);
    guard(gpu, PROT_NONE);
    return 0;
}

static void host_release(struct gpu *gpu, void *memory)
{
    if (!memory)
        return;
    count.waits++; /* CUDA's waits for all that is under way */
    drain(gpu, -1);
    if (!host(gpu)->pool)
        free(memory);
    for (int i = 0; i < host(gpu)->pieces; i++)
        if (host(gpu)->piece[i].at == memory)
            host(gpu)->piece[i].taken = false;
}

static int host_pin(struct gpu *gpu, void **out, size_t bytes, struct sluice_error *err)
{
    (void)gpu;
    count.memories++;
    *out = aligned_alloc(64, (bytes / 64 + 1) * 64);
    return *out ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory");
}

static void host_unpin(struct gpu *gpu, void *memory)
{
    (void)gpu;
    free(memory);
}

static size_t host_free(struct gpu *gpu)
{
    (void)gpu;
    return (size_t)1 << 30;
}

static int host_copy(struct gpu *gpu, void *to, const void *from, size_t bytes,
                     enum gpu_copy way, struct sluice_error *err)
{
    (void)way, (void)err;
    return enqueue(gpu,
                   &(struct task){ .what = COPY, .to = to, .a = from, .bytes = bytes });
}

static int host_zero(struct gpu *gpu, void *memory, size_t bytes,
                     struct sluice_error *err)
{
    (void)err;
    return enqueue(gpu, &(struct task){ .what = ZERO, .to = memory, .bytes = bytes });
}

static int host_launch(struct gpu *gpu, enum gpu_kernel kernel, int blocks, int threads,
                       const void *args, struct sluice_error *err)
{
    struct task t = {
        .what = LAUNCH, .kernel = kernel, .blocks = blocks, .threads = threads
    };
    if (blocks < 1 || threads < 1 || threads > 1024 ||
        task_args_size(kernel) > ARGS_MOST)
        return sluice_fail(err, SLUICE_EDEVICE, "kernel %d: %d blocks of %d",
                           (int)kernel, blocks, threads);
    memcpy(t.args, args, task_args_size(kernel));
    return enqueue(gpu, &t);
}

static int host_augment(struct gpu *gpu, const struct sluice_augment *aug,
                        const struct sluice_shape *source,
                        const struct sluice_augment_gpu_batch *batch,
                        struct sluice_error *err)
{
    const struct task t = { .what = AUGMENT, .aug = aug, .batch = *batch };
    (void)source;
    (void)err;
    return enqueue(gpu, &t);
}

static int host_wait(struct gpu *gpu, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "waiting", err);
    count.waits++;
    if (rc == 0)
        drain(gpu, -1);
    return rc;
}

static int host_signal(struct gpu *gpu, int signal, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "a signal", err);
    host(gpu)->signalled[signal] += rc == 0;
    return rc < 0 ? rc : enqueue(gpu, &(struct task){ .what = SIGNAL, .mark = signal });
}

static int host_follow(struct gpu *gpu, int signal, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "following a signal", err);
    return rc < 0 ? rc
                  : enqueue(gpu,
                            &(struct task){ .what = FOLLOW,
                                            .mark = signal,
                                            .awaited = host(gpu)->signalled[signal] });
}

static int host_mark(struct gpu *gpu, int mark, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "a mark", err);
    count.marks++;
    host(gpu)->passed[mark] = false;
    return rc < 0 ? rc : enqueue(gpu, &(struct task){ .what = MARK, .mark = mark });
}

static int host_passed(struct gpu *gpu, int mark, bool block, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "waiting", err);
    if (rc < 0)
        return rc;
    count.waits += block;
    if (block)
        drain(gpu, mark);
    return host(gpu)->passed[mark];
}

static int host_stamp(struct gpu *gpu, int number, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "a stamp", err);
    if (rc < 0)
        return rc;
    if (number < 0 || number >= STAMPS)
        return sluice_fail(err, SLUICE_EDEVICE, "stamp %d of %d", number, STAMPS);
    host(gpu)->stamp[number] = (double)NAN;
    return enqueue(gpu, &(struct task){ .what = STAMP, .mark = number });
}

static int host_between(struct gpu *gpu, int from, int to, double *seconds,
                        struct sluice_error *err)
{
    *seconds = host(gpu)->stamp[to] - host(gpu)->stamp[from];
    return isfinite(*seconds)
               ? 0
               : sluice_fail(err, SLUICE_EDEVICE, "a stamp that has not passed");
}

static int host_record_begin(struct gpu *gpu, struct sluice_error *err)
{
    const int rc = idle_only(gpu, "a graph begun", err);
    count.records++;
    if (rc == 0)
        host(gpu)->recording = calloc(1, sizeof(struct tasks));
    return rc;
}

static int host_record_end(struct gpu *gpu, struct gpu_graph **out,
                           struct sluice_error *err)
{
    struct gpu_graph *g = calloc(1, sizeof *g);
    *out = g;
    if (!g)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    g->tasks = *host(gpu)->recording;
    free(host(gpu)->recording);
    host(gpu)->recording = NULL;
    return 0;
}

static int host_replay(struct gpu *gpu, struct gpu_graph *graph,
                       struct sluice_error *err)
{
    (void)err;
    count.replays++;
    for (int i = 0; i < graph->tasks.count; i++) {
        struct task t = graph->tasks.at[i];
        t.when = host(gpu)->enqueued++;
        append(&host(gpu)->lane[gpu->lane].tasks, &t);
    }
    if (!host(gpu)->pool)
        drain(gpu, -1);
    return 0;
}

static void host_graph_free(struct gpu *gpu, struct gpu_graph *graph)
{
    (void)gpu;
    if (graph)
        free(graph->tasks.at);
    free(graph);
}

static int host_layer_open(struct gpu *gpu, struct gpu_layer **out,
                           const struct gpu_layer_shape *shape,
                           struct sluice_error *err)
{
    int rc = idle_only(gpu, "a layer opened", err);
    count.layers++;
    *out = rc == 0 ? malloc(sizeof **out) : NULL;
    if (*out)
        (*out)->s = *shape;
    return rc;
}

static void host_layer_free(struct gpu *gpu, struct gpu_layer *layer)
{
    if (layer)
        drain(gpu, -1);
    free(layer);
}

static int host_layer_forward(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                              const void *weight, void *y, struct sluice_error *err)
{
    if (own && !layer->s.inner)
        return own_forward(gpu, &layer->s, x, weight, y, err);
    return enqueue(gpu,
                   &(struct task){
                       .what = FORWARD, .layer = layer, .a = x, .b = weight, .to = y });
}

static int host_layer_data(struct gpu *gpu, struct gpu_layer *layer, const void *dy,
                           const void *weight, void *dx, struct sluice_error *err)
{
    if (own && !layer->s.inner)
        return own_data(gpu, &layer->s, dy, weight, dx, err);
    return enqueue(
        gpu,
        &(struct task){ .what = DATA, .layer = layer, .a = dy, .b = weight, .to = dx });
}

static int host_layer_weight(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                             const void *dy, void *dweight, struct sluice_error *err)
{
    if (own && !layer->s.inner)
        return own_weight(gpu, &layer->s, x, dy, dweight, err);
    return enqueue(
        gpu, &(struct task){
                 .what = WEIGHT, .layer = layer, .a = x, .b = dy, .to = dweight });
}

static int host_multiply(struct gpu *gpu, const struct gpu_product *product,
                         const float *a, const float *b, float *c,
                         struct sluice_error *err)
{
    (void)err;
    return enqueue(gpu,
                   &(struct task){
                       .what = PRODUCT, .product = *product, .a = a, .b = b, .to = c });
}

static const struct gpu_runtime host_runtime = {
    .open = host_open,
    .close = host_close,
    .allocate = host_allocate,
    .release = host_release,
    .pin = host_pin,
    .unpin = host_unpin,
    .memory_free = host_free,
    .copy = host_copy,
    .zero = host_zero,
    .launch = host_launch,
    .augment = host_augment,
    .wait = host_wait,
    .signal = host_signal,
    .follow = host_follow,
    .mark = host_mark,
    .passed = host_passed,
    .stamp = host_stamp,
    .between = host_between,
    .record_begin = host_record_begin,
    .record_end = host_record_end,
    .replay = host_replay,
    .graph_free = host_graph_free,
    .layer_open = host_layer_open,
    .layer_free = host_layer_free,
    .layer_forward = host_layer_forward,
    .layer_data = host_layer_data,
    .layer_weight = host_layer_weight,
    .multiply = host_multiply,
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
    return count;
}

/* gpu.h -- what device cuda stands on, behind one table of functions: memory, copies,
 * launches, graphs, and layers that multiply by a weight. One table is CUDA's
 * (runtime_cuda.c); the tests bring another that runs the kernels' bodies on the CPU,
 * so that everything above this header is tried on any machine.
 *
 * Work is enqueued on one of two lanes, gpu->lane, which are streams: each runs in its
 * own order, beside the other one but for what signal and follow say. Functions of the
 * table return 0 or a negative code with *err filled. Device memory is never read or
 * written by the host: it is copied. One thread at a time uses a gpu. */
#ifndef SLUICE_GPU_H
#define SLUICE_GPU_H

#include <sluice/augment_cuda.h>

#include "../device.h"
#include "kernels_all.h"

enum {
    GPU_MARKS = 128,   /* points in a lane that the host can wait for */
    GPU_SIGNALS = 2,   /* points in a lane that the other can wait for */
    GPU_RESULTS = 128, /* steps whose results are kept */
    GPU_ALIGN = 256,   /* of device memory */
    GPU_IDENTITY = 16, /* bytes that no other GPU has */
    GPU_SUM_ID = 128,  /* bytes that processes whose GPUs sum together have in common */
};

struct gpu;
struct gpu_graph;
struct gpu_layer;

/* Steps, and all that is not said to be elsewhere; the next batch's copy and
 * augmentation. */
enum gpu_lane { LANE_STEP, LANE_DATA, GPU_LANES };

enum gpu_copy { COPY_TO_GPU, COPY_TO_HOST, COPY_ON_GPU };

/* A convolution, or with kernel = h = w, no pad and 1x1 output an inner product.
 * Activations are nhwc, weights (k, kernel_h, kernel_w, c), all of dtype; an inner
 * product's weight gradient is float. */
struct gpu_layer_shape {
    bool inner;
    int n, h, w, c;
    int oh, ow, k;
    int kernel, stride, pad;
    enum sluice_dtype dtype;
    bool tf32;                     /* f32 may be multiplied in TF32 */
    bool wants_data, wants_weight; /* directions beside forward that are asked for */
};

/* c (m, n) = alpha op(a) op(b) + beta from in float, where op may transpose; rows
 * without gaps; from may be c, and with beta 0 is not read. */
struct gpu_product {
    bool transpose_a, transpose_b;
    int m, n, k;
    float alpha, beta;
    bool tf32;
};

/* Device memory that becomes its sum over the GPUs of several processes. */
struct gpu_sum {
    float *floats;
    size_t float_count;
    double *doubles;
    size_t double_count;
};

struct gpu_runtime {
    const char *missing; /* why there is none: then nothing else is set */
    /* The GPU of number gpu->local among those visible, counted round; fills
     * gpu->identity. */
    int (*open)(struct gpu *gpu, char about[80], struct sluice_error *err);
    /* The calling thread, another than open's, uses the gpu from now on. */
    int (*enter)(struct gpu *gpu, struct sluice_error *err);
    void (*close)(struct gpu *gpu);
    int (*allocate)(struct gpu *gpu, void **out, size_t bytes,
                    struct sluice_error *err);
    void (*release)(struct gpu *gpu, void *memory); /* NULL is fine */
    /* Host memory that copies do not have to wait for. */
    int (*pin)(struct gpu *gpu, void **out, size_t bytes, struct sluice_error *err);
    void (*unpin)(struct gpu *gpu, void *memory); /* NULL is fine */
    size_t (*memory_free)(struct gpu *gpu);       /* bytes; 0: not known */
    /* Enqueued: host memory must stay as it is until the lane has passed. */
    int (*copy)(struct gpu *gpu, void *to, const void *from, size_t bytes,
                enum gpu_copy way, struct sluice_error *err);
    int (*zero)(struct gpu *gpu, void *memory, size_t bytes, struct sluice_error *err);
    int (*launch)(struct gpu *gpu, enum gpu_kernel kernel, int blocks, int threads,
                  const void *args, struct sluice_error *err);
    /* `source` is the shape of each image before. */
    int (*augment)(struct gpu *gpu, const struct sluice_augment *aug,
                   const struct sluice_shape *source,
                   const struct sluice_augment_gpu_batch *batch,
                   struct sluice_error *err);
    int (*wait)(struct gpu *gpu, struct sluice_error *err); /* for both lanes */
    /* What is enqueued on this lane from here on waits for the latest signal of that
     * number on the other; if there was none yet, for nothing. Never while a graph is
     * recorded. */
    int (*signal)(struct gpu *gpu, int signal, struct sluice_error *err);
    int (*follow)(struct gpu *gpu, int signal, struct sluice_error *err);
    int (*mark)(struct gpu *gpu, int mark, struct sluice_error *err);
    /* 1: passed; 0: not yet, if `block` is false. */
    int (*passed)(struct gpu *gpu, int mark, bool block, struct sluice_error *err);
    /* Point `number` of the lane, and the time between two that have passed; never
     * while a graph is recorded. */
    int (*stamp)(struct gpu *gpu, int number, struct sluice_error *err);
    int (*between)(struct gpu *gpu, int from, int to, double *seconds,
                   struct sluice_error *err);
    /* Between begin and end work is recorded and not done. */
    int (*record_begin)(struct gpu *gpu, struct sluice_error *err);
    int (*record_end)(struct gpu *gpu, struct gpu_graph **out,
                      struct sluice_error *err);
    int (*replay)(struct gpu *gpu, struct gpu_graph *graph, struct sluice_error *err);
    void (*graph_free)(struct gpu *gpu, struct gpu_graph *graph); /* NULL is fine */
    int (*layer_open)(struct gpu *gpu, struct gpu_layer **out,
                      const struct gpu_layer_shape *shape, struct sluice_error *err);
    void (*layer_free)(struct gpu *gpu, struct gpu_layer *layer); /* NULL is fine */
    int (*layer_forward)(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                         const void *weight, void *y, struct sluice_error *err);
    int (*layer_data)(struct gpu *gpu, struct gpu_layer *layer, const void *dy,
                      const void *weight, void *dx, struct sluice_error *err);
    int (*layer_weight)(struct gpu *gpu, struct gpu_layer *layer, const void *x,
                        const void *dy, void *dweight, struct sluice_error *err);
    int (*multiply)(struct gpu *gpu, const struct gpu_product *product, const float *a,
                    const float *b, const float *from, float *c,
                    struct sluice_error *err);
    /* Sums over the GPUs of several processes, by a library that is loaded for it: its
     * name, or SLUICE_EUNBUILT and why there is none. Then one process makes an id, and
     * all join with it at once, as number `self` of `count`. */
    int (*sum_open)(struct gpu *gpu, char about[40], struct sluice_error *err);
    int (*sum_id)(struct gpu *gpu, unsigned char id[GPU_SUM_ID],
                  struct sluice_error *err);
    int (*sum_join)(struct gpu *gpu, const unsigned char id[GPU_SUM_ID], int self,
                    int count, struct sluice_error *err);
    /* Enqueued by all of them in one order; may be recorded, by all or by none. If
     * another is gone, wait and passed fail. */
    int (*sum)(struct gpu *gpu, const struct gpu_sum *sum, struct sluice_error *err);
    /* When graphs that hold sums are gone; sums that will never end are given up, so
     * that memory can be released. Harmless if nothing was opened. */
    void (*sum_leave)(struct gpu *gpu);
};

extern const struct gpu_runtime gpu_runtime_cuda; /* in a build with CUDA */
/* What device_open("cuda") uses: CUDA, or in tests the CPU's. */
extern const struct gpu_runtime *gpu_runtime;

/* Behind device cuda's impl. Pointers are to device memory. */
struct gpu {
    const struct gpu_runtime *run;
    void *impl; /* the runtime's */
    int local;  /* the device's */
    unsigned char identity[GPU_IDENTITY];
    enum gpu_lane lane;
    bool tf32;
    struct gpu_step *step;
    struct gpu_step now;        /* what operators and optimizer last put there */
    struct gpu_result *results; /* (GPU_RESULTS) */
    int32_t *labels;            /* of the batch; grows while operators are planned */
    struct sluice_mix *mixes;   /* likewise: how its images were mixed */
    int labels_room;
    const float *loss_scale; /* NULL: gradients are not scaled */
    /* Directions of convolutions that were planned with our own slow kernels. */
    int own_directions;
    /* A stepper (ahead.h) is at work: it sets step, labels and mixes, and fetches
     * results; operators leave them alone. */
    bool stepping;
    /* The first failure of work that could not report it; the next read does. */
    struct sluice_error failed;
};

static inline struct gpu *gpu_of(const struct device *dev)
{
    return (struct gpu *)dev->impl;
}

static inline int gpu_blocks(size_t items)
{
    const size_t blocks = (items + BLOCK - 1) / BLOCK;
    return blocks < 1 ? 1 : blocks > MOST_BLOCKS ? MOST_BLOCKS : (int)blocks;
}

/* launch_NAME(gpu, blocks, threads, args, err) */
#define KERNEL(name, args, phases, room)                                               \
    static inline int launch_##name(struct gpu *gpu, int blocks, int threads,          \
                                    const struct args *a, struct sluice_error *err)    \
    {                                                                                  \
        return gpu->run->launch(gpu, KERNEL_##name, blocks, threads, a, err);          \
    }                                                                                  \
    /* Over `items` things, in loops. */                                               \
    static inline int each_##name(struct gpu *gpu, size_t items, const struct args *a, \
                                  struct sluice_error *err)                            \
    {                                                                                  \
        return launch_##name(gpu, gpu_blocks(items), BLOCK, a, err);                   \
    }
#include "kernel_list.h"
#undef KERNEL

/* Copies that are over when the call returns. */
int gpu_read(struct gpu *gpu, void *to, const void *from, size_t bytes,
             struct sluice_error *err);
int gpu_write(struct gpu *gpu, void *to, const void *from, size_t bytes,
              struct sluice_error *err);
/* The draws' counters for operators outside of a stepper. */
int gpu_set_draws(struct gpu *gpu, uint64_t seed, uint64_t step,
                  struct sluice_error *err);

#endif

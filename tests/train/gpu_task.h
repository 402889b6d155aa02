/* gpu_task.h -- one thing that a GPU would do, and how the CPU does it. */
#ifndef SLUICE_GPU_TASK_H
#define SLUICE_GPU_TASK_H

#include "cuda/gpu.h"

enum { ARGS_MOST = 256 };

struct gpu_layer {
    struct gpu_layer_shape s;
};

/* One thing to do. */
struct task {
    enum {
        COPY,
        ZERO,
        LAUNCH,
        AUGMENT,
        FORWARD,
        DATA,
        WEIGHT,
        PRODUCT,
        SUM,
        MARK,
        STAMP,
        SIGNAL,
        FOLLOW
    } what;
    void *to;
    const void *a, *b, *from;
    size_t bytes;
    enum gpu_kernel kernel;
    int blocks, threads;
    int mark;     /* or stamp, or signal */
    int graph;    /* of which it is part; 0: none */
    long when;    /* it was enqueued */
    long awaited; /* FOLLOW: how many such signals must have been given */
    const struct gpu_layer *layer;
    struct gpu_product product;
    struct gpu_sum sum;
    const struct sluice_augment *aug;
    struct sluice_augment_gpu_batch batch;
    _Alignas(16) unsigned char args[ARGS_MOST];
};

/* Everything from COPY to PRODUCT. */
void task_run(const struct task *t);
/* Bytes of a kernel's arguments. */
size_t task_args_size(enum gpu_kernel kernel);

#endif

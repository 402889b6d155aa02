/* gpu_host.h -- the two halves of gpu_on_host.c's GPU: memory, and lanes of work. Their
 * functions are those of gpu.h's table, unless said otherwise. */
#ifndef SLUICE_GPU_HOST_H
#define SLUICE_GPU_HOST_H

#include <pthread.h>

#include "cuda/nccl_sums.h"
#include "gpu_on_host.h"
#include "gpu_task.h"

enum { PIECES = 4096, STAMPS = 512 };

/* Device memory. If it is guarded, it is pieces of one pool that only lanes_drain may
 * touch; if not, each piece is the allocator's. */
struct host_memory {
    unsigned char *pool; /* NULL: not guarded */
    size_t used;         /* bytes of the pool that belong to pieces */
    struct piece {
        void *at;
        size_t size;
        bool taken;
    } piece[PIECES];
    int pieces;
};

struct tasks {
    struct task *at;
    int count, room;
};

struct lanes {
    struct queue {
        struct tasks tasks;
        int done; /* of the tasks */
    } lane[GPU_LANES];
    struct tasks *recording;     /* NULL: no graph is recorded */
    bool at_once;                /* what is enqueued is done before the call returns */
    int graphs, recorded;        /* there now, and ever */
    long enqueued;               /* tasks so far */
    long signalled[GPU_SIGNALS]; /* by the host: signals enqueued */
    long given[GPU_SIGNALS];     /* by the lane: those it has passed */
    int turn;                    /* the lane that goes first */
    bool passed[GPU_MARKS];
    double stamp[STAMPS];       /* NaN: not passed */
    struct nccl *nccl;          /* sums over processes; NULL: there is one */
    bool stuck;                 /* a sum will never end, */
    struct sluice_error broken; /* as this happened */
    pthread_t user;             /* the one thread that may enqueue */
};

struct host_gpu {
    struct host_memory memory;
    struct lanes lanes;
};

static inline struct host_gpu *host(const struct gpu *gpu)
{
    return gpu->impl;
}

/* Of all GPUs so far: gpu_on_host.c. */
extern struct gpu_on_host_count gpu_host_count;

/* gpu_host_memory.c: the first three are not in the table. */
int memory_open(struct host_memory *m, bool guarded, struct sluice_error *err);
void memory_close(struct host_memory *m);
/* From now on device memory may be touched, or not; no effect if not guarded. */
void memory_permit(const struct host_memory *m, bool touching);
int memory_allocate(struct gpu *gpu, void **out, size_t bytes,
                    struct sluice_error *err);
void memory_release(struct gpu *gpu, void *memory);
int memory_pin(struct gpu *gpu, void **out, size_t bytes, struct sluice_error *err);
void memory_unpin(struct gpu *gpu, void *memory);
size_t memory_left(struct gpu *gpu);

/* gpu_host_lanes.c: the first five are not in the table. */
void lanes_close(struct lanes *l);
/* Add a task to the lane, or to the graph that is recorded. Returns 0. */
int lanes_enqueue(struct gpu *gpu, const struct task *task);
/* Work through the lanes up to this mark, or to their end if it is negative. */
void lanes_drain(struct gpu *gpu, int mark);
/* 0, or SLUICE_EDEVICE if a graph is recorded, when `what` may not be done. */
int lanes_free_for(struct gpu *gpu, const char *what, struct sluice_error *err);
/* If a sum is stuck, what NCCL says of it; else 0. */
int lanes_stuck(struct gpu *gpu, struct sluice_error *err);
int lanes_wait(struct gpu *gpu, struct sluice_error *err);
int lanes_signal(struct gpu *gpu, int signal, struct sluice_error *err);
int lanes_follow(struct gpu *gpu, int signal, struct sluice_error *err);
int lanes_mark(struct gpu *gpu, int mark, struct sluice_error *err);
int lanes_passed(struct gpu *gpu, int mark, bool block, struct sluice_error *err);
int lanes_stamp(struct gpu *gpu, int number, struct sluice_error *err);
int lanes_between(struct gpu *gpu, int from, int to, double *seconds,
                  struct sluice_error *err);
int graph_begin(struct gpu *gpu, struct sluice_error *err);
int graph_end(struct gpu *gpu, struct gpu_graph **out, struct sluice_error *err);
int graph_replay(struct gpu *gpu, struct gpu_graph *graph, struct sluice_error *err);
void graph_free(struct gpu *gpu, struct gpu_graph *graph);

#endif

/* lanes_cuda.c -- gpu.h's table on CUDA: how lanes follow each other, what the host
 * waits for, and graphs. */
#include <stdlib.h>

#include "runtime_cuda.h"

/* A point in a lane, or its end. */
struct awaited {
    cudaEvent_t event; /* NULL: the end of */
    cudaStream_t stream;
    struct sluice_error *err;
};

/* 1, 0: not yet, or an error. */
static int has_passed(void *ctx)
{
    const struct awaited *a = ctx;
    const cudaError_t status =
        a->event ? cudaEventQuery(a->event) : cudaStreamQuery(a->stream);
    if (status == cudaErrorNotReady) {
        (void)cudaGetLastError(); /* or the next launch might take it for its own */
        return 0;
    }
    CUDA_TRY(a->err, status);
    return 1;
}

/* Where other processes take part, they are looked after meanwhile. */
int cuda_wait(struct gpu *gpu, struct sluice_error *err)
{
    const struct cuda *c = cuda_of(gpu);
    int rc = 0;
    for (int i = 0; i < GPU_LANES && rc >= 0; i++) {
        struct awaited end = { .stream = c->stream[i], .err = err };
        if (!end.stream)
            continue;
        if (c->nccl)
            rc = nccl_await(c->nccl, has_passed, &end, err);
        else
            CUDA_TRY(err, cudaStreamSynchronize(end.stream));
    }
    return rc < 0 ? rc : 0;
}

int cuda_signal(struct gpu *gpu, int signal, struct sluice_error *err)
{
    CUDA_TRY(err, cudaEventRecord(cuda_of(gpu)->signal[signal], cuda_lane(gpu)));
    return 0;
}

int cuda_follow(struct gpu *gpu, int signal, struct sluice_error *err)
{
    CUDA_TRY(err, cudaStreamWaitEvent(cuda_lane(gpu), cuda_of(gpu)->signal[signal], 0));
    return 0;
}

int cuda_mark(struct gpu *gpu, int mark, struct sluice_error *err)
{
    CUDA_TRY(err, cudaEventRecord(cuda_of(gpu)->mark[mark], cuda_lane(gpu)));
    return 0;
}

int cuda_passed(struct gpu *gpu, int mark, bool block, struct sluice_error *err)
{
    const struct cuda *c = cuda_of(gpu);
    struct awaited point = { .event = c->mark[mark], .err = err };
    if (block && c->nccl)
        return nccl_await(c->nccl, has_passed, &point, err);
    if (block)
        CUDA_TRY(err, cudaEventSynchronize(point.event));
    const int rc = has_passed(&point);
    return rc || !c->nccl ? rc : nccl_check(c->nccl, err);
}

static int need_stamps(struct cuda *c, int count, struct sluice_error *err)
{
    cudaEvent_t *more =
        c->stamps < count ? realloc(c->stamp, (size_t)count * sizeof *more) : c->stamp;
    if (count && !more)
        return sluice_fail(err, SLUICE_ENOMEM, "device cuda: no memory for events");
    c->stamp = more;
    for (; c->stamps < count; c->stamps++)
        CUDA_TRY(err, cudaEventCreate(&c->stamp[c->stamps]));
    return 0;
}

int cuda_stamp(struct gpu *gpu, int number, struct sluice_error *err)
{
    struct cuda *c = cuda_of(gpu);
    const int rc = need_stamps(c, number + 1, err);
    if (rc < 0)
        return rc;
    CUDA_TRY(err, cudaEventRecord(c->stamp[number], cuda_lane(gpu)));
    return 0;
}

int cuda_between(struct gpu *gpu, int from, int to, double *seconds,
                 struct sluice_error *err)
{
    const struct cuda *c = cuda_of(gpu);
    float ms = 0;
    CUDA_TRY(err, cudaEventElapsedTime(&ms, c->stamp[from], c->stamp[to]));
    *seconds = (double)ms * 1e-3;
    return 0;
}

/* Other threads may ask for pinned memory meanwhile. */
int cuda_record_begin(struct gpu *gpu, struct sluice_error *err)
{
    CUDA_TRY(err,
             cudaStreamBeginCapture(cuda_lane(gpu), cudaStreamCaptureModeThreadLocal));
    return 0;
}

int cuda_record_end(struct gpu *gpu, struct gpu_graph **out, struct sluice_error *err)
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    *out = NULL;
    CUDA_TRY(err, cudaStreamEndCapture(cuda_lane(gpu), &graph));
    const cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
    cudaGraphDestroy(graph);
    CUDA_TRY(err, status);
    *out = (struct gpu_graph *)exec;
    return 0;
}

int cuda_replay(struct gpu *gpu, struct gpu_graph *graph, struct sluice_error *err)
{
    CUDA_TRY(err, cudaGraphLaunch((cudaGraphExec_t)graph, cuda_lane(gpu)));
    return 0;
}

void cuda_graph_free(struct gpu *gpu, struct gpu_graph *graph)
{
    (void)gpu;
    if (graph)
        cudaGraphExecDestroy((cudaGraphExec_t)graph);
}

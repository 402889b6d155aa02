/* runtime_cuda.h -- what the parts of CUDA's side of gpu.h share. */
#ifndef SLUICE_RUNTIME_CUDA_H
#define SLUICE_RUNTIME_CUDA_H

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include "gpu.h"
#include "nccl_sums.h"

/* What the libraries may use, one call at a time: bytes, and of the GPU's memory the
 * share that convolutions may, if that is more. */
enum {
    WORKSPACE = 256 << 20,
    WORKSPACE_SHARE = 64,
};

#define CUDA_TRY(err, call)                                                            \
    do {                                                                               \
        const cudaError_t status_ = (call);                                            \
        if (status_ != cudaSuccess)                                                    \
            return sluice_fail(err, SLUICE_EDEVICE, "CUDA: %s: %s", #call,             \
                               cudaGetErrorString(status_));                           \
    } while (0)

#define CUDNN_TRY(err, call)                                                           \
    do {                                                                               \
        const cudnnStatus_t status_ = (call);                                          \
        if (status_ != CUDNN_STATUS_SUCCESS)                                           \
            return sluice_fail(err, SLUICE_EDEVICE, "cuDNN: %s: %s", #call,            \
                               cudnnGetErrorString(status_));                          \
    } while (0)

#define LT_TRY(err, call)                                                              \
    do {                                                                               \
        const cublasStatus_t status_ = (call);                                         \
        if (status_ != CUBLAS_STATUS_SUCCESS)                                          \
            return sluice_fail(err, SLUICE_EDEVICE, "cuBLASLt: %s: %s", #call,         \
                               cublasLtGetStatusString(status_));                      \
    } while (0)

struct cuda {
    int number;        /* of the GPU */
    struct nccl *nccl; /* NULL: one process */
    cudaStream_t stream[GPU_LANES];
    cudaEvent_t signal[GPU_SIGNALS];
    cudaEvent_t mark[GPU_MARKS];
    cudaEvent_t *stamp; /* (stamps), made when they are first asked for */
    int stamps;
    cudnnHandle_t cudnn;
    cublasLtHandle_t lt;
    size_t room;     /* of the workspace */
    void *workspace; /* from the first layer on */
};

static inline struct cuda *cuda_of(const struct gpu *gpu)
{
    return gpu->impl;
}

static inline cudaStream_t cuda_lane(const struct gpu *gpu)
{
    return cuda_of(gpu)->stream[gpu->lane];
}

/* lanes_cuda.c: as gpu.h's table has them; cuda_wait also before all lanes are there.
 */
int cuda_wait(struct gpu *gpu, struct sluice_error *err);
int cuda_signal(struct gpu *gpu, int signal, struct sluice_error *err);
int cuda_follow(struct gpu *gpu, int signal, struct sluice_error *err);
int cuda_mark(struct gpu *gpu, int mark, struct sluice_error *err);
int cuda_passed(struct gpu *gpu, int mark, bool block, struct sluice_error *err);
int cuda_stamp(struct gpu *gpu, int number, struct sluice_error *err);
int cuda_between(struct gpu *gpu, int from, int to, double *seconds,
                 struct sluice_error *err);
int cuda_record_begin(struct gpu *gpu, struct sluice_error *err);
int cuda_record_end(struct gpu *gpu, struct gpu_graph **out, struct sluice_error *err);
int cuda_replay(struct gpu *gpu, struct gpu_graph *graph, struct sluice_error *err);
void cuda_graph_free(struct gpu *gpu, struct gpu_graph *graph);

/* launch.cu */
int cuda_launch(enum gpu_kernel kernel, int blocks, int threads, const void *args,
                void *stream, struct sluice_error *err);

/* layer_cudnn.c */
struct cudnn_layer;
int cudnn_layer_open(struct cudnn_layer **out, struct cuda *cuda,
                     const struct gpu_layer_shape *shape, struct sluice_error *err);
/* Directions that cuDNN has a deterministic algorithm for, and that are wanted. */
struct cudnn_has {
    bool forward, data, weight;
};
struct cudnn_has cudnn_layer_has(const struct cudnn_layer *layer);
void cudnn_layer_free(struct cudnn_layer *layer); /* NULL is fine */
/* 1, or 0 and nothing done: cuDNN has no algorithm for it (any more). */
int cudnn_layer_forward(struct cudnn_layer *layer, struct cuda *cuda, const void *x,
                        const void *w, void *y, struct sluice_error *err);
int cudnn_layer_data(struct cudnn_layer *layer, struct cuda *cuda, const void *dy,
                     const void *w, void *dx, struct sluice_error *err);
int cudnn_layer_weight(struct cudnn_layer *layer, struct cuda *cuda, const void *x,
                       const void *dy, void *dw, struct sluice_error *err);

/* layer_cublaslt.c */
struct lt_layer;
int lt_layer_open(struct lt_layer **out, struct cuda *cuda,
                  const struct gpu_layer_shape *shape, struct sluice_error *err);
void lt_layer_free(struct lt_layer *layer); /* NULL is fine */
int lt_layer_forward(struct lt_layer *layer, struct cuda *cuda, const void *x,
                     const void *w, void *y, struct sluice_error *err);
int lt_layer_data(struct lt_layer *layer, struct cuda *cuda, const void *dy,
                  const void *w, void *dx, struct sluice_error *err);
int lt_layer_weight(struct lt_layer *layer, struct cuda *cuda, const void *x,
                    const void *dy, void *dw, struct sluice_error *err);
int lt_multiply(struct cuda *cuda, const struct gpu_product *product, const float *a,
                const float *b, const float *from, float *c, struct sluice_error *err);

#endif

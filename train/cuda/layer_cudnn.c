/* layer_cudnn.c -- convolutions through cuDNN.
 *
 * The algorithm of each direction is the first of cuDNN's own ranking that is
 * deterministic, fits the workspace and is not refused when it is first run: it depends
 * on shape, GPU and library alone, not on timing, so that a run gives the same bits
 * again. A layer first runs outside of a graph, so none is refused within one. */
#include <stdlib.h>

/* The calls of cuDNN 7's shape are marked as deprecated beside the graph API, whose
 * front end is C++. */
#define CUDNN_DISABLE_DEPRECATED_WARNINGS
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "runtime_cuda.h"

enum { RANKED = 16 };

/* Algorithms, of one of cuDNN's three enums: those before `at` were refused. */
struct ranking {
    int algo[RANKED];
    int count, at;
};

struct cudnn_layer {
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    struct ranking forward, data, weight;
};

static cudnnDataType_t type_of(enum sluice_dtype dtype)
{
    return dtype == SLUICE_BF16  ? CUDNN_DATA_BFLOAT16
           : dtype == SLUICE_F16 ? CUDNN_DATA_HALF
                                 : CUDNN_DATA_FLOAT;
}

static int describe(struct cudnn_layer *l, const struct gpu_layer_shape *s,
                    struct sluice_error *err)
{
    const cudnnDataType_t type = type_of(s->dtype);
    const cudnnMathType_t math = s->dtype != SLUICE_F32 ? CUDNN_TENSOR_OP_MATH
                                 : s->tf32              ? CUDNN_DEFAULT_MATH
                                                        : CUDNN_FMA_MATH;
    CUDNN_TRY(err, cudnnCreateTensorDescriptor(&l->x));
    CUDNN_TRY(err, cudnnCreateTensorDescriptor(&l->y));
    CUDNN_TRY(err, cudnnCreateFilterDescriptor(&l->w));
    CUDNN_TRY(err, cudnnCreateConvolutionDescriptor(&l->conv));
    CUDNN_TRY(err, cudnnSetTensor4dDescriptor(l->x, CUDNN_TENSOR_NHWC, type, s->n, s->c,
                                              s->h, s->w));
    CUDNN_TRY(err, cudnnSetTensor4dDescriptor(l->y, CUDNN_TENSOR_NHWC, type, s->n, s->k,
                                              s->oh, s->ow));
    CUDNN_TRY(err, cudnnSetFilter4dDescriptor(l->w, type, CUDNN_TENSOR_NHWC, s->k, s->c,
                                              s->kernel, s->kernel));
    CUDNN_TRY(err, cudnnSetConvolution2dDescriptor(
                       l->conv, s->pad, s->pad, s->stride, s->stride, 1, 1,
                       CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    CUDNN_TRY(err, cudnnSetConvolutionMathType(l->conv, math));
    return 0;
}

/* With the layer's own descriptors, which may forbid what the ranking thought of. */
static bool forward_runs(const struct cudnn_layer *l, cudnnHandle_t dnn,
                         cudnnConvolutionFwdAlgo_t algo)
{
    size_t bytes;
    return cudnnGetConvolutionForwardWorkspaceSize(dnn, l->x, l->w, l->conv, l->y, algo,
                                                   &bytes) == CUDNN_STATUS_SUCCESS &&
           bytes <= WORKSPACE;
}

static bool data_runs(const struct cudnn_layer *l, cudnnHandle_t dnn,
                      cudnnConvolutionBwdDataAlgo_t algo)
{
    size_t bytes;
    return cudnnGetConvolutionBackwardDataWorkspaceSize(
               dnn, l->w, l->y, l->conv, l->x, algo, &bytes) == CUDNN_STATUS_SUCCESS &&
           bytes <= WORKSPACE;
}

static bool weight_runs(const struct cudnn_layer *l, cudnnHandle_t dnn,
                        cudnnConvolutionBwdFilterAlgo_t algo)
{
    size_t bytes;
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(
               dnn, l->x, l->y, l->conv, l->w, algo, &bytes) == CUDNN_STATUS_SUCCESS &&
           bytes <= WORKSPACE;
}

static bool is_refusal(cudnnStatus_t status)
{
    return status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000;
}

/* A refusal is no failure: then there is no algorithm. */
static int asked(cudnnStatus_t status, int *count, struct sluice_error *err)
{
    if (is_refusal(status))
        *count = 0;
    else
        CUDNN_TRY(err, status);
    return 0;
}

static bool good(cudnnStatus_t status, cudnnDeterminism_t determinism)
{
    return status == CUDNN_STATUS_SUCCESS && determinism == CUDNN_DETERMINISTIC;
}

static int rank_forward(struct cudnn_layer *l, cudnnHandle_t dnn,
                        struct sluice_error *err)
{
    cudnnConvolutionFwdAlgoPerf_t p[RANKED];
    int count = 0;
    const int rc = asked(cudnnGetConvolutionForwardAlgorithm_v7(
                             dnn, l->x, l->w, l->conv, l->y, RANKED, &count, p),
                         &count, err);
    for (int i = 0; i < count && rc == 0; i++)
        if (good(p[i].status, p[i].determinism) && forward_runs(l, dnn, p[i].algo))
            l->forward.algo[l->forward.count++] = p[i].algo;
    return rc;
}

static int rank_data(struct cudnn_layer *l, cudnnHandle_t dnn, struct sluice_error *err)
{
    cudnnConvolutionBwdDataAlgoPerf_t p[RANKED];
    int count = 0;
    const int rc = asked(cudnnGetConvolutionBackwardDataAlgorithm_v7(
                             dnn, l->w, l->y, l->conv, l->x, RANKED, &count, p),
                         &count, err);
    for (int i = 0; i < count && rc == 0; i++)
        if (good(p[i].status, p[i].determinism) && data_runs(l, dnn, p[i].algo))
            l->data.algo[l->data.count++] = p[i].algo;
    return rc;
}

static int rank_weight(struct cudnn_layer *l, cudnnHandle_t dnn,
                       struct sluice_error *err)
{
    cudnnConvolutionBwdFilterAlgoPerf_t p[RANKED];
    int count = 0;
    const int rc = asked(cudnnGetConvolutionBackwardFilterAlgorithm_v7(
                             dnn, l->x, l->y, l->conv, l->w, RANKED, &count, p),
                         &count, err);
    for (int i = 0; i < count && rc == 0; i++)
        if (good(p[i].status, p[i].determinism) && weight_runs(l, dnn, p[i].algo))
            l->weight.algo[l->weight.count++] = p[i].algo;
    return rc;
}

int cudnn_layer_open(struct cudnn_layer **out, struct cuda *cuda,
                     const struct gpu_layer_shape *shape, struct sluice_error *err)
{
    struct cudnn_layer *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return sluice_fail(err, SLUICE_ENOMEM, "cuDNN: no memory for a layer");
    int rc = describe(l, shape, err);
    if (rc == 0)
        rc = rank_forward(l, cuda->cudnn, err);
    if (rc == 0 && shape->wants_data)
        rc = rank_data(l, cuda->cudnn, err);
    if (rc == 0 && shape->wants_weight)
        rc = rank_weight(l, cuda->cudnn, err);
    if (rc < 0) {
        cudnn_layer_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

static bool has(const struct ranking *r)
{
    return r->at < r->count;
}

struct cudnn_has cudnn_layer_has(const struct cudnn_layer *l)
{
    return (struct cudnn_has){ has(&l->forward), has(&l->data), has(&l->weight) };
}

void cudnn_layer_free(struct cudnn_layer *l)
{
    if (!l)
        return;
    if (l->x)
        cudnnDestroyTensorDescriptor(l->x);
    if (l->y)
        cudnnDestroyTensorDescriptor(l->y);
    if (l->w)
        cudnnDestroyFilterDescriptor(l->w);
    if (l->conv)
        cudnnDestroyConvolutionDescriptor(l->conv);
    free(l);
}

static int ran(cudnnStatus_t status, struct sluice_error *err)
{
    return status == CUDNN_STATUS_SUCCESS
               ? 1
               : sluice_fail(err, SLUICE_EDEVICE, "cuDNN: a convolution: %s",
                             cudnnGetErrorString(status));
}

static const float one = 1, zero = 0;

int cudnn_layer_forward(struct cudnn_layer *l, struct cuda *cuda, const void *x,
                        const void *w, void *y, struct sluice_error *err)
{
    for (struct ranking *r = &l->forward; has(r); r->at++) {
        const cudnnConvolutionFwdAlgo_t algo = r->algo[r->at];
        const cudnnStatus_t status =
            cudnnConvolutionForward(cuda->cudnn, &one, l->x, x, l->w, w, l->conv, algo,
                                    cuda->workspace, WORKSPACE, &zero, l->y, y);
        if (is_refusal(status))
            continue;
        return ran(status, err);
    }
    return 0;
}

int cudnn_layer_data(struct cudnn_layer *l, struct cuda *cuda, const void *dy,
                     const void *w, void *dx, struct sluice_error *err)
{
    for (struct ranking *r = &l->data; has(r); r->at++) {
        const cudnnConvolutionBwdDataAlgo_t algo = r->algo[r->at];
        const cudnnStatus_t status = cudnnConvolutionBackwardData(
            cuda->cudnn, &one, l->w, w, l->y, dy, l->conv, algo, cuda->workspace,
            WORKSPACE, &zero, l->x, dx);
        if (is_refusal(status))
            continue;
        return ran(status, err);
    }
    return 0;
}

int cudnn_layer_weight(struct cudnn_layer *l, struct cuda *cuda, const void *x,
                       const void *dy, void *dw, struct sluice_error *err)
{
    for (struct ranking *r = &l->weight; has(r); r->at++) {
        const cudnnConvolutionBwdFilterAlgo_t algo = r->algo[r->at];
        const cudnnStatus_t status = cudnnConvolutionBackwardFilter(
            cuda->cudnn, &one, l->x, x, l->y, dy, l->conv, algo, cuda->workspace,
            WORKSPACE, &zero, l->w, dw);
        if (is_refusal(status))
            continue;
        return ran(status, err);
    }
    return 0;
}

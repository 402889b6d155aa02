/* layer_cudnn.c -- convolutions through cuDNN.
 *
 * The algorithm of each direction is the one that is deterministic and multiplies in
 * tensor cores whatever the shape. Where it does not fit the workspace, or is refused
 * when it is first run, it is the same without insisting on tensor cores, or else the
 * first of cuDNN's own ranking that is deterministic, fits and runs: asking for that
 * takes cuDNN a millisecond. Either way it depends on shape, GPU and library alone, not
 * on timing, so that a run gives the same bits again. A layer first runs outside of a
 * graph, so none is refused within one. */
#include <inttypes.h>
#include <stdlib.h>

/* The calls of cuDNN 7's shape are marked as deprecated beside the graph API, whose
 * front end is C++. */
#define CUDNN_DISABLE_DEPRECATED_WARNINGS
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "runtime_cuda.h"

enum { USUAL = 2, RANKED = 16 };

/* An algorithm, of one of cuDNN's three enums, and how the convolution's descriptor has
 * to say that it multiplies: cuDNN ranks the two together. */
struct way {
    int algo;
    cudnnMathType_t math;
};

/* A direction's ways, in the order in which they are tried. */
struct ranking {
    struct way way[USUAL + RANKED];
    int count, at;
    bool asked; /* for cuDNN's ranking */
    bool fits;  /* way[at] does, and was not refused; else there is none */
};

enum { FORWARD, DATA, WEIGHT, DIRECTIONS };

struct cudnn_layer {
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv; /* of the three directions, each in its turn */
    cudnnMathType_t math;              /* by the numbers alone */
    struct ranking ranking[DIRECTIONS];
};

static cudnnDataType_t type_of(enum sluice_dtype dtype)
{
    return dtype == SLUICE_BF16  ? CUDNN_DATA_BFLOAT16
           : dtype == SLUICE_F16 ? CUDNN_DATA_HALF
                                 : CUDNN_DATA_FLOAT;
}

/* The library says no more than that it does not support it. */
static int check_size(const struct gpu_layer_shape *s, struct sluice_error *err)
{
    const uint64_t x =
        (uint64_t)s->n * (uint64_t)s->h * (uint64_t)s->w * (uint64_t)s->c;
    const uint64_t y =
        (uint64_t)s->n * (uint64_t)s->oh * (uint64_t)s->ow * (uint64_t)s->k;
    const uint64_t larger = x > y ? x : y;
    return larger <= INT32_MAX
               ? 0
               : sluice_fail(err, SLUICE_EINVAL,
                             "a batch of %d images has %" PRIu64
                             " numbers in one layer: expected fewer than 2^31, which "
                             "cuDNN takes; say smaller batches",
                             s->n, larger);
}

static int describe(struct cudnn_layer *l, const struct gpu_layer_shape *s,
                    struct sluice_error *err)
{
    const cudnnDataType_t type = type_of(s->dtype);
    l->math = s->dtype != SLUICE_F32 ? CUDNN_TENSOR_OP_MATH
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
    return 0;
}

/* Of the workspace, with the layer's own descriptors, which may forbid what the ranking
 * thought of. */
static cudnnStatus_t forward_bytes(const struct cudnn_layer *l, cudnnHandle_t dnn,
                                   int algo, size_t *bytes)
{
    return cudnnGetConvolutionForwardWorkspaceSize(
        dnn, l->x, l->w, l->conv, l->y, (cudnnConvolutionFwdAlgo_t)algo, bytes);
}

static cudnnStatus_t data_bytes(const struct cudnn_layer *l, cudnnHandle_t dnn,
                                int algo, size_t *bytes)
{
    return cudnnGetConvolutionBackwardDataWorkspaceSize(
        dnn, l->w, l->y, l->conv, l->x, (cudnnConvolutionBwdDataAlgo_t)algo, bytes);
}

static cudnnStatus_t weight_bytes(const struct cudnn_layer *l, cudnnHandle_t dnn,
                                  int algo, size_t *bytes)
{
    return cudnnGetConvolutionBackwardFilterWorkspaceSize(
        dnn, l->x, l->y, l->conv, l->w, (cudnnConvolutionBwdFilterAlgo_t)algo, bytes);
}

/* Of a layer that the library does not do, in its view or by what it was built for: not
 * of a call that is wrong, nor of a library that lacks a part. */
static bool is_refusal(cudnnStatus_t status)
{
    switch ((int)status) {
    case CUDNN_STATUS_BAD_PARAM_NULL_POINTER:
    case CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER:
    case CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT:
    case CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH:
    case CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER:
    case CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART:
    case CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING:
    case CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE:
        return false;
    default:
        break;
    }
    return status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000 ||
           status / 1000 == CUDNN_STATUS_BAD_PARAM / 1000;
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

/* Where numbers of 32 bits are to be multiplied as they are, nothing else is taken. */
static void add(struct cudnn_layer *l, int direction, struct way way,
                cudnnStatus_t status, cudnnDeterminism_t determinism)
{
    struct ranking *r = &l->ranking[direction];
    if (l->math == CUDNN_FMA_MATH)
        way.math = l->math;
    bool known = false;
    for (int i = 0; i < r->count; i++)
        known = known || (r->way[i].algo == way.algo && r->way[i].math == way.math);
    if (!known && status == CUDNN_STATUS_SUCCESS && determinism == CUDNN_DETERMINISTIC)
        r->way[r->count++] = way;
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
        add(l, FORWARD, (struct way){ (int)p[i].algo, p[i].mathType }, p[i].status,
            p[i].determinism);
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
        add(l, DATA, (struct way){ (int)p[i].algo, p[i].mathType }, p[i].status,
            p[i].determinism);
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
        add(l, WEIGHT, (struct way){ (int)p[i].algo, p[i].mathType }, p[i].status,
            p[i].determinism);
    return rc;
}

static const float one = 1, zero = 0;

static cudnnStatus_t run_forward(const struct cudnn_layer *l, const struct cuda *cuda,
                                 int algo, const void *x, const void *w, void *y)
{
    return cudnnConvolutionForward(cuda->cudnn, &one, l->x, x, l->w, w, l->conv,
                                   (cudnnConvolutionFwdAlgo_t)algo, cuda->workspace,
                                   cuda->room, &zero, l->y, y);
}

static cudnnStatus_t run_data(const struct cudnn_layer *l, const struct cuda *cuda,
                              int algo, const void *dy, const void *w, void *dx)
{
    return cudnnConvolutionBackwardData(cuda->cudnn, &one, l->w, w, l->y, dy, l->conv,
                                        (cudnnConvolutionBwdDataAlgo_t)algo,
                                        cuda->workspace, cuda->room, &zero, l->x, dx);
}

static cudnnStatus_t run_weight(const struct cudnn_layer *l, const struct cuda *cuda,
                                int algo, const void *x, const void *dy, void *dw)
{
    return cudnnConvolutionBackwardFilter(cuda->cudnn, &one, l->x, x, l->y, dy, l->conv,
                                          (cudnnConvolutionBwdFilterAlgo_t)algo,
                                          cuda->workspace, cuda->room, &zero, l->w, dw);
}

static const struct {
    int usual;
    cudnnStatus_t (*bytes)(const struct cudnn_layer *l, cudnnHandle_t dnn, int algo,
                           size_t *bytes);
    int (*rank)(struct cudnn_layer *l, cudnnHandle_t dnn, struct sluice_error *err);
    cudnnStatus_t (*run)(const struct cudnn_layer *l, const struct cuda *cuda, int algo,
                         const void *a, const void *b, void *out);
} directions[DIRECTIONS] = {
    [FORWARD] = { CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, forward_bytes,
                  rank_forward, run_forward },
    [DATA] = { CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, data_bytes, rank_data, run_data },
    [WEIGHT] = { CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, weight_bytes, rank_weight,
                 run_weight },
};

/* Does the present way fit the workspace? */
static int try_way(struct cudnn_layer *l, int direction, const struct cuda *cuda,
                   struct sluice_error *err)
{
    struct ranking *r = &l->ranking[direction];
    const struct way *way = &r->way[r->at];
    size_t bytes = 0;
    CUDNN_TRY(err, cudnnSetConvolutionMathType(l->conv, way->math));
    const cudnnStatus_t status =
        directions[direction].bytes(l, cuda->cudnn, way->algo, &bytes);
    if (!is_refusal(status))
        CUDNN_TRY(err, status);
    r->fits = status == CUDNN_STATUS_SUCCESS && bytes <= cuda->room;
    return 0;
}

static int ask(struct cudnn_layer *l, int direction, const struct cuda *cuda,
               struct sluice_error *err)
{
    l->ranking[direction].asked = true;
    CUDNN_TRY(err, cudnnSetConvolutionMathType(l->conv, l->math));
    return directions[direction].rank(l, cuda->cudnn, err);
}

/* From the present way on, to the first that fits. */
static int settle(struct cudnn_layer *l, int direction, const struct cuda *cuda,
                  struct sluice_error *err)
{
    struct ranking *r = &l->ranking[direction];
    int rc = 0;
    for (; rc == 0 && !r->fits; r->at += !r->fits) {
        if (r->at == r->count && !r->asked)
            rc = ask(l, direction, cuda, err);
        if (rc < 0 || r->at == r->count)
            break;
        rc = try_way(l, direction, cuda, err);
    }
    return rc;
}

static int begin(struct cudnn_layer *l, int direction, const struct cuda *cuda,
                 struct sluice_error *err)
{
    struct ranking *r = &l->ranking[direction];
    r->way[r->count++] = (struct way){ directions[direction].usual, l->math };
    if (l->math == CUDNN_TENSOR_OP_MATH)
        r->way[r->count++] =
            (struct way){ directions[direction].usual, CUDNN_DEFAULT_MATH };
    return settle(l, direction, cuda, err);
}

int cudnn_layer_open(struct cudnn_layer **out, struct cuda *cuda,
                     const struct gpu_layer_shape *shape, struct sluice_error *err)
{
    struct cudnn_layer *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return sluice_fail(err, SLUICE_ENOMEM, "cuDNN: no memory for a layer");
    int rc = check_size(shape, err);
    if (rc == 0)
        rc = describe(l, shape, err);
    if (rc == 0)
        rc = begin(l, FORWARD, cuda, err);
    if (rc == 0 && shape->wants_data)
        rc = begin(l, DATA, cuda, err);
    if (rc == 0 && shape->wants_weight)
        rc = begin(l, WEIGHT, cuda, err);
    if (rc < 0) {
        cudnn_layer_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

struct cudnn_has cudnn_layer_has(const struct cudnn_layer *l)
{
    return (struct cudnn_has){ l->ranking[FORWARD].fits, l->ranking[DATA].fits,
                               l->ranking[WEIGHT].fits };
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

static int run(struct cudnn_layer *l, int direction, const struct cuda *cuda,
               const void *a, const void *b, void *out, struct sluice_error *err)
{
    struct ranking *r = &l->ranking[direction];
    int rc = 0;
    while (rc == 0 && r->fits) {
        const struct way *way = &r->way[r->at];
        CUDNN_TRY(err, cudnnSetConvolutionMathType(l->conv, way->math));
        const cudnnStatus_t status =
            directions[direction].run(l, cuda, way->algo, a, b, out);
        if (status == CUDNN_STATUS_SUCCESS)
            return 1;
        if (!is_refusal(status))
            return sluice_fail(err, SLUICE_EDEVICE, "cuDNN: a convolution: %s",
                               cudnnGetErrorString(status));
        r->fits = false;
        r->at++;
        rc = settle(l, direction, cuda, err);
    }
    return rc;
}

int cudnn_layer_forward(struct cudnn_layer *l, struct cuda *cuda, const void *x,
                        const void *w, void *y, struct sluice_error *err)
{
    return run(l, FORWARD, cuda, x, w, y, err);
}

int cudnn_layer_data(struct cudnn_layer *l, struct cuda *cuda, const void *dy,
                     const void *w, void *dx, struct sluice_error *err)
{
    return run(l, DATA, cuda, dy, w, dx, err);
}

int cudnn_layer_weight(struct cudnn_layer *l, struct cuda *cuda, const void *x,
                       const void *dy, void *dw, struct sluice_error *err)
{
    return run(l, WEIGHT, cuda, x, dy, dw, err);
}

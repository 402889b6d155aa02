/* cudnn_ranking.c -- what a convolution asks of cuDNN, played by functions of cuDNN's
 * names: activations and filters are described as nhwc, and the usual algorithm runs.
 * Where it does not fit or is refused when it is run, it runs without insisting on
 * tensor cores, or cuDNN is asked for its ranking, and the first way runs that is
 * deterministic, fits the workspace and is not refused, multiplying as it was ranked;
 * if there is none, that is said and no failure. Wrong calls and libraries that lack a
 * part are failures. */
#define CUDNN_DISABLE_DEPRECATED_WARNINGS
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "check.h"
#include "cuda/runtime_cuda.h"

enum {
    LARGE = CUDNN_CONVOLUTION_FWD_ALGO_GEMM,
    REFUSED = CUDNN_CONVOLUTION_FWD_ALGO_DIRECT,
    UNSTEADY = CUDNN_CONVOLUTION_FWD_ALGO_FFT,
    UNKNOWN = CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD,
    USUAL = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, /* all three's number 1 */
    RUNS = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
    ROOM = 12345, /* bytes of the workspace */
};

static const int ranked[] = { USUAL, UNSTEADY, LARGE, UNKNOWN, REFUSED, RUNS };
static int rankable;                            /* of these */
static bool usual_fits, usual_runs, plain_fits; /* plain: by default, and it runs */
static cudnnDataType_t type = CUDNN_DATA_BFLOAT16;
static cudnnMathType_t insists = CUDNN_TENSOR_OP_MATH, math; /* as first told; now */
static cudnnStatus_t broken_bytes, broken_run;
static int tries, ran, ran_as, asked, fits_asked; /* ran_as: direction */
static int tensor[2][4], filter[4];               /* as described: nchw */
static int tensors;

/* Each of the three directions' questions has the same answer. */
#define RANK(direction)                                                                \
    {                                                                                  \
        (void)count;                                                                   \
        asked++;                                                                       \
        CHECK(math == insists, "asked for math %d", (int)math);                        \
        for (*found = 0; *found < rankable; ++*found)                                  \
            perf[*found] = (cudnnConvolution##direction##AlgoPerf_t){                  \
                .algo = ranked[*found],                                                \
                .status = ranked[*found] == UNKNOWN ? CUDNN_STATUS_NOT_SUPPORTED       \
                                                    : CUDNN_STATUS_SUCCESS,            \
                .mathType = ranked[*found] == RUNS ? CUDNN_DEFAULT_MATH                \
                                                   : CUDNN_TENSOR_OP_MATH,             \
                .determinism = ranked[*found] == UNSTEADY ? CUDNN_NON_DETERMINISTIC    \
                                                          : CUDNN_DETERMINISTIC,       \
            };                                                                         \
        return CUDNN_STATUS_SUCCESS;                                                   \
    }

static cudnnStatus_t size_of(int algo, size_t *bytes)
{
    const bool plain = insists == CUDNN_TENSOR_OP_MATH && math == CUDNN_DEFAULT_MATH;
    const bool fits = algo != USUAL ? algo != LARGE : plain ? plain_fits : usual_fits;
    *bytes = (size_t)ROOM + !fits;
    fits_asked++;
    return broken_bytes;
}

static cudnnStatus_t run(int algo)
{
    tries++;
    if (broken_run != CUDNN_STATUS_SUCCESS)
        return broken_run;
    CHECK(algo != RUNS ||
              math == (insists == CUDNN_FMA_MATH ? insists : CUDNN_DEFAULT_MATH),
          "ran with math %d", (int)math);
    if (algo == REFUSED || (algo == USUAL && !usual_runs))
        return algo == REFUSED ? CUDNN_STATUS_BAD_PARAM
                               : CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH;
    ran = algo;
    return CUDNN_STATUS_SUCCESS;
}

/* The library, as far as it is called. */
#define H cudnnHandle_t h
#define T const cudnnTensorDescriptor_t
#define F const cudnnFilterDescriptor_t
#define C const cudnnConvolutionDescriptor_t
#define UNUSED4(a, b, c, d) (void)(a), (void)(b), (void)(c), (void)(d)

cudnnStatus_t
cudnnGetConvolutionForwardAlgorithm_v7(H, T x, F w, C c, T y, const int count,
                                       int *found, cudnnConvolutionFwdAlgoPerf_t *perf)
{
    (void)h, UNUSED4(x, w, c, y);
    RANK(Fwd)
}

cudnnStatus_t
cudnnGetConvolutionBackwardDataAlgorithm_v7(H, F w, T y, C c, T x, const int count,
                                            int *found,
                                            cudnnConvolutionBwdDataAlgoPerf_t *perf)
{
    (void)h, UNUSED4(x, w, c, y);
    RANK(BwdData)
}

cudnnStatus_t
cudnnGetConvolutionBackwardFilterAlgorithm_v7(H, T x, T y, C c, F w, const int count,
                                              int *found,
                                              cudnnConvolutionBwdFilterAlgoPerf_t *perf)
{
    (void)h, UNUSED4(x, w, c, y);
    RANK(BwdFilter)
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(H, T x, F w, C c, T y,
                                                      cudnnConvolutionFwdAlgo_t algo,
                                                      size_t *bytes)
{
    (void)h, UNUSED4(x, w, c, y);
    return size_of((int)algo, bytes);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(
    H, F w, T y, C c, T x, cudnnConvolutionBwdDataAlgo_t algo, size_t *bytes)
{
    (void)h, UNUSED4(x, w, c, y);
    return size_of((int)algo, bytes);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    H, T x, T y, C c, F w, cudnnConvolutionBwdFilterAlgo_t algo, size_t *bytes)
{
    (void)h, UNUSED4(x, w, c, y);
    return size_of((int)algo, bytes);
}

#define DATA const void *
#define SCALED const void *alpha
#define RUN_ALGO(type)                                                                 \
    C c, cudnnConvolution##type##Algo_t algo, void *room, size_t bytes, const void *beta
#define RAN(a, b)                                                                      \
    (void)h, UNUSED4(a, b, c, room), (void)bytes;                                      \
    CHECK(*(const float *)alpha == 1 && *(const float *)beta == 0,                     \
          "a result that is scaled or added to");                                      \
    return run((int)algo);

cudnnStatus_t cudnnConvolutionForward(H, SCALED, T dx, DATA x, F dw, DATA w,
                                      RUN_ALGO(Fwd), T dy, void *y)
{
    ran_as = 0;
    UNUSED4(dx, dw, dy, y);
    RAN(x, w)
}

cudnnStatus_t cudnnConvolutionBackwardData(H, SCALED, F dw, DATA w, T dy, DATA y,
                                           RUN_ALGO(BwdData), T dx, void *x)
{
    ran_as = 1;
    UNUSED4(dx, dw, dy, y);
    RAN(x, w)
}

cudnnStatus_t cudnnConvolutionBackwardFilter(H, SCALED, T dx, DATA x, T dy, DATA y,
                                             RUN_ALGO(BwdFilter), F dw, void *w)
{
    ran_as = 2;
    UNUSED4(dx, dw, dy, y);
    RAN(x, w)
}

/* Descriptors are what they describe. */
cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *out)
{
    *out = (cudnnTensorDescriptor_t)&tensor[tensors++];
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *out)
{
    *out = (cudnnFilterDescriptor_t)&filter;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *out)
{
    *out = (cudnnConvolutionDescriptor_t)&tries;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t describe(int *to, cudnnTensorFormat_t format,
                              cudnnDataType_t described, const int *size)
{
    CHECK(format == CUDNN_TENSOR_NHWC && described == type, "not nhwc");
    memcpy(to, size, 4 * sizeof *to);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t to,
                                         cudnnTensorFormat_t format,
                                         cudnnDataType_t kind, int n, int c, int h,
                                         int w)
{
    return describe((int *)to, format, kind, (int[]){ n, c, h, w });
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t to,
                                         cudnnDataType_t kind,
                                         cudnnTensorFormat_t format, int k, int c,
                                         int h, int w)
{
    return describe((int *)to, format, kind, (int[]){ k, c, h, w });
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t to, int py,
                                              int px, int sy, int sx, int dy, int dx,
                                              cudnnConvolutionMode_t mode,
                                              cudnnDataType_t compute)
{
    (void)to;
    CHECK(py == 1 && px == 1 && sy == 2 && sx == 2 && dy == 1 && dx == 1 &&
              mode == CUDNN_CROSS_CORRELATION && compute == CUDNN_DATA_FLOAT,
          "another convolution");
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t to,
                                          cudnnMathType_t now)
{
    (void)to;
    CHECK(now == insists ||
              (insists == CUDNN_TENSOR_OP_MATH && now == CUDNN_DEFAULT_MATH),
          "math %d", (int)now);
    math = now;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t d)
{
    (void)d;
    tensors--;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t d)
{
    (void)d;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t d)
{
    (void)d;
    return CUDNN_STATUS_SUCCESS;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    (void)status;
    return "an error";
}

static const struct gpu_layer_shape shape = {
    .n = 6,
    .h = 9,
    .w = 8,
    .c = 24,
    .oh = 5,
    .ow = 4,
    .k = 40,
    .kernel = 3,
    .stride = 2,
    .pad = 1,
    .dtype = SLUICE_BF16,
    .wants_data = true,
    .wants_weight = true,
};

static int go(struct cudnn_layer *l, int direction, struct sluice_error *err)
{
    struct cuda cuda = { .room = ROOM };
    return direction == 0   ? cudnn_layer_forward(l, &cuda, NULL, NULL, NULL, err)
           : direction == 1 ? cudnn_layer_data(l, &cuda, NULL, NULL, NULL, err)
                            : cudnn_layer_weight(l, &cuda, NULL, NULL, NULL, err);
}

/* All three directions, twice; `refusals` before one runs, or none does. */
static void check_runs(struct cudnn_layer *l, int expected, int refusals)
{
    struct sluice_error err = { 0 };
    for (int direction = 0; direction < 3; direction++)
        for (int again = 0; again < 2; again++) {
            tries = 0;
            ran = -1;
            const int rc = go(l, direction, &err);
            CHECK(rc == (expected >= 0) && ran == expected && ran_as == direction,
                  "direction %d: %d, ran %d as %d", direction, rc, ran, ran_as);
            /* What was refused is not tried again. */
            CHECK(tries == (expected >= 0) + (again ? 0 : refusals), "%d tries", tries);
        }
}

static struct cudnn_layer *open_layer(const struct gpu_layer_shape *s)
{
    struct cuda cuda = { .room = ROOM };
    struct cudnn_layer *l;
    struct sluice_error err = { 0 };
    asked = fits_asked = 0;
    REQUIRE(cudnn_layer_open(&l, &cuda, s, &err) == 0, "%s", err.message);
    return l;
}

static void check_ranking(int count, int expected)
{
    rankable = count;
    usual_fits = false;
    struct cudnn_layer *l = open_layer(&shape);
    CHECK(memcmp(tensor[0], (int[]){ 6, 24, 9, 8 }, sizeof *tensor) == 0 &&
              memcmp(tensor[1], (int[]){ 6, 40, 5, 4 }, sizeof *tensor) == 0 &&
              memcmp(filter, (int[]){ 40, 24, 3, 3 }, sizeof filter) == 0,
          "sizes in another order");
    CHECK(asked == 3, "asked %d times", asked);
    check_runs(l, expected, 1);
    cudnn_layer_free(l);
}

static void check_usual(void)
{
    rankable = 6;
    usual_fits = usual_runs = true;
    struct cudnn_layer *l = open_layer(&shape);
    check_runs(l, USUAL, 0);
    CHECK(asked == 0 && fits_asked == 3, "asked %d times, if it fits %d", asked,
          fits_asked);
    cudnn_layer_free(l);
    usual_fits = false;
    plain_fits = true;
    l = open_layer(&shape);
    check_runs(l, USUAL, 0);
    CHECK(asked == 0 && math == CUDNN_DEFAULT_MATH, "asked %d times", asked);
    cudnn_layer_free(l);
    usual_fits = true;
    usual_runs = plain_fits = false;
    l = open_layer(&shape);
    CHECK(asked == 0, "asked %d times before it is run", asked);
    check_runs(l, RUNS, 2);
    CHECK(asked == 3, "asked %d times", asked);
    cudnn_layer_free(l);
}

static void check_unwanted(void)
{
    struct gpu_layer_shape s = shape;
    s.wants_data = s.wants_weight = false;
    usual_fits = true;
    struct cudnn_layer *l = open_layer(&s);
    CHECK(fits_asked == 1, "%d directions were asked for", fits_asked);
    const struct cudnn_has has = cudnn_layer_has(l);
    CHECK(has.forward && !has.data && !has.weight, "not forward alone");
    cudnn_layer_free(l);
}

/* Numbers of 32 bits as they are: no way with another multiplication. */
static void check_exact(void)
{
    struct gpu_layer_shape s = shape;
    s.dtype = SLUICE_F32;
    type = CUDNN_DATA_FLOAT;
    insists = CUDNN_FMA_MATH;
    usual_fits = false;
    rankable = 6;
    struct cudnn_layer *l = open_layer(&s);
    check_runs(l, RUNS, 1);
    cudnn_layer_free(l);
    type = CUDNN_DATA_BFLOAT16;
    insists = CUDNN_TENSOR_OP_MATH;
}

static void expect_failure(const struct gpu_layer_shape *s, int code, const char *what)
{
    struct cuda cuda = { .room = ROOM };
    struct sluice_error err = { 0 };
    struct cudnn_layer *l;
    const int rc = cudnn_layer_open(&l, &cuda, s, &err);
    CHECK(rc == code && !l && strstr(err.message, what), "%d: %s", rc, err.message);
    if (rc == 0)
        cudnn_layer_free(l);
    tensors = 0;
}

static void check_misuse(void)
{
    struct gpu_layer_shape large = shape;
    struct sluice_error err = { 0 };
    large.n = 1 << 27;
    expect_failure(&large, SLUICE_EINVAL, "expected fewer than 2^31");
    broken_bytes = CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE;
    expect_failure(&shape, SLUICE_EDEVICE, "cuDNN: ");
    broken_bytes = CUDNN_STATUS_SUCCESS;
    usual_fits = true;
    struct cudnn_layer *l = open_layer(&shape);
    broken_run = CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    for (int direction = 0; direction < 3; direction++)
        CHECK(go(l, direction, &err) == SLUICE_EDEVICE, "direction %d", direction);
    broken_run = CUDNN_STATUS_SUCCESS;
    cudnn_layer_free(l);
}

int main(void)
{
    check_ranking(6, RUNS);
    check_ranking(5, -1);
    check_usual();
    check_unwanted();
    check_exact();
    check_misuse();
    return check_done();
}

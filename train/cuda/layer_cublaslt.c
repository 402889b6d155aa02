/* layer_cublaslt.c -- inner products through cuBLASLt.
 *
 * cuBLASLt counts by columns: rows of ours are columns of its. With `in` inputs, k
 * outputs and n images,
 *
 *     forward   y  (k x n)  = w' x      w (in x k), x (in x n)
 *     data      dx (in x n) = w dy
 *     weight    dw (in x k) = x dy'     in float
 */
#include <stdlib.h>

#include "../arena.h"
#include "runtime_cuda.h"

/* One product d = op(a) op(b). */
struct product {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algo;
};

struct lt_layer {
    struct product forward, data, weight;
};

/* A matrix as it lies. */
struct matrix {
    cudaDataType_t type;
    int rows, columns;
    bool transposed;
};

static cudaDataType_t type_of(enum sluice_dtype dtype)
{
    return dtype == SLUICE_BF16  ? CUDA_R_16BF
           : dtype == SLUICE_F16 ? CUDA_R_16F
                                 : CUDA_R_32F;
}

static int layout(cublasLtMatrixLayout_t *out, const struct matrix *m,
                  struct sluice_error *err)
{
    LT_TRY(err, cublasLtMatrixLayoutCreate(out, m->type, (uint64_t)m->rows,
                                           (uint64_t)m->columns, m->rows));
    return 0;
}

static int describe(struct product *p, const struct matrix *a, const struct matrix *b,
                    const struct matrix *d, bool tf32, struct sluice_error *err)
{
    const cublasOperation_t op_a = a->transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t op_b = b->transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasComputeType_t compute =
        tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    int rc;
    LT_TRY(err, cublasLtMatmulDescCreate(&p->desc, compute, CUDA_R_32F));
    LT_TRY(err, cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA,
                                               &op_a, sizeof op_a));
    LT_TRY(err, cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB,
                                               &op_b, sizeof op_b));
    if ((rc = layout(&p->a, a, err)) < 0 || (rc = layout(&p->b, b, err)) < 0)
        return rc;
    return layout(&p->d, d, err);
}

/* Operands lie where the arena puts them. Adding up in place would leave the order of a
 * sum to timing. */
static int prefer(cublasLtMatmulPreference_t prefer, struct sluice_error *err)
{
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
    };
    const uint32_t align = ARENA_ALIGN;
    const uint32_t sums =
        CUBLASLT_REDUCTION_SCHEME_MASK & ~(uint32_t)CUBLASLT_REDUCTION_SCHEME_INPLACE;
    const size_t workspace = WORKSPACE;
    LT_TRY(err, cublasLtMatmulPreferenceSetAttribute(
                    prefer, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                    sizeof workspace));
    LT_TRY(err,
           cublasLtMatmulPreferenceSetAttribute(
               prefer, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &sums, sizeof sums));
    for (size_t i = 0; i < sizeof aligned / sizeof *aligned; i++)
        LT_TRY(err, cublasLtMatmulPreferenceSetAttribute(prefer, aligned[i], &align,
                                                         sizeof align));
    return 0;
}

static int choose(struct product *p, cublasLtHandle_t lt, struct sluice_error *err)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    LT_TRY(err, cublasLtMatmulPreferenceCreate(&preference));
    int rc = prefer(preference, err);
    const cublasStatus_t status =
        rc < 0 ? CUBLAS_STATUS_SUCCESS
               : cublasLtMatmulAlgoGetHeuristic(lt, p->desc, p->a, p->b, p->d, p->d,
                                                preference, 1, &found, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    if (rc < 0)
        return rc;
    LT_TRY(err, status);
    if (!count || found.state != CUBLAS_STATUS_SUCCESS)
        return sluice_fail(err, SLUICE_EDEVICE, "cuBLASLt: no way to multiply");
    p->algo = found.algo;
    return 0;
}

static int make(struct product *p, struct cuda *cuda, struct matrix a, struct matrix b,
                struct matrix d, bool tf32, struct sluice_error *err)
{
    const int rc = describe(p, &a, &b, &d, tf32, err);
    return rc < 0 ? rc : choose(p, cuda->lt, err);
}

static int make_all(struct lt_layer *l, struct cuda *cuda,
                    const struct gpu_layer_shape *s, struct sluice_error *err)
{
    const cudaDataType_t t = type_of(s->dtype);
    const int in = s->h * s->w * s->c;
    const struct matrix x = { t, in, s->n, false }, y = { t, s->k, s->n, false };
    const struct matrix w = { t, in, s->k, false },
                        dw = { CUDA_R_32F, in, s->k, false };
    const struct matrix w_across = { t, in, s->k, true },
                        y_across = { t, s->k, s->n, true };
    int rc = make(&l->forward, cuda, w_across, x, y, s->tf32, err);
    if (rc == 0 && s->wants_data)
        rc = make(&l->data, cuda, w, y, x, s->tf32, err);
    if (rc == 0 && s->wants_weight)
        rc = make(&l->weight, cuda, x, y_across, dw, s->tf32, err);
    return rc;
}

int lt_layer_open(struct lt_layer **out, struct cuda *cuda,
                  const struct gpu_layer_shape *shape, struct sluice_error *err)
{
    struct lt_layer *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return sluice_fail(err, SLUICE_ENOMEM, "cuBLASLt: no memory for a layer");
    const int rc = make_all(l, cuda, shape, err);
    if (rc < 0) {
        lt_layer_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

static void unmake(const struct product *p)
{
    if (p->desc)
        cublasLtMatmulDescDestroy(p->desc);
    if (p->a)
        cublasLtMatrixLayoutDestroy(p->a);
    if (p->b)
        cublasLtMatrixLayoutDestroy(p->b);
    if (p->d)
        cublasLtMatrixLayoutDestroy(p->d);
}

void lt_layer_free(struct lt_layer *l)
{
    if (!l)
        return;
    unmake(&l->forward);
    unmake(&l->data);
    unmake(&l->weight);
    free(l);
}

static int multiply_add(const struct product *p, struct cuda *cuda, float alpha,
                        const void *a, const void *b, float beta, const void *from,
                        void *d, struct sluice_error *err)
{
    LT_TRY(err, cublasLtMatmul(cuda->lt, p->desc, &alpha, a, p->a, b, p->b, &beta, from,
                               p->d, d, p->d, &p->algo, cuda->workspace, WORKSPACE,
                               cuda->stream[LANE_STEP]));
    return 0;
}

static int multiply(const struct product *p, struct cuda *cuda, const void *a,
                    const void *b, void *d, struct sluice_error *err)
{
    return multiply_add(p, cuda, 1, a, b, 0, d, d, err);
}

/* Ours by rows are its by columns, transposed: c' = op(b)' op(a)'. What it needs is
 * made anew each time, which a recorded step does once. */
int lt_multiply(struct cuda *cuda, const struct gpu_product *p, const float *a,
                const float *b, const float *from, float *c, struct sluice_error *err)
{
    const cudaDataType_t f32 = CUDA_R_32F;
    const struct matrix left = { f32, p->transpose_b ? p->k : p->n,
                                 p->transpose_b ? p->n : p->k, p->transpose_b };
    const struct matrix right = { f32, p->transpose_a ? p->m : p->k,
                                  p->transpose_a ? p->k : p->m, p->transpose_a };
    struct product product = { 0 };
    int rc = make(&product, cuda, left, right,
                  (struct matrix){ f32, p->n, p->m, false }, p->tf32, err);
    if (rc == 0)
        rc = multiply_add(&product, cuda, p->alpha, b, a, p->beta,
                          p->beta != 0 ? from : c, c, err);
    unmake(&product);
    return rc;
}

int lt_layer_forward(struct lt_layer *l, struct cuda *cuda, const void *x,
                     const void *w, void *y, struct sluice_error *err)
{
    return multiply(&l->forward, cuda, w, x, y, err);
}

int lt_layer_data(struct lt_layer *l, struct cuda *cuda, const void *dy, const void *w,
                  void *dx, struct sluice_error *err)
{
    return multiply(&l->data, cuda, w, dy, dx, err);
}

int lt_layer_weight(struct lt_layer *l, struct cuda *cuda, const void *x,
                    const void *dy, void *dw, struct sluice_error *err)
{
    return multiply(&l->weight, cuda, x, dy, dw, err);
}

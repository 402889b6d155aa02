/* backends.h -- helpers of the operators' definitions: table entries of backends that
 * a build may lack, and the filling in of shapes. */
#ifndef SLUICE_BACKENDS_H
#define SLUICE_BACKENDS_H

#include <string.h>

#include "op.h"

/* Device cpu stands on oneDNN: without it, its entries are NULL. */
#ifdef SLUICE_HAVE_ONEDNN
#define IF_ONEDNN(backend) (backend)
#else
#define IF_ONEDNN(backend) NULL
#endif

/* A (n, h, w, c) activation of the given type. */
void op_shape_activation(struct tensor *t, int n, int h, int w, int c,
                         enum sluice_dtype dtype);
/* Same shape and type as `like`. */
void op_shape_like(struct tensor *t, const struct tensor *like);
/* A float vector parameter or buffer. */
void op_shape_vector(struct tensor *t, const char *name, int length);
void op_shape_none(struct tensor *t); /* NULL is fine */

/* Every activation is (n, h, w, c) with positive sizes. */
int op_check_input(const struct op *op, struct sluice_error *err);
/* The shape rule of a sum: both inputs alike, and the output like them. */
int op_shape_sum(struct op *op, struct sluice_error *err);
/* The shape rule of what happens at random: the output like the input, and 0 <= p < 1.
 */
int op_shape_random(struct op *op, struct sluice_error *err);

/* Images of the present batch, and their pixels. */
static inline int op_batch(const struct op *op)
{
    return op->in[0]->shape[0];
}
static inline size_t op_pixels(const struct tensor *t)
{
    return (size_t)t->shape[0] * (size_t)t->shape[1] * (size_t)t->shape[2];
}
static inline int op_channels(const struct tensor *t)
{
    return t->shape[3];
}

/* batchnorm: normalises by the batch's mean and variance, and learns from them. */
static inline bool op_by_batch(const struct op *op, const struct pass *pass)
{
    return pass->training && !op->attr.fixed_stats;
}

/* One element of memory that holds float or bf16; for short loops only. */
static inline float tensor_value(enum sluice_dtype dtype, const void *values, size_t i)
{
    float f;
    if (dtype != SLUICE_BF16)
        return ((const float *)values)[i];
    const uint32_t bits = (uint32_t)((const uint16_t *)values)[i] << 16;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline void tensor_set_value(enum sluice_dtype dtype, void *values, size_t i,
                                    float f)
{
    uint32_t bits;
    if (dtype != SLUICE_BF16) {
        ((float *)values)[i] = f;
        return;
    }
    memcpy(&bits, &f, sizeof bits);
    /* To nearest, ties to even; a NaN must not round to infinity. */
    const uint32_t rounded = f != f ? 0x7fc00000U : bits + 0x7fffU + (bits >> 16 & 1U);
    ((uint16_t *)values)[i] = (uint16_t)(rounded >> 16);
}

/* Device cpu, one per operator: <op>_cpu.c or <op>_onednn.c. */
extern const struct op_backend op_conv2d_cpu, op_linear_cpu, op_batchnorm_cpu,
    op_activation_cpu, op_maxpool_cpu, op_avgpool_cpu, op_globalmax_cpu,
    op_globalavg_cpu, op_add_cpu, op_add_relu_cpu, op_fork_cpu, op_dropout_cpu,
    op_droppath_cpu, op_gate_cpu, op_flatten_cpu, op_scale_cpu, op_concat_cpu,
    op_softmax_cpu, op_softmax_xent_cpu;
/* Device cuda: <op>_cuda.c, in every build, as all of CUDA is behind cuda/gpu.h. */
extern const struct op_backend op_conv2d_cuda, op_linear_cuda, op_batchnorm_cuda,
    op_activation_cuda, op_maxpool_cuda, op_avgpool_cuda, op_globalmax_cuda,
    op_globalavg_cuda, op_add_cuda, op_add_relu_cuda, op_fork_cuda, op_dropout_cuda,
    op_droppath_cuda, op_gate_cuda, op_flatten_cuda, op_scale_cuda, op_concat_cuda,
    op_softmax_cuda, op_softmax_xent_cuda;

#endif

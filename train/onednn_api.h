/* onednn_api.h -- the few calls of oneDNN that versions 2 and 3 spell differently:
 * memory descriptions (a struct, then a handle) and the making of primitive
 * descriptions (through an operation description, then directly). */
#ifndef SLUICE_ONEDNN_API_H
#define SLUICE_ONEDNN_API_H

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>

#include "device_onednn.h"

struct onednn {
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr; /* scratchpads are the caller's */
    dnnl_stream_t *stream;      /* (threads) */
    int threads;
};

/* The tensors of a layer, as the library sees them. */
struct layer_desc {
    dnnl_memory_desc_t x, y, weight, dweight, bias;
};

enum layer_direction {
    LAYER_FORWARD,
    LAYER_BACKWARD_DATA,
    LAYER_BACKWARD_WEIGHT,
};

/* Where a result has one row or column, any stride gives it; from one beyond the image
 * oneDNN 2.6 gets a wrong gradient of the weight in bf16. */
static inline int least_stride(const struct onednn_shape *s, int size, int out)
{
    return out > 1 ? s->stride : size + 2 * s->pad - s->kernel + 1;
}

#if DNNL_VERSION_MAJOR >= 3

typedef const_dnnl_memory_desc_t desc_ref;

static inline desc_ref ref_of(const dnnl_memory_desc_t *d)
{
    return *d;
}

static inline dnnl_status_t desc_init(dnnl_memory_desc_t *d, int rank,
                                      const dnnl_dim_t *dims, dnnl_data_type_t type,
                                      dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(d, rank, dims, type, tag);
}

static inline void desc_free(dnnl_memory_desc_t d)
{
    dnnl_memory_desc_destroy(d);
}

/* `from` in place of what *d is. */
static inline dnnl_status_t desc_copy(dnnl_memory_desc_t *d, desc_ref from)
{
    desc_free(*d);
    *d = NULL;
    return dnnl_memory_desc_clone(d, from);
}

/* The part of `from` that has these sizes and begins at `at`; the data's address stays
 * the whole's. */
static inline dnnl_status_t desc_part(dnnl_memory_desc_t *d, desc_ref from,
                                      const dnnl_dim_t *dims, const dnnl_dim_t *at)
{
    return dnnl_memory_desc_create_submemory(d, from, dims, at);
}

static inline dnnl_status_t
layer_primitive_desc(dnnl_primitive_desc_t *pd, const struct onednn *dnn,
                     enum layer_direction direction, const struct onednn_shape *s,
                     const struct layer_desc *d, const_dnnl_primitive_desc_t hint)
{
    const dnnl_dims_t pad = { s->pad, s->pad };
    const dnnl_dims_t stride = { least_stride(s, s->h, s->oh),
                                 least_stride(s, s->w, s->ow) };
    const dnnl_dims_t dilate = { 0, 0 };
    const_dnnl_memory_desc_t bias = s->bias ? d->bias : NULL;
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    switch (direction) {
    case LAYER_FORWARD:
        return s->inner
                   ? dnnl_inner_product_forward_primitive_desc_create(
                         pd, dnn->engine, dnnl_forward_training, d->x, d->weight, bias,
                         d->y, dnn->attr)
                   : dnnl_convolution_forward_primitive_desc_create(
                         pd, dnn->engine, dnnl_forward_training, direct, d->x,
                         d->weight, bias, d->y, stride, dilate, pad, pad, dnn->attr);
    case LAYER_BACKWARD_DATA:
        return s->inner ? dnnl_inner_product_backward_data_primitive_desc_create(
                              pd, dnn->engine, d->x, d->weight, d->y, hint, dnn->attr)
                        : dnnl_convolution_backward_data_primitive_desc_create(
                              pd, dnn->engine, direct, d->x, d->weight, d->y, stride,
                              dilate, pad, pad, hint, dnn->attr);
    case LAYER_BACKWARD_WEIGHT:
        return s->inner
                   ? dnnl_inner_product_backward_weights_primitive_desc_create(
                         pd, dnn->engine, d->x, d->dweight, NULL, d->y, hint, dnn->attr)
                   : dnnl_convolution_backward_weights_primitive_desc_create(
                         pd, dnn->engine, direct, d->x, d->dweight, NULL, d->y, stride,
                         dilate, pad, pad, hint, dnn->attr);
    }
    return dnnl_invalid_arguments;
}

#else

typedef const dnnl_memory_desc_t *desc_ref;

static inline desc_ref ref_of(const dnnl_memory_desc_t *d)
{
    return d;
}

static inline dnnl_status_t desc_init(dnnl_memory_desc_t *d, int rank,
                                      const dnnl_dim_t *dims, dnnl_data_type_t type,
                                      dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(d, rank, dims, type, tag);
}

static inline void desc_free(dnnl_memory_desc_t d)
{
    (void)d;
}

/* `from` in place of what *d is. */
static inline dnnl_status_t desc_copy(dnnl_memory_desc_t *d, desc_ref from)
{
    *d = *from;
    return dnnl_success;
}

/* The part of `from` that has these sizes and begins at `at`; the data's address stays
 * the whole's. */
static inline dnnl_status_t desc_part(dnnl_memory_desc_t *d, desc_ref from,
                                      const dnnl_dim_t *dims, const dnnl_dim_t *at)
{
    return dnnl_memory_desc_init_submemory(d, from, dims, at);
}

static inline dnnl_status_t inner_desc(dnnl_inner_product_desc_t *op,
                                       enum layer_direction direction,
                                       const struct onednn_shape *s,
                                       const struct layer_desc *d)
{
    switch (direction) {
    case LAYER_FORWARD:
        return dnnl_inner_product_forward_desc_init(op, dnnl_forward_training, &d->x,
                                                    &d->weight,
                                                    s->bias ? &d->bias : NULL, &d->y);
    case LAYER_BACKWARD_DATA:
        return dnnl_inner_product_backward_data_desc_init(op, &d->x, &d->weight, &d->y);
    case LAYER_BACKWARD_WEIGHT:
        return dnnl_inner_product_backward_weights_desc_init(op, &d->x, &d->dweight,
                                                             NULL, &d->y);
    }
    return dnnl_invalid_arguments;
}

static inline dnnl_status_t conv_desc(dnnl_convolution_desc_t *op,
                                      enum layer_direction direction,
                                      const struct onednn_shape *s,
                                      const struct layer_desc *d)
{
    const dnnl_dims_t pad = { s->pad, s->pad };
    const dnnl_dims_t stride = { least_stride(s, s->h, s->oh),
                                 least_stride(s, s->w, s->ow) };
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    switch (direction) {
    case LAYER_FORWARD:
        return dnnl_convolution_forward_desc_init(
            op, dnnl_forward_training, direct, &d->x, &d->weight,
            s->bias ? &d->bias : NULL, &d->y, stride, pad, pad);
    case LAYER_BACKWARD_DATA:
        return dnnl_convolution_backward_data_desc_init(op, direct, &d->x, &d->weight,
                                                        &d->y, stride, pad, pad);
    case LAYER_BACKWARD_WEIGHT:
        return dnnl_convolution_backward_weights_desc_init(
            op, direct, &d->x, &d->dweight, NULL, &d->y, stride, pad, pad);
    }
    return dnnl_invalid_arguments;
}

static inline dnnl_status_t
layer_primitive_desc(dnnl_primitive_desc_t *pd, const struct onednn *dnn,
                     enum layer_direction direction, const struct onednn_shape *s,
                     const struct layer_desc *d, const_dnnl_primitive_desc_t hint)
{
    dnnl_inner_product_desc_t inner;
    dnnl_convolution_desc_t conv;
    const dnnl_status_t status = s->inner ? inner_desc(&inner, direction, s, d)
                                          : conv_desc(&conv, direction, s, d);
    if (status != dnnl_success)
        return status;
    return dnnl_primitive_desc_create(
        pd, s->inner ? (const_dnnl_op_desc_t)&inner : (const_dnnl_op_desc_t)&conv,
        dnn->attr, dnn->engine, hint);
}

#endif
#endif

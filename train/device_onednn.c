/* device_onednn.c -- convolutions and inner products through oneDNN. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onednn_api.h"

/* Return SLUICE_EDEVICE, saying which call the library refused and its word for it. */
#define DNNL_TRY(err, call)                                                            \
    do {                                                                               \
        const dnnl_status_t status_ = (call);                                          \
        if (status_ != dnnl_success)                                                   \
            return sluice_fail(err, SLUICE_EDEVICE, "oneDNN: %s: %s", #call,           \
                               status_text(status_));                                  \
    } while (0)

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

/* One direction of a layer: the primitive, and how the parameters get in or out. */
struct direction {
    dnnl_primitive_t primitive; /* NULL: not made yet */
    dnnl_primitive_t reorder;   /* parameter to packed, or packed to gradient */
    dnnl_memory_t x, y, packed, bias;
    dnnl_memory_t plain; /* the parameter, or its gradient, as it lies */
    bool fresh;          /* packed is the parameter's present value */
};

struct onednn_layer {
    struct onednn *dnn;
    struct onednn_shape shape;
    struct direction on[3];
    dnnl_primitive_desc_t forward_desc; /* the hint that backward wants */
};

static const char *status_text(dnnl_status_t status)
{
    switch (status) {
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "unimplemented";
    case dnnl_runtime_error:
        return "runtime error";
    default:
        return "error";
    }
}

bool onednn_multiply(bool transpose_a, bool transpose_b, int m, int n, int k,
                     float alpha, const float *a, const float *b, float beta, float *c)
{
    return dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha,
                      a, transpose_a ? m : k, b, transpose_b ? k : n, beta, c,
                      n) == dnnl_success;
}

const char *onednn_version(char text[32])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, 32, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

/* Each instruction set's number has the bits of those that it contains. */
bool onednn_has_bf16(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) ==
           dnnl_cpu_isa_avx512_core_bf16;
}

static int open_parts(struct onednn *dnn, struct sluice_error *err)
{
    DNNL_TRY(err, dnnl_engine_create(&dnn->engine, dnnl_cpu, 0));
    DNNL_TRY(err,
             dnnl_stream_create(&dnn->stream, dnn->engine, dnnl_stream_default_flags));
    return 0;
}

int onednn_open(struct onednn **out, struct sluice_error *err)
{
    *out = NULL;
    struct onednn *dnn = calloc(1, sizeof *dnn);
    if (!dnn)
        return sluice_fail(err, SLUICE_ENOMEM, "oneDNN: no memory");
    const int rc = open_parts(dnn, err);
    if (rc < 0) {
        onednn_close(dnn);
        return rc;
    }
    *out = dnn;
    return 0;
}

void onednn_close(struct onednn *dnn)
{
    if (!dnn)
        return;
    if (dnn->stream)
        dnnl_stream_destroy(dnn->stream);
    if (dnn->engine)
        dnnl_engine_destroy(dnn->engine);
    free(dnn);
}

static dnnl_data_type_t dnnl_type(enum sluice_dtype dtype)
{
    return dtype == SLUICE_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* The weight may choose its order; activations lie as they lie. Its gradient is float
 * in any precision. */
static int describe(const struct onednn_shape *s, struct layer_desc *d,
                    struct sluice_error *err)
{
    const int kh = s->inner ? s->h : s->kernel, kw = s->inner ? s->w : s->kernel;
    const dnnl_dims_t x = { s->n, s->c, s->h, s->w }, y = { s->n, s->k, s->oh, s->ow };
    const dnnl_dims_t weight = { s->k, s->c, kh, kw }, bias = { s->k };
    const dnnl_data_type_t type = dnnl_type(s->dtype);
    memset(d, 0, sizeof *d);
    DNNL_TRY(err, desc_init(&d->x, 4, x, type, dnnl_nhwc));
    DNNL_TRY(err, s->inner ? desc_init(&d->y, 2, y, type, dnnl_ab)
                           : desc_init(&d->y, 4, y, type, dnnl_nhwc));
    DNNL_TRY(err, desc_init(&d->weight, 4, weight, type, dnnl_format_tag_any));
    DNNL_TRY(err, desc_init(&d->dweight, 4, weight, dnnl_f32, dnnl_format_tag_any));
    DNNL_TRY(err, desc_init(&d->bias, 1, bias, dnnl_f32, dnnl_a));
    return 0;
}

static void undescribe(const struct layer_desc *d)
{
    desc_free(d->x);
    desc_free(d->y);
    desc_free(d->weight);
    desc_free(d->dweight);
    desc_free(d->bias);
}

/* A reorder between the parameter's order (oihw, float) and the packed one. */
static int make_reorder(struct onednn_layer *layer, struct direction *on,
                        desc_ref packed, bool pack, struct sluice_error *err)
{
    const struct onednn_shape *s = &layer->shape;
    const int kh = s->inner ? s->h : s->kernel, kw = s->inner ? s->w : s->kernel;
    const dnnl_dims_t dims = { s->k, s->c, kh, kw };
    dnnl_engine_t engine = layer->dnn->engine;
    dnnl_memory_desc_t plain;
    dnnl_primitive_desc_t pd = NULL;
    DNNL_TRY(err, desc_init(&plain, 4, dims, dnnl_f32, dnnl_oihw));
    dnnl_status_t status =
        dnnl_memory_create(&on->plain, ref_of(&plain), engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status = pack ? dnnl_reorder_primitive_desc_create(&pd, ref_of(&plain), engine,
                                                           packed, engine, NULL)
                      : dnnl_reorder_primitive_desc_create(
                            &pd, packed, engine, ref_of(&plain), engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&on->reorder, pd);
    desc_free(plain);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    DNNL_TRY(err, status);
    return 0;
}

static int make_memories(struct onednn_layer *layer, struct direction *on,
                         const struct layer_desc *d, desc_ref packed,
                         struct sluice_error *err)
{
    dnnl_engine_t engine = layer->dnn->engine;
    DNNL_TRY(err, dnnl_memory_create(&on->x, ref_of(&d->x), engine, DNNL_MEMORY_NONE));
    DNNL_TRY(err, dnnl_memory_create(&on->y, ref_of(&d->y), engine, DNNL_MEMORY_NONE));
    DNNL_TRY(err,
             dnnl_memory_create(&on->packed, packed, engine, DNNL_MEMORY_ALLOCATE));
    if (layer->shape.bias)
        DNNL_TRY(err, dnnl_memory_create(&on->bias, ref_of(&d->bias), engine,
                                         DNNL_MEMORY_NONE));
    return 0;
}

static int make_direction(struct onednn_layer *layer, enum layer_direction which,
                          const struct layer_desc *d, struct sluice_error *err)
{
    struct direction *on = &layer->on[which];
    dnnl_primitive_desc_t pd = NULL;
    DNNL_TRY(err, layer_primitive_desc(&pd, layer->dnn->engine, which, &layer->shape, d,
                                       layer->forward_desc));
    const desc_ref packed = dnnl_primitive_desc_query_md(
        pd,
        which == LAYER_BACKWARD_WEIGHT ? dnnl_query_diff_weights_md
                                       : dnnl_query_weights_md,
        0);
    int rc = make_memories(layer, on, d, packed, err);
    if (rc == 0)
        rc = make_reorder(layer, on, packed, which != LAYER_BACKWARD_WEIGHT, err);
    const dnnl_status_t status =
        rc == 0 ? dnnl_primitive_create(&on->primitive, pd) : dnnl_success;
    if (which == LAYER_FORWARD)
        layer->forward_desc = pd;
    else
        dnnl_primitive_desc_destroy(pd);
    if (rc < 0)
        return rc;
    DNNL_TRY(err, status);
    return 0;
}

static int need(struct onednn_layer *layer, enum layer_direction which,
                struct sluice_error *err)
{
    struct layer_desc d;
    if (layer->on[which].primitive)
        return 0;
    int rc = describe(&layer->shape, &d, err);
    if (rc == 0)
        rc = make_direction(layer, which, &d, err);
    undescribe(&d);
    return rc;
}

int onednn_layer_create(struct onednn_layer **out, struct onednn *dnn,
                        const struct onednn_shape *shape, struct sluice_error *err)
{
    *out = NULL;
    struct onednn_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return sluice_fail(err, SLUICE_ENOMEM, "oneDNN: no memory");
    layer->dnn = dnn;
    layer->shape = *shape;
    const int rc = need(layer, LAYER_FORWARD, err);
    if (rc < 0) {
        onednn_layer_free(layer);
        return rc;
    }
    *out = layer;
    return 0;
}

void onednn_layer_free(struct onednn_layer *layer)
{
    if (!layer)
        return;
    for (int i = 0; i < 3; i++) {
        const struct direction *on = &layer->on[i];
        const dnnl_memory_t memories[] = { on->x, on->y, on->packed, on->bias,
                                           on->plain };
        for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
            if (memories[k])
                dnnl_memory_destroy(memories[k]);
        if (on->reorder)
            dnnl_primitive_destroy(on->reorder);
        if (on->primitive)
            dnnl_primitive_destroy(on->primitive);
    }
    if (layer->forward_desc)
        dnnl_primitive_desc_destroy(layer->forward_desc);
    free(layer);
}

void onednn_layer_stale(struct onednn_layer *layer)
{
    layer->on[LAYER_FORWARD].fresh = false;
    layer->on[LAYER_BACKWARD_DATA].fresh = false;
}

int onednn_layer_prepare(struct onednn_layer *layer, bool data, bool weight,
                         struct sluice_error *err)
{
    int rc = data ? need(layer, LAYER_BACKWARD_DATA, err) : 0;
    return rc == 0 && weight ? need(layer, LAYER_BACKWARD_WEIGHT, err) : rc;
}

/* The library's handles are not const, though it only reads through these. */
static dnnl_status_t point(dnnl_memory_t memory, const void *at)
{
    return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)at);
}

static int reorder(struct onednn_layer *layer, const struct direction *on,
                   const float *plain, bool pack, struct sluice_error *err)
{
    const dnnl_exec_arg_t args[2] = {
        { DNNL_ARG_FROM, pack ? on->plain : on->packed },
        { DNNL_ARG_TO, pack ? on->packed : on->plain },
    };
    DNNL_TRY(err, point(on->plain, plain));
    DNNL_TRY(err, dnnl_primitive_execute(on->reorder, layer->dnn->stream, 2, args));
    return 0;
}

static int renew(struct onednn_layer *layer, struct direction *on, const float *weight,
                 struct sluice_error *err)
{
    if (on->fresh)
        return 0;
    const int rc = reorder(layer, on, weight, true, err);
    on->fresh = rc == 0;
    return rc;
}

static int run(struct onednn_layer *layer, const struct direction *on, const void *x,
               const void *y, const dnnl_exec_arg_t *args, int count,
               struct sluice_error *err)
{
    DNNL_TRY(err, point(on->x, x));
    DNNL_TRY(err, point(on->y, y));
    DNNL_TRY(err,
             dnnl_primitive_execute(on->primitive, layer->dnn->stream, count, args));
    DNNL_TRY(err, dnnl_stream_wait(layer->dnn->stream));
    return 0;
}

int onednn_layer_forward(struct onednn_layer *layer, const void *x, const float *weight,
                         const float *bias, void *y, struct sluice_error *err)
{
    struct direction *on = &layer->on[LAYER_FORWARD];
    const dnnl_exec_arg_t args[4] = {
        { DNNL_ARG_SRC, on->x },
        { DNNL_ARG_WEIGHTS, on->packed },
        { DNNL_ARG_DST, on->y },
        { DNNL_ARG_BIAS, on->bias },
    };
    const int rc = renew(layer, on, weight, err);
    if (rc < 0)
        return rc;
    if (layer->shape.bias)
        DNNL_TRY(err, point(on->bias, bias));
    return run(layer, on, x, y, args, layer->shape.bias ? 4 : 3, err);
}

int onednn_layer_backward_data(struct onednn_layer *layer, const void *dy,
                               const float *weight, void *dx, struct sluice_error *err)
{
    struct direction *on = &layer->on[LAYER_BACKWARD_DATA];
    int rc = need(layer, LAYER_BACKWARD_DATA, err);
    if (rc == 0)
        rc = renew(layer, on, weight, err);
    if (rc < 0)
        return rc;
    const dnnl_exec_arg_t args[3] = {
        { DNNL_ARG_DIFF_SRC, on->x },
        { DNNL_ARG_WEIGHTS, on->packed },
        { DNNL_ARG_DIFF_DST, on->y },
    };
    return run(layer, on, dx, dy, args, 3, err);
}

int onednn_layer_backward_weight(struct onednn_layer *layer, const void *x,
                                 const void *dy, float *dweight,
                                 struct sluice_error *err)
{
    struct direction *on = &layer->on[LAYER_BACKWARD_WEIGHT];
    int rc = need(layer, LAYER_BACKWARD_WEIGHT, err);
    if (rc < 0)
        return rc;
    const dnnl_exec_arg_t args[3] = {
        { DNNL_ARG_SRC, on->x },
        { DNNL_ARG_DIFF_WEIGHTS, on->packed },
        { DNNL_ARG_DIFF_DST, on->y },
    };
    rc = run(layer, on, x, dy, args, 3, err);
    return rc < 0 ? rc : reorder(layer, on, dweight, false, err);
}

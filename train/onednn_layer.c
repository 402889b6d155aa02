/* onednn_layer.c -- convolutions and inner products through oneDNN, a slice of the
 * batch in each call. The device's threads share the slices: see onednn_stay_in_thread.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "device_cpu.h"
#include "onednn_parts.h"
#include "workers.h"

enum {
    DIRECTIONS = 3,
    SLICES_PER_THREAD = 4,
    SUMS_MOST = 32, /* slices of a weight's gradient: each has sums of its own */
    ALIGN = 64,
};

/* What a call works on. */
struct hand {
    dnnl_memory_t x, y, packed, bias, scratch;
};

/* The same call for one number of images. */
struct call {
    int images;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    struct hand *hand; /* (hands): one for each thread that may be at it */
    int hands;
};

struct direction {
    struct call call[2]; /* of all slices but the last, if that one differs; of it */
    int slices;          /* 0: nothing is made yet */
    dnnl_primitive_t reorder; /* parameter to packed, or packed to gradient */
    dnnl_memory_t packed;     /* a weight's gradient: of the first slice */
    dnnl_memory_t plain;      /* the parameter, or its gradient, as it lies */
    size_t packed_size;
    bool fresh; /* packed is the parameter's present value */
};

struct onednn_layer {
    struct device *dev;
    struct onednn *dnn;
    struct onednn_shape shape;
    struct direction on[DIRECTIONS];
};

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

static desc_ref packed_desc(enum layer_direction which, const struct call *call)
{
    return dnnl_primitive_desc_query_md(call->desc,
                                        which == LAYER_BACKWARD_WEIGHT
                                            ? dnnl_query_diff_weights_md
                                            : dnnl_query_weights_md,
                                        0);
}

static desc_ref scratch_desc(const struct call *call)
{
    return dnnl_primitive_desc_query_md(call->desc, dnnl_query_scratchpad_md, 0);
}

/* call->desc. Backward asks for forward's as a hint; the weight lies as in `like`,
 * unless that is NULL. */
static int make_desc(const struct onednn_layer *layer, enum layer_direction which,
                     struct call *call, const struct call *like, struct layer_desc *d,
                     struct sluice_error *err)
{
    const struct onednn *dnn = layer->dnn;
    struct onednn_shape shape = layer->shape;
    dnnl_primitive_desc_t hint = NULL;
    shape.n = call->images;
    const int rc = describe(&shape, d, err);
    if (rc < 0)
        return rc;
    dnnl_status_t status = dnnl_success;
    if (which != LAYER_FORWARD)
        status = layer_primitive_desc(&hint, dnn, LAYER_FORWARD, &shape, d, NULL);
    if (status == dnnl_success && like)
        status = desc_copy(which == LAYER_BACKWARD_WEIGHT ? &d->dweight : &d->weight,
                           packed_desc(which, like));
    if (status == dnnl_success)
        status = layer_primitive_desc(&call->desc, dnn, which, &shape, d, hint);
    if (hint)
        dnnl_primitive_desc_destroy(hint);
    DNNL_TRY(err, status);
    return 0;
}

static int make_hand(const struct onednn_layer *layer, enum layer_direction which,
                     const struct call *call, const struct layer_desc *d,
                     struct hand *hand, struct sluice_error *err)
{
    dnnl_engine_t engine = layer->dnn->engine;
    DNNL_TRY(err,
             dnnl_memory_create(&hand->x, ref_of(&d->x), engine, DNNL_MEMORY_NONE));
    DNNL_TRY(err,
             dnnl_memory_create(&hand->y, ref_of(&d->y), engine, DNNL_MEMORY_NONE));
    DNNL_TRY(err, dnnl_memory_create(&hand->packed, packed_desc(which, call), engine,
                                     DNNL_MEMORY_NONE));
    DNNL_TRY(err, dnnl_memory_create(&hand->scratch, scratch_desc(call), engine,
                                     DNNL_MEMORY_NONE));
    if (layer->shape.bias)
        DNNL_TRY(err, dnnl_memory_create(&hand->bias, ref_of(&d->bias), engine,
                                         DNNL_MEMORY_NONE));
    return 0;
}

static int make_call(const struct onednn_layer *layer, enum layer_direction which,
                     struct call *call, const struct call *like,
                     struct sluice_error *err)
{
    struct layer_desc d;
    int rc = make_desc(layer, which, call, like, &d, err);
    call->hand = calloc((size_t)call->hands, sizeof *call->hand);
    if (!call->hand && rc == 0)
        rc = sluice_fail(err, SLUICE_ENOMEM, "oneDNN: no memory");
    for (int i = 0; i < call->hands && rc == 0; i++)
        rc = make_hand(layer, which, call, &d, &call->hand[i], err);
    undescribe(&d);
    if (rc == 0)
        DNNL_TRY(err, dnnl_primitive_create(&call->primitive, call->desc));
    return rc;
}

/* A reorder between the parameter's order (oihw, float) and the packed one. */
static int make_reorder(struct onednn_layer *layer, enum layer_direction which,
                        struct sluice_error *err)
{
    const struct onednn_shape *s = &layer->shape;
    const int kh = s->inner ? s->h : s->kernel, kw = s->inner ? s->w : s->kernel;
    const dnnl_dims_t dims = { s->k, s->c, kh, kw };
    struct direction *on = &layer->on[which];
    const bool pack = which != LAYER_BACKWARD_WEIGHT;
    const desc_ref packed = packed_desc(which, &on->call[0]);
    dnnl_engine_t engine = layer->dnn->engine;
    dnnl_memory_desc_t plain;
    dnnl_primitive_desc_t pd = NULL;
    DNNL_TRY(err, dnnl_memory_create(&on->packed, packed, engine,
                                     pack ? DNNL_MEMORY_ALLOCATE : DNNL_MEMORY_NONE));
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

/* Into how many slices: as a thread that is held up should hold up little, or, where
 * each slice has sums of its own, one for each thread. */
static int count_slices(const struct onednn_layer *layer, enum layer_direction which)
{
    const struct onednn_shape *s = &layer->shape;
    const int threads = layer->dev->threads;
    const double area = s->inner ? (double)s->h * s->w : (double)s->kernel * s->kernel;
    const double worth =
        area * s->c * s->k * s->oh * s->ow * s->n / cpu_of(layer->dev)->slice_least;
    int slices = which != LAYER_BACKWARD_WEIGHT ? threads * SLICES_PER_THREAD
                 : threads < SUMS_MOST          ? threads
                                                : SUMS_MOST;
    if (threads == 1)
        slices = 1;
    if (slices > worth)
        slices = worth < 1 ? 1 : (int)worth;
    return slices < s->n ? slices : s->n;
}

static int reserve(struct onednn_layer *layer, enum layer_direction which,
                   struct sluice_error *err)
{
    struct direction *on = &layer->on[which];
    size_t scratch = 0;
    for (int i = 0; i < 2; i++)
        if (on->call[i].desc) {
            const size_t size = dnnl_memory_desc_get_size(scratch_desc(&on->call[i]));
            scratch = size > scratch ? size : scratch;
        }
    on->packed_size = dnnl_memory_desc_get_size(packed_desc(which, &on->call[0]));
    on->packed_size = (on->packed_size + ALIGN - 1) / ALIGN * ALIGN;
    return cpu_reserve(
        layer->dev, scratch,
        which == LAYER_BACKWARD_WEIGHT ? on->packed_size * (size_t)on->slices : 0, err);
}

static void drop_hand(const struct hand *hand)
{
    const dnnl_memory_t memories[] = { hand->x, hand->y, hand->packed, hand->bias,
                                       hand->scratch };
    for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
        if (memories[k])
            dnnl_memory_destroy(memories[k]);
}

static void drop(struct direction *on)
{
    for (int i = 0; i < 2; i++) {
        const struct call *call = &on->call[i];
        for (int k = 0; call->hand && k < call->hands; k++)
            drop_hand(&call->hand[k]);
        free(call->hand);
        if (call->primitive)
            dnnl_primitive_destroy(call->primitive);
        if (call->desc)
            dnnl_primitive_desc_destroy(call->desc);
    }
    if (on->reorder)
        dnnl_primitive_destroy(on->reorder);
    if (on->packed)
        dnnl_memory_destroy(on->packed);
    if (on->plain)
        dnnl_memory_destroy(on->plain);
    *on = (struct direction){ .slices = 0 };
}

/* Make a direction, unless it has been made. */
static int need(struct onednn_layer *layer, enum layer_direction which,
                struct sluice_error *err)
{
    struct direction *on = &layer->on[which];
    struct call *all = &on->call[0], *last = &on->call[1];
    if (on->slices)
        return 0;
    onednn_stay_in_thread();
    const int n = layer->shape.n, slices = count_slices(layer, which);
    all->images = (n + slices - 1) / slices;
    all->hands = layer->dev->threads;
    on->slices = (n + all->images - 1) / all->images;
    last->images = n - all->images * (on->slices - 1);
    last->hands = 1;
    int rc = make_call(layer, which, all, NULL, err);
    if (rc == 0 && last->images != all->images)
        rc = make_call(layer, which, last, all, err);
    if (rc == 0)
        rc = make_reorder(layer, which, err);
    if (rc == 0)
        rc = reserve(layer, which, err);
    if (rc < 0)
        drop(on);
    return rc;
}

int onednn_layer_create(struct onednn_layer **out, struct device *dev,
                        const struct onednn_shape *shape, struct sluice_error *err)
{
    *out = NULL;
    struct onednn_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return sluice_fail(err, SLUICE_ENOMEM, "oneDNN: no memory");
    layer->dev = dev;
    layer->dnn = cpu_of(dev)->onednn;
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
    for (int i = 0; layer && i < DIRECTIONS; i++)
        drop(&layer->on[i]);
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
    onednn_stay_in_thread();
    DNNL_TRY(err, point(on->plain, plain));
    DNNL_TRY(err, dnnl_primitive_execute(on->reorder, layer->dnn->stream[0], 2, args));
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

/* A direction over the whole batch. */
struct job {
    const struct onednn_layer *layer;
    enum layer_direction which;
    const char *x, *y;
    const float *bias;
    char *packed; /* of a weight's gradient: of each slice */
    atomic_int status;
};

/* Slice `slice` is `hand`'s work from now on. */
static dnnl_status_t aim(const struct job *job, size_t slice, const struct hand *hand)
{
    const struct onednn_shape *s = &job->layer->shape;
    const struct direction *on = &job->layer->on[job->which];
    const size_t first = slice * (size_t)on->call[0].images;
    const size_t one = sluice_dtype_size(s->dtype);
    const size_t x = (size_t)s->h * (size_t)s->w * (size_t)s->c * one;
    const size_t y = (size_t)s->oh * (size_t)s->ow * (size_t)s->k * one;
    void *packed = job->packed + slice * on->packed_size;
    dnnl_status_t status = dnnl_success;
    if (job->which != LAYER_BACKWARD_WEIGHT)
        status = dnnl_memory_get_data_handle(on->packed, &packed);
    if (status == dnnl_success)
        status = point(hand->packed, packed);
    if (status == dnnl_success)
        status = point(hand->x, job->x + first * x);
    if (status == dnnl_success)
        status = point(hand->y, job->y + first * y);
    if (status == dnnl_success)
        status = point(hand->scratch, cpu_scratch(job->layer->dev, workers_self()));
    if (status == dnnl_success && job->bias)
        status = point(hand->bias, job->bias);
    return status;
}

static dnnl_status_t execute(const struct job *job, const struct call *call,
                             const struct hand *hand)
{
    const bool forward = job->which == LAYER_FORWARD;
    const dnnl_exec_arg_t args[] = {
        { job->which == LAYER_BACKWARD_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
          hand->x },
        { forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, hand->y },
        { job->which == LAYER_BACKWARD_WEIGHT ? DNNL_ARG_DIFF_WEIGHTS
                                              : DNNL_ARG_WEIGHTS,
          hand->packed },
        { DNNL_ARG_SCRATCHPAD, hand->scratch },
        { DNNL_ARG_BIAS, hand->bias },
    };
    dnnl_stream_t stream = job->layer->dnn->stream[workers_self()];
    const dnnl_status_t status =
        dnnl_primitive_execute(call->primitive, stream, job->bias ? 5 : 4, args);
    return status == dnnl_success ? dnnl_stream_wait(stream) : status;
}

static void run_slice(void *arg, size_t slice)
{
    struct job *job = arg;
    const struct direction *on = &job->layer->on[job->which];
    const bool rest = on->call[1].primitive && (int)slice == on->slices - 1;
    const struct call *call = &on->call[rest];
    const struct hand *hand = &call->hand[rest ? 0 : workers_self()];
    onednn_stay_in_thread();
    dnnl_status_t status = aim(job, slice, hand);
    if (status == dnnl_success)
        status = execute(job, call, hand);
    if (status != dnnl_success)
        job->status = status;
}

static int run(struct job *job, struct sluice_error *err)
{
    const struct direction *on = &job->layer->on[job->which];
    job->status = dnnl_success;
    workers_run(job->layer->dev->workers, (size_t)on->slices, run_slice, job);
    DNNL_TRY(err, (dnnl_status_t)job->status);
    return 0;
}

int onednn_layer_forward(struct onednn_layer *layer, const void *x, const float *weight,
                         const float *bias, void *y, struct sluice_error *err)
{
    struct job job = { .layer = layer,
                       .which = LAYER_FORWARD,
                       .x = x,
                       .y = y,
                       .bias = layer->shape.bias ? bias : NULL };
    const int rc = renew(layer, &layer->on[LAYER_FORWARD], weight, err);
    return rc < 0 ? rc : run(&job, err);
}

int onednn_layer_backward_data(struct onednn_layer *layer, const void *dy,
                               const float *weight, void *dx, struct sluice_error *err)
{
    struct job job = { .layer = layer, .which = LAYER_BACKWARD_DATA, .x = dx, .y = dy };
    int rc = need(layer, LAYER_BACKWARD_DATA, err);
    if (rc == 0)
        rc = renew(layer, &layer->on[LAYER_BACKWARD_DATA], weight, err);
    return rc < 0 ? rc : run(&job, err);
}

struct sums {
    float *first;
    size_t apart; /* of each slice's sums */
    int slices;
};

static void add_slices(void *arg, size_t begin, size_t end)
{
    const struct sums *s = arg;
    for (int k = 1; k < s->slices; k++)
        for (size_t i = begin; i < end; i++)
            s->first[i] += s->first[(size_t)k * s->apart + i];
}

int onednn_layer_backward_weight(struct onednn_layer *layer, const void *x,
                                 const void *dy, float *dweight,
                                 struct sluice_error *err)
{
    const struct direction *on = &layer->on[LAYER_BACKWARD_WEIGHT];
    struct job job = {
        .layer = layer, .which = LAYER_BACKWARD_WEIGHT, .x = x, .y = dy
    };
    int rc = need(layer, LAYER_BACKWARD_WEIGHT, err);
    if (rc < 0)
        return rc;
    float *all = cpu_of(layer->dev)->sums;
    job.packed = (char *)all;
    rc = run(&job, err);
    if (rc < 0)
        return rc;
    struct sums sums = { all, on->packed_size / sizeof *all, on->slices };
    if (on->slices > 1)
        threads_for(layer->dev, sums.apart, (size_t)on->slices, add_slices, &sums);
    DNNL_TRY(err, point(on->packed, all));
    return reorder(layer, on, dweight, false, err);
}

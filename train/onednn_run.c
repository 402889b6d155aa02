/* onednn_run.c -- the calls of a layer, and what has to be reordered for them. The
 * device's threads share the slices: see onednn_stay_in_thread. */
#include <stdatomic.h>

#include "device_cpu.h"
#include "onednn_parts.h"
#include "workers.h"

/* The library's handles are not const, though it only reads through these. */
static dnnl_status_t point(dnnl_memory_t memory, const void *at)
{
    return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)at);
}

struct reorder {
    const struct onednn_layer *layer;
    const struct direction *on;
    const void *plain, *packed;
    bool pack;
    atomic_int status;
};

static void reorder_strip(void *arg, size_t i)
{
    struct reorder *r = arg;
    const struct strip *strip = &r->on->strip[i];
    const dnnl_exec_arg_t args[2] = {
        { DNNL_ARG_FROM, r->pack ? strip->plain : strip->packed },
        { DNNL_ARG_TO, r->pack ? strip->packed : strip->plain },
    };
    onednn_stay_in_thread();
    dnnl_status_t status = point(strip->plain, r->plain);
    if (status == dnnl_success)
        status = point(strip->packed, r->packed);
    if (status == dnnl_success)
        status = dnnl_primitive_execute(strip->reorder,
                                        r->layer->dnn->stream[workers_self()], 2, args);
    if (status != dnnl_success)
        r->status = status;
}

static int reorder(const struct onednn_layer *layer, const struct direction *on,
                   const void *plain, const void *packed, bool pack,
                   struct sluice_error *err)
{
    struct reorder r = {
        .layer = layer, .on = on, .plain = plain, .packed = packed, .pack = pack
    };
    workers_run(layer->dev->workers, (size_t)on->strips, reorder_strip, &r);
    DNNL_TRY(err, (dnnl_status_t)r.status);
    return 0;
}

static int renew(struct onednn_layer *layer, struct direction *on, const float *weight,
                 struct sluice_error *err)
{
    void *packed;
    if (on->fresh)
        return 0;
    DNNL_TRY(err, dnnl_memory_get_data_handle(on->packed, &packed));
    const int rc = reorder(layer, on, weight, packed, true, err);
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

/* Slice `slice` is the work of `o` from now on. */
static dnnl_status_t aim(const struct job *job, size_t slice, const struct operands *o)
{
    const struct onednn_shape *s = &job->layer->shape;
    const struct direction *on = &job->layer->on[job->which];
    const size_t first = slice * (size_t)on->call[0].images;
    const size_t one = sluice_dtype_size(s->dtype);
    const size_t x = (size_t)s->h * (size_t)s->w * (size_t)s->c * one;
    const size_t y = (size_t)s->oh * (size_t)s->ow * (size_t)s->k * one;
    void *packed = NULL;
    dnnl_status_t status = dnnl_success;
    if (job->which == LAYER_BACKWARD_WEIGHT)
        packed = job->packed + slice * on->packed_size;
    else
        status = dnnl_memory_get_data_handle(on->packed, &packed);
    if (status == dnnl_success)
        status = point(o->packed, packed);
    if (status == dnnl_success)
        status = point(o->x, job->x + first * x);
    if (status == dnnl_success)
        status = point(o->y, job->y + first * y);
    if (status == dnnl_success)
        status = point(o->scratch, cpu_scratch(job->layer->dev, workers_self()));
    if (status == dnnl_success && job->bias)
        status = point(o->bias, job->bias);
    return status;
}

static dnnl_status_t execute(const struct job *job, const struct call *call,
                             const struct operands *o)
{
    const bool forward = job->which == LAYER_FORWARD;
    const dnnl_exec_arg_t args[] = {
        { job->which == LAYER_BACKWARD_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, o->x },
        { forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, o->y },
        { job->which == LAYER_BACKWARD_WEIGHT ? DNNL_ARG_DIFF_WEIGHTS
                                              : DNNL_ARG_WEIGHTS,
          o->packed },
        { DNNL_ARG_SCRATCHPAD, o->scratch },
        { DNNL_ARG_BIAS, o->bias },
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
    const struct operands *o = &call->operands[rest ? 0 : workers_self()];
    onednn_stay_in_thread();
    dnnl_status_t status = aim(job, slice, o);
    if (status == dnnl_success)
        status = execute(job, call, o);
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
    int rc = onednn_layer_need(layer, LAYER_BACKWARD_DATA, err);
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

/* Does a row (or column) of taps meet padding alone, for every result? */
static bool is_idle(int in, int out, const struct onednn_shape *s, int tap)
{
    for (int o = 0, at = tap - s->pad; o < out; o++, at += s->stride)
        if (at >= 0 && at < in)
            return false;
    return true;
}

/* Taps that meet no pixel have a gradient of 0. Of some shapes oneDNN 2.6 does not
 * write it in bf16, and what lay in memory before would stay. */
static void clear_idle(const struct onednn_shape *s, float *dweight)
{
    const size_t taps = (size_t)s->kernel * (size_t)s->kernel;
    const size_t filters = (size_t)s->k * (size_t)s->c;
    for (int y = 0; y < s->kernel; y++)
        for (int x = 0; x < s->kernel; x++) {
            float *tap = dweight + (size_t)y * (size_t)s->kernel + (size_t)x;
            if (is_idle(s->h, s->oh, s, y) || is_idle(s->w, s->ow, s, x))
                for (size_t i = 0; i < filters; i++)
                    tap[i * taps] = 0;
        }
}

int onednn_layer_backward_weight(struct onednn_layer *layer, const void *x,
                                 const void *dy, float *dweight,
                                 struct sluice_error *err)
{
    const struct direction *on = &layer->on[LAYER_BACKWARD_WEIGHT];
    struct job job = {
        .layer = layer, .which = LAYER_BACKWARD_WEIGHT, .x = x, .y = dy
    };
    int rc = onednn_layer_need(layer, LAYER_BACKWARD_WEIGHT, err);
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
    rc = reorder(layer, on, dweight, all, false, err);
    if (rc == 0 && !layer->shape.inner)
        clear_idle(&layer->shape, dweight);
    return rc;
}

/* onednn_layer.c -- the primitives of a layer that oneDNN computes: how the batch is
 * cut into slices, one for each call, and all that the calls need. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device_cpu.h"
#include "onednn_parts.h"

enum {
    SLICES_PER_THREAD = 4,
    SLICE_PIXELS = 64,   /* at least, or the weight would be read again for little */
    SUMS_MOST = 32,      /* slices of a weight's gradient: each has sums of its own */
    STRIP_CHANNELS = 64, /* a multiple of what packed orders group */
    STRIP_BYTES = 1 << 18,
    ALIGN = 64,
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

static int make_operands(const struct onednn_layer *layer, enum layer_direction which,
                         const struct call *call, const struct layer_desc *d,
                         struct operands *o, struct sluice_error *err)
{
    dnnl_engine_t engine = layer->dnn->engine;
    DNNL_TRY(err, dnnl_memory_create(&o->x, ref_of(&d->x), engine, DNNL_MEMORY_NONE));
    DNNL_TRY(err, dnnl_memory_create(&o->y, ref_of(&d->y), engine, DNNL_MEMORY_NONE));
    DNNL_TRY(err, dnnl_memory_create(&o->packed, packed_desc(which, call), engine,
                                     DNNL_MEMORY_NONE));
    DNNL_TRY(err, dnnl_memory_create(&o->scratch, scratch_desc(call), engine,
                                     DNNL_MEMORY_NONE));
    if (layer->shape.bias)
        DNNL_TRY(err, dnnl_memory_create(&o->bias, ref_of(&d->bias), engine,
                                         DNNL_MEMORY_NONE));
    return 0;
}

static int make_call(const struct onednn_layer *layer, enum layer_direction which,
                     struct call *call, const struct call *like,
                     struct sluice_error *err)
{
    struct layer_desc d;
    int rc = make_desc(layer, which, call, like, &d, err);
    call->operands = calloc((size_t)call->sets, sizeof *call->operands);
    if (!call->operands && rc == 0)
        rc = sluice_fail(err, SLUICE_ENOMEM, "oneDNN: no memory");
    for (int i = 0; i < call->sets && rc == 0; i++)
        rc = make_operands(layer, which, call, &d, &call->operands[i], err);
    undescribe(&d);
    if (rc == 0)
        DNNL_TRY(err, dnnl_primitive_create(&call->primitive, call->desc));
    return rc;
}

/* Output channels [at[0], at[0] + dims[0]) of weights. Of all of them it is what `from`
 * is: oneDNN 2.2 takes no parts where channels are padded. */
static dnnl_status_t part_of(dnnl_memory_desc_t *d, desc_ref from,
                             const dnnl_dims_t dims, const dnnl_dims_t at, int channels)
{
    return dims[0] == channels ? desc_copy(d, from) : desc_part(d, from, dims, at);
}

/* The reorder of output channels [from, from + count), where oneDNN has one for these
 * channels alone. */
static dnnl_status_t make_strip(const struct onednn_layer *layer,
                                enum layer_direction which, desc_ref packed, int from,
                                int count, struct strip *strip)
{
    const struct onednn_shape *s = &layer->shape;
    const int kh = s->inner ? s->h : s->kernel, kw = s->inner ? s->w : s->kernel;
    const dnnl_dims_t all = { s->k, s->c, kh, kw }, dims = { count, s->c, kh, kw },
                      at = { from };
    const bool pack = which != LAYER_BACKWARD_WEIGHT;
    dnnl_engine_t engine = layer->dnn->engine;
    dnnl_memory_desc_t whole = { 0 }, plain = { 0 }, part = { 0 };
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = desc_init(&whole, 4, all, dnnl_f32, dnnl_oihw);
    if (status == dnnl_success)
        status = part_of(&plain, ref_of(&whole), dims, at, s->k);
    if (status == dnnl_success)
        status = part_of(&part, packed, dims, at, s->k);
    const desc_ref from_to[2] = { pack ? ref_of(&plain) : ref_of(&part),
                                  pack ? ref_of(&part) : ref_of(&plain) };
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&pd, from_to[0], engine, from_to[1],
                                                    engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&strip->reorder, pd);
    if (status == dnnl_success)
        status =
            dnnl_memory_create(&strip->plain, ref_of(&plain), engine, DNNL_MEMORY_NONE);
    if (status == dnnl_success)
        status =
            dnnl_memory_create(&strip->packed, ref_of(&part), engine, DNNL_MEMORY_NONE);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    desc_free(whole);
    desc_free(plain);
    desc_free(part);
    return status;
}

static void drop_strips(struct direction *on)
{
    for (int i = 0; i < STRIPS_MOST; i++) {
        const struct strip *strip = &on->strip[i];
        if (strip->reorder)
            dnnl_primitive_destroy(strip->reorder);
        if (strip->plain)
            dnnl_memory_destroy(strip->plain);
        if (strip->packed)
            dnnl_memory_destroy(strip->packed);
        on->strip[i] = (struct strip){ .reorder = NULL };
    }
}

static dnnl_status_t make_strips(const struct onednn_layer *layer,
                                 enum layer_direction which, struct direction *on,
                                 int strips)
{
    const desc_ref packed = packed_desc(which, &on->call[0]);
    const int k = layer->shape.k, groups = k / STRIP_CHANNELS;
    dnnl_status_t status = dnnl_success;
    on->strips = strips;
    for (int i = 0; i < strips && status == dnnl_success; i++) {
        const int from = groups * i / strips * STRIP_CHANNELS;
        const int to = i == strips - 1 ? k : groups * (i + 1) / strips * STRIP_CHANNELS;
        status = make_strip(layer, which, packed, from, to - from, &on->strip[i]);
    }
    if (status != dnnl_success)
        drop_strips(on);
    return status;
}

static int make_reorder(struct onednn_layer *layer, enum layer_direction which,
                        struct sluice_error *err)
{
    struct direction *on = &layer->on[which];
    const desc_ref packed = packed_desc(which, &on->call[0]);
    int strips = layer->dev->threads < STRIPS_MOST ? layer->dev->threads : STRIPS_MOST;
    on->packed_size = dnnl_memory_desc_get_size(packed);
    if (strips > layer->shape.k / STRIP_CHANNELS)
        strips = layer->shape.k / STRIP_CHANNELS;
    if (which != LAYER_BACKWARD_WEIGHT)
        DNNL_TRY(err, dnnl_memory_create(&on->packed, packed, layer->dnn->engine,
                                         DNNL_MEMORY_ALLOCATE));
    if (strips > 1 && on->packed_size >= STRIP_BYTES &&
        make_strips(layer, which, on, strips) == dnnl_success)
        return 0;
    DNNL_TRY(err, make_strips(layer, which, on, 1));
    return 0;
}

/* Into how many slices: several for each thread, as one that is held up should hold up
 * little; or one for each, where slices have sums of their own. */
static int count_slices(const struct onednn_layer *layer, enum layer_direction which)
{
    const struct onednn_shape *s = &layer->shape;
    const int threads = layer->dev->threads;
    const bool sums = which == LAYER_BACKWARD_WEIGHT;
    const double area = s->inner ? (double)s->h * s->w : (double)s->kernel * s->kernel;
    const double pixels = (double)s->oh * s->ow * s->n;
    const double worth = area * s->c * s->k * pixels / cpu_of(layer->dev)->slice_least;
    double slices = threads == 1 ? 1 : sums ? threads : threads * SLICES_PER_THREAD;
    slices = fmin(slices, sums ? SUMS_MOST : s->n);
    slices = fmin(slices, fmax(pixels / SLICE_PIXELS, sums ? 1 : threads));
    return (int)fmax(1, fmin(s->n, fmin(slices, worth)));
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
    on->packed_size = (on->packed_size + ALIGN - 1) / ALIGN * ALIGN;
    return cpu_reserve(
        layer->dev, scratch,
        which == LAYER_BACKWARD_WEIGHT ? on->packed_size * (size_t)on->slices : 0, err);
}

static void drop_operands(const struct operands *o)
{
    const dnnl_memory_t memories[] = { o->x, o->y, o->packed, o->bias, o->scratch };
    for (size_t k = 0; k < sizeof memories / sizeof *memories; k++)
        if (memories[k])
            dnnl_memory_destroy(memories[k]);
}

static void drop(struct direction *on)
{
    for (int i = 0; i < 2; i++) {
        const struct call *call = &on->call[i];
        for (int k = 0; call->operands && k < call->sets; k++)
            drop_operands(&call->operands[k]);
        free(call->operands);
        if (call->primitive)
            dnnl_primitive_destroy(call->primitive);
        if (call->desc)
            dnnl_primitive_desc_destroy(call->desc);
    }
    drop_strips(on);
    if (on->packed)
        dnnl_memory_destroy(on->packed);
    *on = (struct direction){ .slices = 0 };
}

int onednn_layer_need(struct onednn_layer *layer, enum layer_direction which,
                      struct sluice_error *err)
{
    struct direction *on = &layer->on[which];
    struct call *all = &on->call[0], *last = &on->call[1];
    if (on->slices)
        return 0;
    onednn_stay_in_thread();
    const int n = layer->shape.n, slices = count_slices(layer, which);
    all->images = (n + slices - 1) / slices;
    all->sets = layer->dev->threads;
    on->slices = (n + all->images - 1) / all->images;
    last->images = n - all->images * (on->slices - 1);
    last->sets = 1;
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
    const int rc = onednn_layer_need(layer, LAYER_FORWARD, err);
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
    int rc = data ? onednn_layer_need(layer, LAYER_BACKWARD_DATA, err) : 0;
    return rc == 0 && weight ? onednn_layer_need(layer, LAYER_BACKWARD_WEIGHT, err)
                             : rc;
}

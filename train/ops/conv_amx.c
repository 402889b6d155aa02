/* conv_amx.c -- plans of the tiled convolutions: which source pixel a tap meets, how
 * much of a map is worked on at a time, and the weights in the tiles' order. */
#include <limits.h>
#include <stdlib.h>

#include "backends.h"
#include "conv_amx.h"

enum {
    CHANNELS_LEAST = 16, /* with fewer, most of a block would be zeros */
    IMAGES_LEAST = 16,
    RING_MOST = 1200 << 10,    /* bytes: a ring and a slab live in 2 MB of level 2 */
    PIXELS_MOST = 64,          /* of a slab */
    STRETCH_LEAST = 8,         /* pixels: see cut_into_stretches */
    STRETCH_VALUES = 24 << 10, /* source and result; 32 stretches are packed at once */
    GATHER_IMAGES = 16,
    WEIGH_IMAGES = 32,
    RIGHT = 1024, /* bf16 elements of a right operand, see amx.h */
    SLOTS = 8,
};

/* First and one past the last source row that dest rows y0 ... y1 - 1 need. */
static void source_rows(const struct walk *w, int y0, int y1, int *first, int *end)
{
    *first = w->sh;
    *end = 0;
    for (int i = y0 * w->kernel; i < y1 * w->kernel; i++) {
        if (w->row[i] < 0)
            continue;
        *first = w->row[i] < *first ? w->row[i] : *first;
        *end = w->row[i] + 1 > *end ? w->row[i] + 1 : *end;
    }
}

bool slab_next(const struct walk *w, struct slab *s, int end)
{
    if (s->y1 == s->stop) {
        if (++s->unit >= end)
            return false;
        const int part = s->unit % w->parts;
        s->group = s->unit / w->parts;
        const int steps = w->dh / w->step;
        s->y1 = steps * part / w->parts * w->step;
        s->stop = steps * (part + 1) / w->parts * w->step;
        s->packed = 0;
    }
    s->y0 = s->y1;
    s->y1 = s->y0 + w->slab < s->stop ? s->y0 + w->slab : s->stop;
    source_rows(w, s->y0, s->y1, &s->first, &s->last);
    s->first = s->first > s->packed ? s->first : s->packed;
    s->packed = s->packed > s->last ? s->packed : s->last;
    return true;
}

/* Source index of tap k at index i of the result: forward i * stride - pad + k;
 * backward its inverse, where there is one. */
static int meets(const struct onednn_shape *s, bool forward, int i, int k, int size)
{
    int at = forward ? i * s->stride - s->pad + k : i + s->pad - k;
    if (at < 0 || (!forward && at % s->stride))
        return -1;
    if (!forward)
        at /= s->stride;
    return at < size ? at : -1;
}

static int rows_spanned(const struct walk *w)
{
    int most = 1;
    for (int y = 0; y < w->dh; y++) { /* a slab of a part may begin anywhere */
        int first, end;
        source_rows(w, y, y + w->slab < w->dh ? y + w->slab : w->dh, &first, &end);
        most = end - first > most ? end - first : most;
    }
    return most;
}

/* The tallest slab whose source and sums stay in the cache. */
static void choose_slab(struct walk *w)
{
    w->slab = PIXELS_MOST / w->dw / w->step * w->step;
    if (w->slab > w->dh)
        w->slab = w->dh;
    if (w->slab < w->step)
        w->slab = w->step;
    w->ring = rows_spanned(w);
    while (w->slab > w->step &&
           (size_t)w->ring * walk_row_elements(w) * sizeof(uint16_t) > RING_MOST) {
        w->slab -= w->step;
        w->ring = rows_spanned(w);
    }
}

static struct walk walk_of(const struct onednn_shape *s, bool forward, int images)
{
    struct walk w = {
        .n = s->n, .images = images, .kernel = s->kernel, .taps = s->kernel * s->kernel
    };
    w.step = 1;
    w.sh = forward ? s->h : s->oh;
    w.sw = forward ? s->w : s->ow;
    w.sc = forward ? s->c : s->k;
    w.dh = forward ? s->oh : s->h;
    w.dw = forward ? s->ow : s->w;
    w.dc = forward ? s->k : s->c;
    w.source_blocks = (w.sc + AMX_BLOCK - 1) / AMX_BLOCK;
    w.dest_blocks = (w.dc + AMX_BLOCK - 1) / AMX_BLOCK;
    w.groups = (w.n + images - 1) / images;
    w.parts = 1;
    return w;
}

/* Sums of a weight's gradient are walked through once for each slab. Where a map is so
 * small that this costs more than its products, the maps of several groups stand below
 * each other and make one. */
static void stack_maps(struct walk *w, const struct device *dev)
{
    const size_t pixel = AMX_BLOCK * (size_t)w->images * sizeof(uint16_t);
    const size_t map = ((size_t)w->sh * (size_t)w->sw * (size_t)w->source_blocks +
                        (size_t)w->dh * (size_t)w->dw * (size_t)w->dest_blocks) *
                       pixel;
    while (w->stack * 2 * w->dh * w->dw <= PIXELS_MOST &&
           2 * (size_t)w->stack * map <= RING_MOST &&
           w->groups >= 4 * w->stack * dev->threads)
        w->stack *= 2;
    w->groups = (w->groups + w->stack - 1) / w->stack;
}

static int walk_create(struct walk *out, const struct device *dev,
                       const struct onednn_shape *s, bool forward, int images,
                       const struct windows *pools, const struct windows *unpools,
                       struct sluice_error *err)
{
    struct walk w = walk_of(s, forward, images);
    w.pools = pools;
    w.unpools = unpools;
    w.step = pools ? 2 : 1;
    w.stack = 1;
    if (images == WEIGH_IMAGES)
        stack_maps(&w, dev);
    const int sh = w.sh, dh = w.dh;
    w.sh *= w.stack;
    w.dh *= w.stack;
    w.row = calloc((size_t)w.dh * (size_t)w.kernel, sizeof *w.row);
    w.col = calloc((size_t)w.dw * (size_t)w.kernel, sizeof *w.col);
    *out = w;
    if (!w.row || !w.col)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution's plan");
    for (int i = 0; i < w.dh * w.kernel; i++) {
        const int y = i / w.kernel, map = y / dh;
        const int at = meets(s, forward, y % dh, i % w.kernel, sh);
        w.row[i] = (int16_t)(at < 0 ? -1 : at + map * sh);
    }
    for (int i = 0; i < w.dw * w.kernel; i++)
        w.col[i] = (int16_t)meets(s, forward, i / w.kernel, i % w.kernel, w.sw);
    choose_slab(&w);
    /* Few images: split their rows, so that each thread has two units. */
    while (w.groups * w.parts < 2 * dev->threads && w.parts < w.dh / w.step)
        w.parts++;
    *out = w;
    return 0;
}

static void walk_free(struct walk *w)
{
    free(w->row);
    free(w->col);
}

bool conv_amx_fits(const struct onednn_shape *s)
{
    if (s->dtype != SLUICE_BF16 || s->c < CHANNELS_LEAST || s->k < CHANNELS_LEAST ||
        s->n < IMAGES_LEAST || s->h > INT16_MAX || s->w > INT16_MAX ||
        s->kernel > AMX_KERNEL_MOST)
        return false;
    const struct walk w = walk_of(s, true, WEIGH_IMAGES);
    const struct walk back = walk_of(s, false, GATHER_IMAGES);
    const size_t rows = (size_t)s->kernel * sizeof(uint16_t);
    return rows * walk_row_elements(&w) <= 2 * RING_MOST &&
           rows * walk_row_elements(&back) <= 2 * RING_MOST && amx_usable();
}

/* Memory for weights in blocks. */
static uint16_t *blocks_create(const struct walk *w)
{
    return aligned_alloc(64, (size_t)w->dest_blocks * (size_t)walk_pairs(w) * RIGHT *
                                 sizeof(uint16_t));
}

static int reserve(const struct conv_amx *conv, struct device *dev,
                   struct sluice_error *err)
{
    const size_t sizes[3] = { gather_scratch(&conv->forward),
                              gather_scratch(&conv->backward),
                              weigh_scratch(&conv->weigh) };
    size_t most = 0;
    for (int i = 0; i < 3; i++)
        most = sizes[i] > most ? sizes[i] : most;
    return cpu_reserve(
        dev, most, (size_t)conv->slots * weigh_sums(&conv->weigh) * sizeof(float), err);
}

/* The pool's windows; of the convolution's map only what they cover is computed. */
static int windows_create(struct conv_amx *conv, struct sluice_error *err)
{
    struct onednn_shape *s = &conv->shape;
    struct windows *p = &conv->windows;
    p->h = s->oh / 2;
    p->w = s->ow / 2;
    p->blocks = (s->k + AMX_BLOCK - 1) / AMX_BLOCK;
    s->oh = 2 * p->h;
    s->ow = 2 * p->w;
    const size_t groups = ((size_t)s->n + GATHER_IMAGES - 1) / GATHER_IMAGES;
    p->places = calloc(groups * (size_t)p->h * (size_t)p->w * (size_t)p->blocks,
                       2 * GATHER_IMAGES * sizeof *p->places);
    return p->places ? 0
                     : sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
}

static int walks_create(struct conv_amx *conv, const struct device *dev,
                        const struct windows *p, struct sluice_error *err)
{
    const struct onednn_shape *s = &conv->shape;
    int rc = walk_create(&conv->forward, dev, s, true, GATHER_IMAGES, p, NULL, err);
    if (rc == 0)
        rc = walk_create(&conv->backward, dev, s, false, GATHER_IMAGES, NULL, p, err);
    if (rc == 0)
        rc = walk_create(&conv->weigh, dev, s, true, WEIGH_IMAGES, NULL, p, err);
    return rc;
}

/* A filter of one pixel sees no map: its pixels may as well be cut into images of few
 * pixels, whose groups then lie in one piece of memory instead of sixteen. */
static void cut_into_stretches(struct onednn_shape *s)
{
    const size_t pixels = (size_t)s->n * (size_t)s->h * (size_t)s->w;
    int width = STRETCH_VALUES / (s->c + s->k);
    if (s->kernel > 1 || s->stride > 1 || s->pad || width < STRETCH_LEAST)
        return;
    width = width < PIXELS_MOST ? width : PIXELS_MOST;
    while (pixels % (size_t)width)
        width--;
    if (width < STRETCH_LEAST || width >= s->h * s->w ||
        pixels / (size_t)width > INT_MAX)
        return;
    s->n = (int)(pixels / (size_t)width);
    s->h = s->oh = 1;
    s->w = s->ow = width;
}

static bool moments_create(struct conv_amx *conv)
{
    const struct walk *w = &conv->forward;
    conv->moments = aligned_alloc(64, (size_t)walk_units(w) * (size_t)w->dest_blocks *
                                          sizeof *conv->moments);
    return conv->moments != NULL;
}

int conv_amx_create(struct conv_amx **out, struct device *dev,
                    const struct onednn_shape *shape, bool pooled, bool measures,
                    struct sluice_error *err)
{
    *out = NULL;
    struct conv_amx *conv = calloc(1, sizeof *conv);
    if (!conv)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    conv->shape = *shape;
    if (!pooled)
        cut_into_stretches(&conv->shape);
    int rc = pooled ? windows_create(conv, err) : 0;
    if (rc == 0)
        rc = walks_create(conv, dev, pooled ? &conv->windows : NULL, err);
    if (rc == 0) {
        const int units = walk_units(&conv->weigh);
        const int wanted = dev->threads > SLOTS ? dev->threads : SLOTS;
        conv->slots = units < wanted ? units : wanted;
        conv->forward_weight = blocks_create(&conv->forward);
        conv->backward_weight = blocks_create(&conv->backward);
        const bool moments = !measures || moments_create(conv);
        rc = conv->forward_weight && conv->backward_weight && moments
                 ? reserve(conv, dev, err)
                 : sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    }
    if (rc < 0) {
        conv_amx_free(conv);
        return rc;
    }
    *out = conv;
    return 0;
}

void conv_amx_free(struct conv_amx *conv)
{
    if (!conv)
        return;
    free(conv->windows.places);
    free(conv->moments);
    walk_free(&conv->forward);
    walk_free(&conv->backward);
    walk_free(&conv->weigh);
    free(conv->forward_weight);
    free(conv->backward_weight);
    free(conv);
}

void conv_amx_stale(struct conv_amx *conv)
{
    conv->forward_fresh = false;
    conv->backward_fresh = false;
}

void conv_amx_forward(struct conv_amx *conv, struct device *dev, const void *x,
                      const float *weight, const float *bias, bool measure, void *y)
{
    const size_t taps = (size_t)conv->forward.taps;
    if (!conv->forward_fresh)
        pack_weight(&conv->forward, dev, weight, (size_t)conv->shape.c * taps, taps,
                    conv->forward_weight);
    conv->forward_fresh = true;
    struct moments *moments = measure ? conv->moments : NULL;
    for (int i = 0;
         moments && i < walk_units(&conv->forward) * conv->forward.dest_blocks; i++)
        moments[i].count = 0;
    gather(&conv->forward, dev, x, conv->forward_weight, bias, moments, y);
}

/* Units are added in their order; they all meet the same channels. */
void conv_amx_moments(const struct conv_amx *conv, int c, double *mean, double *square)
{
    const struct walk *w = &conv->forward;
    const struct moments *m = conv->moments + c / AMX_BLOCK;
    const int k = c % AMX_BLOCK;
    const double middle = m->count ? (double)m->first[k] : 0;
    double count = 0, sum = 0, around = 0;
    for (int i = 0; i < walk_units(w); i++, m += w->dest_blocks) {
        if (m->count == 0)
            continue;
        const double n = (double)m->count, s = (double)m->sum[k];
        const double off = (double)m->first[k] - middle;
        count += n;
        sum += s + n * off;
        around += (double)m->square[k] + 2 * off * s + n * off * off;
    }
    *mean = middle + sum / count;
    *square = around - sum * sum / count;
}

void conv_amx_backward_data(struct conv_amx *conv, struct device *dev, const void *dy,
                            const float *weight, void *dx)
{
    const size_t taps = (size_t)conv->forward.taps;
    if (!conv->backward_fresh)
        pack_weight(&conv->backward, dev, weight, taps, (size_t)conv->shape.c * taps,
                    conv->backward_weight);
    conv->backward_fresh = true;
    gather(&conv->backward, dev, dy, conv->backward_weight, NULL, NULL, dx);
}

void conv_amx_backward_weight(struct conv_amx *conv, struct device *dev, const void *x,
                              const void *dy, float *dweight)
{
    weigh(&conv->weigh, dev, conv->slots, x, dy, dweight);
}

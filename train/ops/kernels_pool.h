/* kernels_pool.h -- pooling. Backward gathers: each input pixel asks the windows that
 * cover it, so every element is written once, overlapping windows sum in a fixed order,
 * and pixels of no window get their zero in the same pass. */
#ifndef SLUICE_KERNELS_POOL_H
#define SLUICE_KERNELS_POOL_H

#include "kernels_flat.h"
#include "kernels_tiles.h"

INLINE size_t pool_out(const struct pool *p, int n, int oy, int ox)
{
    return (((size_t)n * (size_t)p->oh + (size_t)oy) * (size_t)p->ow + (size_t)ox) *
           (size_t)p->c;
}

/* Windows [*begin, *end) that cover input row (or column) i, of `count`. */
INLINE void covering(const struct pool *p, int i, int count, int *begin, int *end)
{
    const int first = i + p->pad - p->kernel + p->stride; /* times stride, rounded up */
    const int last = (i + p->pad) / p->stride + 1;
    *begin = first > 0 ? first / p->stride : 0;
    *end = last < count ? last : count;
}

INLINE vi load_index(const uint8_t *index, int n)
{
    vb b = { 0 };
    memcpy(&b, index, (size_t)n);
    return __builtin_convertvector(b, vi);
}

INLINE void maxpool_pixel(const struct pool *p, bool bf16, const void *x, void *y,
                          uint8_t *index, int n, int oy, int ox, int k, int lanes)
{
    int y0, y1, x0, x1;
    pool_window(p, oy, p->h, &y0, &y1);
    pool_window(p, ox, p->w, &x0, &x1);
    const int top = oy * p->stride - p->pad, left = ox * p->stride - p->pad;
    const int first = (y0 - top) * p->kernel + x0 - left;
    const size_t out = pool_out(p, n, oy, ox) + (size_t)k;
    vf best = load_n(x, pool_at(p, n, y0, x0) + (size_t)k, lanes, bf16);
    vi place = (vi){ 0 } + first;
    for (int iy = y0; iy < y1; iy++)
        for (int ix = x0; ix < x1; ix++) {
            const int at = (iy - top) * p->kernel + ix - left;
            if (at == first)
                continue;
            keep_largest(load_n(x, pool_at(p, n, iy, ix) + (size_t)k, lanes, bf16), at,
                         &best, &place);
        }
    store_n(y, out, best, lanes, bf16);
    const vb small = __builtin_convertvector(place, vb);
    memcpy(index + out, &small, (size_t)lanes);
}

INLINE void maxpool_row(const struct pool *p, bool bf16, const void *x, void *y,
                        uint8_t *index, int n, int oy)
{
    for (int ox = 0; ox < p->ow; ox++) {
        int k = 0;
        for (; k + LANES <= p->c; k += LANES)
            maxpool_pixel(p, bf16, x, y, index, n, oy, ox, k, LANES);
        if (k < p->c)
            maxpool_pixel(p, bf16, x, y, index, n, oy, ox, k, p->c - k);
    }
}

static void maxpool_forward(const struct pool *p, enum sluice_dtype t, const void *x,
                            void *y, uint8_t *index, int n, int oy)
{
    if (tiles_fit(p, t == SLUICE_BF16))
        tiles_forward(p, x, y, index, n, oy);
    else if (t == SLUICE_BF16)
        maxpool_row(p, true, x, y, index, n, oy);
    else
        maxpool_row(p, false, x, y, index, n, oy);
}

/* A window that covers an input pixel: its output, and the pixel's place within it. */
struct cover {
    size_t out;
    int place;
};

INLINE void unpool_block(bool bf16, const struct cover *covers, int count,
                         const void *dy, const uint8_t *index, void *dx, size_t at,
                         int k, int lanes)
{
    vf sum = { 0 };
    for (int i = 0; i < count; i++) {
        const size_t out = covers[i].out + (size_t)k;
        sum += where_place(load_index(index + out, lanes), covers[i].place,
                           load_n(dy, out, lanes, bf16));
    }
    store_n(dx, at + (size_t)k, sum, lanes, bf16);
}

INLINE void unpool_pixel(bool bf16, const struct cover *covers, int count, int c,
                         const void *dy, const uint8_t *index, void *dx, size_t at)
{
    int k = 0;
    for (; k + LANES <= c; k += LANES)
        unpool_block(bf16, covers, count, dy, index, dx, at, k, LANES);
    if (k < c)
        unpool_block(bf16, covers, count, dy, index, dx, at, k, c - k);
}

INLINE void unpool_row(const struct pool *p, bool bf16, const void *dy,
                       const uint8_t *index, void *dx, int n, int y)
{
    struct cover covers[POOL_MOST * POOL_MOST];
    int oy0, oy1, ox0, ox1;
    covering(p, y, p->oh, &oy0, &oy1);
    for (int x = 0; x < p->w; x++) {
        int count = 0;
        covering(p, x, p->ow, &ox0, &ox1);
        for (int oy = oy0; oy < oy1; oy++)
            for (int ox = ox0; ox < ox1; ox++)
                covers[count++] = (struct cover){
                    pool_out(p, n, oy, ox),
                    (y + p->pad - oy * p->stride) * p->kernel + x + p->pad -
                        ox * p->stride,
                };
        const size_t at = pool_at(p, n, y, x);
        if (count == 1) /* windows that do not overlap: no loop over them */
            unpool_pixel(bf16, covers, 1, p->c, dy, index, dx, at);
        else
            unpool_pixel(bf16, covers, count, p->c, dy, index, dx, at);
    }
}

static void maxpool_backward(const struct pool *p, enum sluice_dtype t, const void *dy,
                             const uint8_t *index, void *dx, int n, int y)
{
    if (tiles_fit(p, t == SLUICE_BF16))
        tiles_backward(p, dy, index, dx, n, y);
    else if (t == SLUICE_BF16)
        unpool_row(p, true, dy, index, dx, n, y);
    else
        unpool_row(p, false, dy, index, dx, n, y);
}

INLINE void avgpool_row(const struct pool *p, bool bf16, const void *x, void *y, int n,
                        int oy)
{
    const float share = 1.0F / (float)(p->kernel * p->kernel);
    int y0, y1, x0, x1;
    pool_window(p, oy, p->h, &y0, &y1);
    for (int ox = 0; ox < p->ow; ox++) {
        pool_window(p, ox, p->w, &x0, &x1);
        for (int k = 0; k < p->c; k += LANES) {
            const int lanes = lanes_at((size_t)k, (size_t)p->c);
            vf sum = { 0 };
            for (int iy = y0; iy < y1; iy++)
                for (int ix = x0; ix < x1; ix++)
                    sum += load_n(x, pool_at(p, n, iy, ix) + (size_t)k, lanes, bf16);
            store_n(y, pool_out(p, n, oy, ox) + (size_t)k, sum * share, lanes, bf16);
        }
    }
}

static void avgpool_forward(const struct pool *p, enum sluice_dtype t, const void *x,
                            void *y, int n, int oy)
{
    if (t == SLUICE_BF16)
        avgpool_row(p, true, x, y, n, oy);
    else
        avgpool_row(p, false, x, y, n, oy);
}

INLINE void unaverage_row(const struct pool *p, bool bf16, const void *dy, void *dx,
                          int n, int y)
{
    const float share = 1.0F / (float)(p->kernel * p->kernel);
    int oy0, oy1, ox0, ox1;
    covering(p, y, p->oh, &oy0, &oy1);
    for (int x = 0; x < p->w; x++) {
        covering(p, x, p->ow, &ox0, &ox1);
        for (int k = 0; k < p->c; k += LANES) {
            const int lanes = lanes_at((size_t)k, (size_t)p->c);
            vf sum = { 0 };
            for (int oy = oy0; oy < oy1; oy++)
                for (int ox = ox0; ox < ox1; ox++)
                    sum += load_n(dy, pool_out(p, n, oy, ox) + (size_t)k, lanes, bf16);
            store_n(dx, pool_at(p, n, y, x) + (size_t)k, sum * share, lanes, bf16);
        }
    }
}

static void avgpool_backward(const struct pool *p, enum sluice_dtype t, const void *dy,
                             void *dx, int n, int y)
{
    if (t == SLUICE_BF16)
        unaverage_row(p, true, dy, dx, n, y);
    else
        unaverage_row(p, false, dy, dx, n, y);
}

INLINE void globalmax_as(bool bf16, const void *x, int pixels, int c, void *y,
                         int32_t *index)
{
    for (int k = 0; k < c; k += LANES) {
        const int lanes = lanes_at((size_t)k, (size_t)c);
        vf best = load_n(x, (size_t)k, lanes, bf16);
        vi place = { 0 };
        for (int p = 1; p < pixels; p++)
            keep_largest(load_n(x, (size_t)p * (size_t)c + (size_t)k, lanes, bf16), p,
                         &best, &place);
        store_n(y, (size_t)k, best, lanes, bf16);
        memcpy(index + k, &place, sizeof place);
    }
}

static void globalmax_forward(enum sluice_dtype t, const void *x, int pixels, int c,
                              void *y, int32_t *index)
{
    if (t == SLUICE_BF16)
        globalmax_as(true, x, pixels, c, y, index);
    else
        globalmax_as(false, x, pixels, c, y, index);
}

INLINE void unglobalmax_as(bool bf16, const void *dy, const int32_t *index, int pixels,
                           int c, void *dx)
{
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < c; k += LANES) {
            const int lanes = lanes_at((size_t)k, (size_t)c);
            vi place;
            memcpy(&place, index + k, sizeof place);
            store_n(dx, (size_t)p * (size_t)c + (size_t)k,
                    where_place(place, p, load_n(dy, (size_t)k, lanes, bf16)), lanes,
                    bf16);
        }
}

static void globalmax_backward(enum sluice_dtype t, const void *dy,
                               const int32_t *index, int pixels, int c, void *dx)
{
    if (t == SLUICE_BF16)
        unglobalmax_as(true, dy, index, pixels, c, dx);
    else
        unglobalmax_as(false, dy, index, pixels, c, dx);
}

INLINE void globalavg_as(bool bf16, const void *x, int pixels, int c, void *y)
{
    for (int k = 0; k < c; k += LANES) {
        const int lanes = lanes_at((size_t)k, (size_t)c);
        vf sum = { 0 };
        for (int p = 0; p < pixels; p++)
            sum += load_n(x, (size_t)p * (size_t)c + (size_t)k, lanes, bf16);
        store_n(y, (size_t)k, sum * (1.0F / (float)pixels), lanes, bf16);
    }
}

static void globalavg_forward(enum sluice_dtype t, const void *x, int pixels, int c,
                              void *y)
{
    if (t == SLUICE_BF16)
        globalavg_as(true, x, pixels, c, y);
    else
        globalavg_as(false, x, pixels, c, y);
}

INLINE void unglobalavg_as(bool bf16, const void *dy, int pixels, int c, void *dx)
{
    for (int k = 0; k < c; k += LANES) {
        const int lanes = lanes_at((size_t)k, (size_t)c);
        const vf d = load_n(dy, (size_t)k, lanes, bf16) * (1.0F / (float)pixels);
        for (int p = 0; p < pixels; p++)
            store_n(dx, (size_t)p * (size_t)c + (size_t)k, d, lanes, bf16);
    }
}

static void globalavg_backward(enum sluice_dtype t, const void *dy, int pixels, int c,
                               void *dx)
{
    if (t == SLUICE_BF16)
        unglobalavg_as(true, dy, pixels, c, dx);
    else
        unglobalavg_as(false, dy, pixels, c, dx);
}

#endif

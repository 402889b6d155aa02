/* kernels_join.h -- where a residual branch comes back: its factors, the sum with the
 * shortcut and ReLU in one pass. Backward, too, is one pass, in which the gradients of
 * the sum's two consumers are added. */
#ifndef SLUICE_KERNELS_JOIN_H
#define SLUICE_KERNELS_JOIN_H

#include "kernels_norm.h"

enum {
    SLICE = 256,    /* channels whose factors' gradients are summed at once */
    JOIN_BLOCK = 4, /* rows: of four tensors, and the next ones, in level 1 */
};

INLINE vf join_factor(bool bf16, const struct join *j, int k, int n)
{
    const vf scale = splat(j->scale);
    return j->factor ? scale * load_n(j->factor, (size_t)k, n, bf16) : scale;
}

/* Channels k ... k + n - 1 of `rows` rows. */
INLINE void join_forward_block(bool bf16, const struct join *j, const void *straight,
                               const void *x, void *y, size_t first, size_t rows, int k,
                               int n)
{
    const vf f = join_factor(bf16, j, k, n);
    for (size_t i = first; i < first + rows; i++) {
        const size_t at = i * (size_t)j->c + (size_t)k;
        const vf s = load_n(straight, at, n, bf16);
        store_n(y, at, relu(s + f * load_n(x, at, n, bf16)), n, bf16);
    }
}

INLINE void join_forward_as(bool bf16, const struct join *j, const void *straight,
                            const void *x, void *y)
{
    const size_t rows = (size_t)j->pixels;
    for (size_t i = 0; i < rows; i += BLOCK) {
        const size_t m = rows - i < BLOCK ? rows - i : BLOCK;
        int k = 0;
        for (; k + LANES <= j->c; k += LANES)
            join_forward_block(bf16, j, straight, x, y, i, m, k, LANES);
        if (k < j->c)
            join_forward_block(bf16, j, straight, x, y, i, m, k, j->c - k);
    }
}

static void join_forward(const struct join *j, const void *straight, const void *x,
                         void *y)
{
    if (j->dtype == SLUICE_BF16)
        join_forward_as(true, j, straight, x, y);
    else
        join_forward_as(false, j, straight, x, y);
}

/* What reaches the sum: the gradients of y, where y is positive. */
INLINE vf joined_gradient(bool bf16, const struct join_gradient *g, size_t at, int n)
{
    vf dy = load_n(g->dy, at, n, bf16);
    if (g->more)
        dy += load_n(g->more, at, n, bf16);
    return where_positive(load_n(g->y, at, n, bf16), dy);
}

INLINE void join_backward_block(bool bf16, const struct join *j,
                                const struct join_gradient *g, const void *x,
                                size_t first, size_t rows, int k, int n, float *sum)
{
    const vf f = join_factor(bf16, j, k, n);
    vf s = load_n(sum, 0, n, false);
    for (size_t i = first; i < first + rows; i++) {
        const size_t at = i * (size_t)j->c + (size_t)k;
        const vf d = joined_gradient(bf16, g, at, n);
        if (g->straight)
            store_n(g->straight, at, d, n, bf16);
        if (g->x)
            store_n(g->x, at, d * f, n, bf16);
        if (g->factor)
            s += d * load_n(x, at, n, bf16);
    }
    store_n(sum, 0, s, n, false);
}

INLINE void join_backward_slice(bool bf16, const struct join *j,
                                const struct join_gradient *g, const void *x, int from,
                                int to)
{
    float sums[SLICE] = { 0 };
    const size_t rows = (size_t)j->pixels;
    int k;
    for (size_t i = 0; i < rows; i += BLOCK) {
        const size_t m = rows - i < BLOCK ? rows - i : BLOCK;
        for (k = from; k + LANES <= to; k += LANES)
            join_backward_block(bf16, j, g, x, i, m, k, LANES, sums + k - from);
        if (k < to)
            join_backward_block(bf16, j, g, x, i, m, k, to - k, sums + k - from);
    }
    for (k = from; g->factor && k < to; k += LANES) {
        const int n = lanes_at((size_t)k, (size_t)to);
        store_n(g->factor, (size_t)k,
                splat(j->scale) * load_n(sums, (size_t)(k - from), n, false), n, bf16);
    }
}

static void join_backward(const struct join *j, const struct join_gradient *g,
                          const void *x)
{
    for (int k = 0; k < j->c; k += SLICE) {
        const int to = j->c - k < SLICE ? j->c : k + SLICE;
        if (j->dtype == SLUICE_BF16)
            join_backward_slice(true, j, g, x, k, to);
        else
            join_backward_slice(false, j, g, x, k, to);
    }
}

INLINE void relu_gradient_as(bool bf16, const struct join_gradient *g, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(g->straight, i, joined_gradient(bf16, g, i, LANES), bf16);
    if (i < count)
        store_n(g->straight, i, joined_gradient(bf16, g, i, (int)(count - i)),
                (int)(count - i), bf16);
}

static void relu_gradient(enum sluice_dtype t, const struct join_gradient *g,
                          size_t count)
{
    if (t == SLUICE_BF16)
        relu_gradient_as(true, g, count);
    else
        relu_gradient_as(false, g, count);
}

INLINE void norm_join_row(bool bf16, const struct norm *b, const void *x,
                          const void *straight, void *y, size_t at, int k, int n)
{
    const vf z = load_n(x, at, n, bf16) * load(b->scale, (size_t)k, false) +
                 load(b->shift, (size_t)k, false);
    store_far(y, at, relu(z + load_n(straight, at, n, bf16)), n, bf16, b->far);
}

INLINE void norm_join_as(bool bf16, const struct norm *b, const void *x,
                         const void *straight, void *y, size_t rows)
{
    const size_t row_bytes = (size_t)b->c * (bf16 ? 2 : 4);
    for (size_t i = 0; i < rows; i++) {
        const size_t at = i * (size_t)b->c;
        int k = 0;
        if (b->far) {
            fetch((const char *)x + i * row_bytes + AHEAD, row_bytes);
            fetch((const char *)straight + i * row_bytes + AHEAD, row_bytes);
        }
        for (; k + LANES <= b->c; k += LANES)
            norm_join_row(bf16, b, x, straight, y, at + (size_t)k, k, LANES);
        if (k < b->c)
            norm_join_row(bf16, b, x, straight, y, at + (size_t)k, k, b->c - k);
    }
}

static void norm_join_forward(const struct norm *b, const void *x, const void *straight,
                              void *y, size_t rows)
{
    if (b->dtype == SLUICE_BF16)
        norm_join_as(true, b, x, straight, y, rows);
    else
        norm_join_as(false, b, x, straight, y, rows);
}

/* Sums of one vector of channels. */
struct join_sums {
    vf s, q, mean;
};

INLINE struct join_sums join_sums_load(const struct norm *b, const float *sum_dz,
                                       const float *sum_dzx, int k, int n)
{
    return (struct join_sums){ load_n(sum_dz, (size_t)k, n, false),
                               load_n(sum_dzx, (size_t)k, n, false),
                               load(b->mean, (size_t)k, false) };
}

INLINE void join_sums_store(const struct join_sums *a, float *sum_dz, float *sum_dzx,
                            int k, int n)
{
    store_n(sum_dz, (size_t)k, a->s, n, false);
    store_n(sum_dzx, (size_t)k, a->q, n, false);
}

INLINE void join_sums_add(bool bf16, const struct norm *b,
                          const struct join_gradient *g, const void *x, size_t at,
                          int n, struct join_sums *a)
{
    const vf dz = joined_gradient(bf16, g, at, n);
    if (g->straight)
        store_far(g->straight, at, dz, n, bf16, b->far);
    a->s += dz;
    a->q += dz * (load_n(x, at, n, bf16) - a->mean);
}

/* `second` channels behind the first n are LANES, 0 or fewer: both halves of a line
 * are met together. */
INLINE void norm_join_sums_block(bool bf16, const struct norm *b,
                                 const struct join_gradient *g, const void *x,
                                 size_t first, size_t rows, int k, int n, int second,
                                 float *sum_dz, float *sum_dzx)
{
    struct join_sums low = join_sums_load(b, sum_dz, sum_dzx, k, n), high = low;
    if (second)
        high = join_sums_load(b, sum_dz, sum_dzx, k + LANES, second);
    for (size_t i = first; i < first + rows; i++) {
        const size_t at = i * (size_t)b->c + (size_t)k;
        join_sums_add(bf16, b, g, x, at, n, &low);
        if (second)
            join_sums_add(bf16, b, g, x, at + LANES, second, &high);
    }
    join_sums_store(&low, sum_dz, sum_dzx, k, n);
    if (second)
        join_sums_store(&high, sum_dz, sum_dzx, k + LANES, second);
}

INLINE void norm_join_fetch(const struct join_gradient *g, const void *x, size_t at,
                            size_t bytes)
{
    fetch((const char *)x + at, bytes);
    fetch((const char *)g->y + at, bytes);
    fetch((const char *)g->dy + at, bytes);
    if (g->more)
        fetch((const char *)g->more + at, bytes);
}

INLINE void norm_join_sums_as(bool bf16, const struct norm *b,
                              const struct join_gradient *g, const void *x, size_t rows,
                              float *sum_dz, float *sum_dzx)
{
    const size_t row_bytes = (size_t)b->c * (bf16 ? 2 : 4);
    memset(sum_dz, 0, (size_t)b->c * sizeof *sum_dz);
    memset(sum_dzx, 0, (size_t)b->c * sizeof *sum_dzx);
    for (size_t i = 0; i < rows; i += JOIN_BLOCK) {
        const size_t m = rows - i < JOIN_BLOCK ? rows - i : JOIN_BLOCK;
        int k = 0;
        if (b->far)
            norm_join_fetch(g, x, (i + JOIN_BLOCK) * row_bytes, JOIN_BLOCK * row_bytes);
        for (; k + 2 * LANES <= b->c; k += 2 * LANES)
            norm_join_sums_block(bf16, b, g, x, i, m, k, LANES, LANES, sum_dz, sum_dzx);
        const int left = b->c - k;
        if (left > LANES)
            norm_join_sums_block(bf16, b, g, x, i, m, k, LANES, left - LANES, sum_dz,
                                 sum_dzx);
        else if (left)
            norm_join_sums_block(bf16, b, g, x, i, m, k, left, 0, sum_dz, sum_dzx);
    }
}

static void norm_join_sums(const struct norm *b, const struct join_gradient *g,
                           const void *x, size_t rows, float *sum_dz, float *sum_dzx)
{
    if (b->dtype == SLUICE_BF16)
        norm_join_sums_as(true, b, g, x, rows, sum_dz, sum_dzx);
    else
        norm_join_sums_as(false, b, g, x, rows, sum_dz, sum_dzx);
}

INLINE void globalavg_add_as(bool bf16, const void *dy, int pixels, int c, void *dx)
{
    for (size_t p = 0; p < (size_t)pixels; p++)
        for (int k = 0; k < c; k += LANES) {
            const int n = lanes_at((size_t)k, (size_t)c);
            const size_t at = p * (size_t)c + (size_t)k;
            const vf d = load_n(dy, (size_t)k, n, bf16) * (1.0F / (float)pixels);
            store_n(dx, at, load_n(dx, at, n, bf16) + d, n, bf16);
        }
}

static void globalavg_add(enum sluice_dtype t, const void *dy, int pixels, int c,
                          void *dx)
{
    if (t == SLUICE_BF16)
        globalavg_add_as(true, dy, pixels, c, dx);
    else
        globalavg_add_as(false, dy, pixels, c, dx);
}

#endif

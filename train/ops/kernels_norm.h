/* kernels_norm.h -- passes of batch normalisation, its activation fused into each. The
 * channels' sums are kept in memory and visited every BLOCK rows: their loads and
 * stores are few beside the rows', and rows are read in the order in which they lie.
 * The next BLOCK is fetched before this one is added. */
#ifndef SLUICE_KERNELS_NORM_H
#define SLUICE_KERNELS_NORM_H

#include "kernels_flat.h"

enum {
    BLOCK = 8,
};

/* Channels k ... k + n - 1 of `rows` rows. */
INLINE void sums_block(bool bf16, const void *x, const float *shift, size_t rows, int c,
                       int k, int n, float *sum, float *square)
{
    vf s = load_n(sum, (size_t)k, n, false), q = { 0 };
    const vf middle = load_n(shift, (size_t)k, n, false);
    if (square)
        q = load_n(square, (size_t)k, n, false);
    for (size_t i = 0; i < rows; i++) {
        const vf v = load_n(x, i * (size_t)c + (size_t)k, n, bf16) - middle;
        s += v;
        q += v * v;
    }
    store_n(sum, (size_t)k, s, n, false);
    if (square)
        store_n(square, (size_t)k, q, n, false);
}

INLINE void channel_sums_as(bool bf16, const char *x, const float *shift, size_t rows,
                            int c, float *sum, float *square)
{
    const size_t row_bytes = (size_t)c * (bf16 ? 2 : 4);
    memset(sum, 0, (size_t)c * sizeof *sum);
    if (square)
        memset(square, 0, (size_t)c * sizeof *square);
    for (size_t i = 0; i < rows; i += BLOCK) {
        const size_t m = rows - i < BLOCK ? rows - i : BLOCK;
        int k = 0;
        fetch(x + (i + BLOCK) * row_bytes, BLOCK * row_bytes);
        for (; k + LANES <= c; k += LANES)
            sums_block(bf16, x + i * row_bytes, shift, m, c, k, LANES, sum, square);
        if (k < c)
            sums_block(bf16, x + i * row_bytes, shift, m, c, k, c - k, sum, square);
    }
}

static void channel_sums(enum sluice_dtype t, const void *x, const float *shift,
                         size_t rows, int c, float *sum, float *square)
{
    if (t == SLUICE_BF16)
        channel_sums_as(true, x, shift, rows, c, sum, square);
    else
        channel_sums_as(false, x, shift, rows, c, sum, square);
}

INLINE void forward_block(bool bf16, enum activation act, const struct norm *b,
                          const void *x, void *y, size_t row, int k, int n)
{
    const size_t at = row * (size_t)b->c + (size_t)k;
    const vf z = load_n(x, at, n, bf16) * load(b->scale, (size_t)k, false) +
                 load(b->shift, (size_t)k, false);
    store_far(y, at, act_value(bf16, act, z), n, bf16, b->far);
}

INLINE void norm_forward_as(bool bf16, enum activation act, const struct norm *b,
                            const void *x, void *y, size_t rows)
{
    const size_t row_bytes = (size_t)b->c * (bf16 ? 2 : 4);
    for (size_t row = 0; row < rows; row++) {
        int k = 0;
        fetch((const char *)x + row * row_bytes + AHEAD, row_bytes);
        for (; k + LANES <= b->c; k += LANES)
            forward_block(bf16, act, b, x, y, row, k, LANES);
        if (k < b->c)
            forward_block(bf16, act, b, x, y, row, k, b->c - k);
    }
}

INLINE void norm_forward_of(bool bf16, const struct norm *b, const void *x, void *y,
                            size_t rows)
{
    if (b->act == ACT_RELU)
        norm_forward_as(bf16, ACT_RELU, b, x, y, rows);
    else if (b->act == ACT_GELU)
        norm_forward_as(bf16, ACT_GELU, b, x, y, rows);
    else if (b->act == ACT_SILU)
        norm_forward_as(bf16, ACT_SILU, b, x, y, rows);
    else
        norm_forward_as(bf16, ACT_NONE, b, x, y, rows);
}

static void norm_forward(const struct norm *b, const void *x, void *y, size_t rows)
{
    if (b->dtype == SLUICE_BF16)
        norm_forward_of(true, b, x, y, rows);
    else
        norm_forward_of(false, b, x, y, rows);
}

/* dz of one vector; *x receives its input. */
INLINE vf gradient_of_z(bool bf16, enum activation act, const struct norm *b,
                        const void *x, const void *dy, size_t at, int k, int n, vf *in)
{
    *in = load_n(x, at, n, bf16);
    const vf z =
        *in * load(b->scale, (size_t)k, false) + load(b->shift, (size_t)k, false);
    return act_backward(bf16, act, z, load_n(dy, at, n, bf16));
}

INLINE void norm_sums_block(bool bf16, enum activation act, const struct norm *b,
                            const void *x, const void *dy, size_t first, size_t rows,
                            int k, int n, float *sum_dz, float *sum_dzx)
{
    vf s = load_n(sum_dz, (size_t)k, n, false),
       q = load_n(sum_dzx, (size_t)k, n, false);
    const vf mean = load(b->mean, (size_t)k, false);
    for (size_t i = first; i < first + rows; i++) {
        vf v;
        const vf dz =
            gradient_of_z(bf16, act, b, x, dy, i * (size_t)b->c + (size_t)k, k, n, &v);
        s += dz;
        q += dz * (v - mean);
    }
    store_n(sum_dz, (size_t)k, s, n, false);
    store_n(sum_dzx, (size_t)k, q, n, false);
}

INLINE void norm_sums_as(bool bf16, enum activation act, const struct norm *b,
                         const void *x, const void *dy, size_t rows, float *sum_dz,
                         float *sum_dzx)
{
    memset(sum_dz, 0, (size_t)b->c * sizeof *sum_dz);
    memset(sum_dzx, 0, (size_t)b->c * sizeof *sum_dzx);
    const size_t row_bytes = (size_t)b->c * (bf16 ? 2 : 4);
    for (size_t i = 0; i < rows; i += BLOCK) {
        const size_t m = rows - i < BLOCK ? rows - i : BLOCK;
        int k = 0;
        fetch((const char *)x + (i + BLOCK) * row_bytes, BLOCK * row_bytes);
        fetch((const char *)dy + (i + BLOCK) * row_bytes, BLOCK * row_bytes);
        for (; k + LANES <= b->c; k += LANES)
            norm_sums_block(bf16, act, b, x, dy, i, m, k, LANES, sum_dz, sum_dzx);
        if (k < b->c)
            norm_sums_block(bf16, act, b, x, dy, i, m, k, b->c - k, sum_dz, sum_dzx);
    }
}

INLINE void norm_sums_of(bool bf16, const struct norm *b, const void *x, const void *dy,
                         size_t rows, float *sum_dz, float *sum_dzx)
{
    if (b->act == ACT_RELU)
        norm_sums_as(bf16, ACT_RELU, b, x, dy, rows, sum_dz, sum_dzx);
    else if (b->act == ACT_GELU)
        norm_sums_as(bf16, ACT_GELU, b, x, dy, rows, sum_dz, sum_dzx);
    else if (b->act == ACT_SILU)
        norm_sums_as(bf16, ACT_SILU, b, x, dy, rows, sum_dz, sum_dzx);
    else
        norm_sums_as(bf16, ACT_NONE, b, x, dy, rows, sum_dz, sum_dzx);
}

static void norm_sums(const struct norm *b, const void *x, const void *dy, size_t rows,
                      float *sum_dz, float *sum_dzx)
{
    if (b->dtype == SLUICE_BF16)
        norm_sums_of(true, b, x, dy, rows, sum_dz, sum_dzx);
    else
        norm_sums_of(false, b, x, dy, rows, sum_dz, sum_dzx);
}

INLINE void backward_block(bool bf16, enum activation act, const struct norm *b,
                           const void *x, const void *dy, void *dx, size_t row, int k,
                           int n)
{
    const size_t at = row * (size_t)b->c + (size_t)k;
    vf v;
    const vf dz = gradient_of_z(bf16, act, b, x, dy, at, k, n, &v);
    const vf rest =
        v * load(b->slope, (size_t)k, false) + load(b->offset, (size_t)k, false);
    store_far(dx, at, dz * load(b->scale, (size_t)k, false) + rest, n, bf16, b->far);
}

INLINE void norm_backward_as(bool bf16, enum activation act, const struct norm *b,
                             const void *x, const void *dy, void *dx, size_t rows)
{
    const size_t row_bytes = (size_t)b->c * (bf16 ? 2 : 4);
    for (size_t row = 0; row < rows; row++) {
        int k = 0;
        fetch((const char *)x + row * row_bytes + AHEAD, row_bytes);
        fetch((const char *)dy + row * row_bytes + AHEAD, row_bytes);
        for (; k + LANES <= b->c; k += LANES)
            backward_block(bf16, act, b, x, dy, dx, row, k, LANES);
        if (k < b->c)
            backward_block(bf16, act, b, x, dy, dx, row, k, b->c - k);
    }
}

INLINE void norm_backward_of(bool bf16, const struct norm *b, const void *x,
                             const void *dy, void *dx, size_t rows)
{
    if (b->act == ACT_RELU)
        norm_backward_as(bf16, ACT_RELU, b, x, dy, dx, rows);
    else if (b->act == ACT_GELU)
        norm_backward_as(bf16, ACT_GELU, b, x, dy, dx, rows);
    else if (b->act == ACT_SILU)
        norm_backward_as(bf16, ACT_SILU, b, x, dy, dx, rows);
    else
        norm_backward_as(bf16, ACT_NONE, b, x, dy, dx, rows);
}

static void norm_backward(const struct norm *b, const void *x, const void *dy, void *dx,
                          size_t rows)
{
    if (b->dtype == SLUICE_BF16)
        norm_backward_of(true, b, x, dy, dx, rows);
    else
        norm_backward_of(false, b, x, dy, dx, rows);
}

#endif

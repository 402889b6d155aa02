/* products_cross.h -- the product of two tall matrices, for products_body.h: both are
 * copied in panels, a tile's rows of one and a tile's columns of the other, each as it
 * is read. In bf16 two rows lie together, the first in the lower halves of 32 bits. */
#include <stdint.h>

typedef uint32_t vu __attribute__((vector_size(LANES * sizeof(uint32_t))));

/* Columns c to c + width of n rows, one row behind the other: 0 beyond the last. */
INLINE void cross_pack(float *to, const float *from, size_t cols, size_t c, size_t n,
                       const size_t width)
{
    const size_t some = cols - c < width ? cols - c : width;
    for (size_t r = 0; r < n; r++, to += width) {
        if (some == width) {
            memcpy(to, from + r * cols + c, width * sizeof *to);
            continue;
        }
        memset(to, 0, width * sizeof *to);
        memcpy(to, from + r * cols + c, some * sizeof *to);
    }
}

/* The upper half is f rounded to bf16, to even; a NaN may not stay one. */
INLINE uint32_t bf16_above(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u + 0x7fff + (u >> 16 & 1);
}

INLINE void bf16_pairs(uint32_t *to, const float *first, const float *second, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = bf16_above(first[i]) >> 16;
    for (size_t i = 0; i < n && second; i++)
        to[i] |= bf16_above(second[i]) & 0xffff0000;
}

/* Columns c to c + count of n rows in panels of `width` columns, in pairs of rows. */
INLINE void cross_pack_pairs(uint32_t *to, const float *from, size_t cols, size_t c,
                             size_t count, size_t n, const size_t width)
{
    const size_t pairs = (n + 1) / 2, most = CROSS_MOST / width * width;
    for (size_t pair = 0; pair < pairs; pair++) {
        const float *first = from + 2 * pair * cols + c;
        const float *second = 2 * pair + 1 < n ? first + cols : NULL;
        for (size_t i = 0; i < count; i += most) {
            uint32_t some[CROSS_MOST];
            const size_t there = count - i < most ? count - i : most;
            if (there < most)
                memset(some, 0, sizeof some);
            bf16_pairs(some, first + i, second ? second + i : NULL, there);
            for (size_t k = 0; k < there; k += width)
                memcpy(to + (i + k) * pairs + pair * width, some + k,
                       width * sizeof *to);
        }
    }
}

/* m += sum, as far as its `rows` and `cols` are there. */
INLINE void cross_add(float *m, size_t ldm, vf sum[CROSS_ROWS][CROSS_WIDE], size_t rows,
                      size_t cols)
{
    if (rows == CROSS_ROWS && cols == CROSS_COLS) {
        for (int i = 0; i < CROSS_ROWS; i++)
            for (int j = 0; j < CROSS_WIDE; j++) {
                float *at = m + (size_t)i * ldm + (size_t)j * LANES;
                store_f(at, load_f(at) + sum[i][j]);
            }
        return;
    }
    float some[CROSS_ROWS][CROSS_COLS];
    memcpy(some, sum, sizeof some);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            m[i * ldm + j] += some[i][j];
}

INLINE void cross_tile(float *m, size_t ldm, const float *a, const float *b, size_t n,
                       size_t rows, size_t cols)
{
    vf sum[CROSS_ROWS][CROSS_WIDE];
    for (int i = 0; i < CROSS_ROWS; i++)
        for (int j = 0; j < CROSS_WIDE; j++)
            sum[i][j] = splat(0);
    for (size_t r = 0; r < n; r++, a += CROSS_ROWS, b += CROSS_COLS) {
        vf in[CROSS_WIDE];
        for (int j = 0; j < CROSS_WIDE; j++)
            in[j] = load_f(b + j * LANES);
        for (int i = 0; i < CROSS_ROWS; i++)
            for (int j = 0; j < CROSS_WIDE; j++)
                sum[i][j] += splat(a[i]) * in[j];
    }
    cross_add(m, ldm, sum, rows, cols);
}

/* sum + both products of pairs */
INLINE vf pair_sum(vf sum, vu a, vu b)
{
#if defined(__AVX512BF16__)
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
    sum += (vf)(a << 16) * (vf)(b << 16);
    return sum + (vf)(a & 0xffff0000) * (vf)(b & 0xffff0000);
#endif
}

INLINE void cross_tile_bf16(float *m, size_t ldm, const uint32_t *a, const uint32_t *b,
                            size_t pairs, size_t rows, size_t cols)
{
    vf sum[CROSS_ROWS][CROSS_WIDE];
    for (int i = 0; i < CROSS_ROWS; i++)
        for (int j = 0; j < CROSS_WIDE; j++)
            sum[i][j] = splat(0);
    for (size_t r = 0; r < pairs; r++, a += CROSS_ROWS, b += CROSS_COLS) {
        vu in[CROSS_WIDE];
        for (int j = 0; j < CROSS_WIDE; j++)
            memcpy(&in[j], b + j * LANES, sizeof in[j]);
        for (int i = 0; i < CROSS_ROWS; i++)
            for (int j = 0; j < CROSS_WIDE; j++)
                sum[i][j] = pair_sum(sum[i][j], (vu){ 0 } + a[i], in[j]);
    }
    cross_add(m, ldm, sum, rows, cols);
}

static void cross(float *m, size_t rows, size_t cols, const float *a, const float *b,
                  size_t n, float *room)
{
    const size_t high = (rows + CROSS_ROWS - 1) / CROSS_ROWS * CROSS_ROWS;
    float *tall = room, *wide = room + high * n;
    for (size_t i = 0; i < rows; i += CROSS_ROWS)
        cross_pack(tall + i * n, a, rows, i, n, CROSS_ROWS);
    for (size_t j = 0; j < cols; j += CROSS_COLS) {
        const size_t width = cols - j < CROSS_COLS ? cols - j : CROSS_COLS;
        cross_pack(wide, b, cols, j, n, CROSS_COLS);
        for (size_t i = 0; i < rows; i += CROSS_ROWS)
            cross_tile(m + i * cols + j, cols, tall + i * n, wide, n,
                       rows - i < CROSS_ROWS ? rows - i : CROSS_ROWS, width);
    }
}

static void cross_bf16(float *m, size_t rows, size_t cols, const float *a,
                       const float *b, size_t n, float *room)
{
    const size_t high = (rows + CROSS_ROWS - 1) / CROSS_ROWS * CROSS_ROWS;
    const size_t pairs = (n + 1) / 2;
    uint32_t *tall = (uint32_t *)(void *)room, *wide = tall + high * pairs;
    cross_pack_pairs(tall, a, rows, 0, rows, n, CROSS_ROWS);
    for (size_t j = 0; j < cols; j += CROSS_COLS) {
        const size_t width = cols - j < CROSS_COLS ? cols - j : CROSS_COLS;
        cross_pack_pairs(wide, b, cols, j, width, n, CROSS_COLS);
        for (size_t i = 0; i < rows; i += CROSS_ROWS)
            cross_tile_bf16(m + i * cols + j, cols, tall + i * pairs, wide, pairs,
                            rows - i < CROSS_ROWS ? rows - i : CROSS_ROWS, width);
    }
}

/* newton_schulz.c -- see newton_schulz.h. Operands are packed as amx.h wants them:
 *
 *   left    (row tile, depth, AMX_TILE): 16 rows by 32 of the inner dimension
 *   right   (column block, depth, AMX_RIGHT): 32 columns
 *
 * A left operand's tiles, their pairs transposed, are those of the transposed matrix as
 * a right operand. Edges are filled with zeros. */
#include "newton_schulz.h"
#include "../device_cpu.h"
#include "amx.h"
#include "conv_amx.h"

enum {
    PAIRS = 32, /* of the inner dimension in a tile */
};

/* A product's operands and result: c (rows, cols) = scale left right + keep c. */
struct product {
    int rows, cols, depth; /* depth in tiles */
    const uint16_t *left, *right;
    float *c;
    float scale, keep;
};

static int over(int count, int size)
{
    return (count + size - 1) / size;
}

/* Of a packed operand, either side. */
static size_t packed_elements(int rows, int cols)
{
    return (size_t)over(rows, 32) * (size_t)over(cols, PAIRS) * AMX_RIGHT;
}

bool newton_schulz_fits(const struct device *dev)
{
    return dev->kind == DEVICE_CPU && dev->compute == SLUICE_BF16 && amx_usable();
}

size_t newton_schulz_work(int rows, int cols)
{
    const size_t bf16 = 3 * packed_elements(rows, cols); /* and of (rows, rows) */
    return bf16 / 2 + (size_t)rows * (size_t)rows + 16;
}

static __mmask16 lanes(int left)
{
    return left >= 16 ? 0xffff : left > 0 ? (__mmask16)((1U << left) - 1) : 0;
}

struct packing {
    const float *x; /* (rows, cols) */
    int rows, cols;
    const uint16_t *left;
    uint16_t *to;
};

static void left_tiles(void *arg, size_t begin, size_t end)
{
    const struct packing *p = arg;
    const int depth = over(p->cols, PAIRS);
    for (int t = (int)begin; t < (int)end; t++)
        for (int d = 0; d < depth; d++)
            for (int r = 0; r < AMX_SIDE; r++) {
                const int row = t * AMX_SIDE + r, left = p->cols - d * PAIRS;
                const bool inside = row < p->rows;
                const float *x =
                    p->x +
                    (inside ? (size_t)row * (size_t)p->cols + (size_t)d * PAIRS : 0);
                const __m512 low = _mm512_maskz_loadu_ps(inside ? lanes(left) : 0, x);
                const __m512 high =
                    _mm512_maskz_loadu_ps(inside ? lanes(left - 16) : 0, x + 16);
                _mm512_store_si512(p->to + (size_t)(t * depth + d) * AMX_TILE +
                                       (size_t)r * PAIRS,
                                   (__m512i)_mm512_cvtne2ps_pbh(high, low));
            }
}

/* The right operand x^T from the left operand x. */
static void right_of_left(void *arg, size_t begin, size_t end)
{
    const struct packing *p = arg;
    const int depth = over(p->cols, PAIRS), tiles = over(p->rows, AMX_SIDE);
    for (int b = (int)begin; b < (int)end; b++)
        for (int i = 0; i < 2 * depth; i++) {
            const int t = 2 * b + i % 2, d = i / 2;
            uint16_t *to = p->to + (size_t)(b * depth * 2 + i) * AMX_TILE;
            __m512i r[16];
            for (int k = 0; k < 16; k++)
                r[k] = t < tiles ? _mm512_load_si512(
                                       p->left + (size_t)(t * depth + d) * AMX_TILE +
                                       (size_t)k * PAIRS)
                                 : _mm512_setzero_si512();
            amx_transpose(r);
            for (int k = 0; k < 16; k++)
                _mm512_store_si512(to + (size_t)k * PAIRS, r[k]);
        }
}

/* 16 columns of a row; zeros beside the matrix. */
static __m512i row_of(const struct packing *p, int row, int col)
{
    const __mmask16 mask = row < p->rows ? lanes(p->cols - col) : 0;
    const float *x = p->x + (mask ? (size_t)row * (size_t)p->cols + (size_t)col : 0);
    return _mm512_cvtepu16_epi32(
        (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x)));
}

static void right_tiles(void *arg, size_t begin, size_t end)
{
    const struct packing *p = arg;
    const int depth = over(p->rows, PAIRS);
    for (int b = (int)begin; b < (int)end; b++)
        for (int d = 0; d < depth; d++) {
            uint16_t *to = p->to + (size_t)(b * depth + d) * AMX_RIGHT;
            for (int half = 0; half < 2; half++)
                for (int r = 0; r < AMX_SIDE; r++, to += PAIRS) {
                    const int row = d * PAIRS + 2 * r, col = b * 32 + half * 16;
                    const __m512i second =
                        _mm512_slli_epi32(row_of(p, row + 1, col), 16);
                    _mm512_store_si512(to,
                                       _mm512_or_si512(row_of(p, row, col), second));
                }
        }
}

/* One row of 16 sums to its place. */
static void write_row(const struct product *p, const float *sums, int row, int col)
{
    const __mmask16 mask = lanes(p->cols - col);
    float *to = p->c + (size_t)row * (size_t)p->cols + (size_t)col;
    if (row >= p->rows || !mask)
        return;
    __m512 v = _mm512_mul_ps(_mm512_load_ps(sums), _mm512_set1_ps(p->scale));
    if (p->keep != 0)
        v = _mm512_fmadd_ps(_mm512_set1_ps(p->keep), _mm512_maskz_loadu_ps(mask, to),
                            v);
    _mm512_mask_storeu_ps(to, mask, v);
}

static int trios(const struct product *p)
{
    return over(p->rows, AMX_LEFT * AMX_SIDE);
}

/* Three row tiles by a column block. */
static void result_block(const struct product *p, int trio, int block)
{
    const int tiles = over(p->rows, AMX_SIDE);
    const uint16_t *right = p->right + (size_t)(block * p->depth) * AMX_RIGHT;
    const uint16_t *left[AMX_LEFT];
    float sums[AMX_SUMS] __attribute__((aligned(64)));
    for (int i = 0; i < AMX_LEFT; i++) {
        const int t = trio * AMX_LEFT + i;
        left[i] = t < tiles ? p->left + (size_t)(t * p->depth) * AMX_TILE : NULL;
    }
    amx_zero();
    for (int d = 0; d < p->depth; d++, right += AMX_RIGHT)
        if (left[AMX_LEFT - 1])
            amx_multiply(left, (size_t)d * AMX_TILE, right);
        else
            amx_multiply_some(left, (size_t)d * AMX_TILE, right);
    amx_store(sums);
    for (int i = 0; i < AMX_LEFT; i++)
        for (int half = 0; half < 2; half++)
            for (int r = 0; r < AMX_SIDE; r++)
                write_row(p, sums + i * 512 + half * 256 + r * AMX_SIDE,
                          (trio * AMX_LEFT + i) * AMX_SIDE + r,
                          block * 32 + half * AMX_SIDE);
}

static void result_blocks(void *arg, size_t begin, size_t end)
{
    const struct product *p = arg;
    amx_begin();
    for (int i = (int)begin; i < (int)end; i++)
        result_block(p, i % trios(p), i / trios(p));
    amx_end();
}

static void multiply(const struct device *dev, struct product *p)
{
    threads_for(dev, (size_t)trios(p) * (size_t)over(p->cols, 32),
                (size_t)p->depth * AMX_TILE, result_blocks, p);
}

static void pack_left(const struct device *dev, const float *x, int rows, int cols,
                      uint16_t *to)
{
    struct packing p = { .x = x, .rows = rows, .cols = cols, .to = to };
    threads_for(dev, (size_t)over(rows, AMX_SIDE), (size_t)cols * AMX_SIDE, left_tiles,
                &p);
}

static void pack_right_of_left(const struct device *dev, const uint16_t *left, int rows,
                               int cols, uint16_t *to)
{
    struct packing p = { .left = left, .rows = rows, .cols = cols, .to = to };
    threads_for(dev, (size_t)over(rows, 32), (size_t)cols * 32, right_of_left, &p);
}

static void pack_right(const struct device *dev, const float *x, int rows, int cols,
                       uint16_t *to)
{
    struct packing p = { .x = x, .rows = rows, .cols = cols, .to = to };
    threads_for(dev, (size_t)over(cols, 32), (size_t)rows * 32, right_tiles, &p);
}

void newton_schulz(const struct device *dev, float *x, int rows, int cols,
                   const float abc[3], float *work)
{
    const int long_depth = over(cols, PAIRS), short_depth = over(rows, PAIRS);
    uint16_t *left = (uint16_t *)work;
    uint16_t *right = left + packed_elements(rows, cols);
    uint16_t *x_right = right + packed_elements(rows, cols);
    float *gram = (float *)(x_right + packed_elements(rows, cols));
    struct product to_gram = { rows, rows, long_depth, left, right, gram, 1, 0 };
    struct product to_poly = { rows,  rows, short_depth, left,
                               right, gram, abc[2],      abc[1] };
    struct product to_x = { rows, cols, short_depth, left, x_right, x, 1, abc[0] };
    pack_left(dev, x, rows, cols, left);
    pack_right_of_left(dev, left, rows, cols, right);
    pack_right(dev, x, rows, cols, x_right);
    multiply(dev, &to_gram);
    pack_left(dev, gram, rows, rows, left);
    pack_right_of_left(dev, left, rows, rows, right);
    multiply(dev, &to_poly);
    pack_left(dev, gram, rows, rows, left);
    multiply(dev, &to_x);
}

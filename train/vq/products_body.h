/* products_body.h -- the functions of products.h, for the instruction set of the file
 * that includes it. A tile is as many sums as the registers hold: every vector that is
 * loaded is used for several of them. */
#include <math.h>
#include <string.h>
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

#include "products.h"

#define INLINE static inline __attribute__((always_inline))

/* LANES floats, as many as a register of this instruction set holds; then the tiles'
 * sizes, in rows, vectors of x, and `wide` registers of columns. */
#if defined(__AVX512F__)
enum {
    LANES = 16,
    DOT_ROWS = 4,
    DOT_VECTORS = 4,
    SUM_WIDE = 4,
    SUM_VECTORS = 4,
    OUTER_ROWS = 6,
    OUTER_WIDE = 4,
    CROSS_ROWS = 6,
    CROSS_WIDE = 4,
};
#elif defined(__AVX2__)
enum {
    LANES = 8,
    DOT_ROWS = 2,
    DOT_VECTORS = 4,
    SUM_WIDE = 2,
    SUM_VECTORS = 4,
    OUTER_ROWS = 4,
    OUTER_WIDE = 2,
    CROSS_ROWS = 4,
    CROSS_WIDE = 2,
};
#else
enum {
    LANES = 4,
    DOT_ROWS = 2,
    DOT_VECTORS = 4,
    SUM_WIDE = 2,
    SUM_VECTORS = 4,
    OUTER_ROWS = 4,
    OUTER_WIDE = 2,
    CROSS_ROWS = 4,
    CROSS_WIDE = 2,
};
#endif

typedef float vf __attribute__((vector_size(LANES * sizeof(float))));
typedef float quad __attribute__((vector_size(16)));

enum {
    SUM_ROWS = 16, /* of the matrix at a time: their sums stay in level 1 */
    CROSS_COLS = CROSS_WIDE * LANES,
};
_Static_assert((int)CROSS_COLS <= (int)CROSS_MOST && (int)CROSS_ROWS <= (int)CROSS_MOST,
               "products_cross_room counts on it");

INLINE vf splat(float f)
{
    return (vf){ 0 } + f;
}

INLINE vf load_f(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store_f(float *p, vf v)
{
    memcpy(p, &v, sizeof v);
}

INLINE float lanes_sum(vf v)
{
    float at[LANES];
    quad sum = { 0 }, four;
    store_f(at, v);
    for (int i = 0; i < LANES; i += 4) {
        memcpy(&four, at + i, sizeof four);
        sum += four;
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

INLINE void dots_tile(const float *w, size_t cols, const float *x, size_t ldx, float *y,
                      size_t ldy, const int rows, const int n)
{
    const size_t whole = cols / LANES * LANES;
    vf sum[DOT_ROWS][DOT_VECTORS];
    for (int r = 0; r < rows; r++)
        for (int b = 0; b < n; b++)
            sum[r][b] = splat(0);
    for (size_t c = 0; c < whole; c += LANES) {
        vf in[DOT_VECTORS];
        for (int b = 0; b < n; b++)
            in[b] = load_f(x + (size_t)b * ldx + c);
        for (int r = 0; r < rows; r++) {
            const vf a = load_f(w + (size_t)r * cols + c);
            for (int b = 0; b < n; b++)
                sum[r][b] += a * in[b];
        }
    }
    for (int r = 0; r < rows; r++)
        for (int b = 0; b < n; b++) {
            float s = lanes_sum(sum[r][b]);
            for (size_t c = whole; c < cols; c++)
                s += w[(size_t)r * cols + c] * x[(size_t)b * ldx + c];
            y[(size_t)b * ldy + (size_t)r] = s;
        }
}

/* A tile's sizes are constants where it is called, so it is loops without counters. */
INLINE void dots_rows(const float *w, size_t cols, const float *x, size_t ldx, int n,
                      float *y, size_t ldy, const int rows)
{
    for (; n >= DOT_VECTORS; n -= DOT_VECTORS) {
        dots_tile(w, cols, x, ldx, y, ldy, rows, DOT_VECTORS);
        x += DOT_VECTORS * ldx;
        y += DOT_VECTORS * ldy;
    }
    for (; n; n--) {
        dots_tile(w, cols, x, ldx, y, ldy, rows, 1);
        x += ldx;
        y += ldy;
    }
}

static void dots(const float *w, size_t rows, size_t cols, const float *x, size_t ldx,
                 int n, float *y, size_t ldy)
{
    size_t r = 0;
    for (; r + DOT_ROWS <= rows; r += DOT_ROWS)
        dots_rows(w + r * cols, cols, x, ldx, n, y + r, ldy, DOT_ROWS);
    for (; r < rows; r++)
        dots_rows(w + r * cols, cols, x, ldx, n, y + r, ldy, 1);
}

/* `rows` rows into sums of wide * LANES columns. */
INLINE void sums_tile(const float *w, size_t rows, size_t cols, const float *x,
                      size_t ldx, float *y, const int wide, const int n)
{
    vf sum[SUM_VECTORS][SUM_WIDE];
    for (int b = 0; b < n; b++)
        for (int i = 0; i < wide; i++)
            sum[b][i] = load_f(y + (size_t)b * cols + (size_t)i * LANES);
    for (size_t r = 0; r < rows; r++) {
        vf a[SUM_WIDE];
        for (int i = 0; i < wide; i++)
            a[i] = load_f(w + r * cols + (size_t)i * LANES);
        for (int b = 0; b < n; b++) {
            const vf factor = splat(x[(size_t)b * ldx + r]);
            for (int i = 0; i < wide; i++)
                sum[b][i] += factor * a[i];
        }
    }
    for (int b = 0; b < n; b++)
        for (int i = 0; i < wide; i++)
            store_f(y + (size_t)b * cols + (size_t)i * LANES, sum[b][i]);
}

INLINE void sums_vectors(const float *w, size_t rows, size_t cols, const float *x,
                         size_t ldx, float *y, const int n)
{
    size_t c = 0;
    for (; c + SUM_WIDE * LANES <= cols; c += SUM_WIDE * LANES)
        sums_tile(w + c, rows, cols, x, ldx, y + c, SUM_WIDE, n);
    for (; c + LANES <= cols; c += LANES)
        sums_tile(w + c, rows, cols, x, ldx, y + c, 1, n);
    for (; c < cols; c++)
        for (int b = 0; b < n; b++)
            for (size_t r = 0; r < rows; r++)
                y[(size_t)b * cols + c] += x[(size_t)b * ldx + r] * w[r * cols + c];
}

static void sums(const float *w, size_t rows, size_t cols, const float *x, size_t ldx,
                 int n, float *y)
{
    for (size_t r = 0; r < rows; r += SUM_ROWS) {
        const size_t some = rows - r < SUM_ROWS ? rows - r : SUM_ROWS;
        int b = 0;
        for (; b + SUM_VECTORS <= n; b += SUM_VECTORS)
            sums_vectors(w + r * cols, some, cols, x + (size_t)b * ldx + r, ldx,
                         y + (size_t)b * cols, SUM_VECTORS);
        for (; b < n; b++)
            sums_vectors(w + r * cols, some, cols, x + (size_t)b * ldx + r, ldx,
                         y + (size_t)b * cols, 1);
    }
}

INLINE void outer_tile(float *w, size_t cols, const float *d, size_t ldd,
                       const float *x, int n, const int rows, const int wide)
{
    vf sum[OUTER_ROWS][OUTER_WIDE];
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < wide; i++)
            sum[r][i] = splat(0);
    for (int k = 0; k < n; k++, d += ldd, x += cols) {
        vf a[OUTER_WIDE];
        for (int i = 0; i < wide; i++)
            a[i] = load_f(x + (size_t)i * LANES);
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < wide; i++)
                sum[r][i] += splat(d[r]) * a[i];
    }
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < wide; i++)
            store_f(w + (size_t)r * cols + (size_t)i * LANES, sum[r][i]);
}

INLINE void outer_columns(float *w, size_t rows, size_t cols, const float *d,
                          size_t ldd, const float *x, int n, const int wide)
{
    size_t r = 0;
    for (; r + OUTER_ROWS <= rows; r += OUTER_ROWS)
        outer_tile(w + r * cols, cols, d + r, ldd, x, n, OUTER_ROWS, wide);
    for (; r < rows; r++)
        outer_tile(w + r * cols, cols, d + r, ldd, x, n, 1, wide);
}

/* One column: the same, along the rows. */
static void outer_thin(float *restrict w, size_t rows, const float *d, size_t ldd,
                       const float *x, int n)
{
    memset(w, 0, rows * sizeof *w);
    for (int k = 0; k < n; k++, d += ldd)
        for (size_t r = 0; r < rows; r++)
            w[r] += d[r] * x[k];
}

static void outer(float *w, size_t rows, size_t cols, const float *d, size_t ldd,
                  const float *x, int n)
{
    size_t c = 0;
    if (cols == 1) {
        outer_thin(w, rows, d, ldd, x, n);
        return;
    }
    for (; c + OUTER_WIDE * LANES <= cols; c += OUTER_WIDE * LANES)
        outer_columns(w + c, rows, cols, d, ldd, x + c, n, OUTER_WIDE);
    for (; c + LANES <= cols; c += LANES)
        outer_columns(w + c, rows, cols, d, ldd, x + c, n, 1);
    for (; c < cols; c++)
        for (size_t r = 0; r < rows; r++) {
            float s = 0;
            for (int k = 0; k < n; k++)
                s += d[(size_t)k * ldd + r] * x[(size_t)k * cols + c];
            w[r * cols + c] = s;
        }
}

#include "products_cross.h"

static void adam(const struct adam_rates *rates, size_t n, float *restrict w,
                 float *restrict m, float *restrict v, const float *restrict g)
{
    const float beta1 = rates->beta1, beta2 = rates->beta2, eps = rates->eps;
    const float take1 = rates->take1, take2 = rates->take2;
    const float step = rates->step, root = rates->root;
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + take1 * g[i];
        v[i] = beta2 * v[i] + take2 * g[i] * g[i];
        w[i] -= step * m[i] / (sqrtf(v[i]) / root + eps);
    }
}

#define PRODUCTS_TABLE(name)                                                           \
    {                                                                                  \
        name, dots, sums, outer, cross, cross_bf16, adam                               \
    }

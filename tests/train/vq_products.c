/* vq_products.c -- the products of each instruction set that this CPU has, against
 * plain sums in double, at sizes that fit no tile; and nothing beside the result is
 * written. */
#include <stdbool.h>
#include <stdlib.h>

#include "check.h"
#include "vq/products.h"

enum {
    ROWS = 39,
    COLS_MOST = 200,
    VECTORS = 11,
    ROOM = ROWS * COLS_MOST,
};

static float made(size_t i)
{
    return (float)sin((double)i * 1.37 + 0.2);
}

static float room[(COLS_MOST + 2 * CROSS_MOST) * (ROWS + 1) + 1];
static float w[ROOM], x[VECTORS * COLS_MOST], y[ROOM + 1], d[VECTORS * COLS_MOST];

static void fill(void)
{
    for (size_t i = 0; i < ROOM; i++)
        w[i] = made(i);
    for (size_t i = 0; i < VECTORS * COLS_MOST; i++) {
        x[i] = made(3 * i + 1);
        d[i] = made(5 * i + 2);
    }
}

static void check_dots(const struct products *p, size_t cols, int n)
{
    y[ROWS * n] = 77;
    p->dots(w, ROWS, cols, x, COLS_MOST, n, y, ROWS);
    CHECK(y[ROWS * n] == 77, "%s: dots writes beyond", p->isa);
    for (int b = 0; b < n; b++)
        for (size_t r = 0; r < ROWS; r++) {
            double sum = 0;
            for (size_t c = 0; c < cols; c++)
                sum += (double)w[r * cols + c] * (double)x[(size_t)b * COLS_MOST + c];
            CHECK(near((double)y[(size_t)b * ROWS + r], sum, 2e-5, 0),
                  "%s: %zu columns, %d vectors: dot of row %zu, vector %d: %g, not %g",
                  p->isa, cols, n, r, b, (double)y[(size_t)b * ROWS + r], sum);
        }
}

static void check_sums(const struct products *p, size_t cols, int n)
{
    for (size_t i = 0; i < cols * (size_t)n; i++)
        y[i] = 2;
    y[cols * (size_t)n] = 77;
    p->sums(w, ROWS, cols, x, COLS_MOST, n, y);
    CHECK(y[cols * (size_t)n] == 77, "%s: sums writes beyond", p->isa);
    for (int b = 0; b < n; b++)
        for (size_t c = 0; c < cols; c++) {
            double sum = 2;
            for (size_t r = 0; r < ROWS; r++)
                sum += (double)w[r * cols + c] * (double)x[(size_t)b * COLS_MOST + r];
            CHECK(near((double)y[(size_t)b * cols + c], sum, 2e-5, 0),
                  "%s: %zu columns, %d vectors: sum of column %zu, vector %d: %g, "
                  "not %g",
                  p->isa, cols, n, c, b, (double)y[(size_t)b * cols + c], sum);
        }
}

static void check_outer(const struct products *p, size_t cols, int n)
{
    y[ROWS * cols] = 77;
    p->outer(y, ROWS, cols, d, COLS_MOST, x, n);
    CHECK(y[ROWS * cols] == 77, "%s: outer writes beyond", p->isa);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < cols; c++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += (double)d[(size_t)k * COLS_MOST + r] *
                       (double)x[(size_t)k * cols + c];
            CHECK(near((double)y[r * cols + c], sum, 2e-5, 0),
                  "%s: %zu columns, %d products: %zu, %zu: %g, not %g", p->isa, cols, n,
                  r, c, (double)y[r * cols + c], sum);
        }
}

/* f to the nearest number of 8 bits, to even. */
static double bf16(float f)
{
    int exponent;
    const double part = frexp((double)f, &exponent) * 256;
    return ldexp(nearbyint(part), exponent - 8);
}

static double as_is(float f)
{
    return (double)f;
}

static void check_cross(const struct products *p, bool half, size_t cols, size_t rows,
                        size_t n)
{
    static float m[COLS_MOST * COLS_MOST + 1];
    double (*in)(float) = half ? bf16 : as_is;
    for (size_t i = 0; i < rows * cols; i++)
        m[i] = 2;
    m[rows * cols] = room[products_cross_room(rows, n)] = 77;
    (half ? p->cross_bf16 : p->cross)(m, rows, cols, x, w, n, room);
    CHECK(m[rows * cols] == 77, "%s: cross writes beyond", p->isa);
    CHECK(room[products_cross_room(rows, n)] == 77, "%s: cross needs more room",
          p->isa);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) {
            double sum = 2;
            for (size_t i = 0; i < n; i++)
                sum += in(x[i * rows + r]) * in(w[i * cols + c]);
            CHECK(near((double)m[r * cols + c], sum, 2e-5, 0),
                  "%s: cross%s of %zu by %zu, %zu sums: %zu, %zu: %g, not %g", p->isa,
                  half ? " in bf16" : "", rows, cols, n, r, c, (double)m[r * cols + c],
                  sum);
        }
}

/* Two steps of torch.optim.Adam, lr 0.1, on weights 1, -2 with gradients .5, -.25 and
 * then 0, 1: PyTorch 2.15 gave these. */
static void check_adam(const struct products *p)
{
    static const double wanted[] = { 0.8329942226, -1.955950379 };
    float weight[] = { 1, -2 }, m[2] = { 0 }, v[2] = { 0 };
    const float g[2][2] = { { 0.5F, -0.25F }, { 0, 1 } };
    for (int t = 1; t <= 2; t++) {
        const struct adam_rates r = { 0.9F,
                                      0.1F,
                                      0.999F,
                                      0.001F,
                                      1e-8F,
                                      (float)(0.1 / (1 - pow(0.9, t))),
                                      (float)sqrt(1 - pow(0.999, t)) };
        p->adam(&r, 2, weight, m, v, g[t - 1]);
    }
    for (int i = 0; i < 2; i++)
        CHECK(near((double)weight[i], wanted[i], 2e-7, 0), "%s: adam: %.9g, not %.9g",
              p->isa, (double)weight[i], wanted[i]);
}

static void check_table(const struct products *p)
{
    static const size_t cols[] = { 1, 3, 16, 31, 64, 97, 200 };
    static const int vectors[] = { 0, 1, 2, 4, 5, 8, 11 };
    for (size_t i = 0; i < sizeof cols / sizeof *cols; i++)
        for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++) {
            check_dots(p, cols[i], vectors[k]);
            check_sums(p, cols[i], vectors[k]);
            check_outer(p, cols[i], vectors[k]);
        }
    for (size_t i = 0; i < 2 * sizeof cols / sizeof *cols; i++) {
        const bool half = i % 2;
        check_cross(p, half, cols[i / 2], 1, 7);
        check_cross(p, half, cols[i / 2], 50, ROWS);
        check_cross(p, half, cols[i / 2], 19, 0);
        check_cross(p, half, 65, cols[i / 2], 10);
    }
    check_adam(p);
}

int main(void)
{
    static const char *const isas[] = { "plain", "avx2", "avx512", "avx512_bf16" };
    fill();
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        setenv("SLUICE_CPU_ISA", isas[i], 1);
        check_table(products_choose());
    }
    return check_done();
}

/* products.h -- products of a large matrix with a few vectors, and the two other loops
 * over many floats that the refinement network needs: one table for each instruction
 * set.
 *
 * A matrix has `rows` rows of `cols` floats without gaps; vector b of x begins at
 * x + b * ldx. With few vectors all of this is as fast as memory delivers the matrix,
 * so each function reads it once, in order.
 *
 * Results depend on the arguments alone; those of different tables differ by rounding.
 * Threads: no state; calls on disjoint results may run side by side. */
#ifndef SLUICE_PRODUCTS_H
#define SLUICE_PRODUCTS_H

#include <stddef.h>

#include <sluice/error.h>

/* Adam with PyTorch's formula, of one step: m and v keep beta1 and beta2 of themselves
 * and take what is missing to 1, which floats would say too roughly as 1 - beta2;
 * step = lr / (1 - beta1^t), root = sqrt(1 - beta2^t). */
struct adam_rates {
    float beta1, take1, beta2, take2, eps, step, root;
};

struct products {
    const char *isa;
    /* y[b][r] = sum over c of w[r][c] x[b][c], for n vectors */
    void (*dots)(const float *w, size_t rows, size_t cols, const float *x, size_t ldx,
                 int n, float *y, size_t ldy);
    /* y[b][c] += sum over r of x[b][r] w[r][c]; y's vectors have no gaps */
    void (*sums)(const float *w, size_t rows, size_t cols, const float *x, size_t ldx,
                 int n, float *y);
    /* w[r][c] = sum over i < n of d[i][r] x[i][c]; d's vectors begin every ldd floats,
     * x's have no gaps */
    void (*outer)(float *w, size_t rows, size_t cols, const float *d, size_t ldd,
                  const float *x, int n);
    /* m[i][j] += sum over r < n of a[r][i] b[r][j], m (rows, cols), a (n, rows),
     * b (n, cols), none with gaps; room: products_cross_room(rows, n) floats, for
     * copies that lie as they are read. Fastest with some hundred n. */
    void (*cross)(float *m, size_t rows, size_t cols, const float *a, const float *b,
                  size_t n, float *room);
    /* The same of a and b rounded to bf16, with sums in float; twice as fast where the
     * CPU has instructions for it. */
    void (*cross_bf16)(float *m, size_t rows, size_t cols, const float *a,
                       const float *b, size_t n, float *room);
    void (*adam)(const struct adam_rates *r, size_t n, float *w, float *m, float *v,
                 const float *g);
};

enum {
    CROSS_MOST = 64, /* columns of a tile, in any table, and more than its rows */
};

static inline size_t products_cross_room(size_t rows, size_t n)
{
    return (n + 1) * (rows + 2 * CROSS_MOST);
}

extern const struct products products_plain, products_avx2, products_avx512,
    products_avx512_bf16;

/* The best for this CPU; the environment's SLUICE_CPU_ISA limits it as it does device
 * cpu. Never fails. */
const struct products *products_choose(void);

#endif

/* init_orthogonal.c -- the rows or columns of a weight made orthogonal; see init.h.
 *
 * What a vector has in common with those before it is taken off twice: after the first
 * time rounding may have left a little of it. */
#include <math.h>

#include "init.h"

enum {
    LANES = 8,   /* sums that are made at once */
    TAKEN = 512, /* columns that are looked at in one pass over the rows */
};

static double dot(const float *a, const float *b, size_t n)
{
    double lane[LANES] = { 0 }, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += (double)a[i + (size_t)k] * (double)b[i + (size_t)k];
    for (; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

static void take_off(float *a, const float *b, double share, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = (float)((double)a[i] - share * (double)b[i]);
}

static void orthogonal_rows(float *w, size_t rows, size_t n)
{
    for (size_t j = 0; j < rows; j++) {
        float *row = w + j * n;
        for (int twice = 0; twice < 2; twice++)
            for (size_t i = 0; i < j; i++)
                take_off(row, w + i * n, dot(row, w + i * n, n), n);
        const double length = sqrt(dot(row, row, n));
        for (size_t i = 0; i < n; i++)
            row[i] = (float)((double)row[i] / length);
    }
}

/* What column j has in common with columns `from` to `to`, taken off: one pass over the
 * rows for the products, and one for the difference. */
static void take_off_columns(float *w, size_t rows, size_t n, size_t j, size_t from,
                             size_t to)
{
    double share[TAKEN] = { 0 };
    for (size_t r = 0; r < rows; r++) {
        const float *row = w + r * n;
        const double x = (double)row[j];
        for (size_t i = from; i < to; i++)
            share[i - from] += x * (double)row[i];
    }
    for (size_t r = 0; r < rows; r++) {
        float *row = w + r * n;
        double sum = 0;
        for (size_t i = from; i < to; i++)
            sum += share[i - from] * (double)row[i];
        row[j] = (float)((double)row[j] - sum);
    }
}

static void orthogonal_columns(float *w, size_t rows, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double square = 0;
        for (int twice = 0; twice < 2; twice++)
            for (size_t i = 0; i < j; i += TAKEN)
                take_off_columns(w, rows, n, j, i, i + TAKEN < j ? i + TAKEN : j);
        for (size_t r = 0; r < rows; r++)
            square += (double)w[r * n + j] * (double)w[r * n + j];
        for (size_t r = 0; r < rows; r++)
            w[r * n + j] = (float)((double)w[r * n + j] / sqrt(square));
    }
}

void init_orthogonalize(struct tensor *t)
{
    const size_t rows = (size_t)t->shape[0], n = tensor_elements(t) / rows;
    if (rows <= n)
        orthogonal_rows(t->data, rows, n);
    else
        orthogonal_columns(t->data, rows, n);
}

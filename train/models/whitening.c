/* whitening.c -- second moments of image patches and their eigenvectors. */
#include <math.h>
#include <string.h>

#include <sluice/loader.h>

#include "../workers.h"
#include "whitening.h"

typedef double matrix[WHITENING_MAX][WHITENING_MAX];

/* Rotate in the plane of p and q so that a[p][q] becomes 0 (Golub and Van Loan, "Matrix
 * computations", 8.5); the rows of v take part. */
static void rotate(int d, matrix a, matrix v, int p, int q)
{
    if (a[p][q] == 0)
        return;
    const double tau = (a[q][q] - a[p][p]) / (2 * a[p][q]);
    const double t = (tau >= 0 ? 1 : -1) / (fabs(tau) + sqrt(1 + tau * tau));
    const double c = 1 / sqrt(1 + t * t), s = t * c;
    for (int k = 0; k < d; k++) {
        const double x = a[k][p], y = a[k][q];
        a[k][p] = c * x - s * y;
        a[k][q] = s * x + c * y;
    }
    for (int k = 0; k < d; k++) {
        const double x = a[p][k], y = a[q][k];
        a[p][k] = c * x - s * y;
        a[q][k] = s * x + c * y;
        const double vx = v[p][k], vy = v[q][k];
        v[p][k] = c * vx - s * vy;
        v[q][k] = s * vx + c * vy;
    }
}

static double off_diagonal(int d, matrix a)
{
    double sum = 0;
    for (int i = 0; i < d; i++)
        for (int j = 0; j < i; j++)
            sum += a[i][j] * a[i][j];
    return sum;
}

static void fix_sign(int d, double *v)
{
    int largest = 0;
    for (int k = 1; k < d; k++)
        if (fabs(v[k]) > fabs(v[largest]))
            largest = k;
    const double sign = v[largest] < 0 ? -1 : 1;
    for (int k = 0; k < d; k++)
        v[k] *= sign;
}

static void sort_descending(int d, double *values, matrix vectors)
{
    for (int i = 0; i < d; i++)
        for (int j = i + 1; j < d; j++)
            if (values[j] > values[i]) {
                const double value = values[i];
                double vector[WHITENING_MAX];
                memcpy(vector, vectors[i], sizeof vector);
                values[i] = values[j];
                memcpy(vectors[i], vectors[j], sizeof vector);
                values[j] = value;
                memcpy(vectors[j], vector, sizeof vector);
            }
}

void jacobi_eigen(int d, double a[WHITENING_MAX][WHITENING_MAX],
                  double values[WHITENING_MAX],
                  double vectors[WHITENING_MAX][WHITENING_MAX])
{
    double scale = 0;
    memset(vectors, 0, sizeof(matrix));
    for (int i = 0; i < d; i++) {
        vectors[i][i] = 1;
        scale += a[i][i] * a[i][i];
    }
    scale += off_diagonal(d, a);
    /* Convergence is quadratic: 6 to 10 sweeps; the limit is against NaN. */
    for (int sweep = 0; sweep < 60 && off_diagonal(d, a) > 1e-30 * scale; sweep++)
        for (int p = 0; p < d; p++)
            for (int q = p + 1; q < d; q++)
                rotate(d, a, vectors, p, q);
    for (int i = 0; i < d; i++) {
        values[i] = a[i][i];
        fix_sign(d, vectors[i]);
    }
    sort_descending(d, values, vectors);
}

/* The patch at (y, x) of an image (h, w, c), in the order (c, y, x). */
static void take_patch(const float *image, int w, int c, int size, int y, int x,
                       double *patch)
{
    for (int k = 0; k < c; k++)
        for (int dy = 0; dy < size; dy++)
            for (int dx = 0; dx < size; dx++)
                *patch++ = (double)image[((y + dy) * w + x + dx) * c + k];
}

/* Sums of products of a patch's values, over all patches. */
struct moments {
    const float *images;
    int n, h, w, c, size;
    int d, parts;
    matrix *sum; /* rows: of part p, every parts-th from p on */
};

static void add_patch(const struct moments *m, size_t part, const double *patch)
{
    double(*sum)[WHITENING_MAX] = *m->sum;
    for (int i = (int)part; i < m->d; i += m->parts)
        for (int j = 0; j <= i; j++)
            sum[i][j] += patch[i] * patch[j];
}

/* Each part goes through all patches, in order: the sums are the same however many
 * there are. */
static void add_rows(void *arg, size_t part)
{
    const struct moments *m = arg;
    double patch[WHITENING_MAX] = { 0 };
    for (int n = 0; n < m->n; n++)
        for (int y = 0; y + m->size <= m->h; y++)
            for (int x = 0; x + m->size <= m->w; x++) {
                take_patch(m->images + (size_t)n * (size_t)(m->h * m->w * m->c), m->w,
                           m->c, m->size, y, x, patch);
                add_patch(m, part, patch);
            }
}

static int add_up(struct moments *m, struct sluice_error *err)
{
    const int cpus = sluice_cpus();
    struct workers *pool;
    m->parts = cpus < m->d ? cpus : m->d;
    const int rc = workers_open(&pool, m->parts, err);
    if (rc < 0)
        return rc;
    workers_run(pool, (size_t)m->parts, add_rows, m);
    workers_close(pool);
    return 0;
}

int whitening_filters(const float *images, int n, int h, int w, int c, int size,
                      double eps, float *filters, struct sluice_error *err)
{
    const int d = c * size * size;
    const double patches = (double)n * (h - size + 1) * (w - size + 1);
    matrix moments = { { 0 } }, vectors;
    double values[WHITENING_MAX];
    if (d > WHITENING_MAX || n < 1 || h < size || w < size)
        return sluice_fail(err, SLUICE_EINVAL,
                           "whitening of %d images of %dx%dx%d with %dx%d patches: "
                           "expected at least one, and at most %d values a patch",
                           n, h, w, c, size, size, WHITENING_MAX);
    struct moments m = { images, n, h, w, c, size, .d = d, .sum = &moments };
    const int rc = add_up(&m, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < d; i++)
        for (int j = 0; j <= i; j++)
            moments[j][i] = moments[i][j] /= patches;
    if (!isfinite(off_diagonal(d, moments)))
        return sluice_fail(err, SLUICE_EINVAL, "whitening: images are not finite");
    jacobi_eigen(d, moments, values, vectors);
    for (int i = 0; i < d; i++)
        for (int k = 0; k < d; k++)
            filters[i * d + k] =
                (float)(vectors[i][k] / sqrt(fmax(values[i], 0) + eps));
    return 0;
}

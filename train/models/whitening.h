/* whitening.h -- filters that make image patches uncorrelated and of unit size. */
#ifndef SLUICE_WHITENING_H
#define SLUICE_WHITENING_H

#include <sluice/error.h>

/* Patches of size x size pixels. d = channels size^2 must be at most WHITENING_MAX. */
enum {
    WHITENING_MAX = 64,
};

/* Symmetric a (d x d, destroyed) = V diag(values) V^T, by Jacobi's rotations; values
 * descend, vectors[i] is the i-th, its largest component positive. */
void jacobi_eigen(int d, double a[WHITENING_MAX][WHITENING_MAX],
                  double values[WHITENING_MAX],
                  double vectors[WHITENING_MAX][WHITENING_MAX]);

/* From n images (n, h, w, c): filter i, of d values in the order (c, y, x), is
 * eigenvector i of the patches' second moments over sqrt(eigenvalue i + eps). */
int whitening_filters(const float *images, int n, int h, int w, int c, int size,
                      double eps, float *filters, struct sluice_error *err);

#endif

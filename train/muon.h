/* muon.h -- updates of filters as whole matrices (Jordan, "Muon: an optimizer for
 * hidden layers in neural networks", 2024; as airbench94_muon has it): the momentum of
 * a filter { out, in, kh, kw }, taken as a matrix of `out` rows, is made nearly
 * orthogonal by a few Newton-Schulz iterations,
 *
 *     X = M / |M|,   then `steps` times   X = a X + (b A + c A A) X,   A = X X^T
 *     (a, b, c) = (3.4445, -4.7750, 2.0315)
 *     w = w sqrt(out) / |w| - lr X
 *
 * which brings its singular values to about 1. Filters keep the norm sqrt(out), so
 * there is no weight decay; batch norm behind them makes their scale immaterial. */
#ifndef SLUICE_MUON_H
#define SLUICE_MUON_H

#include "net.h"

struct muon;

/* Work space for the largest filter of `net`. */
int muon_create(struct muon **out, struct net *net, struct sluice_error *err);
void muon_free(struct muon *m); /* NULL is fine */

/* Is this parameter one of those that are updated so? */
bool muon_takes(const struct tensor *t);

struct muon_step {
    float lr, momentum, grad_scale;
    bool nesterov;
    int iterations;
};

/* `moment` is (out, in, kh, kw), zero before the first step. On device cpu the products
 * are oneDNN's, or with bf16 activations those of the CPU's matrix tiles, as published
 * in bf16; elsewhere plain loops. */
void muon_update(struct muon *m, struct tensor *t, float *moment,
                 const struct muon_step *step);

/* Floats of work space for a matrix. */
size_t muon_work(const struct device *dev, int rows, int cols);

/* x (rows, cols): to norm 1, then the iterations. `work` is aligned to 64 bytes. */
void muon_orthogonalise(const struct device *dev, float *x, int rows, int cols,
                        int iterations, float *work);

#endif

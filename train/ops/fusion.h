/* fusion.h -- pairs of operators that a device runs as one. */
#ifndef SLUICE_FUSION_H
#define SLUICE_FUSION_H

#include "op.h"

/* `first`'s output is the last input of `second` and nobody else's; it has neither data
 * nor gradient in memory. Both operators are planned and keep their states, parameters
 * and buffers. backward writes the gradients of first's inputs and parameters and of
 * second's in[0], those that are not NULL, and reads second's out[0]->grad and, where
 * it reads two gradients, more_grad. */
struct op_fusion {
    const struct op_def *first, *second;
    bool reads_two_gradients;
    bool (*fits)(const struct device *dev, const struct op *first,
                 const struct op *second); /* NULL: always */
    int (*forward)(struct op *first, struct op *second, struct device *dev,
                   struct pass *pass, struct sluice_error *err);
    int (*backward)(struct op *first, struct op *second, struct device *dev,
                    struct pass *pass, struct sluice_error *err);
};

/* A device kind's pairs; the list ends with NULL and may itself be NULL. */
const struct op_fusion *const *op_fusions(enum device_kind kind);

/* Device cpu's. */
extern const struct op_fusion op_gate_add_relu, op_droppath_add_relu,
    op_batchnorm_add_relu, op_conv2d_maxpool;

/* Does the convolution measure its results in training, because op->measures says so?
 * NULL: nobody does. */
bool conv2d_measures(const struct op *op);
/* If it does: the mean of channel c of the last one, and the sum of squared distances
 * from it. */
void conv2d_moments(const struct op *op, int c, double *mean, double *square);

#endif

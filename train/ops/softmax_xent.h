/* softmax_xent.h -- what all versions of the loss share: the target of an image, and
 * the check of its label. */
#ifndef SLUICE_SOFTMAX_XENT_H
#define SLUICE_SOFTMAX_XENT_H

#include "backends.h"

/* The class of image n, or SLUICE_EINVAL. */
int xent_label(const struct op *op, const struct pass *pass, int n,
               struct sluice_error *err);

/* Wanted probability of class k where the label is `label`. */
static inline double xent_target(double smoothing, int classes, int label, int k)
{
    return smoothing / classes + (k == label ? 1 - smoothing : 0);
}

#endif

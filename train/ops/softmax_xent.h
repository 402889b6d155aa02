/* softmax_xent.h -- what all versions of the loss share: the target of an image, and
 * the check of its label. */
#ifndef SLUICE_SOFTMAX_XENT_H
#define SLUICE_SOFTMAX_XENT_H

#include "backends.h"

/* The class of an image; of a mixed one, both, and the share of the first. */
struct xent_labels {
    int own, other;
    double share;
};

/* Those of image n; SLUICE_EINVAL where one is no class of the network. */
int xent_labels(struct xent_labels *out, const struct op *op, const struct pass *pass,
                int n, struct sluice_error *err);

/* Into the pass: what the operator's head says. */
void xent_report(const struct op *op, struct pass *pass, double loss, double correct);

/* How much of `l` is class k. */
static inline double xent_share(const struct xent_labels *l, int k)
{
    return (k == l->own ? l->share : 0) + (k == l->other ? 1 - l->share : 0);
}

/* Wanted probability of class k. */
static inline double xent_target(double smoothing, int classes,
                                 const struct xent_labels *l, int k)
{
    return smoothing / classes + (1 - smoothing) * xent_share(l, k);
}

#endif

/* distill.h -- learning from a teacher's logits beside the labels (Hinton, Vinyals,
 * Dean: "Distilling the knowledge in a neural network", 2015).
 *
 *     p = softmax(x / T)      q = softmax(teacher / T)
 *     loss = a T^2 hard + (1 - a) T^2 mean over images of sum q log(q / p)
 *     dx   = a T^2 dhard + (1 - a) T (p - q) / images
 *
 * hard is the loss by labels, with its smoothing. For the network's own loss, that of
 * head 0: of a network with several losses the others are by labels alone. On devices
 * whose operators work in the host's memory. */
#ifndef SLUICE_DISTILL_H
#define SLUICE_DISTILL_H

#include "backends.h"

struct distill {
    const float *teacher;      /* (images, classes), logits */
    double alpha, temperature; /* a and T */
    /* Filled by the loss operator's forward. */
    double hard; /* by labels alone */
    double soft; /* T^2 times the divergence */
};

/* What is minimised, where `hard` is the loss by labels: that itself, unless the pass
 * has a teacher and this is head 0. */
double distill_loss(const struct op *op, struct pass *pass, double hard);

/* The same for gradients: those of image n, class by class. */
struct distill_image {
    const struct distill *from; /* NULL: no teacher */
    const struct tensor *x;
    const float *teacher;   /* (classes) */
    size_t first;           /* of x */
    double student, master; /* logs of the sums of exp(x / T) */
};

void distill_begin(struct distill_image *image, const struct op *op,
                   const struct pass *pass, int n);
double distill_slope(const struct distill_image *image, int k, double hard);

#endif

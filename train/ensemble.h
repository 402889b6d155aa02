/* ensemble.h -- several networks that answer together: the mean of their probabilities.
 */
#ifndef SLUICE_ENSEMBLE_H
#define SLUICE_ENSEMBLE_H

#include "evaluator.h"

/* What the networks so far say, of the first one's images. */
struct ensemble {
    const struct evaluator *first;  /* open */
    const struct evaluation *asked; /* samples and labels */
    float *scores; /* (first->info.count, classes), as evaluate_scores() has them */
    int networks;
};

/* Let another network join, which is loaded and becomes open. It must know as many
 * classes, and answer to the same images; `alone` is its own accuracy, NaN without
 * labels. */
int ensemble_join(struct ensemble *e, struct evaluator *other, double *alone,
                  struct sluice_error *err);

#endif

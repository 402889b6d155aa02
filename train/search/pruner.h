/* pruner.h -- trials that are ended early, by their accuracies so far.
 *
 * plateau: `patience` measured epochs in a row brought no accuracy more than
 *     `min_delta` above the best at the last gain (the first epoch is one).
 * median: as Optuna's MedianPruner: the best accuracy so far is below the median of
 *     what the complete trials had in this epoch; not before `startup` trials are
 *     complete, nor in the first `warmup` epochs. */
#ifndef SLUICE_PRUNER_H
#define SLUICE_PRUNER_H

#include <stdbool.h>

#include <sluice/error.h>

/* Accuracies (0..1) by epoch; NaN where none was measured. */
struct curve {
    int epochs;
    double *at; /* (epochs) */
};

enum pruner_kind { PRUNER_PLATEAU, PRUNER_NONE, PRUNER_MEDIAN };

#define PRUNERS "plateau|none|median"

struct pruner {
    enum pruner_kind kind;
    int patience;
    double min_delta; /* 0..1 */
    int startup, warmup;
};

/* Whether a trial that has come so far ends here. `complete` are the curves of the
 * complete trials. */
bool pruner_ends(const struct pruner *p, const struct curve *so_far,
                 const struct curve *const *complete, int count);

/* Set the accuracy of an epoch (from 1); those before it that are not there are NaN,
 * those behind it are dropped. SLUICE_ENOMEM. */
int curve_set(struct curve *c, int epoch, double accuracy, struct sluice_error *err);
/* The last that was measured and its epoch; NaN and 0: none was. */
double curve_last(const struct curve *c, int *epoch);

#endif

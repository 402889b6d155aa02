/* meta.h -- the network that is stacked on others: what it learns from is their answers
 * alone, numbers in memory. */
#ifndef SLUICE_META_H
#define SLUICE_META_H

#include "config.h"
#include "level_one.h"

struct meta;

/* One epoch of its training. */
struct meta_epoch {
    int epoch;                       /* from 1 */
    double loss;                     /* of training, label smoothing included */
    double held_loss, held_accuracy; /* of what is held back */
    double lr;                       /* of the last step */
};

struct meta_watch {
    void *ctx;
    int (*epoch)(void *ctx, const struct meta_epoch *e, struct sluice_error *err);
    int (*stopped)(void *ctx); /* asked between epochs: SLUICE_ESTOPPED */
};

/* Before anything is known of the answers: whether the model of `cfg` can be built for
 * those of so many bases. */
int meta_check(const struct config *cfg, int bases, struct sluice_error *err);

/* Train the model of `cfg` on all rows but those held back: a tenth, drawn by
 * cfg->seed. Of cfg count seed, device, threads, model, init.weights, training,
 * optimizer, schedule and stop, whose tests are of the rows held back. The same
 * arguments give the same network. */
int meta_train(struct meta **out, const struct level_one *l, const struct config *cfg,
               const struct meta_watch *watch, struct sluice_error *err);
void meta_close(struct meta *m); /* NULL is fine */

/* What it makes of `count` rows, (count, bases, classes): logarithms of probabilities,
 * (count, classes). */
int meta_apply(struct meta *m, const float *answers, uint64_t count, float *scores,
               struct sluice_error *err);
/* The rows held back: their numbers, ascending, and how many. They belong to m. */
const uint64_t *meta_held(const struct meta *m, uint64_t *count);
size_t meta_parameters(const struct meta *m);

#endif

/* evaluator.h -- a trained network, as a run or a checkpoint holds it, and a file to
 * try it on: what `sluice eval` and `sluice stack` open. */
#ifndef SLUICE_EVALUATOR_H
#define SLUICE_EVALUATOR_H

#include "checkpoint.h"
#include "evaluate.h"
#include "feed.h"

/* Which weights of a run. */
enum evaluator_weights {
    WEIGHTS_LAST = 0, /* the latest */
    WEIGHTS_BEST = 1, /* those that did best on the set that was watched */
};

struct evaluator {
    struct config cfg;  /* the run's, with what was laid over it */
    struct run_dir run; /* of a checkpoint alone: where it lies, or a tree's itself */
    char checkpoint[RUN_PATH];
    struct checkpoint_meta meta;
    int classes;
    struct device *dev;
    struct net *net;
    struct data_info info;
    struct feed feed;
};

/* `what` is a run, a tree of runs, or one checkpoint, which carries its recipe; `list`
 * are keys ("a.b=c") laid over it. Opens nothing yet. */
int evaluator_load(struct evaluator *e, const char *what,
                   enum evaluator_weights weights, const char *const *list, int count,
                   struct sluice_error *err);
/* Device, network and file: data.test; without one the part of data.train that
 * data.fold holds back, or data.validation. */
int evaluator_open(struct evaluator *e, struct sluice_error *err);
void evaluator_close(struct evaluator *e); /* a zeroed one is fine */

#endif

/* trainer.h -- one training run, from recipe to weights.
 *
 * Prints nothing: what happens is told to a watcher, and written into the run's
 * folder. A run that stopped, for whatever reason, continues from its last checkpoint
 * and ends with the same bits as one that never stopped. */
#ifndef SLUICE_TRAINER_H
#define SLUICE_TRAINER_H

#include "config.h"
#include "metrics.h"
#include "run_dir.h"

/* Where a run stands, after each step. */
struct trainer_progress {
    int epoch, epochs;     /* from 1 */
    uint64_t step, steps;  /* of the whole run */
    uint64_t images;       /* done in this epoch */
    double loss, accuracy; /* running means of this epoch */
    double lr;
    double images_per_second; /* in this epoch */
    double wait;              /* share of time waiting for data in this epoch */
    double seconds_left;      /* of training; tests not counted */
};

struct trainer_watch {
    void *ctx;
    void (*message)(void *ctx,
                    const char *line); /* what was opened, decided, written */
    void (*step)(void *ctx, const struct trainer_progress *now);
    void (*epoch)(void *ctx, const struct epoch_row *row, int epochs);
    int (*stopped)(void *ctx); /* nonzero: save a checkpoint and end */
};

struct trainer_result {
    struct run_dir run;
    double accuracy;            /* on the test set; NaN: none */
    double validation_accuracy; /* on the validation set; NaN: none */
    double best_accuracy;       /* on the validation set, without one the test set */
    double seconds;
    int rank; /* of this process; others than 0 have nothing to tell. Set in any case */
};

/* Started by mpirun, all its processes train together (ranks.h): each takes
 * training.batch_size images a step. If one of them fails, all end at once.
 *
 * A new run. `cfg` is completed with what was resolved on the way: device, number of
 * threads, statistics, the spelled-out pipeline. SLUICE_ESTOPPED: stopped by the
 * watcher, everything saved; the message says how to continue. */
int trainer_run(struct config *cfg, const struct trainer_watch *watch,
                struct trainer_result *result, struct sluice_error *err);
/* Open everything that a new run needs, tell the watcher what it would be and which
 * memory it would take, and write nothing. */
int trainer_plan(struct config *cfg, const struct trainer_watch *watch,
                 struct sluice_error *err);
/* Continue the run in this folder; `cfg` is its own, with changes of free options. */
int trainer_resume(struct config *cfg, const char *folder,
                   const struct trainer_watch *watch, struct trainer_result *result,
                   struct sluice_error *err);

#endif

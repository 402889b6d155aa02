/* trial_run.h -- one trial of a study as a training run. */
#ifndef SLUICE_TRIAL_RUN_H
#define SLUICE_TRIAL_RUN_H

#include "study.h"
#include "trainer.h"

/* What the trial trains, or, without a trial, what all of them have in common: the
 * space's fixed keys, the command line, the trial's values, in this order. */
int trial_config(struct config *cfg, const struct study *s, const struct trial *t,
                 struct sluice_error *err);
/* A set to choose by must be there, and must not be the test set unsaid. */
int trial_check_watched(const struct config *cfg, const struct study *s,
                        struct sluice_error *err);

/* Train it, or go on where it stopped; its state, accuracies and message are set. What
 * is one trial's alone (a loss that diverges, keys that do not go together) is no error
 * of the call: state TRIAL_FAILED. SLUICE_ESTOPPED: stopped by the watcher, the trial
 * stays TRIAL_RUNNING. Of a list every failure is the trial's; otherwise those of files
 * and disks are the study's. */
int trial_run(struct study *s, struct trial *t, const struct trainer_watch *watch,
              struct sluice_error *err);

/* Remove its checkpoints: they are large, and of another trial than the best. */
void trial_drop_weights(const struct study *s, const struct trial *t);

#endif

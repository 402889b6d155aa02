/* outputs.h -- the tree of layout RUN_OUTPUTS around its runs: models by name, and a
 * folder for each evaluation. */
#ifndef SLUICE_OUTPUTS_H
#define SLUICE_OUTPUTS_H

#include "run_dir.h"

/* <dir>/<kind>_models/<name>_<kind>.safetensors is the run's checkpoint `checkpoint`
 * ("best", "last") from now on: a second name of the file, which outlives the run's
 * folder, or where file systems have none a symbolic link. Nothing for another layout.
 */
int outputs_publish(const struct run_dir *run, const char *kind, const char *name,
                    const char *checkpoint, struct sluice_error *err);

/* The full path of that file in `buf`, where there is such a tree; "" otherwise. */
const char *outputs_model(char buf[RUN_PATH], const struct run_dir *run,
                          const char *kind, const char *name);

/* Make <dir>/evaluations/<name>_val_acc_<percent>_<date> with a symbolic link
 * model.safetensors to the checkpoint. accuracy 0..1; NaN: "unknown". */
int outputs_evaluation(struct run_dir *out, const struct run_dir *run, const char *name,
                       double accuracy, const char *checkpoint,
                       struct sluice_error *err);

#endif

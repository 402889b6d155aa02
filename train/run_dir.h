/* run_dir.h -- the folder of one training run, and files that are whole or not there.
 *
 *     config.yaml  metrics.csv  steps.csv  log.txt  summary.json
 *     events.out.tfevents.*  checkpoints/{last,best}.safetensors
 *     predictions.csv  per_class.csv  plots/{loss,accuracy,learning_rate}.svg
 *     config.json
 *
 * With RUN_OUTPUTS logs and plots stand in a folder `logs`, and the run itself within
 * a tree with others (outputs.h):
 *
 *     <dir>/training_runs/<date>/...
 *     <dir>/best_models/<name>_best.safetensors
 *     <dir>/final_models/<name>_final.safetensors
 *     <dir>/evaluations/<name>_val_acc_<accuracy>_<date>/ */
#ifndef SLUICE_RUN_DIR_H
#define SLUICE_RUN_DIR_H

#include <stdio.h>

#include <sluice/error.h>

#include "temporary.h"

enum { RUN_PATH = 2048 };

/* The numbers of run.layout. */
enum run_layout {
    RUN_PLAIN = 0,
    RUN_OUTPUTS = 1,
};

struct run_dir {
    char path[1400];
    enum run_layout layout;
};

/* Make <parent>/<date>-<time>-<name>, or <parent>/training_runs/<date>, with its
 * subfolders. A folder of that name is never used twice. */
int run_dir_create(struct run_dir *run, const char *parent, const char *name,
                   enum run_layout layout, struct sluice_error *err);

/* Next, with the outcome of writing config.yaml: point `latest` beside the new run to
 * it, or take the folder away again if that failed. Returns rc. */
int run_dir_settle(const struct run_dir *run, int rc);
/* One that exists, of any layout: it must hold a config.yaml, or be the parent of runs:
 * its `latest`, or, where no such link could be made, the one that began last. */
int run_dir_open(struct run_dir *run, const char *path, struct sluice_error *err);
/* Lock the folder for this process, as long as `fd`, of the folder or a file in it, is
 * open: two that go on with one would write into each other's records. SLUICE_EINVAL,
 * with `what`, "training in this run", if another process has it. Where nothing can be
 * locked, nothing is. */
int run_dir_lock(int fd, const char *path, const char *what, struct sluice_error *err);
/* The path of `file`, called by its name in the plain layout, in `buf`. */
const char *run_file(char buf[RUN_PATH], const struct run_dir *run, const char *file);

/* The checkpoint that a user names: a file as it is, of a run its last one. `what`
 * begins the message where nothing is there: "init.from: ", or "". */
int run_checkpoint(char path[RUN_PATH], const char *what, const char *from,
                   struct sluice_error *err);

/* A folder that may be there already; and with it all that its path goes through. */
int make_folder(const char *path, struct sluice_error *err);
int make_folder_path(const char *path, struct sluice_error *err);

/* A file written through a temporary name: complete under its own name after
 * file_commit, absent (or as it was) otherwise. Of several that are written at once the
 * last to commit stays. */
struct new_file {
    FILE *to;
    char path[RUN_PATH], temporary[RUN_PATH + STALE_ROOM];
};
int file_begin(struct new_file *f, const char *path, struct sluice_error *err);
int file_commit(struct new_file *f, struct sluice_error *err);

/* Append-only files: flush and see that the bytes were taken; and that a power failure
 * takes none of them away. */
int file_flush(FILE *f, const char *path, struct sluice_error *err);
int file_sync(FILE *f, const char *path, struct sluice_error *err);
/* The whole file, with a zero behind it; the caller frees it. */
int text_file_read(char **text, size_t *size, const char *path, size_t most,
                   struct sluice_error *err);

#endif

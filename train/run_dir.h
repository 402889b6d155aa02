/* run_dir.h -- the folder of one training run, and files that are whole or not there.
 *
 *     config.yaml  metrics.csv  steps.csv  log.txt  summary.json
 *     events.out.tfevents.*  checkpoints/{last,best}.safetensors
 *     predictions.csv  per_class.csv  plots/{loss,accuracy,learning_rate}.svg */
#ifndef SLUICE_RUN_DIR_H
#define SLUICE_RUN_DIR_H

#include <stdio.h>

#include <sluice/error.h>

enum { RUN_PATH = 2048 };

struct run_dir {
    char path[1400];
};

/* Make <parent>/<date>-<time>-<name> with its subfolders, and point <parent>/latest to
 * it. A folder of that name is never used twice. */
int run_dir_create(struct run_dir *run, const char *parent, const char *name,
                   struct sluice_error *err);
/* One that exists: it must hold a config.yaml, or be the parent of runs: its latest. */
int run_dir_open(struct run_dir *run, const char *path, struct sluice_error *err);
/* "<run>/<file>", in `buf`. */
const char *run_file(char buf[RUN_PATH], const struct run_dir *run, const char *file);

/* A file written through a temporary name: complete under its own name after
 * file_commit, absent (or as it was) otherwise. */
struct new_file {
    FILE *to;
    char path[RUN_PATH], temporary[RUN_PATH + 8];
};
int file_begin(struct new_file *f, const char *path, struct sluice_error *err);
int file_commit(struct new_file *f, struct sluice_error *err);

/* Append-only files: flush and see that the bytes were taken. */
int file_flush(FILE *f, const char *path, struct sluice_error *err);
/* The whole file, with a zero behind it; the caller frees it. */
int text_file_read(char **text, size_t *size, const char *path, size_t most,
                   struct sluice_error *err);
/* `text` as the inside of a JSON string. */
void write_json_text(FILE *to, const char *text);

#endif

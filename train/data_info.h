/* data_info.h -- what a trainer must know of a .sluice file before it opens a loader.
 */
#ifndef SLUICE_DATA_INFO_H
#define SLUICE_DATA_INFO_H

#include <sluice/format.h>

#include "config.h"

struct data_info {
    const char *path; /* borrowed */
    struct sluice_dataset *dataset;
    uint64_t first, count;      /* the samples of its range: first ... + count - 1 */
    uint64_t all;               /* in the file */
    uint64_t used;              /* of the range: all, or those of a fold */
    int folds, fold;            /* 0: no folds; else which of them, from 0 */
    bool fold_test;             /* that fold alone; else all others */
    struct sluice_shape source; /* of images behind data.crop */
    int label_field;            /* -1: the file has no labels */
    int label_column;           /* in a batch's labels */
    int classes; /* from the class names, else the largest label; 0: no labels */
};

/* `key` is what named the file, for errors: another may be given by it. `range` is
 * "FIRST-LAST", "" for all samples. Of the configuration count data.label, data.crop,
 * data.size and data.on_error. */
int data_info_open(struct data_info *info, const char *key, const char *path,
                   const char *range, const struct config *cfg,
                   struct sluice_error *err);
/* Of the samples those that cfg->data.fold ("1/5") leaves for training, or, if `test`,
 * those that it holds back; all if it is empty. */
int data_info_fold(struct data_info *info, const struct config *cfg, bool test,
                   struct sluice_error *err);
void data_info_close(struct data_info *info); /* a zeroed one is fine */
/* Every label of the samples in use lies in [0, classes). */
int data_info_check_labels(const struct data_info *info, int classes,
                           struct sluice_error *err);
/* Images of the same shape, classes of the same names. */
int data_info_check_match(const struct data_info *train, const struct data_info *test,
                          struct sluice_error *err);
/* A checksum of the class names; 0: there are none. */
uint32_t data_info_names(const struct data_info *info);
/* The class's name, or its number in `buf`. */
const char *data_info_class(char buf[32], const struct data_info *info, int label);

#endif

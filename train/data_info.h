/* data_info.h -- what a trainer must know of a .sluice file before it opens a loader,
 * and loaders with the right augmentation on them. */
#ifndef SLUICE_DATA_INFO_H
#define SLUICE_DATA_INFO_H

#include <sluice/augment.h>
#include <sluice/loader.h>

#include "config.h"
#include "device.h"

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

/* A test's crop beside the one of training. */
enum sluice_crop_kind feed_test_crop(const struct config *cfg);

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

/* A loader and the pipeline that its threads run. */
struct feed {
    struct sluice_augment *augment;
    struct sluice_loader *loader;
};

struct feed_options {
    const char *pipeline; /* "" for conversion alone */
    enum sluice_dtype dtype;
    enum sluice_order order;
    int batch_size;
    bool drop_last;
    enum sluice_crop_kind crop;
    enum sluice_on_error on_error;
    struct device *raw; /* NULL: the loader's threads augment; else batches are u8, in
                           pinned memory, for this device to augment */
    bool mixes;         /* batches are mixed: by sluice_augment_mix or the device */
    bool once;       /* images are read once at most: nothing is read ahead or kept */
    int rank, world; /* this process takes every world-th batch; 0, 0: all */
};

int feed_open(struct feed *feed, const struct data_info *info, const struct config *cfg,
              const struct feed_options *options, struct sluice_error *err);
void feed_close(struct feed *feed);

/* What test images get: data.augment_test, where "auto" is the `center_crop` and the
 * `normalize` of data.augment, if they are there. */
void feed_test_pipeline(char *buf, size_t size, const struct config *cfg);

#endif

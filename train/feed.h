/* feed.h -- a loader on what data_info.h knows of a file, with augmentation on it. */
#ifndef SLUICE_FEED_H
#define SLUICE_FEED_H

#include <sluice/augment.h>
#include <sluice/loader.h>

#include "data_info.h"
#include "device.h"

/* A loader and the pipeline that its threads run. */
struct feed {
    struct sluice_augment *augment;
    struct sluice_loader *loader;
    int batch_size; /* images of a batch at most */
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

/* On failure nothing needs closing. Of the configuration count data.*, and seed. */
int feed_open(struct feed *feed, const struct data_info *info, const struct config *cfg,
              const struct feed_options *options, struct sluice_error *err);
void feed_close(struct feed *feed); /* a zeroed one is fine */

/* What test images get: data.augment_test, where "auto" is the `center_crop` and the
 * `normalize` of data.augment, if they are there. */
void feed_test_pipeline(char *buf, size_t size, const struct config *cfg);
/* A test's crop beside the one of training. */
enum sluice_crop_kind feed_test_crop(const struct config *cfg);

#endif

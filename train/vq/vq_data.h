/* vq_data.h -- images for the classifiers: an endless stream of batches to train on,
 * and whole sets to measure on. */
#ifndef SLUICE_VQ_DATA_H
#define SLUICE_VQ_DATA_H

#include <sluice/augment.h>
#include <sluice/loader.h>

#include "../data_info.h"
#include "vq_config.h"

enum {
    VQ_CLASSES = 10,
};

/* Batches one after the other, epoch after epoch. */
struct vq_feed {
    struct sluice_augment *augment;
    struct sluice_loader *loader;
    int label_column;
    uint64_t taken; /* batches since the beginning: where the stream stands */
    bool placed;    /* the loader stands there, too */
};

struct vq_data {
    struct config names; /* what data_info.h asks for */
    struct data_info train_info, test_info;
    uint64_t *limited;          /* data.limit: the samples; NULL: all */
    struct vq_feed train, test; /* in random order */
    struct vq_feed measured[2]; /* train and test set, in order */
};

/* A file that does not hold what is wanted is named, with the key. `test_alone`: no
 * training, so nothing but measured[1] is opened. */
int vq_data_open(struct vq_data *data, const struct vq_config *cfg, bool test_alone,
                 struct sluice_error *err);
void vq_data_close(struct vq_data *data); /* a zeroed one is fine */

/* The stream's batch number `taken`, which is then one more. */
int vq_feed_next(struct vq_feed *feed, const struct sluice_batch **out,
                 struct sluice_error *err);
void vq_feed_release(struct vq_feed *feed, const struct sluice_batch *batch);

#endif

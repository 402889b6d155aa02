/* stage.h -- the next batch on a GPU, copied and augmented on a lane of its own while
 * the network trains on the one before. */
#ifndef SLUICE_STAGE_H
#define SLUICE_STAGE_H

#include "../feed.h"
#include "gpu.h"

struct stage {
    struct gpu *gpu;
    const struct feed *feed;
    const struct data_info *info;
    struct sluice_shape source; /* of an image before augmentation */
    int batch_size;             /* the largest */
    bool resident;              /* the whole set is on the GPU */
    /* Device memory. */
    void *pixels;  /* u8, of a batch or of the whole set */
    uint64_t *ids; /* (2, batch_size): sample numbers, and places in pixels */
    void *scratch; /* of augmentation */
    void *images;  /* augmented, as the network's input */
    size_t bytes;  /* of one of them */
    int32_t *labels;
    struct sluice_mix *mixes; /* NULL: nothing mixes */
};

/* A batch, described in pinned memory, which is the GPU's until it has passed. */
struct stage_batch {
    uint64_t *ids;   /* as the stage's */
    int32_t *labels; /* -1: none that can be */
    int count;
    uint32_t epoch;
    uint64_t number;                     /* in the epoch */
    const struct sluice_batch *streamed; /* NULL: of the resident set */
};

/* The memory of the stage, whose gpu, feed, info and batch_size are set; with
 * `resident` the set, too. What was opened before a failure is stage_close's. */
int stage_open(struct stage *s, bool resident, struct sluice_error *err);
void stage_close(struct stage *s);

/* Fill in ids, labels and count. */
int stage_list(const struct stage *s, struct stage_batch *b, struct sluice_error *err);

/* Enqueue all that brings the batch to `input` and to the labels and mixes of gpu.h. */
int stage_show(struct stage *s, const struct stage_batch *b, void *input,
               struct sluice_error *err);

#endif

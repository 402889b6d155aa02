/* evaluate.h -- how well a network does on a set: accuracy, loss, every prediction. */
#ifndef SLUICE_EVALUATE_H
#define SLUICE_EVALUATE_H

#include "data_info.h"
#include "net.h"
#include "run_dir.h"

/* Views of each image whose logits are averaged. The numbers are those of eval.tta. */
enum tta {
    TTA_NONE = 0,
    TTA_FLIP = 1,       /* the image and its mirror image */
    TTA_FLIP_SHIFT = 2, /* half of that, half of both moved by a pixel up-left and
                           down-right, edges reflected */
};

struct prediction {
    uint64_t id;
    int64_t label; /* -1: the file has none */
    int predicted;
    float probability;
};

struct evaluation {
    int classes;
    uint64_t count;
    bool labelled;
    double loss, accuracy; /* plain cross-entropy; NaN without labels */
    struct prediction *at; /* (count), in the file's order */
};

/* The loader stands at its first batch afterwards. */
int evaluate(struct evaluation *out, struct net *net, struct sluice_loader *loader,
             const struct data_info *info, enum tta tta, struct sluice_error *err);
void evaluation_free(struct evaluation *e); /* a zeroed one is fine */

/* predictions.csv and per_class.csv into `folder`. */
int evaluation_write(const struct evaluation *e, const struct data_info *info,
                     const struct run_dir *folder, struct sluice_error *err);
/* The per-class table and the pairs most often mistaken, for people. */
int evaluation_print(FILE *to, const struct evaluation *e, const struct data_info *info,
                     struct sluice_error *err);

#endif

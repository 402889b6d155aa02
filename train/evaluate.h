/* evaluate.h -- how well a network does on a set: accuracy, loss, every prediction. */
#ifndef SLUICE_EVALUATE_H
#define SLUICE_EVALUATE_H

#include <sluice/loader.h>

#include "data_info.h"
#include "net.h"
#include "ranks.h"
#include "run_dir.h"

/* Views of each image whose logits are averaged. The numbers are those of eval.tta. */
enum tta_kind {
    TTA_NONE = 0,
    TTA_FLIP = 1,       /* the image and its mirror image */
    TTA_FLIP_SHIFT = 2, /* half of that, half the image moved by a pixel up-left and
                           down-right, edges reflected, and both mirrored */
    TTA_CROPS = 3,      /* the image, its mirror image, and random shifts by up to 4
                           pixels each way, edges reflected: as many as `views` */
};

struct tta {
    enum tta_kind kind;
    int views;     /* TTA_CROPS: at least 2 */
    uint64_t seed; /* of the shifts: functions of (seed, sample, view) */
    double sure;   /* the first view of an image alone, if its answer has at least this
                      probability; 0: all views of each */
};

struct prediction {
    uint64_t id;
    int64_t label; /* -1: the file has none */
    int predicted; /* -1: the network's answer is no number */
    float probability;
};

/* What one of a network's losses makes of the set: plain cross-entropy. */
struct evaluated_head {
    double loss, accuracy; /* NaN without labels */
};

struct evaluation {
    int classes;
    uint64_t count;
    bool labelled;
    double loss;                        /* the sum of the heads', each by its weight */
    double accuracy;                    /* head 0's, whose are the predictions, too */
    struct prediction *at;              /* (count), in the file's order */
    const struct prediction *no_number; /* the first that a head answers with NaN */
    int heads;
    struct evaluated_head head[PASS_HEADS];
};

/* All samples of `info`, which `ranks` take in turns as the loader deals them out; each
 * gets the whole result, the same for any number of them. The loader stands at its
 * first batch afterwards. */
int evaluate(struct evaluation *out, struct net *net, struct sluice_loader *loader,
             const struct data_info *info, const struct tta *tta, struct ranks *ranks,
             struct sluice_error *err);
/* The same by one process, and into `scores`, (info->count, classes), the logarithm of
 * the probability of each class: sample i of the file in row i - info->first. Rows of
 * samples that are not in use stay as they are. */
int evaluate_scores(struct evaluation *out, float *scores, struct net *net,
                    struct sluice_loader *loader, const struct data_info *info,
                    const struct tta *tta, struct sluice_error *err);
/* Predictions, loss and accuracy anew, by scores as those above: of samples that
 * e->at has already, with their labels. `first` is info->first. There is one head. */
void evaluation_decide(struct evaluation *e, const float *scores, uint64_t first);
/* Refuses answers that are no numbers: they say nothing of the images. To be asked
 * before the predictions are used; `network` names the file, or what else answered. */
int evaluation_check(const struct evaluation *e, const char *network,
                     struct sluice_error *err);
/* What the configuration says. */
struct tta evaluate_tta(const struct config *cfg);
void evaluation_free(struct evaluation *e); /* a zeroed one is fine */

/* Of predictions.csv; the numbers are those of eval.predictions. */
enum predictions_kind {
    PREDICTIONS_FULL = 0,   /* id,label,prediction,probability; id in the file */
    PREDICTIONS_LABELS = 1, /* ID,Labels; ID from 0 */
};

/* predictions.csv and, with labels, per_class.csv into `folder`. */
int evaluation_write(const struct evaluation *e, const struct data_info *info,
                     enum predictions_kind kind, const struct run_dir *folder,
                     struct sluice_error *err);
/* The first `most` rows as PREDICTIONS_LABELS has them, and how many more there are. */
void evaluation_print_first(FILE *to, const struct evaluation *e,
                            const struct data_info *info, uint64_t most);
/* The per-class table and the pairs most often mistaken, for people. */
int evaluation_print(FILE *to, const struct evaluation *e, const struct data_info *info,
                     struct sluice_error *err);

#endif

/* metrics.h -- what a run measures: one row an epoch, and some steps. */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/error.h>

#include "ops/op.h"

/* What one of a network's losses measured in an epoch: means. */
struct head_row {
    double loss, accuracy; /* of training */
    double test_loss, test_accuracy;
};

/* One epoch. NaN: not measured in this epoch. */
struct epoch_row {
    int epoch; /* finished, from 1 */
    uint64_t step;
    double loss, accuracy; /* of training, running mean; accuracies are 0..1 */
    double test_loss, test_accuracy; /* of the set that is watched */
    double lr, momentum;             /* of the last step */
    double seconds;                  /* of the epoch, tests apart */
    double images_per_second;        /* in training */
    double wait;       /* share of `seconds` that stood waiting for data */
    double memory_mib; /* resident in this process at its end */
    bool validated;    /* test_* are of a validation set; not in the file */
    int heads;         /* of the network; in the file where there are several */
    struct head_row head[PASS_HEADS]; /* not read back from the file */
};

/* A number about the heads, and what it is called: "meta_loss" of head 0, "base_loss"
 * of the sum of the others, "base_loss_2" and "base_acc_2" of head 2. */
struct head_number {
    char name[24];
    bool test; /* of the set that is watched */
    double value;
};
enum {
    HEAD_NUMBERS = 4 * PASS_HEADS,
};
/* All of a row with several heads, in the order of the columns; how many: 0 with one.
 */
int metrics_head_numbers(struct head_number out[HEAD_NUMBERS],
                         const struct epoch_row *row);
/* "meta 0.4310  base 1 0.5120 82.31%  ... | test meta ..." of a row with several heads.
 */
const char *epoch_heads_line(char buf[1024], const struct epoch_row *row);

struct step_row {
    uint64_t step; /* done, from 1 */
    int epoch;     /* from 1 */
    double loss, accuracy, lr, momentum;
};

/* One epoch of learning from a teacher: losses are means over its images. */
struct distill_row {
    int epoch; /* finished, from 1 */
    uint64_t step;
    double loss;    /* what was minimised */
    double student; /* by labels alone */
    double soft;    /* T^2 times the divergence from the teacher */
    double alpha, temperature;
};

/* A parameter's gradient in one step; NaN: not measured. */
struct gradient_row {
    uint64_t step; /* done, from 1 */
    int epoch;     /* from 1 */
    const char *name;
    double quartile[3], norm; /* of the absolute values */
};

/* metrics.csv, steps.csv, distill.csv and gradients.csv, appended and flushed row by
 * row. */
struct table;
enum table_kind {
    TABLE_EPOCHS,
    TABLE_STEPS,
    TABLE_DISTILL,
    TABLE_GRADIENTS,
};

/* Create the file, or continue it: rows up to and with epoch (or step) `last` stay,
 * later ones and torn ones are dropped. last = 0 begins anew. A file with another first
 * line is refused: SLUICE_EINVAL. */
int table_open(struct table **out, const char *path, enum table_kind kind,
               uint64_t last, struct sluice_error *err);
/* The same of epochs, with columns for the heads, where there are several. */
int table_open_heads(struct table **out, const char *path, int heads, uint64_t last,
                     struct sluice_error *err);
int table_epoch(struct table *t, const struct epoch_row *row, struct sluice_error *err);
int table_step(struct table *t, const struct step_row *row, struct sluice_error *err);
int table_distill(struct table *t, const struct distill_row *row,
                  struct sluice_error *err);
int table_gradient(struct table *t, const struct gradient_row *row,
                   struct sluice_error *err);
/* Before a checkpoint, which will not have these rows written again; NULL is fine. */
int table_sync(struct table *t, struct sluice_error *err);
void table_close(struct table *t); /* NULL is fine */

/* All whole rows of a metrics.csv, for plots. The caller frees *rows. */
int metrics_read(struct epoch_row **rows, int *count, const char *path,
                 struct sluice_error *err);
/* "epoch  12/24  loss 0.4310  acc 93.10%  test 92.00%  lr 0.1  img/s 41,000 ..." */
const char *epoch_line(char buf[256], const struct epoch_row *row, int epochs);

#endif

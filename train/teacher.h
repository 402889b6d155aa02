/* teacher.h -- the logits of a trained network for every image that another one learns
 * from: made once, without augmentation, and kept in the run's folder, so that a run
 * that continues needs the teacher no more. */
#ifndef SLUICE_TEACHER_H
#define SLUICE_TEACHER_H

#include "data_info.h"
#include "run_dir.h"

struct teacher {
    float *logits;         /* (count, classes), by sample; NULL: no teacher */
    uint64_t first, count; /* samples first ... first + count - 1 */
    int classes;
    uint32_t crc; /* CRC-32C of the logits */
    float *batch; /* (batch_size, classes): those of the present step */
};

/* Who is asked, and whether to stop. */
struct teacher_ask {
    const struct config *cfg;     /* the student's */
    const struct data_info *info; /* what it learns from */
    int classes;
    struct device *dev; /* where the teacher runs */
    void *ctx;
    bool (*stopped)(void *ctx);
    void (*say)(void *ctx, const char *line);
};

/* Run cfg->distill.teacher, a run or a checkpoint, over all samples in use, with its
 * own operations for test images. On failure *out is empty. */
int teacher_run(struct teacher *out, const struct teacher_ask *ask,
                struct sluice_error *err);
/* Would it run, as far as its own file tells? */
int teacher_check(const struct teacher_ask *ask, struct sluice_error *err);
/* teacher_logits.npy in the run's folder, as NumPy reads it. */
int teacher_save(const struct teacher *t, const struct run_dir *run,
                 struct sluice_error *err);
/* What was saved, for the samples in use: SLUICE_ECORRUPT where it is something else.
 * `crc` < 0: of any content. */
int teacher_load(struct teacher *out, const struct run_dir *run,
                 const struct data_info *info, int classes, double crc,
                 struct sluice_error *err);
/* The rows of these samples, in their order; room is made for `room` of them. */
int teacher_rows(struct teacher *t, const uint64_t *ids, int count, int room,
                 const float **rows, struct sluice_error *err);
void teacher_free(struct teacher *t); /* a zeroed one is fine */

/* From `start` to `end` along half a cosine, squared, over `epochs`; `end` from then
 * on: end + (start - end) cos^2(pi epoch / (2 epochs)). */
double teacher_anneal(double start, double end, int epochs, uint64_t epoch);

#endif

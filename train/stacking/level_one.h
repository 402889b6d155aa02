/* level_one.h -- what networks say of images that they did not learn from: what another
 * network, stacked on them, learns from (Wolpert: "Stacked generalization", 1992).
 *
 * A base is a study of `sluice search --folds`: one recipe, trained once for each fold
 * of the training set, without it. Each training image so has the answer of one of its
 * networks that never saw it, each test image one of every fold. Answers are the
 * logarithms of the classes' probabilities. */
#ifndef SLUICE_LEVEL_ONE_H
#define SLUICE_LEVEL_ONE_H

#include "data_info.h"
#include "search/study.h"

enum {
    LEVEL_BASES = 16,
};

struct level_base {
    char name[TRIAL_NAME]; /* of the recipe */
    int folds;
    double *accuracy; /* (folds): of each fold's network on what it was left out of */
    float *test;      /* (folds, tested, classes) */
};

struct level_one {
    int bases, classes;
    struct level_base base[LEVEL_BASES];
    uint64_t count;         /* training images */
    float *answers;         /* (count, bases, classes) */
    int64_t *labels;        /* (count) */
    uint64_t tested;        /* 0: there is no test set */
    char test[1024];        /* its path */
    struct data_info about; /* likewise */
    int64_t *test_labels;   /* (tested); -1: it has none */
    uint64_t *test_ids;     /* (tested): their numbers in the file */
};

struct level_watch {
    void *ctx;
    void (*say)(void *ctx, const char *line);
    int (*stopped)(void *ctx); /* asked between networks: SLUICE_ESTOPPED */
};

/* From the studies in these folders, of the same training images, with all their folds
 * complete. `cfg` says, by data.test, which test set (empty: that of the first study),
 * by data.test_range which part of it (empty: each study's own), and by device and
 * threads, unless they are auto and 0, where the networks run. Studies whose test
 * images are not the first one's, with the same labels, are refused. On failure nothing
 * is held. */
int level_one_gather(struct level_one *out, const char *const *studies, int count,
                     const struct config *cfg, const struct level_watch *watch,
                     struct sluice_error *err);
void level_one_free(struct level_one *l); /* a zeroed one is fine */

/* How the answers of a base's networks to a test image become one. */
enum level_strategy {
    ALL_FOLDS, /* their mean */
    BEST_FOLD, /* that of the fold with the best accuracy */
    WEIGHTED,  /* the mean, weighted by softmax(accuracy / 0.1) */
    LEVEL_STRATEGIES,
};
#define LEVEL_STRATEGY_NAMES "all_folds|best_fold|weighted"

/* (tested, bases, classes) into `out`; each answer's probabilities are 1 together. */
void level_one_test(float *out, const struct level_one *l,
                    enum level_strategy strategy);

#endif

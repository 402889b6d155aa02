/* study.h -- a search: what it was told, its trials, and both in a folder.
 *
 *     study.yaml          what it was told
 *     space.yaml          what varies; experiments.yaml for a list of experiments
 *     search_results.csv  one row a trial, whole after every trial
 *     trials/<number>/    the run of each
 *
 * A study that stopped is loaded again and goes on with the trial that had no end. */
#ifndef SLUICE_STUDY_H
#define SLUICE_STUDY_H

#include <dirent.h>

#include "pruner.h"
#include "run_dir.h"
#include "space.h"

enum study_kind {
    STUDY_SPACE, /* values of a space, one set after the other */
    STUDY_LIST,  /* experiments, each with keys of its own */
    STUDY_FOLDS, /* the same on each fold of the training set */
};

enum study_sampler { SAMPLER_TPE, SAMPLER_RANDOM, SAMPLER_GRID };

#define STUDY_KINDS "space|list|folds"
#define STUDY_SAMPLERS "tpe|random|grid"
#define STUDY_STATES "running|complete|pruned|failed"

enum trial_state {
    TRIAL_RUNNING, /* begun; where a study stopped, it goes on */
    TRIAL_COMPLETE,
    TRIAL_PRUNED,
    TRIAL_FAILED,
};

enum { TRIAL_NAME = 64, TRIAL_MESSAGE = 480 };

struct trial {
    enum trial_state state;
    char name[TRIAL_NAME]; /* of an experiment or fold; "" in a space */
    double *values;        /* (space.count) */
    double best, final;    /* accuracy on the watched set: the best epoch's, the
                              last weights'; NaN: none */
    double test;           /* on data.test, where another set is watched; or NaN */
    struct curve curve;    /* of the watched set, by epoch */
    double seconds;        /* of its run */
    char message[TRIAL_MESSAGE]; /* why it failed */
};

struct study_options {
    enum study_kind kind;
    enum study_sampler sampler;
    struct pruner pruner;
    uint64_t seed;
    int trials, folds;
    bool on_test; /* data.test is watched; else trials do not open it */
};

struct study {
    struct study_options o;
    char folder[1024]; /* of the study */
    char place[1024];  /* the working folder of its command line */
    char name[TRIAL_NAME], config_crc[16];
    char **args; /* the command line's keys, as typed */
    int arg_count;
    struct space space;
    struct settings experiments; /* <name>.<key> */
    struct trial *trials;
    int count;
    DIR *lock; /* the folder, which no other process may use meanwhile */
};

/* Its folder is made; SLUICE_EINVAL if there is a study in it, or another process in
 * it. */
int study_create(struct study *s, struct sluice_error *err);
/* To go on with s->folder: as long as the study is there no other process may.
 * SLUICE_EINVAL if one does. */
int study_lock(struct study *s, struct sluice_error *err);
/* What stands in the folder; locked before if it is to go on. */
int study_load(struct study *s, const char *folder, struct sluice_error *err);
int study_save(const struct study *s, struct sluice_error *err); /* the trials */
void study_free(struct study *s); /* a zeroed one is fine */

/* One more, running, with no values yet. SLUICE_ENOMEM. */
int study_add_trial(struct study *s, struct trial **out, struct sluice_error *err);
int study_add_arg(struct study *s, const char *arg, struct sluice_error *err);
/* Values or name of the trial, from those before it. */
int study_suggest(struct study *s, struct trial *t, struct sluice_error *err);
/* How many there will be; SLUICE_EINVAL for a grid that is none. */
int study_size(const struct study *s, int *trials, struct sluice_error *err);
/* The name of experiment i; false: there are fewer. */
bool study_experiment(const struct study *s, int i, char name[TRIAL_NAME]);

/* The complete trial of the best accuracy, the first of equals; NULL: none. */
const struct trial *study_best(const struct study *s);
int study_number(const struct study *s, const struct trial *t); /* from 1 */
const char *trial_folder(char buf[RUN_PATH], const struct study *s,
                         const struct trial *t);

#endif

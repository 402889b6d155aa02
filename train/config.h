/* config.h -- everything a training run can be told, in one struct and one table.
 *
 * The table drives parsing, bounds, help, unknown-key messages and the record that a
 * run writes. Text comes from settings.h, whatever its origin. */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "models/model.h"
#include "optim.h"
#include "schedule.h"
#include "settings.h"
#include "steering.h"

enum {
    CONFIG_TEXT = 1024,  /* bytes of a text value */
    CONFIG_NUMBERS = 16, /* entries of a list of numbers */
};

struct config_numbers {
    int count;
    double at[CONFIG_NUMBERS];
};

struct config {
    uint64_t seed;
    int device, precision; /* positions in the table's choices */
    int threads;
    struct {
        char name[64];
        uint64_t max_parameters;
        struct model_values values;
    } model;
    struct {
        int weights; /* init_scheme_at() knows which scheme */
        char from[CONFIG_TEXT];
        int head; /* enum pretrained_head */
        char freeze[CONFIG_TEXT];
        bool freeze_bn_stats;
    } init;
    struct {
        char train[CONFIG_TEXT], validation[CONFIG_TEXT], test[CONFIG_TEXT];
        char train_range[64], validation_range[64], test_range[64];
        char fold[32]; /* "1/5" */
        uint64_t fold_seed;
        bool fold_stratified;
        char label[64];
        int order, io; /* enum sluice_order, enum sluice_io */
        int on_error;  /* enum sluice_on_error, of training images */
        int crop;      /* enum sluice_crop_kind of training images */
        int size;
        int threads, batches;
        uint64_t memory;
        bool drop_last;
        char augment[4 * CONFIG_TEXT], augment_test[4 * CONFIG_TEXT];
        struct config_numbers mean, std;
    } data;
    struct {
        int epochs, batch_size;
        uint64_t steps;
        double label_smoothing;
    } training;
    struct {
        int name;
        double lr, momentum, beta1, beta2, eps, weight_decay, clip, lookahead_decay;
        double muon_lr, muon_momentum;
        int lookahead_every, muon_iterations;
        bool nesterov;
    } optimizer;
    struct {
        int name;
        double max_lr, pct_start, div, final_div;
        double eta_min, peak_epoch, gamma, step_epochs, end_factor;
        int drops;
        double base_momentum, max_momentum;
        double factor, threshold, min_lr;
        int patience, cooldown, metric; /* enum steering_metric */
        bool linear_anneal, cycle_momentum, per_epoch;
    } schedule;
    struct {
        int patience;
        int metric; /* enum steering_metric */
        double delta, target;
    } stop;
    struct {
        int tta; /* enum tta_kind */
        int views, every, batch_size;
        double sure;
        int predictions; /* enum predictions_kind */
        int steer_by;    /* 0: the validation set, 1: the test set */
    } eval;
    struct {
        char teacher[CONFIG_TEXT];
        int weights; /* best, last */
        double alpha_start, alpha_final, temperature, temperature_final;
        int alpha_epochs, temperature_epochs;
    } distill;
    struct {
        char dir[CONFIG_TEXT], name[64];
        int layout; /* enum run_layout */
        int checkpoint_every_epochs, keep_every_epochs, log_every;
        int gradients_every;
        char gradients[CONFIG_TEXT];
        double checkpoint_every_seconds;
        bool plots, profile, wandb;
        char wandb_project[64], wandb_tags[CONFIG_TEXT], wandb_notes[CONFIG_TEXT];
    } run;
};

enum config_kind {
    CONFIG_BOOL,
    CONFIG_INT,
    CONFIG_UINT64,
    CONFIG_REAL,
    CONFIG_CHOICE,
    CONFIG_STRING,
    CONFIG_LIST,  /* text, written as a list: a pipeline */
    CONFIG_VECTOR /* struct config_numbers */
};

struct config_option {
    const char *name;
    enum config_kind kind;
    size_t offset, size; /* in struct config; size of a text */
    const char *initial; /* as typed */
    double min, max;     /* numbers, both included */
    const char *choices; /* "a|b|c" */
    bool free;           /* may change when a run is continued */
    const char *help;
    bool later; /* older checkpoints know it not: at its first value, it is no part of
                   their sums */
};

extern const struct config_option config_options[]; /* ends with a NULL name */

/* Old or shorter spellings: "training.lr" is "optimizer.lr". */
const char *config_real_name(const char *key);

/* Defaults, then the settings. A key that does not exist, a text that is no value, a
 * number out of bounds: refused, with where it stood and what would do. */
int config_resolve(struct config *cfg, const struct settings *settings,
                   struct sluice_error *err);

/* The resolved values as YAML that config_resolve reads back to the same struct.
 * `heading` becomes a comment line. */
void config_write(FILE *to, const struct config *cfg, const char *heading);
/* The same as JSON; lists of operations as they are typed on a command line. */
void config_write_json(FILE *to, const struct config *cfg);
/* CRC-32C, in hex, of what may not change when a run is continued. */
void config_crc(char text[16], const struct config *cfg);
/* The table, the models and their options. */
void config_help(FILE *to);

/* The text of a choice: "cpu". */
const char *config_choice(char buf[64], const char *name, int value);
/* Views for the parts that take them. The names point into static tables. */
struct optim_config config_optim(const struct config *cfg, uint64_t steps_per_epoch);
struct schedule_config config_schedule(const struct config *cfg,
                                       uint64_t steps_per_epoch);
struct plateau_config config_plateau(const struct config *cfg);
bool config_is_plateau(const struct config *cfg); /* its schedule is that one */
struct stop_config config_stop(const struct config *cfg);
/* A network of `found` parameters, against model.max_parameters. */
int config_check_parameters(const struct config *cfg, size_t found,
                            struct sluice_error *err);

/* Position of `text` in "a|b|c", or -1. */
int choice_index(const char *choices, const char *text);
/* The text at position `value` of "a|b|c". */
const char *choice_name(char buf[64], const char *choices, int value);
/* The names of `all` (NULL ends them) that look most like `name`, or all of them if
 * they are few: "training.epochs, training.steps". */
void names_near(char *buf, size_t size, const char *name, const char *const *all);

#endif

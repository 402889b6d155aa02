/* registry.h -- what the parser knows of each operation: name, help, options. */
#ifndef SLUICE_AUGMENT_REGISTRY_H
#define SLUICE_AUGMENT_REGISTRY_H

#include <stddef.h>

#include <sluice/augment.h>

#include "plan.h"

/* A step while it is parsed: with what only the CPU, before the first image, needs. */
struct parsed {
    struct step step;
    double mean[CHANNELS_MAX], std[CHANNELS_MAX]; /* normalize; 0..255 */
    double ratio[2];                              /* erase: height over width */
    float distortion;                             /* perspective */
    int num_ops;                                  /* randaugment */
    int turns;                                    /* steps that it becomes; 0: one */
};

enum option_kind {
    OPTION_INT,    /* int */
    OPTION_REAL,   /* float */
    OPTION_PAIR,   /* double[2]: from and to */
    OPTION_TWO,    /* float[2]: across and down; one stands for both */
    OPTION_FLAG,   /* int: one of two words, low_word and high_word */
    OPTION_COLOUR, /* fill: a colour */
    OPTION_FILL,   /* fill: a colour or a way to extend the image */
    OPTION_NOISE,  /* fill: a colour or random */
    OPTION_MEAN,   /* double per channel; none: the file's mean */
    OPTION_STD,    /* double per channel; none: the file's standard deviation */
};

struct op_option {
    const char *key;
    enum option_kind kind;
    size_t at;            /* offset in struct parsed */
    double low, high;     /* accepted, both included */
    const char *fallback; /* the value when none is given, as it would be written; NULL:
                             it must be given */
    const char *low_word, *high_word;
};

struct op_def {
    const char *name, *help;
    enum op_id id;
    const struct op_option *options; /* ends with a NULL key; NULL: none */
    /* Whether the values suit the images, and what follows from them; NULL: yes, and
     * nothing. */
    int (*check)(struct parsed *s, const struct plan *p, struct sluice_error *err);
};

/* Of enum op_id `id`. */
const struct op_def *sluice_augment_def(int id);

/* Another name, for an operation with some options given. */
struct op_alias {
    const char *name, *op, *options, *help;
};
extern const struct op_alias sluice_augment_aliases[]; /* ends with a NULL name */

/* Read `pipeline` into plan->step; the text of describe() into *text (to be freed). */
int sluice_augment_parse(struct plan *plan, char **text, const char *pipeline,
                         const struct sluice_augment_options *options,
                         struct sluice_error *err);

/* Behind parsing: steps into their order, and those that are sampled at once marked. */
int sluice_augment_fuse(struct plan *plan, struct sluice_error *err);

#endif

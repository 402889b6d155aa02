/* op.h -- an entry of the registry: its name, its arguments, and how a parsed entry
 * becomes a step of the chain. Adding an operation: a value of enum chain_op with its
 * draw and trace in chain.h, and an entry in registry.c. */
#ifndef SLUICE_AUGMENT_OP_H
#define SLUICE_AUGMENT_OP_H

#include <sluice/augment.h>

#include "chain.h"

enum arg_kind {
    ARG_NUMBER,
    ARG_INT,
    ARG_FILL,   /* zero, mean, reflect, edge, or V or R/G/B */
    ARG_COLOUR, /* zero, mean, or V or R/G/B */
    ARG_LIST,   /* numbers joined by '/', one or one per channel */
};

enum { ARGS_MAX = 4 };

struct arg_def {
    const char *name; /* NULL ends the list */
    enum arg_kind kind;
    const char *initial; /* text; NULL: must be given, or `options` has it */
    double min, max;
};

struct arg_value {
    bool given;
    double number[CHAIN_CHANNELS_MAX];
    enum chain_fill fill;
    uint8_t colour[CHAIN_CHANNELS_MAX];
};

struct op_def {
    const char *name, *help;
    struct arg_def args[ARGS_MAX];
    enum chain_op op;
    bool last; /* normalize: ends the pipeline and is no step */
};

extern const struct op_def sluice_augment_registry[]; /* ends with a NULL name */

#endif

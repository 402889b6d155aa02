/* dense.h -- fully connected layers, each with its activation and dropout: what the
 * models of them share. */
#ifndef SLUICE_DENSE_H
#define SLUICE_DENSE_H

#include "lists.h"

enum {
    DENSE_MAX = 64, /* hidden layers */
};

struct dense_layer {
    int units;
    enum activation act;
    float dropout;
};

struct dense {
    int hidden;                           /* -1: the network has failed */
    struct dense_layer at[DENSE_MAX + 1]; /* the hidden ones and the output layer */
};

/* The first options of each such model. */
enum {
    DENSE_HIDDEN,
    DENSE_ACTIVATION,
    DENSE_DROPOUT,
    DENSE_SOFTMAX,
    DENSE_OPTIONS,
};
/* clang-format off */
#define DENSE_TABLE(hidden, dropout)                                                   \
    [DENSE_HIDDEN] = { "hidden", .text = (hidden),                                     \
                       .help = "units of each hidden layer" },                         \
    [DENSE_ACTIVATION] = { "activation", .text = "relu",                               \
                           .help = "of hidden layers; a list has one for each, and "   \
                                   "may go on for the output" },                       \
    [DENSE_DROPOUT] = { "dropout", .text = (dropout),                                  \
                        .help = "behind hidden layers, or a list likewise" },          \
    [DENSE_SOFTMAX] = { "softmax", 0, 0, 1, LIST_SOFTMAX_HELP, .whole = true }
/* clang-format on */

/* Lists of one entry are for every hidden layer; the output layer has no activation and
 * no dropout unless a list has an entry for it. */
void dense_read(struct dense *out, struct net *net, const struct model_config *config);
/* Names of layers count from 1: "fc1". */
struct tensor *dense_linear(struct net *net, struct tensor *x, const char *prefix,
                            int number, int units);
struct tensor *dense_activation(struct net *net, struct tensor *x, enum activation act);
struct tensor *dense_dropout(struct net *net, struct tensor *x, float p);
/* Linear, activation, dropout. */
struct tensor *dense_layer(struct net *net, struct tensor *x, int number,
                           const struct dense_layer *layer);

#endif

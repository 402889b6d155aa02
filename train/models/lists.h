/* lists.h -- options of models that are lists: of numbers, of words, of layers.
 *
 * What cannot be read makes the network fail with one line that names the option. */
#ifndef SLUICE_LISTS_H
#define SLUICE_LISTS_H

#include "model.h"

enum {
    LIST_WORD = 24,    /* bytes of a layer's word or of an argument's name */
    LIST_VALUE = 64,   /* bytes of a value */
    LIST_ARGUMENTS = 8 /* of a layer */
};

/* Numbers of least..most, "0.1,0.2", into out[room]: how many, or -1. */
int list_numbers(struct net *net, const char *option, const char *text, double least,
                 double most, int room, double *out);
/* Activations, "relu,identity": likewise. */
int list_activations(struct net *net, const char *option, const char *text, int room,
                     enum activation *out);
/* One activation by its word; false: the word is none. */
bool list_activation(const char *word, enum activation *out);
/* The same words as choices of an option, and the activation of such a choice. */
#define LIST_ACTIVATIONS "relu|gelu|sigmoid|identity|silu"
enum activation list_choice(double number);
/* Of an option "softmax", and what it does to the logits. */
#define LIST_SOFTMAX_HELP                                                              \
    "1: softmax before the loss has its own, as in some publications"
struct tensor *list_softmax(struct net *net, struct tensor *x, double wanted);
/* Pairs "1:0,2:0" (also "1=0"): out[1] = 0, out[2] = 0, and -1 where nothing is said.
 * Numbers before the colon are 0 .. count - 1, those behind it at most as large. */
bool list_skips(struct net *net, const char *option, const char *text, int count,
                int *out);

/* "conv:32:stride=2" as a word, its value, and arguments. */
struct list_item {
    char word[LIST_WORD], value[LIST_VALUE]; /* the value may be empty */
    struct {
        char name[LIST_WORD], value[LIST_VALUE];
    } at[LIST_ARGUMENTS];
    int count;
};

/* Read the item that *text begins with and move *text behind its comma: false at the
 * end, or when it is none and the network has failed. */
bool list_next(struct net *net, const char *option, const char **text,
               struct list_item *item);

#endif

/* model.h -- the registry of network architectures. Adding one is a file here and a
 * line in registry.c. */
#ifndef SLUICE_MODEL_H
#define SLUICE_MODEL_H

#include "../net.h"

enum {
    MODEL_OPTIONS = 32, /* of one model, at most */
    MODEL_TEXT = 512,   /* bytes of an option's text */
};

/* A number, or a text, that a recipe may set: model.<name>. */
struct model_option {
    const char *name;
    double initial, min, max;
    const char *help;
    const char *choices; /* "a|b|c": written as one of these, its place is the number;
                            NULL: written as a number */
    bool whole;          /* without a fraction */
    const char *text;    /* what it is at first, of an option that the model reads
                            itself: a word, or a list, "512,256"; NULL: a number */
    bool later;          /* as config_option's */
};

/* What a model's options are, each in its place of the def's list. */
struct model_values {
    double numbers[MODEL_OPTIONS];
    char texts[MODEL_OPTIONS][MODEL_TEXT]; /* empty for numbers */
};

struct model_config {
    int classes;
    float label_smoothing;
    const double *options;           /* one per entry of the def's list, in its order */
    const char (*texts)[MODEL_TEXT]; /* likewise */
};

struct model_def {
    const char *name, *help;
    const struct model_option *options; /* ends with a NULL name; may be NULL */
    /* Append all operators, softmax_xent last. */
    void (*build)(struct net *net, const struct model_config *config);
    /* NULL, or: append to x what leads to the logits, which it returns, every name
     * behind `prefix`: as a part of a larger network. */
    struct tensor *(*part)(struct net *net, struct tensor *x, const char *prefix,
                           const struct model_config *config);
    /* Fill parameters, from `seed` alone (Philox; the parameter's number is the
     * stream). */
    void (*init)(struct net *net, uint64_t seed);
    /* NULL, or: adapt to `n` images as the network will see them in training but
     * without augmentation (float, NHWC), such as a whitening layer. */
    int (*prepare)(struct net *net, const float *images, int n,
                   struct sluice_error *err);
    int prepare_images; /* how many it wants */
};

extern const struct model_def *const model_registry[]; /* NULL ends the list */
const struct model_def *model_find(const char *name);  /* NULL: no such model */

/* What the options are when nothing is said. */
void model_defaults(const struct model_def *model, struct model_values *values);

/* The whole numbers that option `option` has as its text, "512,256", into out[room]:
 * how many, none for an empty text. One that is none, is not in least..most, or is one
 * too many: -1, and `net` has failed, with the option's name `name`. */
int model_whole_numbers(struct net *net, const struct model_config *config, int option,
                        const char *name, int least, int most, int room, int *out);

#endif

/* model.h -- the registry of network architectures. Adding one is a file here and a
 * line in registry.c. */
#ifndef SLUICE_MODEL_H
#define SLUICE_MODEL_H

#include "../net.h"

/* A number that a recipe may set: model.<name>. */
struct model_option {
    const char *name;
    double initial, min, max;
    const char *help;
    const char *choices; /* "a|b|c": written as one of these, its place is the number;
                            NULL: written as a number */
    bool whole;          /* without a fraction */
};

struct model_config {
    int classes;
    float label_smoothing;
    const double *options; /* one per entry of the def's list, in its order */
};

struct model_def {
    const char *name, *help;
    const struct model_option *options; /* ends with a NULL name; may be NULL */
    /* Append all operators, softmax_xent last. */
    void (*build)(struct net *net, const struct model_config *config);
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

#endif

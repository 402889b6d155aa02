/* source.h -- what a converter provides: a schema, and one sample after the other. */
#ifndef SLUICE_SOURCE_H
#define SLUICE_SOURCE_H

#include "picture.h"

struct source_options {
    const char *input; /* archive, folder or file */
    bool test;         /* the test split instead of the training split */
    const char *const
        *class_names; /* (class_count) what the user says they are; NULL */
    int class_count;
    const char *variant; /* which of EMNIST's sets; NULL: the only one */
    bool transposed;     /* leave EMNIST's pictures as they lie in its files */
    uint64_t limit;      /* samples that will be read at most; 0: all */
    /* For pictures in files of their own. */
    const char *root; /* where the paths of a list begin; NULL: beside the list */
    struct picture_options picture;
    int threads; /* that prepare them; at least 1 */
};

struct source {
    const struct source_def *def;
    struct sluice_schema schema; /* provenance included; owned by the source */
    uint64_t count;              /* samples */
    char note[240];              /* what people should know of the input; "" */
    void *state;
};

struct source_def {
    const char *name, *help;
    const char *options; /* of `sluice write` that not every source has; "a b c" */
    /* On failure nothing is left open. */
    int (*open)(struct source *src, const struct source_options *opt,
                struct sluice_error *err);
    /* Fill one value per field of sample `i` (called with 0, 1, 2, ...); what they
     * point at is good until the next call. A failure with SLUICE_ECORRUPT,
     * SLUICE_EUNBUILT or SLUICE_EIO concerns this sample alone: the next may follow. */
    int (*read)(struct source *src, uint64_t i, struct sluice_value *values,
                struct sluice_error *err);
    void (*close)(struct source *src);
};

extern const struct source_def *const source_registry[]; /* NULL ends the list */
extern const struct source_def source_cifar10, source_cifar100, source_mnist,
    source_svhn, source_folder, source_beton;

#endif

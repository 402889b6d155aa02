/* python_options.h -- the options of sluice.Loader: pairs of names and texts in, the
 * options of loader and pipeline out. */
#ifndef SLUICE_PYTHON_OPTIONS_H
#define SLUICE_PYTHON_OPTIONS_H

#include <sluice/loader.h>

struct python_list {
    void *items; /* uint64_t or double */
    uint64_t count;
};

struct python_options {
    struct sluice_loader_options loader; /* borrows the texts and the lists */
    struct python_list subset, class_weights, sample_weights;
    const char *augment; /* NULL: none was given */
    int dtype, layout;   /* -1: likewise */
};

/* The `count` options names[i] = values[i]; NULL is the default. On failure nothing is
 * left to free. */
int python_options_parse(struct python_options *out, const char *const *names,
                         const char *const *values, int count,
                         struct sluice_error *err);
void python_options_free(struct python_options *o);

/* Whether images go through a pipeline, and what it makes of them. */
bool python_options_augmented(const struct python_options *o);
enum sluice_dtype python_options_dtype(const struct python_options *o);
enum sluice_layout python_options_layout(const struct python_options *o);

/* The i-th option's name and, into *help, a line about it; NULL past the last. */
const char *python_options_name(int i, const char **help);

#endif

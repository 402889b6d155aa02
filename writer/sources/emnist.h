/* emnist.h -- the six sets of EMNIST (https://arxiv.org/abs/1702.05373): how their
 * files are called and what their labels mean. */
#ifndef SLUICE_EMNIST_H
#define SLUICE_EMNIST_H

#include <stdbool.h>

#include <sluice/error.h>

enum { EMNIST_CLASSES_MAX = 62 };

struct emnist {
    const char *name;    /* as in the files' names */
    const char *classes; /* a character for each class */
    int first;           /* label of the first class */
};

/* The set that a file's name says it is of; NULL: it is none of EMNIST's. */
const struct emnist *emnist_of_file(const char *path);

/* The set to take from a folder: `wanted`, or the only one that is there (NULL: none
 * is). SLUICE_EINVAL if there are several or `wanted` is none. */
int emnist_of_folder(const struct emnist **out, const char *folder, bool test,
                     const char *wanted, struct sluice_error *err);

/* How its files are called, without .gz. */
void emnist_file_names(const struct emnist *set, bool test, char images[64],
                       char labels[64]);

#endif

/* emnist.c -- see emnist.h. */
#include <stdio.h>
#include <string.h>

#include "emnist.h"
#include "input.h"

#define DIGITS "0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"

/* The letters of which both cases look alike are merged in three of them. */
static const struct emnist sets[] = {
    { "byclass", DIGITS UPPER LOWER, 0 },
    { "bymerge", DIGITS UPPER "abdefghnqrt", 0 },
    { "balanced", DIGITS UPPER "abdefghnqrt", 0 },
    { "letters", LOWER, 1 },
    { "digits", DIGITS, 0 },
    { "mnist", DIGITS, 0 },
};
enum { SETS = sizeof(sets) / sizeof(*sets) };

const struct emnist *emnist_of_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strncmp(name, "emnist-", 7) != 0)
        return NULL;
    for (int i = 0; i < SETS; i++) {
        const size_t n = strlen(sets[i].name);
        if (strncmp(name + 7, sets[i].name, n) == 0 && name[7 + n] == '-')
            return &sets[i];
    }
    return NULL;
}

void emnist_file_names(const struct emnist *set, bool test, char images[64],
                       char labels[64])
{
    const char *split = test ? "test" : "train";
    snprintf(images, 64, "emnist-%s-%s-images-idx3-ubyte", set->name, split);
    snprintf(labels, 64, "emnist-%s-%s-labels-idx1-ubyte", set->name, split);
}

int emnist_of_folder(const struct emnist **out, const char *folder, bool test,
                     const char *wanted, struct sluice_error *err)
{
    char images[64], labels[64], found[96] = "", known[96] = "";
    int count = 0, n = 0, m = 0;
    *out = NULL;
    for (int i = 0; i < SETS; i++) {
        emnist_file_names(&sets[i], test, images, labels);
        n += snprintf(known + n, sizeof(known) - (size_t)n, "%s%s", i ? ", " : "",
                      sets[i].name);
        if (wanted && strcmp(wanted, sets[i].name) == 0)
            *out = &sets[i];
        if (wanted || !input_has(folder, images))
            continue;
        m += snprintf(found + m, sizeof(found) - (size_t)m, "%s%s", count++ ? ", " : "",
                      sets[i].name);
        *out = &sets[i];
    }
    if (wanted && !*out)
        return sluice_fail(err, SLUICE_EINVAL, "no variant '%s'; there are %s", wanted,
                           known);
    return count < 2 ? 0
                     : sluice_fail(err, SLUICE_EINVAL,
                                   "%.300s: has %s of EMNIST: say which with --variant",
                                   folder, found);
}

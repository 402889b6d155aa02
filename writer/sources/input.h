/* input.h -- whole files by name, out of an archive, a folder, or as they are;
 * compressed ones are decompressed. */
#ifndef SLUICE_INPUT_H
#define SLUICE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#include "source.h"

struct input_file {
    const char
        *name;     /* wanted: the last part of its path; "x.gz" is found for "x" too */
    uint8_t *data; /* NULL: not found */
    size_t size;
};

/* Load each wanted file from `path`. If `path` is a plain file that is no archive, it
 * is what `files[0]` gets. Damage and truncation are errors; a file that is not there
 * is not: its data stay NULL. An archive may have each once (and compressed beside it),
 * and not as a link. Nothing larger than `limit` bytes is accepted. */
int input_load(const char *path, struct input_file *files, int count, size_t limit,
               struct sluice_error *err);
/* Whether `path` is one file: no folder, and no archive by its name. */
bool input_is_plain(const char *path);
bool input_is_folder(const char *path);
/* Whether a folder or archive has a file of this name, or with .gz behind it. */
bool input_has(const char *path, const char *name);
void input_free(struct input_file *files, int count);

/* JSON that says which files with which bytes a dataset was made from; free() it. */
char *input_provenance(const char *source, const struct source_options *opt,
                       const struct input_file *files, int count);
/* The same of pictures in files of their own: the name of their folder or list, and how
 * many there are. */
char *input_provenance_pictures(const char *source, const char *path, uint64_t count);

#endif

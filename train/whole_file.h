/* whole_file.h -- files that are read and replaced as a whole. */
#ifndef SLUICE_WHOLE_FILE_H
#define SLUICE_WHOLE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

struct file_part {
    const void *bytes;
    size_t size;
};

/* Write the parts one behind the other to a temporary file, sync it, rename it to
 * `path`, sync the folder: whenever it stops, `path` is the old file or the new one. On
 * failure the temporary file is removed. */
int whole_file_replace(const char *path, const struct file_part *parts, int count,
                       struct sluice_error *err);

/* The caller frees *bytes, which is never NULL on success. More than `limit` bytes are
 * refused. */
int whole_file_read(const char *path, void **bytes, size_t *size, uint64_t limit,
                    struct sluice_error *err);

#endif

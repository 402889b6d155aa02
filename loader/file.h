/* file.h -- an open .sluice file: its descriptors, its metadata, and what is said when
 * reading it goes wrong. */
#ifndef SLUICE_LOADER_FILE_H
#define SLUICE_LOADER_FILE_H

#include <sluice/error.h>
#include <sluice/format.h>

#include "sys.h"

struct sluice_file {
    const struct sluice_sys *sys;
    char *path;
    int fd;        /* through the page cache */
    int direct_fd; /* O_DIRECT, or -1 */
    uint64_t size; /* at open: reads beyond it are never asked for */
    struct sluice_dataset *dataset;
};

/* On failure everything is closed again. */
int sluice_file_open(struct sluice_file *f, const char *path,
                     const struct sluice_sys *sys, struct sluice_error *err);
void sluice_file_close(struct sluice_file *f);
/* Open the second descriptor: 0 or a negative errno. */
int sluice_file_open_direct(struct sluice_file *f);

/* Exactly `size` bytes at `offset`, waiting for them. sluice_read_at's shape. */
int sluice_file_read(void *file, void *buf, size_t size, uint64_t offset,
                     struct sluice_error *err);
/* The same, but says how it went: 0 with *done < size at the end of the file, or a
 * negative errno. For callers with words of their own. */
int sluice_file_pread(const struct sluice_file *f, void *buf, size_t size,
                      uint64_t offset, size_t *done);

/* Say what a transfer of sample `sample`'s bytes met: `result` as of
 * sluice_file_pread, which delivered fewer bytes than wanted. */
int sluice_file_fail(const struct sluice_file *f, uint64_t sample,
                     const struct sluice_extent *x, int result,
                     struct sluice_error *err);
/* SLUICE_ECORRUPT unless the bytes of the sample have the checksum of its extent. */
int sluice_file_check(const struct sluice_file *f, uint64_t sample,
                      const struct sluice_extent *x, const void *bytes,
                      struct sluice_error *err);

#endif

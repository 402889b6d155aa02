/* output.h -- a file that changes whole or not at all. A new one is written to a
 * temporary name, synced, renamed, and its folder synced. An old one grows behind its
 * end, is synced, and then one block of it is overwritten: until that block is there,
 * whoever reads the file sees what it was. */
#ifndef SLUICE_OUTPUT_H
#define SLUICE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sluice/error.h>

/* The system calls used, so that tests can fail the Nth. */
struct sluice_output_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    ssize_t (*pwrite)(int fd, const void *data, size_t size, off_t at);
    int (*fsync)(int fd);
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*truncate)(int fd, off_t size);
};
extern struct sluice_output_calls sluice_output_calls;

struct output;

/* What `path` names is replaced: a regular file, or a link. SLUICE_EINVAL if that leads
 * to anything else: a folder, a device. */
int sluice_output_create(struct output **out, const char *path,
                         struct sluice_error *err);
/* Open an existing file, for one process at a time: SLUICE_EIO if another one has it.
 */
int sluice_output_reopen(struct output **out, const char *path,
                         struct sluice_error *err);
/* Another descriptor of the same open file, for reading a reopened one; -1 and errno.
 */
int sluice_output_dup(const struct output *o);
/* Of a reopened file keep the first `length` bytes, and append behind them. */
int sluice_output_keep(struct output *o, uint64_t length, struct sluice_error *err);
/* Append `size` bytes. */
int sluice_output_write(struct output *o, const void *data, size_t size,
                        struct sluice_error *err);
/* Append zeros up to a multiple of `alignment`. */
int sluice_output_align(struct output *o, size_t alignment, struct sluice_error *err);
/* Overwrite bytes already appended. */
int sluice_output_patch(struct output *o, const void *data, size_t size, uint64_t at,
                        struct sluice_error *err);
uint64_t sluice_output_length(const struct output *o); /* of the file, so far */
/* Sync a new file, still under its temporary name. Afterwards only sluice_output_commit
 * and sluice_output_free are allowed. */
int sluice_output_settle(struct output *o, struct sluice_error *err);
/* Give a new file its name, settled or not. Afterwards only sluice_output_free is
 * allowed. */
int sluice_output_commit(struct output *o, struct sluice_error *err);
/* Sync what was appended to a reopened file, overwrite the `size` bytes at `at`, sync
 * again; SLUICE_EIO if its path does not lead to it any more. Afterwards only
 * sluice_output_free is allowed. */
int sluice_output_switch(struct output *o, const void *data, size_t size, uint64_t at,
                         struct sluice_error *err);
/* Free; what was not committed is removed, what was appended and not switched to is cut
 * off. NULL is fine. */
void sluice_output_free(struct output *o);

#endif

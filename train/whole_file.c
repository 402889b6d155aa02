/* whole_file.c -- files that are read and replaced as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "temporary.h"
#include "whole_file.h"

static int io_error(const char *path, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
}

static int write_all(int fd, const char *path, const struct file_part *part,
                     struct sluice_error *err)
{
    const char *at = part->bytes;
    for (size_t left = part->size; left > 0;) {
        const ssize_t n = write(fd, at, left < (1U << 30) ? left : 1U << 30);
        if (n < 0 && errno != EINTR)
            return io_error(path, err);
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    return 0;
}

static int write_parts(int fd, const char *path, const struct file_part *parts,
                       int count, struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = write_all(fd, path, &parts[i], err);
    /* Before the rename: else a crash may leave the new name with no content. */
    if (rc == 0 && fsync(fd) < 0)
        rc = io_error(path, err);
    return rc;
}

/* Without it a crash may undo the rename: the old file, so no harm, but also no news.
 * Some file systems refuse to sync folders. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const int length = slash ? (int)(slash - path) : 0;
    if (slash == path)
        snprintf(folder, sizeof folder, "/");
    else
        snprintf(folder, sizeof folder, "%.*s", slash ? length : 1, slash ? path : ".");
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int whole_file_replace(const char *path, const struct file_part *parts, int count,
                       struct sluice_error *err)
{
    char temporary[PATH_MAX];
    if (strlen(path) + STALE_ROOM > sizeof temporary)
        return sluice_fail(err, SLUICE_EINVAL, "%.100s...: the path is too long", path);
    const int fd = temporary_create(temporary, sizeof temporary, path, err);
    if (fd < 0)
        return fd;
    int rc = write_parts(fd, path, parts, count, err);
    if (rc == 0 && rename(temporary, path) < 0)
        rc = io_error(path, err);
    if (rc < 0)
        (void)unlink(temporary);
    close(fd); /* after the rename: until then the name is held */
    if (rc == 0)
        sync_folder(path);
    return rc;
}

static int read_all(int fd, const char *path, char *bytes, size_t size,
                    struct sluice_error *err)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno != EINTR)
            return io_error(path, err);
        if (n == 0)
            return sluice_fail(err, SLUICE_ECORRUPT, "%s: ends at %zu of %zu bytes",
                               path, done, size);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int read_open(int fd, const char *path, void **bytes, size_t *size,
                     uint64_t limit, struct sluice_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return io_error(path, err);
    if (!S_ISREG(st.st_mode))
        return sluice_fail(err, SLUICE_EINVAL, "%s: is not a regular file", path);
    if ((uint64_t)st.st_size > limit)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: %lld bytes, expected at most %llu", path,
                           (long long)st.st_size, (unsigned long long)limit);
    *size = (size_t)st.st_size;
    *bytes = malloc(*size + 1);
    if (!*bytes)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %zu bytes", path,
                           *size);
    return read_all(fd, path, *bytes, *size, err);
}

int whole_file_read(const char *path, void **bytes, size_t *size, uint64_t limit,
                    struct sluice_error *err)
{
    *bytes = NULL;
    /* Not to wait for somebody who writes to a pipe: it is refused. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return io_error(path, err);
    const int rc = read_open(fd, path, bytes, size, limit, err);
    close(fd);
    if (rc < 0) {
        free(*bytes);
        *bytes = NULL;
    }
    return rc;
}

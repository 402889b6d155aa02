/* output.c -- the atomic output file; see output.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

enum { BUFFER = 4 << 20 };

struct output {
    char *path, *temporary;
    int fd;
    uint64_t length;
    size_t filled; /* of buffer */
    uint8_t *buffer;
};

static int open_file(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

struct sluice_output_calls sluice_output_calls = { open_file, write,  pwrite, fsync,
                                                   close,     rename, unlink };

static int fail_errno(struct sluice_error *err, const char *path, const char *doing)
{
    return sluice_fail(err, errno == ENOMEM ? SLUICE_ENOMEM : SLUICE_EIO, "%s: %s: %s",
                       path, doing, strerror(errno));
}

int sluice_output_create(struct output **out, const char *path,
                         struct sluice_error *err)
{
    const size_t room = strlen(path) + 32;
    struct output *o = calloc(1, sizeof(*o));
    *out = NULL;
    if (!o)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    o->fd = -1;
    o->path = strdup(path);
    o->temporary = calloc(1, room);
    o->buffer = aligned_alloc(4096, BUFFER);
    if (!o->path || !o->temporary || !o->buffer) {
        sluice_output_free(o);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    }
    /* Beside the target, so that rename stays in one file system; named after the
     * process, so that what a killed one leaves is recognised. */
    for (int attempt = 0; attempt < 100 && o->fd < 0; attempt++) {
        snprintf(o->temporary, room, "%s.tmp-%ld-%d", path, (long)getpid(), attempt);
        o->fd = sluice_output_calls.open(o->temporary,
                                         O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd < 0 && errno != EEXIST)
            break;
    }
    if (o->fd < 0) {
        int rc = fail_errno(err, o->temporary, "cannot create");
        o->temporary[0] = 0;
        sluice_output_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

static int write_out(struct output *o, const uint8_t *data, size_t size,
                     struct sluice_error *err)
{
    while (size) {
        ssize_t n = sluice_output_calls.write(o->fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return fail_errno(err, o->path, "cannot write");
        }
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

static int flush(struct output *o, struct sluice_error *err)
{
    int rc = write_out(o, o->buffer, o->filled, err);
    o->filled = 0;
    return rc;
}

int sluice_output_write(struct output *o, const void *data, size_t size,
                        struct sluice_error *err)
{
    const uint8_t *p = data;
    o->length += size;
    while (size) {
        size_t n = BUFFER - o->filled < size ? BUFFER - o->filled : size;
        memcpy(o->buffer + o->filled, p, n);
        o->filled += n;
        p += n;
        size -= n;
        if (o->filled == BUFFER) {
            int rc = flush(o, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

int sluice_output_align(struct output *o, size_t alignment, struct sluice_error *err)
{
    static const uint8_t zeros[4096];
    size_t left = (alignment - o->length % alignment) % alignment;
    while (left) {
        size_t n = left < sizeof(zeros) ? left : sizeof(zeros);
        int rc = sluice_output_write(o, zeros, n, err);
        if (rc < 0)
            return rc;
        left -= n;
    }
    return 0;
}

int sluice_output_patch(struct output *o, const void *data, size_t size, uint64_t at,
                        struct sluice_error *err)
{
    const uint8_t *p = data;
    int rc = flush(o, err);
    while (rc == 0 && size) {
        ssize_t n = sluice_output_calls.pwrite(o->fd, p, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail_errno(err, o->path, "cannot write");
        p += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return rc;
}

uint64_t sluice_output_length(const struct output *o)
{
    return o->length;
}

/* A rename is only safe from a crash once its folder is on disk. */
static int sync_folder(const char *path, struct sluice_error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = sluice_output_calls.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(err, folder, "cannot open");
    /* Some file systems cannot sync a folder and say EINVAL. */
    int rc = sluice_output_calls.fsync(fd) < 0 && errno != EINVAL
                 ? fail_errno(err, folder, "cannot sync")
                 : 0;
    sluice_output_calls.close(fd);
    return rc;
}

int sluice_output_commit(struct output *o, struct sluice_error *err)
{
    int rc = flush(o, err);
    if (rc < 0)
        return rc;
    if (sluice_output_calls.fsync(o->fd) < 0)
        return fail_errno(err, o->path, "cannot sync");
    int fd = o->fd;
    o->fd = -1;
    if (sluice_output_calls.close(fd) < 0)
        return fail_errno(err, o->path, "cannot close");
    if (sluice_output_calls.rename(o->temporary, o->path) < 0)
        return fail_errno(err, o->path, "cannot rename to it");
    o->temporary[0] = 0;
    return sync_folder(o->path, err);
}

void sluice_output_free(struct output *o)
{
    if (!o)
        return;
    if (o->fd >= 0)
        sluice_output_calls.close(o->fd);
    if (o->temporary && o->temporary[0])
        sluice_output_calls.unlink(o->temporary);
    free(o->path);
    free(o->temporary);
    free(o->buffer);
    free(o);
}

/* output.c -- the atomic output file; see output.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "stale.h"

enum { BUFFER = 4 << 20 };

struct output {
    char *path, *temporary;
    int fd;
    uint64_t length; /* of the file, buffer included */
    size_t filled;   /* of buffer */
    uint64_t kept;   /* reopened: what it is cut to unless it is switched over */
    bool undo;       /* cut it */
    bool settled;    /* nothing is left to write or sync */
    uint8_t *buffer;
};

static int open_file(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

struct sluice_output_calls sluice_output_calls = { open_file, pwrite, fsync,    close,
                                                   rename,    unlink, ftruncate };

static int fail_errno(struct sluice_error *err, const char *path, const char *doing)
{
    return sluice_fail(err, errno == ENOMEM ? SLUICE_ENOMEM : SLUICE_EIO, "%s: %s: %s",
                       path, doing, strerror(errno));
}

/* Everything but the descriptor; `room` bytes for a temporary name. */
static struct output *make(const char *path, size_t room, struct sluice_error *err)
{
    struct output *o = calloc(1, sizeof(*o));
    if (o) {
        o->fd = -1;
        o->path = strdup(path);
        o->temporary = calloc(1, room);
        o->buffer = aligned_alloc(4096, BUFFER);
    }
    if (!o || !o->path || !o->temporary || !o->buffer) {
        sluice_output_free(o);
        sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
        return NULL;
    }
    return o;
}

int sluice_output_create(struct output **out, const char *path,
                         struct sluice_error *err)
{
    const size_t room = strlen(path) + STALE_ROOM;
    struct stat st;
    *out = NULL;
    if (!*path)
        return sluice_fail(err, SLUICE_EINVAL, "expected the name of a file, found ''");
    /* The rename would put a file in the place of a device, or fail after all work. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return sluice_fail(err, SLUICE_EINVAL, "%s: expected a regular file or none",
                           path);
    struct output *o = make(path, room, err);
    if (!o)
        return SLUICE_ENOMEM;
    sluice_stale_remove(path);
    /* Beside the target, so that rename stays in one file system. */
    for (int attempt = 0; attempt < 100 && o->fd < 0; attempt++) {
        sluice_stale_name(o->temporary, room, path, attempt);
        o->fd = sluice_output_calls.open(o->temporary,
                                         O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd < 0 && errno != EEXIST)
            break;
        if (o->fd >= 0 && !sluice_stale_hold(o->fd, o->temporary)) {
            close(o->fd);
            o->fd = -1;
        }
    }
    if (o->fd < 0) {
        int rc = fail_errno(err, path, "cannot create");
        o->temporary[0] = 0;
        sluice_output_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

int sluice_output_reopen(struct output **out, const char *path,
                         struct sluice_error *err)
{
    struct output *o = make(path, 1, err);
    *out = NULL;
    if (!o)
        return SLUICE_ENOMEM;
    int rc = 0;
    o->fd = sluice_output_calls.open(path, O_RDWR | O_CLOEXEC, 0);
    if (o->fd < 0)
        rc = fail_errno(err, path, "cannot open");
    else if (flock(o->fd, LOCK_EX | LOCK_NB) < 0)
        rc = errno == EWOULDBLOCK
                 ? sluice_fail(err, SLUICE_EIO,
                               "%s: another process is appending to it", path)
                 : fail_errno(err, path, "cannot lock");
    if (rc < 0)
        sluice_output_free(o);
    else
        *out = o;
    return rc;
}

int sluice_output_dup(const struct output *o)
{
    return fcntl(o->fd, F_DUPFD_CLOEXEC, 0);
}

int sluice_output_keep(struct output *o, uint64_t length, struct sluice_error *err)
{
    if (sluice_output_calls.truncate(o->fd, (off_t)length) < 0)
        return fail_errno(err, o->path, "cannot cut off an unfinished append");
    o->length = o->kept = length;
    o->undo = true;
    return 0;
}

static int write_at(struct output *o, const uint8_t *data, size_t size, uint64_t at,
                    struct sluice_error *err)
{
    while (size) {
        ssize_t n = sluice_output_calls.pwrite(o->fd, data, size, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0)
                errno = ENOSPC;
            return fail_errno(err, o->path, "cannot write");
        }
        data += n;
        at += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static int flush(struct output *o, struct sluice_error *err)
{
    int rc = write_at(o, o->buffer, o->filled, o->length - o->filled, err);
    o->filled = 0;
    return rc;
}

int sluice_output_write(struct output *o, const void *data, size_t size,
                        struct sluice_error *err)
{
    const uint8_t *p = data;
    while (size) {
        size_t n = BUFFER - o->filled < size ? BUFFER - o->filled : size;
        memcpy(o->buffer + o->filled, p, n);
        o->filled += n;
        o->length += n;
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
    int rc = flush(o, err);
    return rc < 0 ? rc : write_at(o, data, size, at, err);
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

static int sync_file(struct output *o, struct sluice_error *err)
{
    return sluice_output_calls.fsync(o->fd) < 0
               ? fail_errno(err, o->path, "cannot sync")
               : 0;
}

static int close_file(struct output *o, struct sluice_error *err)
{
    const int fd = o->fd;
    o->fd = -1;
    return sluice_output_calls.close(fd) < 0 ? fail_errno(err, o->path, "cannot close")
                                             : 0;
}

/* What closing the file says, with the file left open: some file systems report only
 * then that a write failed. */
static int try_close(const struct output *o, struct sluice_error *err)
{
    const int copy = sluice_output_dup(o);
    return copy < 0 || sluice_output_calls.close(copy) < 0
               ? fail_errno(err, o->path, "cannot close")
               : 0;
}

/* The file stays open to the end: without its lock another writer of the same name
 * would take the temporary for one left behind, and remove it. */
int sluice_output_settle(struct output *o, struct sluice_error *err)
{
    int rc = flush(o, err);
    if (rc == 0)
        rc = sync_file(o, err);
    if (rc == 0)
        rc = try_close(o, err);
    o->settled = rc == 0;
    return rc;
}

int sluice_output_commit(struct output *o, struct sluice_error *err)
{
    int rc = o->settled ? 0 : sluice_output_settle(o, err);
    if (rc < 0)
        return rc;
    if (sluice_output_calls.rename(o->temporary, o->path) < 0)
        return fail_errno(err, o->path, "cannot rename to it");
    o->temporary[0] = 0;
    rc = sync_folder(o->path, err);
    sluice_output_calls.close(o->fd); /* all of it is on disk */
    o->fd = -1;
    return rc;
}

int sluice_output_switch(struct output *o, const void *data, size_t size, uint64_t at,
                         struct sluice_error *err)
{
    int rc = flush(o, err);
    if (rc == 0)
        rc = sync_file(o, err);
    if (rc == 0 && !sluice_stale_named(o->fd, o->path)) /* nobody would find them */
        rc = sluice_fail(err, SLUICE_EIO,
                         "%s: was replaced while samples were appended", o->path);
    if (rc < 0)
        return rc;
    o->undo = false; /* the block may be there in full even if a call below fails */
    rc = write_at(o, data, size, at, err);
    if (rc == 0)
        rc = sync_file(o, err);
    return rc < 0 ? rc : close_file(o, err);
}

void sluice_output_free(struct output *o)
{
    if (!o)
        return;
    if (o->fd >= 0 && o->undo &&
        sluice_output_calls.truncate(o->fd, (off_t)o->kept) < 0)
        o->undo = false; /* what is left lies behind the end that counts */
    if (o->fd >= 0)
        sluice_output_calls.close(o->fd);
    if (o->temporary && o->temporary[0])
        sluice_output_calls.unlink(o->temporary);
    free(o->path);
    free(o->temporary);
    free(o->buffer);
    free(o);
}

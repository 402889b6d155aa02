/* file.c -- an open .sluice file; see file.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "file.h"
#include "read.h"

/* A file system of a user's own may be interrupted while it opens. */
static int open_again(const struct sluice_sys *sys, const char *path, int flags)
{
    enum { TRIES = 100 };
    int fd = -EINTR;
    for (int i = 0; i < TRIES && fd == -EINTR; i++)
        fd = sys->open(path, flags);
    return fd;
}

int sluice_file_open(struct sluice_file *f, const char *path,
                     const struct sluice_sys *sys, struct sluice_error *err)
{
    int rc;
    *f = (struct sluice_file){ .sys = sys, .fd = -1, .direct_fd = -1 };
    f->path = strdup(path);
    if (!f->path)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for its name", path);
    f->fd = open_again(sys, path, O_RDONLY | O_CLOEXEC);
    rc = f->fd < 0 ? f->fd : sys->size(f->fd, &f->size);
    if (rc == -ESPIPE || rc == -EISDIR)
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: expected a regular file", path);
    else if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: open: %s", path, strerror(-rc));
    else if (rc < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%s: open: %s", path, strerror(-rc));
    else
        rc = sluice_dataset_open(&f->dataset, path, f->size, sluice_file_read, f, err);
    if (rc < 0)
        sluice_file_close(f);
    return rc;
}

void sluice_file_close(struct sluice_file *f)
{
    sluice_dataset_free(f->dataset);
    if (f->direct_fd >= 0)
        f->sys->close(f->direct_fd);
    if (f->fd >= 0)
        f->sys->close(f->fd);
    free(f->path);
    *f = (struct sluice_file){ .fd = -1, .direct_fd = -1 };
}

int sluice_file_open_direct(struct sluice_file *f)
{
    int fd = open_again(f->sys, f->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (fd < 0)
        return fd;
    f->direct_fd = fd;
    return 0;
}

int sluice_file_pread(const struct sluice_file *f, void *buf, size_t size,
                      uint64_t offset, size_t *done)
{
    struct sluice_read r = {
        .buf = buf, .offset = offset, .size = size, .need = size, .align = 1
    };
    while (size && !sluice_read_step(&r, f->sys->pread(f->fd, r.buf + r.done,
                                                       size - r.done, offset + r.done)))
        ;
    *done = r.done;
    return r.result;
}

int sluice_file_read(void *file, void *buf, size_t size, uint64_t offset,
                     struct sluice_error *err)
{
    const struct sluice_file *f = file;
    size_t done;
    int rc = sluice_file_pread(f, buf, size, offset, &done);
    if (rc < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: read of %zu bytes at %" PRIu64 ": %s",
                           f->path, size, offset, strerror(-rc));
    if (done < size)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: file is truncated: expected %zu bytes at %" PRIu64
                           ", found %zu",
                           f->path, size, offset, done);
    return 0;
}

int sluice_file_fail(const struct sluice_file *f, uint64_t sample,
                     const struct sluice_extent *x, int result,
                     struct sluice_error *err)
{
    if (result < 0)
        return sluice_fail(err, result == -ENOMEM ? SLUICE_ENOMEM : SLUICE_EIO,
                           "%s: sample %" PRIu64 ": read of %" PRIu32
                           " bytes at %" PRIu64 ": %s",
                           f->path, sample, x->size, x->offset, strerror(-result));
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%s: file is truncated: sample %" PRIu64 " needs bytes %" PRIu64
                       " to %" PRIu64 ", the file ends before",
                       f->path, sample, x->offset, x->offset + x->size);
}

int sluice_file_check(const struct sluice_file *f, uint64_t sample,
                      const struct sluice_extent *x, const void *bytes,
                      struct sluice_error *err)
{
    const uint32_t crc = sluice_crc32c(0, bytes, x->size);
    if (crc == x->crc)
        return 0;
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "%s: sample %" PRIu64 ", %" PRIu32 " bytes at %" PRIu64
                       ": expected checksum %08" PRIx32 ", found %08" PRIx32,
                       f->path, sample, x->size, x->offset, x->crc, crc);
}

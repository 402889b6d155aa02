/* faults.c -- each system call of the writer fails in turn, as on a full disk: one
 * clear error, nothing left behind, an older file of the same name untouched. Another
 * writer of the same name that starts at the last moment takes nothing away. */
#include <errno.h>
#include <sluice/writer.h>

#include "output.h"
#include "stale.h"
#include "support/files.h"

static int countdown; /* the call that fails: 1 is the next */
static struct sluice_output_calls real;

static int fails(void)
{
    return --countdown == 0;
}

static int f_open(const char *path, int flags, mode_t mode)
{
    return fails() ? (errno = ENOSPC, -1) : real.open(path, flags, mode);
}

static ssize_t f_pwrite(int fd, const void *data, size_t size, off_t at)
{
    return fails() ? (errno = ENOSPC, -1) : real.pwrite(fd, data, size, at);
}

static int f_fsync(int fd)
{
    return fails() ? (errno = EIO, -1) : real.fsync(fd);
}

static int f_close(int fd)
{
    return fails() ? (real.close(fd), errno = EDQUOT, -1) : real.close(fd);
}

static int f_rename(const char *from, const char *to)
{
    return fails() ? (errno = EACCES, -1) : real.rename(from, to);
}

static int write_file(const char *path, uint8_t shade, struct sluice_error *err)
{
    static uint8_t pixels[64 * 64 * 3];
    const struct sluice_field field = {
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 64, 64, 3 }
    };
    struct sluice_writer *w;
    int rc = sluice_writer_begin(
        &w, path, &(struct sluice_schema){ .fields = &field, .field_count = 1 }, err);
    memset(pixels, shade, sizeof(pixels));
    for (int i = 0; i < 400 && rc == 0; i++) /* more than one buffer */
        rc = sluice_writer_append(
            w, &(struct sluice_value){ .data = pixels, .size = sizeof(pixels) }, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    sluice_writer_abandon(w);
    return rc;
}

/* What another writer of the same name does first, while this one renames. */
static int f_rename_beside(const char *from, const char *to)
{
    sluice_stale_remove(to);
    return real.rename(from, to);
}

static void check_beside(const char *path)
{
    struct sluice_error err = { 0 };
    sluice_output_calls = real;
    sluice_output_calls.rename = f_rename_beside;
    const int rc = write_file(path, 3, &err);
    CHECK(rc == 0, "beside another writer that starts: %s", err.message);
    sluice_output_calls = real;
}

int main(void)
{
    char path[128];
    size_t old_size, size;
    struct sluice_error err;
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    real = sluice_output_calls;
    REQUIRE(write_file(path, 1, &err) == 0, "%s", err.message);
    uint8_t *old = file_read(path, &old_size);
    sluice_output_calls =
        (struct sluice_output_calls){ f_open,   f_pwrite,    f_fsync,      f_close,
                                      f_rename, real.unlink, real.truncate };
    int n, rc = -1;
    for (n = 1; n < 100; n++) {
        countdown = n;
        err = (struct sluice_error){ 0 };
        rc = write_file(path, 2, &err);
        if (rc == 0)
            break;
        CHECK(err.code == rc && strstr(err.message, folder), "call %d: %s", n,
              err.message);
        CHECK(folder_entries(folder) == 1, "call %d leaves something", n);
        uint8_t *now = file_read(path, &size);
        /* Once renamed, only the folder's sync can fail: the new file is whole. */
        const int renamed =
            strstr(err.message, "cannot open") || strstr(err.message, "sync");
        CHECK(size == old_size && (memcmp(now, old, size) == 0 || renamed),
              "call %d: changed", n);
        if (memcmp(now, old, size) != 0) {
            free(old);
            old = now;
        } else {
            free(now);
        }
    }
    CHECK(rc == 0 && n > 8, "%d calls, last: %s", n, err.message);
    check_beside(path);
    free(old);
    folder_remove(folder);
    return check_done();
}

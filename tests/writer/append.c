/* append.c -- a reopened file: grows by its new samples alone, keeps its old bytes,
 * says the same about itself as one written at once; refuses a second writer;
 * abandoned, or with any of its system calls failing, it is what it was; and so it is,
 * with an error, where another file takes its name. */
#include <errno.h>
#include <unistd.h>

#include "output.h"
#include "packs.h"

enum { FIRST = 47, MORE = 53 };

static char path[128], other[128];
static int countdown; /* the call that fails: 1 is the next */
static struct sluice_output_calls real;

static int fails(int why)
{
    errno = why;
    return --countdown == 0;
}

static int f_open(const char *name, int flags, mode_t mode)
{
    return fails(EACCES) ? -1 : real.open(name, flags, mode);
}

static ssize_t f_pwrite(int fd, const void *data, size_t size, off_t at)
{
    return fails(ENOSPC) ? -1 : real.pwrite(fd, data, size, at);
}

static int f_fsync(int fd)
{
    return fails(EIO) ? -1 : real.fsync(fd);
}

static int f_close(int fd)
{
    return fails(EDQUOT) ? (real.close(fd), -1) : real.close(fd);
}

static int f_truncate(int fd, off_t size)
{
    return fails(EIO) ? -1 : real.truncate(fd, size);
}

static void grows(void)
{
    struct sluice_error err;
    size_t before, after, whole;
    struct memory_file f[2];
    struct sluice_dataset *ds[2];
    REQUIRE(pack_write(path, FIRST, &err) == 0, "%s", err.message);
    uint8_t *old = file_read(path, &before);
    for (int n = 1; n <= 5; n++) {
        REQUIRE(pack_append(path, FIRST + (uint64_t)(n - 1) * MORE, MORE, &err) == 0,
                "%s", err.message);
        CHECK(pack_check(path) == FIRST + n * MORE, "append %d", n);
    }
    uint8_t *now = file_read(path, &after);
    CHECK(memcmp(old + SLUICE_DATA_AT, now + SLUICE_DATA_AT, before - SLUICE_DATA_AT) ==
              0,
          "old bytes changed");
    REQUIRE(pack_write(other, FIRST + 5 * MORE, &err) == 0, "%s", err.message);
    free(file_read(other, &whole));
    CHECK(after < whole + (size_t)6 * 5 * SLUICE_BLOCK_SIZE, "%zu bytes, whole %zu",
          after, whole);
    free(old);
    free(now);
    for (int i = 0; i < 2; i++) {
        f[i].bytes = file_read(i ? other : path, &f[i].size);
        REQUIRE(sluice_dataset_open(&ds[i], "x", f[i].size, memory_read, &f[i], &err) ==
                    0,
                "%s", err.message);
    }
    CHECK(sluice_dataset_segments(ds[0]) == 6, "segments");
    for (int c = 0; c < 3; c++)
        CHECK(
            near(sluice_dataset_mean(ds[0])[c], sluice_dataset_mean(ds[1])[c], 0, 0) &&
                near(sluice_dataset_std(ds[0])[c], sluice_dataset_std(ds[1])[c], 0, 0),
            "channel %d: %.17g %.17g, expected %.17g %.17g", c,
            sluice_dataset_mean(ds[0])[c], sluice_dataset_std(ds[0])[c],
            sluice_dataset_mean(ds[1])[c], sluice_dataset_std(ds[1])[c]);
    CHECK(strcmp(sluice_dataset_class_name(ds[0], 1, 1), "b") == 0 &&
              strcmp(sluice_dataset_provenance(ds[0]), "{\"a\": 1}") == 0,
          "class names and provenance");
    for (int i = 0; i < 2; i++) {
        sluice_dataset_free(ds[i]);
        free((void *)f[i].bytes);
    }
}

/* A reopened file to which `provenances` are added, one after the other. */
static void comes_from(const char *const *provenances, const char *expected)
{
    struct sluice_error err;
    struct sluice_writer *w;
    struct sluice_dataset *ds;
    struct memory_file f;
    REQUIRE(pack_write(path, 20, &err) == 0, "%s", err.message);
    REQUIRE(sluice_writer_reopen(&w, path, &err) == 0, "%s", err.message);
    for (; *provenances; provenances++)
        CHECK(sluice_writer_add_provenance(w, *provenances, &err) == 0, "%s",
              err.message);
    CHECK(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
    f.bytes = file_read(path, &f.size);
    REQUIRE(sluice_dataset_open(&ds, "x", f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    CHECK(strcmp(sluice_dataset_provenance(ds), expected) == 0, "%s, expected %s",
          sluice_dataset_provenance(ds), expected);
    sluice_dataset_free(ds);
    free((void *)f.bytes);
}

/* One value stays as it is, several become an array, none is there twice. */
static void origins(void)
{
    static const char odd[] = "{\"b\\\"],\": [\"{\", [2, 3]]}";
    char expected[128];
    comes_from((const char *const[]){ "{\"a\": 1}", " [ {\"a\": 1} ] ", NULL },
               "{\"a\": 1}");
    snprintf(expected, sizeof(expected), "[{\"a\": 1},%s,7,{}]", odd);
    comes_from((const char *const[]){ odd, "[{\"a\": 1} , 7, {}]\n", odd, NULL },
               expected);
    comes_from((const char *const[]){ "", "[", "[ ]", "[,", "]", NULL }, "{\"a\": 1}");
    comes_from((const char *const[]){ "}{", "[\"\\", NULL }, "[{\"a\": 1},}{,\"\\]");
}

static void stays(void)
{
    struct sluice_error err;
    struct sluice_writer *w, *second;
    size_t before, after;
    REQUIRE(pack_write(path, 20, &err) == 0, "%s", err.message);
    uint8_t *old = file_read(path, &before);
    REQUIRE(sluice_writer_reopen(&w, path, &err) == 0, "%s", err.message);
    CHECK(sluice_writer_reopen(&second, path, &err) == SLUICE_EIO &&
              strstr(err.message, "another process"),
          "two at once: %s", err.message);
    REQUIRE(pack_add(w, 20, 3000, &err) == 0, "%s", err.message); /* past the buffer */
    CHECK(pack_check(path) == 20, "seen before the end");
    sluice_writer_abandon(w);
    uint8_t *now = file_read(path, &after);
    CHECK(before == after && memcmp(old, now, before) == 0, "abandoned, but changed");
    free(old);
    free(now);
    file_write(other, "no such thing", 13);
    CHECK(sluice_writer_reopen(&w, other, &err) == SLUICE_ECORRUPT && !w, "other file");
    CHECK(pack_check(path) == 20, "still whole");
}

static int f_open_replaced(const char *name, int flags, mode_t mode)
{
    const int fd = real.open(name, flags, mode);
    CHECK(rename(other, path) == 0, "rename");
    return fd;
}

/* Another file takes the name right after it was opened: neither grows, and it is said.
 */
static void replaced(void)
{
    char kept[136];
    struct sluice_error err;
    snprintf(kept, sizeof(kept), "%s-kept", path);
    real = sluice_output_calls;
    REQUIRE(pack_write(path, 20, &err) == 0, "%s", err.message);
    REQUIRE(pack_write(other, 3000, &err) == 0, "%s", err.message);
    REQUIRE(link(path, kept) == 0, "link");
    sluice_output_calls.open = f_open_replaced;
    const int rc = pack_append(path, 20, 5, &err);
    sluice_output_calls = real;
    CHECK(rc == SLUICE_EIO &&
              strstr(err.message, "a.sluice: was replaced while samples were appended"),
          "replaced: %d, %s", rc, rc ? err.message : "");
    CHECK(pack_check(kept) == 20, "the file that was opened");
    CHECK(pack_check(path) == 3000, "the file that has its name");
}

/* Whatever call fails: an error, and the old state; once the commit's block may be
 * there, the old or the new one. */
static void faults(void)
{
    struct sluice_error err;
    int rc = -1, n;
    real = sluice_output_calls;
    const struct sluice_output_calls failing = { f_open,    f_pwrite,    f_fsync,
                                                 f_close,   real.rename, real.unlink,
                                                 f_truncate };
    for (n = 1; n < 100 && rc < 0; n++) {
        REQUIRE(pack_write(path, 20, &err) == 0, "%s", err.message);
        sluice_output_calls = failing;
        countdown = n;
        rc = pack_append(path, 20, 3000, &err);
        sluice_output_calls = real;
        const int64_t count = pack_check(path);
        CHECK(count == 3020 || (rc < 0 && count == 20), "call %d: %d samples", n,
              (int)count);
        CHECK(rc == 0 || strstr(err.message, path), "call %d: %s", n, err.message);
        REQUIRE(pack_append(path, (uint64_t)count, 5, &err) == 0, "after call %d: %s",
                n, err.message);
        CHECK(pack_check(path) == count + 5, "again after call %d", n);
    }
    CHECK(rc == 0 && n > 7, "%d calls", n);
}

int main(void)
{
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    snprintf(other, sizeof(other), "%s/b.sluice", folder);
    grows();
    origins();
    stays();
    replaced();
    faults();
    folder_remove(folder);
    return check_done();
}

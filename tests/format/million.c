/* million.c -- a million samples in eight segments: what opening takes in memory is
 * what FORMAT.md says, 4 bytes per fixed payload, 32 per indexed one, and the scalars.
 * Prints the time that opening took. */
#include <time.h>

#include <sluice/format_emit.h>
#include <sluice/writer.h>

#include "support/files.h"

enum { SAMPLES = 1000000, SEGMENTS = 8 };

static int from_file(void *ctx, void *buf, size_t size, uint64_t offset,
                     struct sluice_error *err)
{
    if (pread(*(int *)ctx, buf, size, (off_t)offset) != (ssize_t)size)
        return sluice_fail(err, SLUICE_EIO, "read");
    return 0;
}

static void write_file(const char *path)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 1, 1, 3 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "blob", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
    };
    struct sluice_writer *w;
    struct sluice_error err;
    int rc = sluice_writer_begin(
        &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 3 }, &err);
    for (int i = 0; i < SAMPLES && rc == 0; i++) {
        if (i && i % (SAMPLES / SEGMENTS) == 0) {
            rc = sluice_writer_finish(w, &err);
            sluice_writer_abandon(w);
            REQUIRE(rc == 0 && sluice_writer_reopen(&w, path, &err) == 0, "%s",
                    err.message);
        }
        rc = sluice_writer_append(
            w,
            (struct sluice_value[]){ { .data = &i, .size = 3 },
                                     { .integer = i & 255 },
                                     { .data = &i, .size = (size_t)(i & 3) } },
            &err);
    }
    rc = rc < 0 ? rc : sluice_writer_finish(w, &err);
    REQUIRE(rc == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

int main(void)
{
    char path[128];
    struct stat st;
    struct sluice_error err;
    struct sluice_dataset *ds;
    struct sluice_extent x;
    struct timespec a, b;
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    write_file(path);
    int fd = open(path, O_RDONLY);
    REQUIRE(fd >= 0 && fstat(fd, &st) == 0, "%s", path);
    clock_gettime(CLOCK_MONOTONIC, &a);
    REQUIRE(
        sluice_dataset_open(&ds, path, (uint64_t)st.st_size, from_file, &fd, &err) == 0,
        "%s", err.message);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%d samples in %d segments: opened in %.1f ms, %.1f MB resident\n", SAMPLES,
           SEGMENTS,
           (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6,
           (double)sluice_dataset_memory(ds) / 1e6);
    CHECK(sluice_dataset_memory(ds) <
              (size_t)SAMPLES * (4 + 1 + 32) +
                  SEGMENTS * (sizeof(struct sluice_segment) + 64) + 4096,
          "%zu bytes", sluice_dataset_memory(ds));
    for (uint64_t i = 0; i < SAMPLES; i += 9973) {
        uint32_t value = 0;
        REQUIRE(sluice_dataset_locate(ds, 0, i, &x, &err) == 0, "%s", err.message);
        CHECK(from_file(&fd, &value, 3, x.offset, &err) == 0 && value == i,
              "sample %d: %u", (int)i, value);
        CHECK(sluice_dataset_integer(ds, 1, i) == (int64_t)(i & 255), "label %d",
              (int)i);
    }
    sluice_dataset_free(ds);
    close(fd);
    folder_remove(folder);
    return check_done();
}

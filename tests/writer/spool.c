/* spool.c -- a second payload field waits in memory; whenever 64 MiB of it wait, a
 * segment ends, and every sample of each is what was given. */
#include <sluice/format.h>
#include <sluice/writer.h>

#include "support/files.h"

enum { SAMPLES = 70, SIZE = 2 << 20, IN_SEGMENT = (64 << 20) / SIZE };

static uint8_t *fill(uint8_t *bytes, int sample)
{
    for (uint32_t i = 0; i < SIZE; i += 4)
        memcpy(bytes + i, &(uint32_t){ i * 2654435761u + (uint32_t)sample }, 4);
    return bytes;
}

static void write_file(const char *path, uint8_t *bytes)
{
    static const struct sluice_field fields[] = {
        { "first", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
        { "second", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
    };
    struct sluice_writer *w;
    struct sluice_error err;
    REQUIRE(sluice_writer_begin(
                &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 2 },
                &err) == 0,
            "%s", err.message);
    for (int i = 0; i < SAMPLES; i++)
        REQUIRE(sluice_writer_append(
                    w,
                    (struct sluice_value[]){ { .data = &i, .size = sizeof i },
                                             { .data = fill(bytes, i), .size = SIZE } },
                    &err) == 0,
                "%s", err.message);
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

int main(void)
{
    static uint8_t want[SIZE];
    char path[128];
    struct memory_file f;
    struct sluice_error err;
    struct sluice_dataset *ds;
    struct sluice_extent x;
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    write_file(path, want);
    f.bytes = file_read(path, &f.size);
    folder_remove(folder);
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    CHECK(sluice_dataset_segments(ds) == (SAMPLES + IN_SEGMENT - 1) / IN_SEGMENT,
          "%d segments", (int)sluice_dataset_segments(ds));
    CHECK(sluice_dataset_count(ds) == SAMPLES, "%d samples",
          (int)sluice_dataset_count(ds));
    for (int i = 0; i < SAMPLES; i++) {
        REQUIRE(sluice_dataset_locate(ds, 0, (uint64_t)i, &x, &err) == 0, "%s",
                err.message);
        CHECK(x.size == sizeof i && memcmp(f.bytes + x.offset, &i, sizeof i) == 0,
              "sample %d: another number", i);
        REQUIRE(sluice_dataset_locate(ds, 1, (uint64_t)i, &x, &err) == 0, "%s",
                err.message);
        CHECK(x.size == SIZE && memcmp(f.bytes + x.offset, fill(want, i), SIZE) == 0,
              "sample %d: other bytes", i);
    }
    sluice_dataset_free(ds);
    free((void *)f.bytes);
    return check_done();
}

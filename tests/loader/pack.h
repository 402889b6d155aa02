/* pack.h -- small files for the loader's tests: every image says which sample it is. */
#ifndef SLUICE_TEST_PACK_H
#define SLUICE_TEST_PACK_H

#include <sluice/loader.h>
#include <sluice/writer.h>

#include "support/files.h"

enum { PACK_SIDE = 13, PACK_BYTES = PACK_SIDE * PACK_SIDE * 3 };

static inline void pack_pixels(uint64_t i, uint8_t out[PACK_BYTES])
{
    for (int k = 0; k < PACK_BYTES; k++)
        out[k] = (uint8_t)(i * 31 + (uint64_t)k * 7 + (i >> 8));
}

/* Pixels that were delivered as good are those of the samples they are named for. */
static inline void pack_check(const struct sluice_batch *b, const char *scene,
                              enum sluice_io io)
{
    uint8_t want[PACK_BYTES];
    for (int i = 0; i < b->count; i++) {
        const uint8_t *got = (uint8_t *)b->pixels + (size_t)i * PACK_BYTES;
        int at = 0;
        pack_pixels(b->ids[i], want);
        while (at < PACK_BYTES && got[at] == want[at])
            at++;
        CHECK(at == PACK_BYTES,
              "%s, %s: wrong pixels delivered as good: epoch %u, batch %llu, place %d, "
              "sample %llu: byte %d: expected %d, found %d",
              scene, sluice_io_name(io), b->epoch, (unsigned long long)b->number, i,
              (unsigned long long)b->ids[i], at, want[at % PACK_BYTES],
              got[at % PACK_BYTES]);
    }
}

/* Samples `first` on, as a file's 0, 1, ... */
static inline void pack_write_from(const char *path, int samples, int first)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { PACK_SIDE, PACK_SIDE, 3 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "number", SLUICE_KIND_SCALAR, SLUICE_I64, 0, { 0 } },
    };
    struct sluice_writer *w;
    struct sluice_error err;
    uint8_t pixels[PACK_BYTES];
    REQUIRE(sluice_writer_begin(
                &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 3 },
                &err) == 0,
            "%s", err.message);
    for (int i = first; i < first + samples; i++) {
        pack_pixels((uint64_t)i, pixels);
        struct sluice_value v[3] = { { .data = pixels, .size = sizeof(pixels) },
                                     { .integer = i % 10 },
                                     { .integer = -i } };
        REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

static inline void pack_write(const char *path, int samples)
{
    pack_write_from(path, samples, 0);
}

/* Change one byte of a sample's pixels; once more changes it back. */
static inline void pack_flip_byte(const char *path, uint64_t sample)
{
    struct sluice_error err;
    struct memory_file f;
    struct sluice_dataset *ds;
    struct sluice_extent x;
    f.bytes = file_read(path, &f.size);
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    REQUIRE(sluice_dataset_locate(ds, 0, sample, &x, &err) == 0, "%s", err.message);
    ((uint8_t *)f.bytes)[x.offset + x.size / 2] ^= 4;
    file_write(path, f.bytes, f.size);
    sluice_dataset_free(ds);
    free((void *)f.bytes);
}

static const enum sluice_io pack_backends[] = { SLUICE_IO_RESIDENT, SLUICE_IO_URING,
                                                SLUICE_IO_DIRECT, SLUICE_IO_PREAD };

/* Is there this backend here? If not, the reason is printed. */
static inline bool pack_readable(const char *path, enum sluice_io io)
{
    struct sluice_loader *ld;
    struct sluice_error err;
    int rc = sluice_loader_open(&ld, path, &(struct sluice_loader_options){ .io = io },
                                &err);
    sluice_loader_close(ld);
    CHECK(rc == 0 || rc == SLUICE_EUNBUILT, "%s", err.message);
    if (rc < 0)
        printf("skipped: %s\n", err.message);
    return rc == 0;
}

#endif

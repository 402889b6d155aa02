/* packs.h -- small files whose every value follows from the sample's number, so that
 * any state of a file can be checked for being whole. */
#ifndef SLUICE_TEST_PACKS_H
#define SLUICE_TEST_PACKS_H

#include <sluice/crc32c.h>
#include <sluice/format_emit.h>
#include <sluice/writer.h>

#include "support/files.h"

enum { PACK_SIDE = 24, PACK_PIXELS = PACK_SIDE * PACK_SIDE * 3, PACK_BLOB = 900 };

static const struct sluice_field pack_fields[] = {
    { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { PACK_SIDE, PACK_SIDE, 3 } },
    { "label", SLUICE_KIND_SCALAR, SLUICE_I16, 0, { 0 } },
    { "blob", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
};

static inline uint8_t pack_byte(uint64_t sample, size_t k)
{
    return (uint8_t)(sample * 37 + k * 5 + k / 256);
}

/* Samples first .. first + count - 1. */
static inline int pack_add(struct sluice_writer *w, uint64_t first, uint64_t count,
                           struct sluice_error *err)
{
    static uint8_t pixels[PACK_PIXELS], blob[PACK_BLOB];
    int rc = 0;
    for (uint64_t i = first; i < first + count && rc == 0; i++) {
        for (size_t k = 0; k < PACK_PIXELS; k++)
            pixels[k] = pack_byte(i, k);
        for (size_t k = 0; k < PACK_BLOB; k++)
            blob[k] = pack_byte(i + 1, k);
        rc = sluice_writer_append(
            w,
            (struct sluice_value[]){ { .data = pixels, .size = PACK_PIXELS },
                                     { .integer = (int64_t)i },
                                     { .data = blob, .size = i * 7 % PACK_BLOB } },
            err);
    }
    return rc;
}

static inline int pack_write(const char *path, uint64_t count, struct sluice_error *err)
{
    static const char *const classes[] = { "a", "b" };
    struct sluice_writer *w;
    int rc = sluice_writer_begin(&w, path,
                                 &(struct sluice_schema){ .fields = pack_fields,
                                                          .field_count = 3,
                                                          .classes = classes,
                                                          .class_count = 2,
                                                          .provenance = "{\"a\": 1}" },
                                 err);
    if (rc == 0)
        rc = pack_add(w, 0, count, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    sluice_writer_abandon(w);
    return rc;
}

static inline int pack_append(const char *path, uint64_t first, uint64_t count,
                              struct sluice_error *err)
{
    struct sluice_writer *w;
    int rc = sluice_writer_reopen(&w, path, err);
    if (rc == 0)
        rc = pack_add(w, first, count, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    sluice_writer_abandon(w);
    return rc;
}

/* Read all there is and compare it with what it must be. Samples, or -1: not whole (and
 * says why). */
static inline int64_t pack_check(const char *path)
{
    struct memory_file f;
    struct sluice_dataset *ds;
    struct sluice_error err;
    struct sluice_extent x;
    int64_t count = -1;
    f.bytes = file_read(path, &f.size);
    if (sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
    } else {
        bool good = true;
        count = (int64_t)sluice_dataset_count(ds);
        for (uint64_t i = 0; i < (uint64_t)count && good; i++) {
            good = sluice_dataset_integer(ds, 1, i) == (int64_t)i;
            for (int k = 0; k <= 2 && good; k += 2) {
                good = sluice_dataset_locate(ds, k, i, &x, NULL) == 0 &&
                       x.size == (k ? i * 7 % PACK_BLOB : (uint64_t)PACK_PIXELS) &&
                       sluice_crc32c(0, f.bytes + x.offset, x.size) == x.crc;
                for (size_t b = 0; b < x.size && good; b++)
                    good = f.bytes[x.offset + b] == pack_byte(i + (k ? 1 : 0), b);
            }
            if (!good)
                fprintf(stderr, "%s: sample %d of %d\n", path, (int)i, (int)count);
        }
        if (!good)
            count = -1;
        sluice_dataset_free(ds);
    }
    free((void *)f.bytes);
    return count;
}

#endif

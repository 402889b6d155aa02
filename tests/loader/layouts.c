/* layouts.c [FILE] -- files that are sound and that sluice's own writer never makes:
 * payloads out of order or with bytes in common, JPEGs in a field whose size the schema
 * gives, tables that many fields share. What is loaded is what the index says, and no
 * buffer is made for less than a file can hold. */
#include <sluice/crc32c.h>
#include <sluice/format_emit.h>

#include "core.h"
#include "pack.h"
#include "support/jpegs.h"

enum { PAYLOAD = 64 << 10, AT = SLUICE_DATA_AT, ROOM = 1 << 20 };

static struct sluice_error err;
static char path[128];

/* The file of `at` bytes, with this directory and its commit. */
static void write_behind(uint8_t file[ROOM], size_t at,
                         const struct sluice_directory *dir)
{
    size_t size;
    uint64_t samples = 0;
    uint8_t *directory = sluice_emit_directory(dir, &size);
    for (int g = 0; g < dir->segment_count; g++)
        samples += dir->segments[g].samples;
    REQUIRE(directory && at + size <= ROOM, "no room");
    memcpy(file + at, directory, size);
    sluice_emit_superblock(file, false);
    sluice_emit_commit(
        file + SLUICE_COMMIT_AT,
        &(struct sluice_commit){ .sequence = 1,
                                 .directory_offset = at,
                                 .directory_size = size,
                                 .directory_crc = sluice_crc32c(0, directory, size),
                                 .file_length = at + size,
                                 .samples = samples });
    file_write(path, file, at + size);
    free(directory);
}

/* A file of one image field, `sized`: of the packs' size, in one indexed store; bytes
 * of `data` lie from AT on. Extents' offsets are from AT, and their checksums are made
 * here. */
static void write_indexed(const uint8_t data[PAYLOAD], struct sluice_extent *x,
                          int samples, bool sized)
{
    static uint8_t file[ROOM];
    struct sluice_field field = { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } };
    const uint32_t size[3] = { PACK_SIDE, PACK_SIDE, 3 };
    const size_t table = AT + PAYLOAD;
    size_t at = table;
    if (sized)
        memcpy(field.shape, size, sizeof(size));
    memset(file, 0, sizeof(file));
    memcpy(file + AT, data, PAYLOAD);
    for (int i = 0; i < samples; i++, at += SLUICE_INDEX_ENTRY) {
        x[i].crc = sluice_crc32c(0, data + x[i].offset, x[i].size);
        x[i].offset += AT;
        sluice_emit_index_entry(file + at, &x[i]);
    }
    struct sluice_store store = { .type = SLUICE_STORE_INDEXED,
                                  .data_offset = AT,
                                  .data_size = PAYLOAD,
                                  .table_offset = table,
                                  .table_crc =
                                      sluice_crc32c(0, file + table, at - table) };
    struct sluice_segment segment = { .samples = (uint64_t)samples, .stores = &store };
    const struct sluice_directory dir = {
        .fields = &field, .field_count = 1, .segments = &segment, .segment_count = 1
    };
    write_behind(file, at, &dir);
}

static void fill(uint8_t data[PAYLOAD])
{
    for (int i = 0; i < PAYLOAD; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
}

/* One epoch in the order of the file: every sample's bytes are those of its extent. */
static void load(const uint8_t *data, const struct sluice_extent *x, int samples,
                 enum sluice_io io)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int seen = 0, n;
    n = sluice_loader_open(
        &ld, path,
        &(struct sluice_loader_options){
            .batch_size = samples, .threads = 1, .io = io, .order = SLUICE_SEQUENTIAL },
        &err);
    if (n == SLUICE_EUNBUILT) {
        printf("%s\n", err.message);
        return;
    }
    REQUIRE(n == 0, "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        for (int i = 0; i < n; i++, seen++)
            CHECK(memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES,
                         data + x[b->ids[i]].offset - AT, PACK_BYTES) == 0,
                  "%s: sample %d: other pixels", sluice_io_name(io), (int)b->ids[i]);
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0 && seen == samples, "%s: %d samples: %s", sluice_io_name(io), seen,
          err.message);
    sluice_loader_close(ld);
}

/* Samples that do not lie in their order are not kept in memory, where loading one
 * could write what another's user reads, and loaded by every other backend. */
static void load_unordered(const uint8_t *data, const struct sluice_extent *x,
                           int samples)
{
    struct sluice_loader *ld;
    struct sluice_loader_stats stats;
    CHECK(sluice_loader_open(
              &ld, path, &(struct sluice_loader_options){ .io = SLUICE_IO_RESIDENT },
              &err) == SLUICE_EINVAL &&
              strstr(err.message, "order"),
          "kept in memory, or: %s", err.message);
    sluice_loader_close(ld);
    REQUIRE(sluice_loader_open(&ld, path, NULL, &err) == 0, "%s", err.message);
    sluice_loader_stats(ld, &stats);
    CHECK(stats.io != SLUICE_IO_RESIDENT, "kept in memory: %s", stats.io_reason);
    sluice_loader_close(ld);
    load(data, x, samples, SLUICE_IO_AUTO);
    for (enum sluice_io io = SLUICE_IO_URING; io <= SLUICE_IO_PREAD; io++)
        load(data, x, samples, io);
}

/* Each begins before the one ahead of it, across the blocks of O_DIRECT: once so that
 * they share bytes, once so that they do not. Or each behind, and they share bytes. */
static void unordered(void)
{
    enum { SAMPLES = 40 };
    static uint8_t data[PAYLOAD];
    const int steps[] = { -(PACK_BYTES - 200), -(PACK_BYTES + 80), PACK_BYTES - 1 };
    fill(data);
    for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
        struct sluice_extent x[SAMPLES];
        for (int i = 0; i < SAMPLES; i++) {
            const int at = steps[s] < 0 ? i - SAMPLES : i;
            x[i] = (struct sluice_extent){ .offset = (uint64_t)(at * steps[s]),
                                           .size = PACK_BYTES,
                                           .height = PACK_SIDE,
                                           .width = PACK_SIDE,
                                           .channels = 3 };
        }
        write_indexed(data, x, SAMPLES, true);
        load_unordered(data, x, SAMPLES);
    }
}

/* The second segment lies in front of the first. */
static void swapped(void)
{
    enum { EACH = 9, SIZE = EACH * PACK_BYTES };
    static uint8_t file[ROOM], data[PAYLOAD];
    struct sluice_field field = {
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { PACK_SIDE, PACK_SIDE, 3 }
    };
    struct sluice_segment segments[2];
    struct sluice_store stores[2];
    struct sluice_extent x[2 * EACH];
    size_t table = AT + PAYLOAD;
    fill(data);
    memset(file, 0, sizeof(file));
    memcpy(file + AT, data, PAYLOAD);
    for (int g = 0; g < 2; g++) {
        const size_t from = g ? 0 : SIZE, checksums = table;
        for (int i = 0; i < EACH; i++, table += 4) {
            x[g * EACH + i].offset = AT + from + (size_t)i * PACK_BYTES;
            const uint32_t crc =
                sluice_crc32c(0, file + x[g * EACH + i].offset, PACK_BYTES);
            memcpy(file + table, &crc, 4);
        }
        stores[g] = (struct sluice_store){
            .type = SLUICE_STORE_FIXED,
            .data_offset = AT + from,
            .data_size = SIZE,
            .stride = PACK_BYTES,
            .table_offset = checksums,
            .table_crc = sluice_crc32c(0, file + checksums, table - checksums),
        };
        segments[g] = (struct sluice_segment){ .samples = EACH, .stores = &stores[g] };
    }
    write_behind(file, table,
                 &(struct sluice_directory){ .fields = &field,
                                             .field_count = 1,
                                             .segments = segments,
                                             .segment_count = 2 });
    load_unordered(data, x, 2 * EACH);
}

/* Slow, so that workers find samples that the thread which loads everything is at. */
static ssize_t slow_pread(int fd, void *buf, size_t size, uint64_t offset)
{
    usleep(20000);
    return sluice_sys_real.pread(fd, buf, size, offset);
}

/* JPEGs, larger than their pixels, in a field whose pixels all have one size. */
static void encoded(enum sluice_io io, enum sluice_crop_kind crop)
{
    enum { SAMPLES = 20 };
    static uint8_t data[PAYLOAD];
    struct sluice_sys sys = sluice_sys_real;
    struct sluice_extent x[SAMPLES];
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    uint8_t want[PACK_BYTES];
    size_t at = 0, size;
    int seen = 0, n;
    sys.pread = slow_pread;
    for (uint32_t i = 0; i < SAMPLES; i++, at += size) {
        const struct jpeg_make m = { PACK_SIDE, PACK_SIDE, 3, 1, 1, 0, 100, 0, i };
        uint8_t *jpeg = jpeg_make(&m, &size);
        REQUIRE(size > PACK_BYTES && at + size <= PAYLOAD, "a JPEG of %zu bytes", size);
        memcpy(data + at, jpeg, size);
        free(jpeg);
        x[i] = (struct sluice_extent){ .offset = at,
                                       .size = (uint32_t)size,
                                       .codec = SLUICE_CODEC_JPEG,
                                       .height = PACK_SIDE,
                                       .width = PACK_SIDE,
                                       .channels = 3 };
    }
    write_indexed(data, x, SAMPLES, true);
    REQUIRE(sluice_loader_open_with(
                &ld, path,
                &(struct sluice_loader_options){ .batch_size = SAMPLES,
                                                 .threads = 2,
                                                 .io = io,
                                                 .order = SLUICE_SEQUENTIAL,
                                                 .crop = { .kind = crop,
                                                           .size = crop ? PACK_SIDE : 0,
                                                           .share = crop ? 1 : 0 } },
                &sys, &err) == 0,
            "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        for (int i = 0; i < n; i++, seen++) {
            REQUIRE(sluice_loader_read(ld, b->ids[i], want, sizeof(want), NULL, &err) ==
                        0,
                    "%s", err.message);
            CHECK(memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES, want,
                         PACK_BYTES) == 0,
                  "%s: JPEG %d: other pixels", sluice_io_name(io), (int)b->ids[i]);
        }
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0 && seen == SAMPLES, "%s: %d JPEGs: %s", sluice_io_name(io), seen,
          err.message);
    sluice_loader_close(ld);
}

/* The product of the first three is little more than 2^64; the second picture is wider
 * than the schema has it. */
static void impossible(void)
{
    static uint8_t data[PAYLOAD];
    struct sluice_loader *ld;
    struct sluice_extent x = { .size = 100,
                               .codec = SLUICE_CODEC_JPEG,
                               .height = 2946470064,
                               .width = 2086874992,
                               .channels = 3 };
    write_indexed(data, &x, 1, false);
    CHECK(sluice_loader_open(&ld, path, NULL, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "2946470064"),
          "opens, or: %s", err.message);
    sluice_loader_close(ld);
    x = (struct sluice_extent){ .size = 100,
                                .codec = SLUICE_CODEC_JPEG,
                                .height = PACK_SIDE,
                                .width = PACK_SIDE + 1,
                                .channels = 3 };
    write_indexed(data, &x, 1, true);
    CHECK(sluice_loader_open(&ld, path, NULL, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "index entry 0"),
          "opens, or: %s", err.message);
    sluice_loader_close(ld);
}

/* No JPEG's pixels are anything but grey or RGB. */
static void impossible_channels(void)
{
    static uint8_t data[PAYLOAD];
    static const uint16_t counts[] = { 0, 2, 4, 999 };
    struct sluice_loader *ld;
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        struct sluice_extent x = { .size = 100,
                                   .codec = SLUICE_CODEC_JPEG,
                                   .height = PACK_SIDE,
                                   .width = PACK_SIDE,
                                   .channels = counts[i] };
        write_indexed(data, &x, 1, false);
        CHECK(sluice_loader_open(&ld, path, NULL, &err) == SLUICE_ECORRUPT &&
                  strstr(err.message, "index entry 0"),
              "%u channels: opens, or: %s", counts[i], err.message);
        sluice_loader_close(ld);
    }
}

/* Sixty fields with one column: open, they would take sixty times their bytes. */
static void shared(void)
{
    enum { FIELDS = 60, SAMPLES = PAYLOAD / 8 };
    static uint8_t file[ROOM];
    struct sluice_store stores[FIELDS];
    struct sluice_segment segment = { .samples = SAMPLES, .stores = stores };
    struct sluice_field fields[FIELDS];
    struct sluice_loader *ld;
    memset(file, 0, sizeof(file));
    for (int i = 0; i < FIELDS; i++) {
        fields[i] =
            (struct sluice_field){ .kind = SLUICE_KIND_SCALAR, .dtype = SLUICE_I64 };
        snprintf(fields[i].name, sizeof(fields[i].name), "field%d", i);
        stores[i] =
            (struct sluice_store){ .type = SLUICE_STORE_COLUMN,
                                   .data_offset = AT,
                                   .data_size = PAYLOAD,
                                   .stride = 8,
                                   .table_crc = sluice_crc32c(0, file, PAYLOAD) };
    }
    write_behind(file, AT + PAYLOAD,
                 &(struct sluice_directory){ .fields = fields,
                                             .field_count = FIELDS,
                                             .segments = &segment,
                                             .segment_count = 1 });
    CHECK(sluice_loader_open(&ld, path, NULL, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "field1"),
          "opens, or: %s", err.message);
    sluice_loader_close(ld);
}

/* A file for `sluice info`: labels that come second, with many names. */
static void write_named(const char *name)
{
    enum { CLASSES = 70000 };
    static const struct sluice_field fields[] = {
        { "number", SLUICE_KIND_SCALAR, SLUICE_I64, 0, { 0 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_I32, 0, { 0 } },
    };
    static const char *classes[CLASSES];
    static char names[CLASSES][16];
    struct sluice_writer *w;
    for (int i = 0; i < CLASSES; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        classes[i] = names[i];
    }
    REQUIRE(sluice_writer_begin(&w, name,
                                &(struct sluice_schema){ .fields = fields,
                                                         .field_count = 2,
                                                         .classes = classes,
                                                         .class_count = CLASSES,
                                                         .class_field = "label" },
                                &err) == 0,
            "%s", err.message);
    for (int i = 0; i < 10; i++)
        REQUIRE(sluice_writer_append(
                    w,
                    (struct sluice_value[]){ { .integer = i },
                                             { .integer = CLASSES - 1 - i / 4 } },
                    &err) == 0,
                "%s", err.message);
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        write_named(argv[1]);
        return check_done();
    }
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    unordered();
    swapped();
    for (enum sluice_io io = SLUICE_IO_RESIDENT; io <= SLUICE_IO_PREAD; io += 3) {
        encoded(io, SLUICE_CROP_NONE);
        encoded(io, SLUICE_CROP_CENTER);
    }
    impossible();
    impossible_channels();
    shared();
    folder_remove(folder);
    return check_done();
}

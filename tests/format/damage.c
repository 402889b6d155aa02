/* damage.c -- every truncation and every flipped bit of a small file is refused, or
 * changes nothing that is delivered; and no directory, however crowded, takes many
 * times its bytes. */
#include <sluice/crc32c.h>
#include <sluice/format_emit.h>
#include <sluice/writer.h>

#include "support/files.h"
#include "support/heap.h"

enum { SAMPLES = 3, SIDE = 2 };

static void write_file(const char *path)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { SIDE, SIDE, 3 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
        { "note", SLUICE_KIND_BYTES, SLUICE_U8, 0, { 0 } },
    };
    static const char *const classes[] = { "a", "b" };
    struct sluice_writer *w;
    struct sluice_error err;
    REQUIRE(sluice_writer_begin(&w, path,
                                &(struct sluice_schema){ .fields = fields,
                                                         .field_count = 3,
                                                         .classes = classes,
                                                         .class_count = 2 },
                                &err) == 0,
            "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        uint8_t pixels[SIDE * SIDE * 3];
        memset(pixels, 40 * i + 7, sizeof(pixels));
        struct sluice_value v[3] = { { .data = pixels, .size = sizeof(pixels) },
                                     { .integer = i % 2 },
                                     { .data = "hello", .size = (size_t)i } };
        REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

/* A checksum over all that a reader is given, payloads that fail theirs apart. 0: the
 * file is refused or a payload is. `slot`: the commit slot that is damaged, if it
 * opens.
 */
static uint32_t delivered(const uint8_t *bytes, size_t size, int slot)
{
    struct memory_file f = { bytes, size };
    struct sluice_error err = { 0 };
    struct sluice_dataset *ds;
    uint32_t sum = 1;
    int rc = sluice_dataset_open(&ds, "file", size, memory_read, &f, &err);
    if (rc < 0) {
        CHECK(!ds && err.code == rc && err.message[0], "an error without words");
        return 0;
    }
    CHECK(sluice_dataset_damaged_slot(ds) == slot, "damaged slot %d, expected %d",
          sluice_dataset_damaged_slot(ds), slot);
    for (uint64_t i = 0; i < sluice_dataset_count(ds) && sum; i++)
        for (int k = 0; k < sluice_dataset_field_count(ds) && sum; k++) {
            const struct sluice_field *field = sluice_dataset_field(ds, k);
            struct sluice_extent x;
            if (field->kind == SLUICE_KIND_SCALAR) {
                int64_t v = sluice_dataset_integer(ds, k, i);
                sum = sluice_crc32c(sum, &v, sizeof(v));
                continue;
            }
            REQUIRE(sluice_dataset_locate(ds, k, i, &x, &err) == 0, "%s", err.message);
            REQUIRE(x.offset <= size && x.size <= size - x.offset,
                    "extent past the end");
            sum = sluice_crc32c(0, bytes + x.offset, x.size) == x.crc
                      ? sluice_crc32c(sum, bytes + x.offset, x.size)
                      : 0;
        }
    sluice_dataset_free(ds);
    return sum;
}

/* A file of nothing but this directory takes at most `most` times its bytes. */
static void opens_within(const struct sluice_directory *dir, size_t most)
{
    size_t size;
    struct sluice_error err;
    struct sluice_dataset *ds;
    uint8_t *directory = sluice_emit_directory(dir, &size);
    uint8_t *file = calloc(1, SLUICE_DATA_AT + size);
    REQUIRE(directory && file, "no memory");
    memcpy(file + SLUICE_DATA_AT, directory, size);
    sluice_emit_superblock(file, false);
    sluice_emit_commit(
        file + SLUICE_COMMIT_AT,
        &(struct sluice_commit){ .sequence = 1,
                                 .directory_offset = SLUICE_DATA_AT,
                                 .directory_size = size,
                                 .directory_crc = sluice_crc32c(0, directory, size),
                                 .file_length = SLUICE_DATA_AT + size });
    free(directory);
    struct memory_file f = { file, SLUICE_DATA_AT + size };
    const size_t before = heap_bytes();
    REQUIRE(sluice_dataset_open(&ds, "crowded", f.size, memory_read, &f, &err) == 0,
            "%s", err.message);
    const size_t held = heap_bytes() - before;
    CHECK(held <= most * f.size, "a file of %zu bytes takes %zu", f.size, held);
    CHECK(sluice_dataset_memory(ds) <= held, "%zu bytes said, %zu taken",
          sluice_dataset_memory(ds), held);
    sluice_dataset_free(ds);
    free(file);
}

/* Segments without samples, class names without letters. */
static void crowded(void)
{
    enum { SEGMENTS = 10000, CLASSES = 200000 };
    static struct sluice_segment segments[SEGMENTS];
    static char *classes[CLASSES];
    struct sluice_field field = { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } };
    struct sluice_store store = { .type = SLUICE_STORE_COLUMN,
                                  .data_offset = SLUICE_DATA_AT,
                                  .stride = 1 };
    for (int g = 0; g < SEGMENTS; g++)
        segments[g].stores = &store;
    for (int i = 0; i < CLASSES; i++)
        classes[i] = "";
    opens_within(&(struct sluice_directory){ .fields = &field,
                                             .field_count = 1,
                                             .segments = segments,
                                             .segment_count = SEGMENTS },
                 4);
    opens_within(&(struct sluice_directory){ .fields = &field,
                                             .field_count = 1,
                                             .classes = classes,
                                             .class_count = CLASSES },
                 10);
}

int main(void)
{
    char path[128];
    size_t size;
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    write_file(path);
    uint8_t *bytes = file_read(path, &size);
    const uint32_t whole = delivered(bytes, size, -1);
    unsigned refused = 0, harmless = 0;
    CHECK(whole, "the file itself");
    for (size_t n = 0; n < size; n++) {
        uint8_t *cut = malloc(n + 1); /* exact size, so that ASan sees a read past it */
        REQUIRE(cut, "no memory");
        memcpy(cut, bytes, n);
        CHECK(delivered(cut, n, -1) == 0, "truncated to %zu of %zu", n, size);
        free(cut);
    }
    for (size_t i = 0; i < size; i++) {
        const uint8_t kept = bytes[i];
        bytes[i] ^= (uint8_t)(1 << (i * 5 + i / 8) % 8);
        const uint32_t got = delivered(bytes, size, i / 4096 == 2 ? 1 : -1);
        CHECK(got == 0 || got == whole, "byte %zu flipped: other data delivered", i);
        refused += got == 0;
        harmless += got == whole;
        bytes[i] = kept;
    }
    /* Padding may change unnoticed; the header, the commit and the data may not. */
    CHECK(refused > 2 * 4096, "%u refused, %u harmless", refused, harmless);
    free(bytes);
    crowded();
    folder_remove(folder);
    return check_done();
}

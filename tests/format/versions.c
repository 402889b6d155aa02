/* versions.c -- what a reader of version 1.0 does with files of later versions: minor
 * versions, features and records that may be ignored are; what must be known is refused
 * with words of its own. */
#include <sluice/crc32c.h>
#include <sluice/format_emit.h>
#include <sluice/writer.h>

#include "support/files.h"

static uint8_t *file; /* one image and a label, with room behind */
static size_t size;

static void put(uint8_t *p, uint64_t v, int bytes)
{
    memcpy(p, &v, (size_t)bytes);
}

static void seal(uint8_t *block)
{
    put(block + 4092, sluice_crc32c(0, block, 4092), 4);
}

static int opens(struct sluice_error *err)
{
    struct sluice_dataset *ds;
    struct memory_file f = { file, size };
    int rc = sluice_dataset_open(&ds, "later.sluice", size, memory_read, &f, err);
    CHECK(rc < 0 || sluice_dataset_count(ds) == 1, "samples");
    sluice_dataset_free(ds);
    return rc;
}

/* Change `bytes` bytes of the superblock, open, change them back. */
static int with_header(int at, uint64_t v, int bytes, struct sluice_error *err)
{
    uint8_t kept[4096];
    memcpy(kept, file, sizeof(kept));
    put(file + at, v, bytes);
    seal(file);
    int rc = opens(err);
    memcpy(file, kept, sizeof(kept));
    return rc;
}

/* Open with one record more in the directory, which ends the file. */
static int with_record(uint32_t tag, struct sluice_error *err)
{
    uint8_t kept[4096], *slot = file + SLUICE_COMMIT_AT;
    uint64_t at, length;
    memcpy(kept, slot, sizeof(kept));
    memcpy(&at, slot + 16, 8);
    memcpy(&length, slot + 24, 8);
    memset(file + size, 0, 24);
    put(file + size, tag, 4);
    put(file + size + 8, 5, 8);
    memcpy(file + size + 16, "hello", 5);
    size += 24;
    put(slot + 24, length + 24, 8);
    put(slot + 32, sluice_crc32c(0, file + at, length + 24), 4);
    put(slot + 40, size, 8);
    seal(slot);
    int rc = opens(err);
    memcpy(slot, kept, sizeof(kept));
    size -= 24;
    return rc;
}

static void write_file(const char *path)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 2, 2, 3 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_U8, 0, { 0 } },
    };
    struct sluice_writer *w;
    struct sluice_error err;
    const uint8_t pixels[12] = { 1, 2, 3 };
    REQUIRE(
        sluice_writer_begin(
            &w, path, &(struct sluice_schema){ .fields = fields, .field_count = 2 },
            &err) == 0 &&
            sluice_writer_append(w,
                                 (struct sluice_value[]){
                                     { .data = pixels, .size = 12 }, { .integer = 1 } },
                                 &err) == 0 &&
            sluice_writer_finish(w, &err) == 0,
        "%s", err.message);
    sluice_writer_abandon(w);
}

int main(void)
{
    char path[128];
    struct sluice_error err;
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    write_file(path);
    uint8_t *bytes = file_read(path, &size);
    file = malloc(size + 4096);
    REQUIRE(file, "no memory");
    memcpy(file, bytes, size);
    CHECK(opens(&err) == 0, "%s", err.message);
    CHECK(with_header(10, 7, 2, &err) == 0, "minor version 7: %s", err.message);
    CHECK(with_header(16, 1ull << 40, 8, &err) == 0, "compatible feature: %s",
          err.message);
    CHECK(with_header(8, 2, 2, &err) == SLUICE_EVERSION &&
              strstr(err.message, "version 2.0"),
          "major version 2: %s", err.message);
    file[8] = 2;
    CHECK(opens(&err) == SLUICE_ECORRUPT && strstr(err.message, "version 2.0"),
          "major version 2, its checksum elsewhere: %s", err.message);
    file[8] = 1;
    CHECK(with_header(24, 1ull << 40, 8, &err) == SLUICE_EVERSION &&
              strstr(err.message, "0x10000000000"),
          "incompatible feature: %s", err.message);
    CHECK(with_record(77, &err) == 0, "record 77: %s", err.message);
    CHECK(with_record(77 | 1u << 30, &err) == SLUICE_EVERSION &&
              strstr(err.message, "0x4000004d"),
          "record that must be known: %s", err.message);
    CHECK(opens(&err) == 0, "put back: %s", err.message);
    free(bytes);
    free(file);
    folder_remove(folder);
    return check_done();
}

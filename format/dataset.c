/* dataset.c -- opening a file: choose the commit, read the directory and the resident
 * tables. What is then asked is answered in lookup.c and scalars.c. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "bytes.h"
#include "dataset_internal.h"
#include "directory.h"
#include "layout.h"
#include "reserve.h"

static bool sealed(const uint8_t *block)
{
    return sluice_crc32c(0, block, BLOCK_CRC) == get_u32(block + BLOCK_CRC);
}

static int check_superblock(const char *name, const uint8_t *b,
                            struct sluice_error *err)
{
    if (memcmp(b, superblock_magic, sizeof(superblock_magic)) != 0)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: not a .sluice file", name);
    /* A later version's header may have its checksum elsewhere. */
    if (!sealed(b) && get_u16(b + SUPER_MAJOR) != VERSION_MAJOR)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: header is damaged, checksum differs, or of a later "
                           "version: it says version %d.%d; this is a reader of "
                           "version %d",
                           name, get_u16(b + SUPER_MAJOR), get_u16(b + SUPER_MINOR),
                           VERSION_MAJOR);
    if (!sealed(b))
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: header is damaged: checksum differs", name);
    if (get_u16(b + SUPER_MAJOR) != VERSION_MAJOR ||
        get_u64(b + SUPER_INCOMPATIBLE) & ~(uint64_t)FEATURE_ZSTD)
        return sluice_fail(err, SLUICE_EVERSION,
                           "%s: format version %d.%d with features %#" PRIx64
                           "; this is a reader of version %d",
                           name, get_u16(b + SUPER_MAJOR), get_u16(b + SUPER_MINOR),
                           get_u64(b + SUPER_INCOMPATIBLE), VERSION_MAJOR);
    if (get_u32(b + SUPER_BLOCK_SIZE) != SLUICE_BLOCK_SIZE)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: block size %u, expected %d", name,
                           get_u32(b + SUPER_BLOCK_SIZE), SLUICE_BLOCK_SIZE);
    return 0;
}

bool sluice_commit_parse(struct sluice_commit *c, const uint8_t b[SLUICE_BLOCK_SIZE])
{
    if (memcmp(b, commit_magic, sizeof(commit_magic)) != 0 || !sealed(b))
        return false;
    c->sequence = get_u64(b + COMMIT_SEQUENCE);
    c->directory_offset = get_u64(b + COMMIT_DIR_OFFSET);
    c->directory_size = get_u64(b + COMMIT_DIR_SIZE);
    c->directory_crc = get_u32(b + COMMIT_DIR_CRC);
    c->file_length = get_u64(b + COMMIT_FILE_LENGTH);
    c->samples = get_u64(b + COMMIT_SAMPLES);
    c->slot = -1;
    return true;
}

static int read_directory(struct sluice_dataset *ds, uint64_t file_size,
                          sluice_read_at read, void *ctx, struct sluice_error *err)
{
    const struct sluice_commit *c = &ds->commit;
    if (c->file_length > file_size)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: file is truncated: %" PRIu64
                           " bytes, expected %" PRIu64,
                           ds->name, file_size, c->file_length);
    if (c->directory_size > c->file_length ||
        c->directory_offset > c->file_length - c->directory_size)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: directory lies outside the file",
                           ds->name);
    uint8_t *bytes = malloc(c->directory_size ? c->directory_size : 1);
    if (!bytes)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ds->name);
    int rc = read(ctx, bytes, c->directory_size, c->directory_offset, err);
    if (rc == 0 && sluice_crc32c(0, bytes, c->directory_size) != c->directory_crc)
        rc = sluice_fail(err, SLUICE_ECORRUPT,
                         "%s: directory at %" PRIu64 " is damaged: checksum differs",
                         ds->name, c->directory_offset);
    if (rc == 0)
        rc = sluice_directory_parse(&ds->dir, ds->name, bytes, c->directory_size,
                                    c->file_length, err);
    free(bytes);
    return rc;
}

/* Bytes of the table that is resident. */
static uint64_t table_size(const struct sluice_store *s, uint64_t samples)
{
    return s->type == SLUICE_STORE_COLUMN  ? s->data_size
           : s->type == SLUICE_STORE_FIXED ? samples * 4
                                           : samples * SLUICE_INDEX_ENTRY;
}

static int read_table(struct sluice_dataset *ds, struct table *t,
                      const struct sluice_field *f, uint64_t samples,
                      sluice_read_at read, void *ctx, struct sluice_error *err)
{
    const struct sluice_store *s = t->store;
    const uint64_t size = table_size(s, samples);
    /* None is larger than the file: store_sound. Nor are they all, unless they overlap.
     */
    if (size > ds->commit.file_length - ds->memory)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: field %s: tables of more bytes than the file has",
                           ds->name, f->name);
    t->bytes = reserve(size);
    if (!t->bytes)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %" PRIu64 " bytes",
                           ds->name, size);
    ds->memory += size;
    const uint64_t at =
        s->type == SLUICE_STORE_COLUMN ? s->data_offset : s->table_offset;
    int rc = read(ctx, t->bytes, size, at, err);
    if (rc < 0)
        return rc;
    if (sluice_crc32c(0, t->bytes, size) != s->table_crc)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: field %s: %s at %" PRIu64
                           " is damaged: checksum differs",
                           ds->name, f->name,
                           s->type == SLUICE_STORE_COLUMN  ? "column"
                           : s->type == SLUICE_STORE_FIXED ? "checksum table"
                                                           : "index",
                           at);
    t->in_order = true;
    return s->type == SLUICE_STORE_INDEXED ? sluice_index_check(ds, t, f, samples, err)
                                           : 0;
}

static int read_tables(struct sluice_dataset *ds, sluice_read_at read, void *ctx,
                       struct sluice_error *err)
{
    const struct sluice_directory *dir = &ds->dir;
    const size_t fields = (size_t)dir->field_count;
    uint64_t count = 0;
    ds->first = calloc((size_t)dir->segment_count + 1, sizeof(*ds->first));
    ds->tables = calloc((size_t)dir->segment_count * fields + 1, sizeof(*ds->tables));
    if (!ds->first || !ds->tables)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ds->name);
    for (int g = 0; g < dir->segment_count; g++) {
        const struct sluice_segment *segment = &dir->segments[g];
        for (size_t i = 0; i < fields; i++) {
            struct table *t = &ds->tables[(size_t)g * fields + i];
            t->store = &segment->stores[i];
            int rc =
                read_table(ds, t, &dir->fields[i], segment->samples, read, ctx, err);
            if (rc < 0)
                return rc;
        }
        if (__builtin_add_overflow(count, segment->samples, &count))
            return sluice_fail(err, SLUICE_ECORRUPT, "%s: too many samples", ds->name);
        ds->first[g + 1] = count;
    }
    if (count != ds->commit.samples)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: segments hold %" PRIu64
                           " samples, the commit says %" PRIu64,
                           ds->name, count, ds->commit.samples);
    return 0;
}

/* Drop what a failed attempt at one commit left. */
static void clear(struct sluice_dataset *ds)
{
    const size_t tables = (size_t)ds->dir.segment_count * (size_t)ds->dir.field_count;
    for (size_t i = 0; ds->tables && i < tables; i++)
        free(ds->tables[i].bytes);
    free(ds->tables);
    free(ds->first);
    ds->tables = NULL;
    ds->first = NULL;
    ds->memory = 0;
    sluice_directory_clear(&ds->dir);
}

static int open_commit(struct sluice_dataset *ds, uint64_t file_size,
                       sluice_read_at read, void *ctx, struct sluice_error *err)
{
    int rc = read_directory(ds, file_size, read, ctx, err);
    return rc < 0 ? rc : read_tables(ds, read, ctx, err);
}

/* The slot that does not count holds an earlier commit, or nothing behind the first. */
static int damaged_slot(const struct sluice_commit *commit, bool other_valid,
                        const uint8_t *blocks)
{
    static const uint8_t empty[SLUICE_BLOCK_SIZE];
    const int other = !commit->slot;
    const uint8_t *block =
        blocks + SLUICE_COMMIT_AT + (size_t)other * SLUICE_BLOCK_SIZE;
    return other_valid ||
                   (commit->sequence == 1 && memcmp(block, empty, sizeof(empty)) == 0)
               ? -1
               : other;
}

static int open_blocks(struct sluice_dataset *ds, uint64_t file_size,
                       sluice_read_at read, void *ctx, struct sluice_error *err)
{
    uint8_t blocks[3 * SLUICE_BLOCK_SIZE];
    struct sluice_commit slot[2];
    if (file_size < sizeof(blocks)) {
        uint8_t start[sizeof(superblock_magic)] = { 0 };
        if (file_size >= sizeof(start)) {
            int got = read(ctx, start, sizeof(start), 0, err);
            if (got < 0)
                return got;
        }
        const bool ours = memcmp(start, superblock_magic, sizeof(start)) == 0;
        return sluice_fail(
            err, SLUICE_ECORRUPT,
            ours ? "%s: file is truncated: %" PRIu64 " bytes, expected at least %zu"
                 : "%s: not a .sluice file (%" PRIu64 " bytes; the shortest has %zu)",
            ds->name, file_size, sizeof(blocks));
    }
    int rc = read(ctx, blocks, sizeof(blocks), 0, err);
    if (rc == 0)
        rc = check_superblock(ds->name, blocks, err);
    if (rc < 0)
        return rc;
    const bool have[2] = { sluice_commit_parse(&slot[0], blocks + SLUICE_COMMIT_AT),
                           sluice_commit_parse(&slot[1],
                                               blocks + 2 * SLUICE_BLOCK_SIZE) };
    if (!have[0] && !have[1])
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: no valid commit record: never finished, or damaged",
                           ds->name);
    /* The later commit counts. An earlier one is not fallen back to when the later
     * one's record is whole but its data are not: that is damage, and is said. */
    const int latest = !have[0] || (have[1] && slot[1].sequence > slot[0].sequence);
    ds->commit = slot[latest];
    ds->commit.slot = latest;
    ds->damaged_slot = damaged_slot(&ds->commit, have[!latest], blocks);
    return open_commit(ds, file_size, read, ctx, err);
}

/* The pointers and the names behind them: see parse_classes. */
static size_t class_bytes(const struct sluice_directory *dir)
{
    const char *last = dir->class_count ? dir->classes[dir->class_count - 1] : NULL;
    return last ? (size_t)(last + strlen(last) + 1 - (char *)dir->classes) : 0;
}

/* What is held beside the tables. */
static size_t metadata_bytes(const struct sluice_dataset *ds)
{
    const struct sluice_directory *dir = &ds->dir;
    const size_t segments = (size_t)dir->segment_count,
                 fields = (size_t)dir->field_count;
    return segments *
               (sizeof(*dir->segments) + sizeof(*ds->first) +
                fields * (sizeof(*dir->segments->stores) + sizeof(*ds->tables))) +
           fields * sizeof(*dir->fields) + class_bytes(dir) + dir->dictionary_size +
           (dir->provenance ? strlen(dir->provenance) : 0);
}

int sluice_dataset_open(struct sluice_dataset **out, const char *name,
                        uint64_t file_size, sluice_read_at read, void *ctx,
                        struct sluice_error *err)
{
    struct sluice_dataset *ds = calloc(1, sizeof(*ds));
    *out = NULL;
    if (!ds || !(ds->name = strdup(name))) {
        free(ds);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", name);
    }
    int rc = open_blocks(ds, file_size, read, ctx, err);
    if (rc < 0) {
        sluice_dataset_free(ds);
        return rc;
    }
    ds->memory += sizeof(*ds) + metadata_bytes(ds);
    *out = ds;
    return 0;
}

void sluice_dataset_free(struct sluice_dataset *ds)
{
    if (!ds)
        return;
    clear(ds);
    free(ds->name);
    free(ds);
}

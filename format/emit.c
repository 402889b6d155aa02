/* emit.c -- the writing side: structs to bytes. */
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "bytes.h"
#include "layout.h"

static void seal(uint8_t block[SLUICE_BLOCK_SIZE])
{
    put_u32(block + BLOCK_CRC, sluice_crc32c(0, block, BLOCK_CRC));
}

void sluice_emit_superblock(uint8_t block[SLUICE_BLOCK_SIZE], bool zstd)
{
    memset(block, 0, SLUICE_BLOCK_SIZE);
    memcpy(block, superblock_magic, sizeof(superblock_magic));
    put_u16(block + SUPER_MAJOR, VERSION_MAJOR);
    put_u16(block + SUPER_MINOR, VERSION_MINOR);
    put_u32(block + SUPER_BLOCK_SIZE, SLUICE_BLOCK_SIZE);
    put_u64(block + SUPER_INCOMPATIBLE, zstd ? FEATURE_ZSTD : 0);
    seal(block);
}

void sluice_emit_commit(uint8_t block[SLUICE_BLOCK_SIZE],
                        const struct sluice_commit *commit)
{
    memset(block, 0, SLUICE_BLOCK_SIZE);
    memcpy(block, commit_magic, sizeof(commit_magic));
    put_u64(block + COMMIT_SEQUENCE, commit->sequence);
    put_u64(block + COMMIT_DIR_OFFSET, commit->directory_offset);
    put_u64(block + COMMIT_DIR_SIZE, commit->directory_size);
    put_u32(block + COMMIT_DIR_CRC, commit->directory_crc);
    put_u64(block + COMMIT_FILE_LENGTH, commit->file_length);
    put_u64(block + COMMIT_SAMPLES, commit->samples);
    seal(block);
}

void sluice_emit_index_entry(uint8_t entry[SLUICE_INDEX_ENTRY],
                             const struct sluice_extent *extent)
{
    memset(entry, 0, SLUICE_INDEX_ENTRY);
    put_u64(entry + ENTRY_OFFSET, extent->offset);
    put_u32(entry + ENTRY_SIZE, extent->size);
    put_u32(entry + ENTRY_CRC, extent->crc);
    put_u32(entry + ENTRY_HEIGHT, extent->height);
    put_u32(entry + ENTRY_WIDTH, extent->width);
    put_u16(entry + ENTRY_CHANNELS, (uint16_t)extent->channels);
    put_u16(entry + ENTRY_CODEC, (uint16_t)extent->codec);
    put_u32(entry + ENTRY_PLAIN, extent->plain);
}

/* Write a record's header at `at` and return where its payload goes. With out == NULL
 * only the room is counted. */
static uint8_t *begin_record(uint8_t *out, size_t *at, uint32_t tag, size_t size)
{
    uint8_t *record = out ? out + *at : NULL;
    *at += RECORD_HEADER + (size + 7) / 8 * 8;
    if (!record)
        return NULL;
    put_u32(record, tag);
    put_u64(record + 8, size);
    return record + RECORD_HEADER;
}

static void emit_fields(uint8_t *p, const struct sluice_directory *dir)
{
    for (int i = 0; i < dir->field_count; i++, p += FIELD_SIZE) {
        const struct sluice_field *f = &dir->fields[i];
        memcpy(p, f->name, strlen(f->name));
        p[FIELD_KIND] = (uint8_t)f->kind;
        p[FIELD_DTYPE] = (uint8_t)f->dtype;
        p[FIELD_RANK] = (uint8_t)f->rank;
        for (int k = 0; k < SLUICE_RANK_MAX; k++)
            put_u32(p + FIELD_SHAPE + (size_t)4 * k, f->shape[k]);
    }
}

static void emit_segment(uint8_t *p, const struct sluice_segment *segment, int stores)
{
    put_u64(p, segment->samples);
    put_u32(p + 8, (uint32_t)stores);
    p += SEGMENT_HEADER;
    for (int i = 0; i < stores; i++, p += STORE_SIZE) {
        const struct sluice_store *s = &segment->stores[i];
        put_u32(p + STORE_TYPE, s->type);
        put_u32(p + STORE_CODEC, s->codec);
        put_u64(p + STORE_DATA_OFFSET, s->data_offset);
        put_u64(p + STORE_DATA_SIZE, s->data_size);
        put_u64(p + STORE_STRIDE, s->stride);
        put_u64(p + STORE_TABLE_OFFSET, s->table_offset);
        put_u32(p + STORE_TABLE_CRC, s->table_crc);
    }
}

/* Classes: field u32, count u32, then each name with its final 0. */
static size_t classes_size(const struct sluice_directory *dir)
{
    size_t size = 8;
    for (int i = 0; i < dir->class_count; i++)
        size += strlen(dir->classes[i]) + 1;
    return size;
}

static void emit_classes(uint8_t *p, const struct sluice_directory *dir)
{
    put_u32(p, (uint32_t)dir->class_field);
    put_u32(p + 4, (uint32_t)dir->class_count);
    p += 8;
    for (int i = 0; i < dir->class_count; i++) {
        size_t n = strlen(dir->classes[i]) + 1;
        memcpy(p, dir->classes[i], n);
        p += n;
    }
}

/* Everything, or with out == NULL only its size. */
static size_t emit_all(uint8_t *out, const struct sluice_directory *dir)
{
    size_t at = 0;
    uint8_t *p =
        begin_record(out, &at, TAG_FIELDS, (size_t)dir->field_count * FIELD_SIZE);
    if (p)
        emit_fields(p, dir);
    if (dir->zstd_level) {
        p = begin_record(out, &at, TAG_ZSTD, 4 + dir->dictionary_size);
        if (p)
            put_u32(p, (uint32_t)dir->zstd_level);
        if (p && dir->dictionary_size)
            memcpy(p + 4, dir->dictionary, dir->dictionary_size);
    }
    for (int i = 0; i < dir->segment_count; i++) {
        p = begin_record(out, &at, TAG_SEGMENT,
                         SEGMENT_HEADER + (size_t)dir->field_count * STORE_SIZE);
        if (p)
            emit_segment(p, &dir->segments[i], dir->field_count);
    }
    if (dir->class_count) {
        p = begin_record(out, &at, TAG_CLASSES, classes_size(dir));
        if (p)
            emit_classes(p, dir);
    }
    if (dir->stats_channels) {
        const size_t half = (size_t)dir->stats_channels * 8;
        p = begin_record(out, &at, TAG_STATS, 2 * half);
        for (int c = 0; p && c < dir->stats_channels; c++) {
            put_f64(p + (size_t)8 * c, dir->mean[c]);
            put_f64(p + half + (size_t)8 * c, dir->std[c]);
        }
    }
    if (dir->provenance) {
        const size_t n = strlen(dir->provenance);
        p = begin_record(out, &at, TAG_PROVENANCE, n);
        if (p)
            memcpy(p, dir->provenance, n);
    }
    return at;
}

uint8_t *sluice_emit_directory(const struct sluice_directory *dir, size_t *size)
{
    *size = emit_all(NULL, dir);
    uint8_t *out = calloc(1, *size);
    if (out)
        emit_all(out, dir);
    return out;
}

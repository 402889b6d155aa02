/* sluice/format_emit.h -- the writing side of the format: structs in, bytes out. For
 * those who write .sluice files themselves; sluice/writer.h is the easy way. FORMAT.md
 * says what the numbers mean. No I/O here. */
#ifndef SLUICE_FORMAT_EMIT_H
#define SLUICE_FORMAT_EMIT_H

#include <sluice/format.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SLUICE_SUPERBLOCK_AT = 0,
    SLUICE_COMMIT_AT = SLUICE_BLOCK_SIZE, /* two slots, one block each */
    SLUICE_DATA_AT = 3 * SLUICE_BLOCK_SIZE,
    SLUICE_INDEX_ENTRY = 32,         /* bytes */
    SLUICE_PLAIN_MAX = 1 << 30,      /* bytes of an inflated payload */
    SLUICE_DICTIONARY_MAX = 1 << 20, /* bytes */
    SLUICE_STATS_MAX = 4,            /* channels that have a mean and a deviation */
};

/* How a segment keeps one field. The numbers are part of the file format. */
enum sluice_store_type {
    SLUICE_STORE_COLUMN = 1,  /* scalars, one after the other */
    SLUICE_STORE_FIXED = 2,   /* payloads of `stride` bytes each */
    SLUICE_STORE_INDEXED = 3, /* payloads of any size, found through an index */
};

struct sluice_store {
    enum sluice_store_type type;
    enum sluice_codec codec; /* FIXED */
    uint64_t data_offset, data_size;
    uint64_t stride;       /* FIXED and COLUMN: bytes per sample */
    uint64_t table_offset; /* FIXED: checksums, u32 each; INDEXED: index entries */
    uint32_t table_crc;    /* of that table; COLUMN: of the data */
};

struct sluice_segment {
    uint64_t samples;
    struct sluice_store *stores; /* (field_count) */
};

/* All that a directory holds. */
struct sluice_directory {
    struct sluice_field *fields;
    int field_count;
    struct sluice_segment *segments;
    int segment_count;
    char **classes; /* (class_count) names of the values of field class_field */
    int class_count, class_field;
    int stats_channels; /* 0: no statistics */
    double mean[SLUICE_STATS_MAX], std[SLUICE_STATS_MAX];
    char *provenance;    /* JSON text or NULL */
    int zstd_level;      /* 0: no payload is of codec ZSTD */
    uint8_t *dictionary; /* (dictionary_size) of them all, or NULL */
    size_t dictionary_size;
};

struct sluice_commit {
    uint64_t sequence; /* the valid slot with the higher one counts */
    uint64_t directory_offset, directory_size;
    uint32_t directory_crc;
    uint64_t file_length; /* bytes that this commit covers, directory included */
    uint64_t samples;
    int slot; /* 0 or 1: where the open file has it; not stored */
};

/* Bytes of each raw payload of the field; 0: they vary, or it has none. */
uint64_t sluice_field_payload(const struct sluice_field *f);
/* What makes this field impossible, in a few words; NULL: nothing does. */
const char *sluice_field_fault(const struct sluice_field *f);

/* Fill one block. `zstd`: payloads may be of codec ZSTD. */
void sluice_emit_superblock(uint8_t block[SLUICE_BLOCK_SIZE], bool zstd);
void sluice_emit_commit(uint8_t block[SLUICE_BLOCK_SIZE],
                        const struct sluice_commit *commit);
/* Fill one index entry; `extent` has the payload's place, checksum, codec and size. */
void sluice_emit_index_entry(uint8_t entry[SLUICE_INDEX_ENTRY],
                             const struct sluice_extent *extent);
/* Allocate and fill the directory's bytes; free() them. NULL: no memory. */
uint8_t *sluice_emit_directory(const struct sluice_directory *dir, size_t *size);

/* A commit slot's block, read back. False: no commit was ever finished there, or it is
 * damaged. */
bool sluice_commit_parse(struct sluice_commit *out,
                         const uint8_t block[SLUICE_BLOCK_SIZE]);

/* The directory of an open file, for those who append to it, and its present commit. */
const struct sluice_directory *
sluice_dataset_directory(const struct sluice_dataset *ds);
const struct sluice_commit *sluice_dataset_commit(const struct sluice_dataset *ds);

#ifdef __cplusplus
}
#endif
#endif

/* layout.h -- offsets inside the blocks and records of a file: FORMAT.md in numbers. */
#ifndef SLUICE_LAYOUT_H
#define SLUICE_LAYOUT_H

#include <sluice/format_emit.h>

static const uint8_t superblock_magic[8] = {
    0x89, 'S', 'L', 'C', '\r', '\n', 0x1a, '\n'
};
static const uint8_t commit_magic[8] = { 'S', 'L', 'C', 'O', 'M', 'M', 'I', 'T' };

enum {
    VERSION_MAJOR = 1,
    VERSION_MINOR = 0,
    BLOCK_CRC =
        SLUICE_BLOCK_SIZE - 4, /* every block ends with the checksum of the rest */

    /* superblock */
    SUPER_MAJOR = 8,
    SUPER_MINOR = 10,
    SUPER_BLOCK_SIZE = 12,
    SUPER_COMPATIBLE = 16,
    SUPER_INCOMPATIBLE = 24,
    FEATURE_ZSTD = 1, /* incompatible feature: payloads of codec 2 */

    /* commit slot */
    COMMIT_SEQUENCE = 8,
    COMMIT_DIR_OFFSET = 16,
    COMMIT_DIR_SIZE = 24,
    COMMIT_DIR_CRC = 32,
    COMMIT_FILE_LENGTH = 40,
    COMMIT_SAMPLES = 48,

    /* directory: records of tag u32, zero u32, size u64, payload padded to 8 */
    RECORD_HEADER = 16,
    TAG_MUST_KNOW = 1 << 30, /* set: a reader that does not know the tag must refuse */
    TAG_FIELDS = TAG_MUST_KNOW | 1,
    TAG_SEGMENT = TAG_MUST_KNOW | 2,
    TAG_CLASSES = 3,
    TAG_STATS = 4,
    TAG_PROVENANCE = 5,
    TAG_ZSTD = TAG_MUST_KNOW | 6,

    /* field: name[32], kind u8, dtype u8, rank u8, zero u8, shape u32[4], zero[12] */
    FIELD_SIZE = 64,
    FIELD_KIND = 32,
    FIELD_DTYPE = 33,
    FIELD_RANK = 34,
    FIELD_SHAPE = 36,

    /* segment: samples u64, stores u32, zero u32, stores */
    SEGMENT_HEADER = 16,
    STORE_SIZE = 48,
    STORE_TYPE = 0,
    STORE_CODEC = 4,
    STORE_DATA_OFFSET = 8,
    STORE_DATA_SIZE = 16,
    STORE_STRIDE = 24,
    STORE_TABLE_OFFSET = 32,
    STORE_TABLE_CRC = 40,

    /* index entry */
    ENTRY_OFFSET = 0,
    ENTRY_SIZE = 8,
    ENTRY_CRC = 12,
    ENTRY_HEIGHT = 16,
    ENTRY_WIDTH = 20,
    ENTRY_CHANNELS = 24,
    ENTRY_CODEC = 26,
    ENTRY_PLAIN = 28,
};

#endif

/* fuzz_loader.c -- whatever a file's index says of its images, with every checksum
 * right: an epoch of it is refused with words, or delivers what the index points at.
 *
 * Input: flags (bit 0: RESIDENT, else PREAD; 1: RANDOM, else SEQUENTIAL; 2: crop; 3:
 * the schema has a size; 4 and 5: on_error), height, width and channels of that size,
 * number of samples, then an entry for each (offset, size, height, width u16; channels,
 * codec u8; plain u16), then the payloads' bytes. */
#include <sys/mman.h>
#include <unistd.h>

#include <sluice/crc32c.h>
#include <sluice/format_emit.h>
#include <sluice/loader.h>

#include "fuzz.h"

enum { HEADER = 5, ENTRY = 12, AT = SLUICE_DATA_AT, SAMPLES_MAX = 255, SIDES = 1023 };

struct scene {
    const uint8_t *data; /* (size) of all payloads */
    size_t size;
    int samples;
    struct sluice_field field;
    struct sluice_extent x[SAMPLES_MAX];
    struct sluice_loader_options options;
};

static uint32_t number(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static void read_scene(struct scene *s, const uint8_t *in, size_t size)
{
    static const enum sluice_on_error policies[4] = { SLUICE_RAISE, SLUICE_SKIP,
                                                      SLUICE_SUBSTITUTE, SLUICE_RAISE };
    const int flags = in[0];
    *s = (struct scene){ .samples = in[4] };
    s->field = (struct sluice_field){ "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } };
    for (int k = 0; k < 3 && flags & 8; k++)
        s->field.shape[k] = in[1 + k];
    s->options = (struct sluice_loader_options){
        .batch_size = 16,
        .threads = 1,
        .io = flags & 1 ? SLUICE_IO_RESIDENT : SLUICE_IO_PREAD,
        .order = flags & 2 ? SLUICE_RANDOM : SLUICE_SEQUENTIAL,
        .on_error = policies[flags >> 4 & 3],
        .crop = { .kind = flags & 4 ? SLUICE_CROP_CENTER : SLUICE_CROP_NONE,
                  .size = 9 },
    };
    if ((size_t)s->samples > (size - HEADER) / ENTRY)
        s->samples = (int)((size - HEADER) / ENTRY);
    s->data = in + HEADER + (size_t)s->samples * ENTRY;
    s->size = size - HEADER - (size_t)s->samples * ENTRY;
    for (int i = 0; i < s->samples; i++) {
        const uint8_t *p = in + HEADER + (size_t)i * ENTRY;
        const uint32_t offset = number(p), bytes = number(p + 2);
        const bool inside = offset <= s->size && bytes <= s->size - offset;
        s->x[i] = (struct sluice_extent){
            .offset = AT + offset,
            .size = bytes,
            .crc = inside ? sluice_crc32c(0, s->data + offset, bytes) : 0,
            .height = number(p + 4) & SIDES,
            .width = number(p + 6) & SIDES,
            .channels = p[8],
            .codec = p[9] % 4,
            .plain = number(p + 10)
        };
    }
}

static void put(int fd, const void *bytes, size_t size, uint64_t at)
{
    FUZZ_REQUIRE(pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size);
}

static void write_scene(int fd, struct scene *s)
{
    static uint8_t table[SAMPLES_MAX * SLUICE_INDEX_ENTRY], block[SLUICE_BLOCK_SIZE];
    const size_t table_size = (size_t)s->samples * SLUICE_INDEX_ENTRY;
    const uint64_t behind = AT + s->size;
    size_t size;
    for (int i = 0; i < s->samples; i++)
        sluice_emit_index_entry(table + (size_t)i * SLUICE_INDEX_ENTRY, &s->x[i]);
    struct sluice_store store = { .type = SLUICE_STORE_INDEXED,
                                  .data_offset = AT,
                                  .data_size = s->size,
                                  .table_offset = behind,
                                  .table_crc = sluice_crc32c(0, table, table_size) };
    struct sluice_segment segment = { .samples = (uint64_t)s->samples,
                                      .stores = &store };
    uint8_t *directory =
        sluice_emit_directory(&(struct sluice_directory){ .fields = &s->field,
                                                          .field_count = 1,
                                                          .segments = &segment,
                                                          .segment_count = 1,
                                                          .zstd_level = 1 },
                              &size);
    FUZZ_REQUIRE(directory && ftruncate(fd, 0) == 0);
    put(fd, s->data, s->size, AT);
    put(fd, table, table_size, behind);
    put(fd, directory, size, behind + table_size);
    sluice_emit_superblock(block, true);
    put(fd, block, sizeof(block), SLUICE_SUPERBLOCK_AT);
    sluice_emit_commit(block, &(struct sluice_commit){
                                  .sequence = 1,
                                  .directory_offset = behind + table_size,
                                  .directory_size = size,
                                  .directory_crc = sluice_crc32c(0, directory, size),
                                  .file_length = behind + table_size + size,
                                  .samples = (uint64_t)s->samples });
    put(fd, block, sizeof(block), SLUICE_COMMIT_AT);
    free(directory);
}

static void check_batch(const struct scene *s, const struct sluice_batch *b)
{
    const size_t bytes = sluice_shape_bytes(&b->shape);
    for (int i = 0; i < b->count; i++) {
        FUZZ_REQUIRE(b->ids[i] < (uint64_t)s->samples);
        const struct sluice_extent *x = &s->x[b->ids[i]];
        if (s->options.crop.kind == SLUICE_CROP_NONE && x->codec == SLUICE_CODEC_RAW &&
            x->size == bytes)
            FUZZ_REQUIRE(memcmp((const uint8_t *)b->pixels + (size_t)i * bytes,
                                s->data + x->offset - AT, bytes) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t size)
{
    static struct scene s;
    static int fd = -1;
    struct sluice_loader *ld;
    struct sluice_error err = { 0 };
    const struct sluice_batch *b;
    char path[64];
    if (size < HEADER)
        return 0;
    if (fd < 0)
        fd = memfd_create("loader", MFD_CLOEXEC);
    FUZZ_REQUIRE(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    read_scene(&s, in, size);
    write_scene(fd, &s);
    int n = sluice_loader_open(&ld, path, &s.options, &err);
    while (n >= 0 && (n = sluice_loader_next(ld, &b, &err)) > 0) {
        check_batch(&s, b);
        sluice_loader_release(ld, b);
    }
    FUZZ_REQUIRE(n == 0 || err.message[0]);
    sluice_loader_close(ld);
    return 0;
}

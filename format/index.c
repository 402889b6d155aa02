/* index.c -- what the index of a store may say. */
#include <inttypes.h>

#include "bytes.h"
#include "dataset_internal.h"
#include "layout.h"

/* Of an image: of the size that the schema gives, and of as many pixels as bytes; a
 * JPEG's pixels are grey or RGB. */
static bool image_sound(const struct sluice_field *f, const uint8_t *e, bool jpeg,
                        uint64_t plain)
{
    const uint32_t size[3] = { get_u32(e + ENTRY_HEIGHT), get_u32(e + ENTRY_WIDTH),
                               get_u16(e + ENTRY_CHANNELS) };
    const uint64_t area = (uint64_t)size[0] * size[1];
    for (int k = 0; k < 3; k++)
        if (f->shape[k] && size[k] != f->shape[k])
            return false;
    return jpeg ? size[2] == 1 || size[2] == 3
                : area <= UINT32_MAX && area * size[2] == plain;
}

/* The entry `e` says nothing that cannot be, of a payload between `begin` and `end`. */
static bool entry_sound(const struct sluice_field *f, const uint8_t *e, uint64_t begin,
                        uint64_t end, int codec_max)
{
    const uint64_t offset = get_u64(e + ENTRY_OFFSET), size = get_u32(e + ENTRY_SIZE);
    const uint16_t codec = get_u16(e + ENTRY_CODEC);
    const bool jpeg = codec == SLUICE_CODEC_JPEG, zstd = codec == SLUICE_CODEC_ZSTD;
    const uint64_t plain = zstd ? get_u32(e + ENTRY_PLAIN) : size;
    const uint64_t fixed = sluice_field_payload(f);
    return offset >= begin && offset <= end && size <= end - offset &&
           codec <= codec_max && !(zstd && plain > SLUICE_PLAIN_MAX) &&
           !(fixed && !jpeg && plain != fixed) &&
           (f->kind == SLUICE_KIND_IMAGE ? image_sound(f, e, jpeg, plain) : !jpeg);
}

int sluice_index_check(const struct sluice_dataset *ds, struct table *t,
                       const struct sluice_field *f, uint64_t samples,
                       struct sluice_error *err)
{
    const struct sluice_store *s = t->store;
    const int codec_max = ds->dir.zstd_level ? SLUICE_CODEC_ZSTD : SLUICE_CODEC_JPEG;
    uint64_t behind = 0;
    t->in_order = true;
    for (uint64_t i = 0; i < samples; i++) {
        const uint8_t *e = t->bytes + i * SLUICE_INDEX_ENTRY;
        if (!entry_sound(f, e, s->data_offset, s->data_offset + s->data_size,
                         codec_max))
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: field %s: index entry %" PRIu64
                               " of its segment is impossible",
                               ds->name, f->name, i);
        t->in_order &= get_u64(e + ENTRY_OFFSET) >= behind;
        behind = get_u64(e + ENTRY_OFFSET) + get_u32(e + ENTRY_SIZE);
    }
    return 0;
}

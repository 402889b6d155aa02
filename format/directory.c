/* directory.c -- the directory's records: schema, segments, class names, statistics. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "directory.h"
#include "layout.h"

enum { IMAGE_SIDE_MAX = 1 << 20, CHANNELS_MAX = 1 << 10 };

uint64_t sluice_field_payload(const struct sluice_field *f)
{
    uint64_t size = sluice_dtype_size(f->dtype);
    const int axes = f->kind == SLUICE_KIND_IMAGE ? 3 : f->rank;
    if (f->kind != SLUICE_KIND_IMAGE && f->kind != SLUICE_KIND_TENSOR)
        return 0;
    for (int i = 0; i < axes; i++)
        if (__builtin_mul_overflow(size, (uint64_t)f->shape[i], &size))
            return 0;
    return size <= UINT32_MAX ? size : 0;
}

const char *sluice_field_fault(const struct sluice_field *f)
{
    if (!f->name[0] || memchr(f->name, 0, sizeof(f->name)) == NULL)
        return "no proper name";
    if (f->kind < SLUICE_KIND_SCALAR || f->kind > SLUICE_KIND_JSON)
        return "unknown kind";
    if (!sluice_dtype_size(f->dtype))
        return "unknown element type";
    if (f->rank < 0 || f->rank > SLUICE_RANK_MAX ||
        (f->kind == SLUICE_KIND_TENSOR && !sluice_field_payload(f)))
        return "impossible tensor shape";
    if (f->kind == SLUICE_KIND_IMAGE &&
        (f->dtype != SLUICE_U8 || f->shape[0] > IMAGE_SIDE_MAX ||
         f->shape[1] > IMAGE_SIDE_MAX || f->shape[2] > CHANNELS_MAX))
        return "impossible image";
    return NULL;
}

static int parse_field(struct sluice_field *f, const uint8_t *p, const char *name,
                       int number, struct sluice_error *err)
{
    memcpy(f->name, p, sizeof(f->name));
    f->kind = p[FIELD_KIND];
    f->dtype = p[FIELD_DTYPE];
    f->rank = p[FIELD_RANK];
    for (int k = 0; k < SLUICE_RANK_MAX; k++)
        f->shape[k] = get_u32(p + FIELD_SHAPE + (size_t)4 * k);
    const char *fault = sluice_field_fault(f);
    return fault ? sluice_fail(err, SLUICE_ECORRUPT, "%s: field %d (%.31s): %s", name,
                               number, f->name, fault)
                 : 0;
}

static int parse_fields(struct sluice_directory *dir, const char *name,
                        const uint8_t *p, uint64_t size, struct sluice_error *err)
{
    const uint64_t count = size / FIELD_SIZE;
    int rc = 0;
    if (dir->fields || size % FIELD_SIZE || !count || count > SLUICE_FIELDS_MAX)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: schema of %" PRIu64 " bytes",
                           name, size);
    dir->fields = calloc(count, sizeof(*dir->fields));
    if (!dir->fields)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", name);
    dir->field_count = (int)count;
    for (int i = 0; i < dir->field_count && rc == 0; i++) {
        rc = parse_field(&dir->fields[i], p + (size_t)i * FIELD_SIZE, name, i, err);
        for (int k = 0; k < i && rc == 0; k++)
            if (strcmp(dir->fields[k].name, dir->fields[i].name) == 0)
                rc = sluice_fail(err, SLUICE_ECORRUPT, "%s: two fields are called %s",
                                 name, dir->fields[i].name);
    }
    return rc;
}

static bool inside(uint64_t offset, uint64_t size, uint64_t file_length)
{
    return offset >= SLUICE_DATA_AT && size <= file_length &&
           offset <= file_length - size;
}

/* The store fits the field and lies inside the file. */
static bool store_sound(const struct sluice_store *s, const struct sluice_field *f,
                        uint64_t samples, uint64_t length)
{
    uint64_t data, table;
    switch (s->type) {
    case SLUICE_STORE_COLUMN:
        return f->kind == SLUICE_KIND_SCALAR &&
               s->stride == sluice_dtype_size(f->dtype) &&
               !__builtin_mul_overflow(samples, s->stride, &data) &&
               data == s->data_size && inside(s->data_offset, data, length);
    case SLUICE_STORE_FIXED:
        return f->kind != SLUICE_KIND_SCALAR && s->stride && s->stride <= UINT32_MAX &&
               s->stride == sluice_field_payload(f) && s->codec == SLUICE_CODEC_RAW &&
               !__builtin_mul_overflow(samples, s->stride, &data) &&
               data == s->data_size && inside(s->data_offset, data, length) &&
               !__builtin_mul_overflow(samples, (uint64_t)4, &table) &&
               inside(s->table_offset, table, length);
    case SLUICE_STORE_INDEXED:
        return f->kind != SLUICE_KIND_SCALAR &&
               inside(s->data_offset, s->data_size, length) &&
               !__builtin_mul_overflow(samples, (uint64_t)SLUICE_INDEX_ENTRY, &table) &&
               inside(s->table_offset, table, length);
    }
    return false;
}

/* Segments are few; one more at a time, with as many stores as there are fields, keeps
 * what is allocated near what was read. NULL: no memory. */
static struct sluice_segment *add_segment(struct sluice_directory *dir)
{
    struct sluice_segment *more =
        realloc(dir->segments, ((size_t)dir->segment_count + 1) * sizeof(*more));
    if (!more)
        return NULL;
    dir->segments = more;
    struct sluice_segment *segment = &more[dir->segment_count++];
    segment->stores = calloc((size_t)dir->field_count, sizeof(*segment->stores));
    return segment->stores ? segment : NULL;
}

static int parse_segment(struct sluice_directory *dir, const char *name,
                         const uint8_t *p, uint64_t size, uint64_t length,
                         struct sluice_error *err)
{
    const int number = dir->segment_count;
    if (!dir->fields ||
        size != SEGMENT_HEADER + (uint64_t)dir->field_count * STORE_SIZE ||
        get_u32(p + 8) != (uint32_t)dir->field_count)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: segment %d does not have one store per field", name,
                           number);
    struct sluice_segment *segment = add_segment(dir);
    if (!segment)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", name);
    segment->samples = get_u64(p);
    for (int i = 0; i < dir->field_count; i++) {
        const uint8_t *q = p + SEGMENT_HEADER + (size_t)i * STORE_SIZE;
        segment->stores[i] = (struct sluice_store){
            .type = get_u32(q + STORE_TYPE),
            .codec = get_u32(q + STORE_CODEC),
            .data_offset = get_u64(q + STORE_DATA_OFFSET),
            .data_size = get_u64(q + STORE_DATA_SIZE),
            .stride = get_u64(q + STORE_STRIDE),
            .table_offset = get_u64(q + STORE_TABLE_OFFSET),
            .table_crc = get_u32(q + STORE_TABLE_CRC),
        };
        if (!store_sound(&segment->stores[i], &dir->fields[i], segment->samples,
                         length))
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: segment %d, field %s: %" PRIu64
                               " samples do not fit what the file has",
                               name, number, dir->fields[i].name, segment->samples);
    }
    return 0;
}

static int parse_classes(struct sluice_directory *dir, const char *name,
                         const uint8_t *p, uint64_t size, struct sluice_error *err)
{
    const uint64_t count = size >= 8 ? get_u32(p + 4) : 0;
    if (dir->classes || size < 8 || !count || count > size - 8 || p[size - 1] != 0 ||
        !dir->fields || get_u32(p) >= (uint32_t)dir->field_count)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: class names are damaged", name);
    /* The names lie behind the pointers: one allocation each would take many times the
     * bytes of a short one. */
    dir->classes = calloc(1, count * sizeof(*dir->classes) + size - 8);
    if (!dir->classes)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", name);
    dir->class_field = (int)get_u32(p);
    char *at = (char *)(dir->classes + count), *last = at + size - 8;
    memcpy(at, p + 8, size - 8);
    for (; dir->class_count < (int)count; dir->class_count++) {
        if (at >= last)
            return sluice_fail(err, SLUICE_ECORRUPT, "%s: %d class names, not %" PRIu64,
                               name, dir->class_count, count);
        dir->classes[dir->class_count] = at;
        at += strlen(at) + 1; /* the last byte is 0: see above */
    }
    return 0;
}

static int parse_stats(struct sluice_directory *dir, const char *name, const uint8_t *p,
                       uint64_t size, struct sluice_error *err)
{
    const uint64_t channels = size / 16;
    if (size % 16 || !channels || channels > SLUICE_STATS_MAX)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: statistics of %" PRIu64 " bytes",
                           name, size);
    dir->stats_channels = (int)channels;
    for (uint64_t c = 0; c < channels; c++) {
        dir->mean[c] = get_f64(p + 8 * c);
        dir->std[c] = get_f64(p + 8 * (channels + c));
        if (!isfinite(dir->mean[c]) || !(dir->std[c] >= 0) || !isfinite(dir->std[c]))
            return sluice_fail(err, SLUICE_ECORRUPT, "%s: statistics are not numbers",
                               name);
    }
    for (int c = 1; channels == 1 && c < SLUICE_STATS_MAX; c++) {
        dir->mean[c] = dir->mean[0];
        dir->std[c] = dir->std[0];
    }
    return 0;
}

static int parse_zstd(struct sluice_directory *dir, const char *name, const uint8_t *p,
                      uint64_t size, struct sluice_error *err)
{
    const uint32_t level = size < 4 ? 0 : get_u32(p);
    if (dir->zstd_level || !level || level > INT32_MAX ||
        size - 4 > SLUICE_DICTIONARY_MAX)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: impossible zstd record of %" PRIu64 " bytes", name,
                           size);
    dir->zstd_level = (int)level;
    if (size == 4)
        return 0;
    dir->dictionary = malloc(size - 4);
    if (!dir->dictionary)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", name);
    memcpy(dir->dictionary, p + 4, size - 4);
    dir->dictionary_size = size - 4;
    return 0;
}

static int parse_record(struct sluice_directory *dir, const char *name, uint32_t tag,
                        const uint8_t *p, uint64_t size, uint64_t length,
                        struct sluice_error *err)
{
    switch (tag) {
    case TAG_FIELDS:
        return parse_fields(dir, name, p, size, err);
    case TAG_SEGMENT:
        return parse_segment(dir, name, p, size, length, err);
    case TAG_CLASSES:
        return parse_classes(dir, name, p, size, err);
    case TAG_STATS:
        return parse_stats(dir, name, p, size, err);
    case TAG_ZSTD:
        return parse_zstd(dir, name, p, size, err);
    case TAG_PROVENANCE:
        free(dir->provenance);
        dir->provenance = strndup((const char *)p, size);
        return dir->provenance ? 0
                               : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", name);
    default:
        if (tag & TAG_MUST_KNOW)
            return sluice_fail(
                err, SLUICE_EVERSION,
                "%s: made by a later version: directory record %#x is unknown", name,
                tag);
        return 0;
    }
}

int sluice_directory_parse(struct sluice_directory *dir, const char *name,
                           const uint8_t *bytes, size_t size, uint64_t length,
                           struct sluice_error *err)
{
    size_t at = 0;
    while (at < size) {
        if (size - at < RECORD_HEADER)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: directory ends inside a record", name);
        const uint64_t n = get_u64(bytes + at + 8);
        if (n > size - at - RECORD_HEADER)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: directory record of %" PRIu64
                               " bytes at %zu of %zu",
                               name, n, at, size);
        int rc = parse_record(dir, name, get_u32(bytes + at),
                              bytes + at + RECORD_HEADER, n, length, err);
        if (rc < 0)
            return rc;
        at += RECORD_HEADER + (n + 7) / 8 * 8;
    }
    if (!dir->fields)
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: directory has no schema", name);
    for (int i = 0; i < dir->field_count; i++) {
        const struct sluice_field *f = &dir->fields[i];
        if (f->kind != SLUICE_KIND_IMAGE)
            continue;
        /* Statistics are of the first image field. */
        if (dir->stats_channels && f->shape[2] &&
            f->shape[2] != (uint32_t)dir->stats_channels)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%s: statistics of %d channels, images of %u", name,
                               dir->stats_channels, f->shape[2]);
        break;
    }
    if (dir->class_count && (dir->fields[dir->class_field].kind != SLUICE_KIND_SCALAR))
        return sluice_fail(err, SLUICE_ECORRUPT, "%s: classes name field %s, no scalar",
                           name, dir->fields[dir->class_field].name);
    return 0;
}

void sluice_directory_clear(struct sluice_directory *dir)
{
    for (int i = 0; i < dir->segment_count; i++)
        free(dir->segments[i].stores);
    free(dir->classes);
    free(dir->fields);
    free(dir->segments);
    free(dir->provenance);
    free(dir->dictionary);
    memset(dir, 0, sizeof(*dir));
}

/* beton.c -- parsing FFCV's files; see beton.h. */
#include <assert.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "beton.h"

enum {
    HEADER = 24,
    FIELD = 1041,
    ARGUMENTS = 17, /* in a field */
    TYPE_LENGTH = ARGUMENTS + 8 * BETON_RANK_MAX,
    TYPE_TEXT = TYPE_LENGTH + 8,
    ALLOCATION = 24,
    PAGE_MIN = 1 << 21,
    VERSION = 2,
    CUSTOM = 255,
};

struct reader {
    uint64_t size;
    sluice_read_at read;
    void *ctx;
};

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* ---- fields ---- */

/* [["", "<f4"]]: numpy's description of elements that are not structures. */
static int parse_elements(struct beton_field *f, const uint8_t *text, size_t size,
                          struct sluice_error *err)
{
    char own[FIELD - TYPE_TEXT + 1];
    memcpy(own, text, size);
    own[size] = 0;
    cJSON *root = cJSON_Parse(own);
    const cJSON *pair =
        cJSON_GetArraySize(root) == 1 ? cJSON_GetArrayItem(root, 0) : NULL;
    const char *type = cJSON_GetArraySize(pair) == 2
                           ? cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1))
                           : NULL;
    const size_t n = type ? strlen(type) : 0;
    int rc = 0;
    if (n < 3 || n > 5 || !strchr("<>|=", type[0]) ||
        strspn(type + 2, "0123456789") != n - 2) {
        rc = sluice_fail(err, SLUICE_EUNBUILT,
                         "field %s: elements of type %.60s, expected plain numbers",
                         f->name, own);
    } else {
        f->big_endian = type[0] == '>';
        f->letter = type[1];
        f->element = atoi(type + 2);
    }
    cJSON_Delete(root);
    return rc;
}

static int parse_array(struct beton_field *f, const uint8_t *raw,
                       struct sluice_error *err)
{
    const uint64_t text = number(raw + TYPE_LENGTH, 8);
    if (text > FIELD - TYPE_TEXT)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "field %s: a type of %" PRIu64 " characters", f->name, text);
    const int rc = parse_elements(f, raw + TYPE_TEXT, (size_t)text, err);
    if (rc < 0)
        return rc;
    f->size = (uint64_t)f->element;
    for (int i = 0; i < BETON_RANK_MAX; i++)
        if ((f->shape[i] = number(raw + ARGUMENTS + 8 * (size_t)i, 8)) != 0)
            f->rank = i + 1;
    for (int i = 0; i < f->rank; i++) {
        if (f->shape[i] && f->size > UINT32_MAX / f->shape[i])
            f->size = 0;
        f->size *= f->shape[i];
    }
    return f->size ? 0
                   : sluice_fail(err, SLUICE_ECORRUPT,
                                 "field %s: an array of no elements, or of more than a "
                                 "page holds",
                                 f->name);
}

/* Bytes in a record; 0: no such type. Of 8 bytes are those that are aligned to 8. */
static size_t record_bytes(int type)
{
    static const uint8_t bytes[] = {
        [BETON_FLOAT] = 8, [BETON_INT] = 8,   [BETON_IMAGE] = 13, [BETON_BYTES] = 16,
        [BETON_ARRAY] = 8, [BETON_JSON] = 16, [BETON_TENSOR] = 8
    };
    return type < (int)sizeof(bytes) ? bytes[type] : 0;
}

static int parse_field(struct beton *b, int i, const uint8_t *raw,
                       struct sluice_error *err)
{
    struct beton_field *f = &b->fields[i];
    memcpy(f->name, raw + 1, 16);
    for (const char *c = f->name; *c; c++)
        if (*c < 32 || *c > 126)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "field %d: a name that is not ASCII: not a .beton file",
                               i);
    if (raw[0] == CUSTOM)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "field %s: of a type of its writer's own, which only its "
                           "writer can read",
                           f->name);
    if (!record_bytes(raw[0]) || !f->name[0])
        return sluice_fail(err, SLUICE_ECORRUPT, "field %d: type %d, expected 0 to 6",
                           i, raw[0]);
    f->type = raw[0];
    return f->type == BETON_ARRAY || f->type == BETON_TENSOR ? parse_array(f, raw, err)
                                                             : 0;
}

/* As a C compiler would lay the record out. */
static void lay_out(struct beton *b)
{
    size_t at = 0, align = 1;
    for (int i = 0; i < b->field_count; i++) {
        const size_t bytes = record_bytes(b->fields[i].type), own = bytes == 8 ? 8 : 1;
        at = (at + own - 1) / own * own;
        b->fields[i].at = at;
        at += bytes;
        align = own > align ? own : align;
    }
    b->stride = (at + align - 1) / align * align;
}

/* ---- tables ---- */

static int load(const struct reader *r, uint64_t offset, uint64_t size, uint8_t **out,
                struct sluice_error *err)
{
    *out = malloc(size ? (size_t)size : 1);
    if (!*out)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " bytes", size);
    return size ? r->read(r->ctx, *out, (size_t)size, offset, err) : 0;
}

static int by_sample(const void *a, const void *b)
{
    const struct beton_allocation *x = a, *y = b;
    if (x->sample != y->sample)
        return x->sample < y->sample ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static int load_allocations(struct beton *b, const struct reader *r,
                            struct sluice_error *err)
{
    uint8_t *raw;
    const uint64_t bytes = r->size - b->payloads_to;
    int rc = load(r, b->payloads_to, bytes, &raw, err);
    b->allocation_count = bytes / ALLOCATION;
    b->allocations = rc < 0 ? NULL : malloc((size_t)bytes + 1);
    if (rc == 0 && !b->allocations)
        rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " bytes", bytes);
    for (uint64_t i = 0; rc == 0 && i < b->allocation_count; i++) {
        const uint8_t *p = raw + ALLOCATION * i;
        b->allocations[i] = (struct beton_allocation){ number(p, 8), number(p + 8, 8),
                                                       number(p + 16, 8) };
    }
    free(raw);
    if (rc == 0)
        qsort(b->allocations, b->allocation_count, sizeof(*b->allocations), by_sample);
    return rc;
}

static int parse_header(struct beton *b, const struct reader *r,
                        struct sluice_error *err)
{
    uint8_t raw[HEADER];
    if (r->size < HEADER)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%" PRIu64 " bytes, expected a .beton file", r->size);
    int rc = r->read(r->ctx, raw, sizeof(raw), 0, err);
    if (rc < 0)
        return rc;
    const uint64_t version = number(raw, 2), page = number(raw + 4, 4);
    b->field_count = (int)number(raw + 2, 2);
    b->samples = number(raw + 8, 8);
    b->payloads_to = number(raw + 16, 8);
    if (version != VERSION)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "starts with %" PRIu64
                           ", expected 2: not a .beton file of version 2",
                           version);
    if (page < PAGE_MIN || (page & (page - 1)) != 0)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "pages of %" PRIu64
                           " bytes, expected a power of two from 2 MiB: not a .beton "
                           "file",
                           page);
    if (b->payloads_to == 0)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "no allocation table: its writer did not finish");
    if (b->payloads_to > r->size || (r->size - b->payloads_to) % ALLOCATION != 0)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%" PRIu64
                           " bytes, expected an allocation table from %" PRIu64
                           ": truncated or damaged",
                           r->size, b->payloads_to);
    if (b->field_count < 1 || b->field_count > SLUICE_FIELDS_MAX)
        return sluice_fail(err, SLUICE_EUNBUILT, "%d fields, expected 1 to %d",
                           b->field_count, SLUICE_FIELDS_MAX);
    return b->samples ? 0 : sluice_fail(err, SLUICE_ECORRUPT, "no samples");
}

static int parse(struct beton *b, const struct reader *r, struct sluice_error *err)
{
    uint8_t raw[FIELD];
    int rc = parse_header(b, r, err);
    if (rc < 0)
        return rc;
    const uint64_t records = HEADER + FIELD * (uint64_t)b->field_count;
    if (records > b->payloads_to)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "the allocation table lies within the fields");
    for (int i = 0; i < b->field_count; i++)
        if ((rc = r->read(r->ctx, raw, FIELD, HEADER + FIELD * (uint64_t)i, err)) < 0 ||
            (rc = parse_field(b, i, raw, err)) < 0)
            return rc;
    lay_out(b);
    assert(b->stride > 0); /* each field has its bytes */
    if (b->samples > (b->payloads_to - records) / b->stride)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%" PRIu64 " samples of %zu bytes, expected them before the "
                           "allocation table at %" PRIu64 ": truncated or damaged",
                           b->samples, b->stride, b->payloads_to);
    b->payloads_from = records + b->samples * b->stride;
    rc = load(r, records, b->samples * b->stride, &b->records, err);
    return rc < 0 ? rc : load_allocations(b, r, err);
}

int beton_parse(struct beton *out, uint64_t size, sluice_read_at read, void *ctx,
                struct sluice_error *err)
{
    const struct reader r = { size, read, ctx };
    *out = (struct beton){ 0 };
    const int rc = parse(out, &r, err);
    if (rc < 0)
        beton_free(out);
    return rc;
}

void beton_free(struct beton *b)
{
    free(b->records);
    free(b->allocations);
    *b = (struct beton){ 0 };
}

/* ---- values ---- */

static const uint8_t *value_of(const struct beton *b, int field, uint64_t i)
{
    return b->records + i * b->stride + b->fields[field].at;
}

int64_t beton_integer(const struct beton *b, int field, uint64_t i)
{
    return (int64_t)number(value_of(b, field, i), 8);
}

double beton_real(const struct beton *b, int field, uint64_t i)
{
    const uint64_t bits = number(value_of(b, field, i), 8);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

bool beton_image(const struct beton *b, int field, uint64_t i, struct beton_place *out)
{
    const uint8_t *p = value_of(b, field, i);
    *out = (struct beton_place){ .jpeg = p[0] == 0,
                                 .width = (uint32_t)number(p + 1, 2),
                                 .height = (uint32_t)number(p + 3, 2) };
    return p[0] <= 1 && out->width && out->height;
}

/* The size of the sample's allocation at an offset; 0: there is none. Of several, which
 * empty payloads beside others make, the largest. */
static uint64_t allocated(const struct beton *b, uint64_t sample, uint64_t offset)
{
    uint64_t low = 0, high = b->allocation_count;
    const struct beton_allocation last = { sample, offset, UINT64_MAX };
    while (low < high) { /* the first that is behind all of these */
        const uint64_t middle = low + (high - low) / 2;
        if (by_sample(&b->allocations[middle], &last) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    const struct beton_allocation *a = low ? &b->allocations[low - 1] : NULL;
    return a && a->sample == sample && a->offset == offset ? a->size : 0;
}

int beton_locate(const struct beton *b, int field, uint64_t i, struct beton_place *out,
                 struct sluice_error *err)
{
    const struct beton_field *f = &b->fields[field];
    const uint8_t *p = value_of(b, field, i);
    uint64_t want = f->size;
    *out = (struct beton_place){ 0 };
    if (f->type == BETON_IMAGE) {
        if (!beton_image(b, field, i, out))
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "sample %" PRIu64
                               ", field %s: mode %d of %ux%u, expected "
                               "a JPEG or pixels",
                               i, f->name, p[0], out->width, out->height);
        out->offset = number(p + 5, 8);
        want = out->jpeg ? 0 : (uint64_t)out->width * out->height * 3;
    } else {
        out->offset = number(p, 8);
        if (f->type == BETON_BYTES || f->type == BETON_JSON) {
            want = number(p + 8, 8);
            if (want == 0) {
                out->offset = 0; /* it may be anything */
                return 0;
            }
        }
    }
    out->size = allocated(b, i, out->offset);
    if (out->size == 0 || (want && out->size != want))
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "sample %" PRIu64 ", field %s: expected %" PRIu64
                           " bytes at %" PRIu64
                           " in the allocation table, found %" PRIu64,
                           i, f->name, want, out->offset, out->size);
    if (out->offset < b->payloads_from || out->offset > b->payloads_to ||
        out->size > b->payloads_to - out->offset)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "sample %" PRIu64 ", field %s: %" PRIu64 " bytes at %" PRIu64
                           ", expected them between %" PRIu64 " and %" PRIu64,
                           i, f->name, out->size, out->offset, b->payloads_from,
                           b->payloads_to);
    return 0;
}

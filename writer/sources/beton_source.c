/* beton_source.c -- FFCV's files as a source: what each of their fields becomes here.
 *
 *     float, int         scalars of f64, i64
 *     image              JPEGs as folders' are, pixels as they are; mode raw decodes
 *     bytes, JSON        the same, without the zero that ends FFCV's JSON
 *     arrays, tensors    tensors; u16, u32 and u64 as the next larger signed integer,
 *                        bool as u8 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beton.h"
#include "source.h"

struct state {
    const char *path;
    int fd;
    struct beton beton;
    struct sluice_field fields[SLUICE_FIELDS_MAX];
    /* Of the present sample. */
    uint8_t *payloads[SLUICE_FIELDS_MAX];
    struct sluice_pixel_sums sums[SLUICE_FIELDS_MAX];
    struct picture_options options;
    struct picture_work work;
    char *provenance;
};

static int read_at(void *ctx, void *buf, size_t size, uint64_t offset,
                   struct sluice_error *err)
{
    const struct state *s = ctx;
    uint8_t *to = buf;
    for (size_t done = 0; done < size;) {
        const ssize_t n = pread(s->fd, to + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return sluice_fail(err, SLUICE_EIO, "%zu bytes at %" PRIu64 ": %s", size,
                               offset,
                               n < 0 ? strerror(errno) : "the file became shorter");
        done += (size_t)n;
    }
    return 0;
}

static void close_beton(struct source *src)
{
    struct state *s = src->state;
    for (int i = 0; i < SLUICE_FIELDS_MAX; i++)
        free(s->payloads[i]);
    picture_work_free(&s->work);
    beton_free(&s->beton);
    free(s->provenance);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

/* ---- the schema ---- */

/* Sizes, where all images of a field are pixels of one size. */
static void measure(const struct state *s, int field, uint32_t shape[4])
{
    struct beton_place first = { 0 }, p;
    for (uint64_t i = 0; i < s->beton.samples; i++) {
        if (!beton_image(&s->beton, field, i, &p))
            continue; /* it fails when it is its turn */
        if (p.jpeg && s->options.mode != PICTURE_RAW)
            return;
        if (!first.width)
            first = p;
        if (p.width != first.width || p.height != first.height)
            return;
    }
    shape[0] = first.height;
    shape[1] = first.width;
    shape[2] = first.width ? 3 : 0;
}

/* Element types of the same values. */
static int element_type(const struct beton_field *f)
{
    static const struct {
        char letter;
        int bytes;
        enum sluice_dtype dtype;
    } types[] = { { 'b', 1, SLUICE_U8 },  { 'u', 1, SLUICE_U8 },
                  { 'u', 2, SLUICE_I32 }, { 'u', 4, SLUICE_I64 },
                  { 'u', 8, SLUICE_I64 }, { 'i', 1, SLUICE_I8 },
                  { 'i', 2, SLUICE_I16 }, { 'i', 4, SLUICE_I32 },
                  { 'i', 8, SLUICE_I64 }, { 'f', 2, SLUICE_F16 },
                  { 'f', 4, SLUICE_F32 }, { 'f', 8, SLUICE_F64 } };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (types[i].letter == f->letter && types[i].bytes == f->element)
            return (int)types[i].dtype;
    return -1;
}

static int describe_array(const struct beton_field *f, struct sluice_field *out,
                          struct sluice_error *err)
{
    const int dtype = element_type(f);
    if (dtype < 0)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "field %s: elements of type %c%d have no like here", f->name,
                           f->letter, f->element);
    if (f->rank > SLUICE_RANK_MAX)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "field %s: %d axes, expected at most %d", f->name, f->rank,
                           SLUICE_RANK_MAX);
    out->kind = SLUICE_KIND_TENSOR;
    out->dtype = (enum sluice_dtype)dtype;
    out->rank = f->rank;
    for (int i = 0; i < f->rank; i++)
        out->shape[i] = (uint32_t)f->shape[i];
    return 0;
}

static int describe_field(struct state *s, int i, struct sluice_error *err)
{
    const struct beton_field *f = &s->beton.fields[i];
    struct sluice_field *out = &s->fields[i];
    *out = (struct sluice_field){ .dtype = SLUICE_U8 };
    memcpy(out->name, f->name, sizeof(f->name));
    for (int k = 0; k < i; k++)
        if (strcmp(f->name, s->fields[k].name) == 0)
            return sluice_fail(err, SLUICE_ECORRUPT, "two fields are called %s",
                               f->name);
    switch (f->type) {
    case BETON_FLOAT:
    case BETON_INT:
        out->kind = SLUICE_KIND_SCALAR;
        out->dtype = f->type == BETON_INT ? SLUICE_I64 : SLUICE_F64;
        return 0;
    case BETON_IMAGE:
        out->kind = SLUICE_KIND_IMAGE;
        measure(s, i, out->shape);
        return 0;
    case BETON_ARRAY:
    case BETON_TENSOR:
        return describe_array(f, out, err);
    default:
        out->kind = f->type == BETON_JSON ? SLUICE_KIND_JSON : SLUICE_KIND_BYTES;
        return 0;
    }
}

static char *describe_origin(const char *path, uint64_t size)
{
    const char *slash = strrchr(path, '/');
    cJSON *root = cJSON_CreateObject(), *file = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(root, "files"), file);
    cJSON_AddStringToObject(file, "name", slash ? slash + 1 : path);
    cJSON_AddNumberToObject(file, "bytes", (double)size);
    cJSON_AddStringToObject(root, "source", "beton");
    cJSON_AddStringToObject(root, "split", "all");
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

/* The field that classes are of: "label", or the first integer. */
static const char *label_field(const struct beton *b)
{
    const char *found = NULL;
    for (int i = b->field_count - 1; i >= 0; i--)
        if (b->fields[i].type == BETON_INT && (!found || strcmp(found, "label") != 0))
            found = b->fields[i].name;
    return found;
}

static int open_file(struct state *s, uint64_t *size, struct sluice_error *err)
{
    struct stat st;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0 || fstat(s->fd, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", s->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: expected a .beton file",
                           s->path);
    *size = (uint64_t)st.st_size;
    return 0;
}

static int name_file(const struct state *s, int rc, struct sluice_error *err)
{
    const struct sluice_error inner = *err;
    return sluice_fail(err, (enum sluice_code)rc, "%.220s: %.240s", s->path,
                       inner.message);
}

static int open_beton(struct source *src, const struct source_options *opt,
                      struct sluice_error *err)
{
    struct sluice_error own = { 0 };
    struct state *s = src->state = calloc(1, sizeof(*s));
    uint64_t size = 0;
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", opt->input);
    s->path = opt->input;
    s->options = opt->picture;
    s->options.channels = s->options.mode == PICTURE_RAW ? 3 : 0;
    s->fd = -1;
    int rc = opt->picture.mode > PICTURE_RAW
                 ? sluice_fail(err, SLUICE_EINVAL,
                               "%.300s: pictures of a .beton file are kept or become "
                               "pixels: --mode=keep or raw",
                               s->path)
                 : open_file(s, &size, err);
    if (rc == 0) {
        rc = beton_parse(&s->beton, size, read_at, s, &own);
        for (int i = 0; i < s->beton.field_count && rc == 0; i++)
            rc = describe_field(s, i, &own);
        if (rc < 0) {
            name_file(s, rc, &own);
            if (err)
                *err = own;
        }
    }
    if (rc < 0) {
        close_beton(src);
        return rc;
    }
    s->provenance = describe_origin(s->path, size);
    src->count = s->beton.samples;
    src->schema = (struct sluice_schema){
        .fields = s->fields,
        .field_count = s->beton.field_count,
        .classes = opt->class_names,
        .class_count = opt->class_count,
        .class_field = label_field(&s->beton),
        .provenance = s->provenance,
    };
    return 0;
}

/* ---- samples ---- */

static int read_payload(struct state *s, int field, uint64_t i,
                        struct beton_place *place, struct sluice_error *err)
{
    int rc = beton_locate(&s->beton, field, i, place, err);
    if (rc < 0)
        return rc;
    if (!(s->payloads[field] = malloc(place->size ? (size_t)place->size : 1)))
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " bytes",
                           place->size);
    return place->size
               ? read_at(s, s->payloads[field], (size_t)place->size, place->offset, err)
               : 0;
}

static int take_jpeg(struct state *s, int field, uint64_t i,
                     const struct beton_place *place, struct sluice_value *v,
                     struct sluice_error *err)
{
    struct picture p;
    struct sluice_error inner = { 0 };
    const char *name = s->beton.fields[field].name;
    if (place->size < 2 || memcmp(s->payloads[field], "\xff\xd8", 2) != 0)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "sample %" PRIu64 ", field %s: expected a JPEG", i, name);
    const int rc = picture_make(&p, &s->work, s->payloads[field], (size_t)place->size,
                                i, &s->options, &inner);
    if (rc < 0)
        return sluice_fail(err, (enum sluice_code)rc,
                           "sample %" PRIu64 ", field %s: %s", i, name, inner.message);
    s->payloads[field] = p.data;
    if (p.width != place->width || p.height != place->height)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "sample %" PRIu64
                           ", field %s: a JPEG of %ux%u, expected %ux%u",
                           i, name, p.width, p.height, place->width, place->height);
    *v = (struct sluice_value){ .size = p.size,
                                .codec = p.codec,
                                .height = p.height,
                                .width = p.width,
                                .channels = p.channels };
    s->sums[field] = p.sums;
    if (p.sums.channels)
        v->sums = &s->sums[field];
    return 0;
}

/* Elements as ours are: little-endian, and of our size. */
static int take_array(struct state *s, int field, uint64_t i, struct sluice_value *v,
                      struct sluice_error *err)
{
    const struct beton_field *f = &s->beton.fields[field];
    const size_t from = (size_t)f->element;
    const size_t to = sluice_dtype_size(s->fields[field].dtype);
    const size_t count = (size_t)f->size / from;
    const uint8_t *in = s->payloads[field];
    v->size = count * to;
    if (from == to && !f->big_endian && !(f->letter == 'u' && from == 8))
        return 0;
    uint8_t *out = malloc(v->size);
    if (!out)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", v->size);
    for (size_t k = 0; k < count; k++) {
        uint64_t u = 0;
        for (size_t n = 0; n < from; n++)
            u = u << 8 | in[k * from + (f->big_endian ? n : from - 1 - n)];
        if (f->letter == 'u' && u > INT64_MAX) {
            free(out);
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "sample %" PRIu64 ", field %s: %" PRIu64
                               " does not fit i64",
                               i, f->name, u);
        }
        for (size_t n = 0; n < to; n++)
            out[k * to + n] = (uint8_t)(u >> 8 * n);
    }
    free(s->payloads[field]);
    s->payloads[field] = out;
    return 0;
}

static int take_json(const struct state *s, int field, uint64_t i,
                     const struct beton_place *place, struct sluice_value *v,
                     struct sluice_error *err)
{
    const uint8_t *text = s->payloads[field];
    const uint8_t *end = place->size ? memchr(text, 0, (size_t)place->size) : NULL;
    if (!end || (uint64_t)(end - text) + 1 != place->size)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "sample %" PRIu64 ", field %s: expected text with a zero at "
                           "its end alone",
                           i, s->beton.fields[field].name);
    v->size = (size_t)place->size - 1;
    return 0;
}

static int take(struct state *s, int field, uint64_t i, struct sluice_value *v,
                struct sluice_error *err)
{
    const struct beton *b = &s->beton;
    const enum beton_type type = b->fields[field].type;
    struct beton_place place;
    *v = (struct sluice_value){ 0 };
    if (type == BETON_INT || type == BETON_FLOAT) {
        if (type == BETON_INT)
            v->integer = beton_integer(b, field, i);
        else
            v->real = beton_real(b, field, i);
        return 0;
    }
    int rc = read_payload(s, field, i, &place, err);
    if (rc < 0)
        return rc;
    v->size = (size_t)place.size;
    v->height = place.height;
    v->width = place.width;
    v->channels = type == BETON_IMAGE ? 3 : 0;
    if (type == BETON_IMAGE && place.jpeg)
        rc = take_jpeg(s, field, i, &place, v, err);
    else if (type == BETON_ARRAY || type == BETON_TENSOR)
        rc = take_array(s, field, i, v, err);
    else if (type == BETON_JSON)
        rc = take_json(s, field, i, &place, v, err);
    v->data = s->payloads[field];
    return rc;
}

static int read_beton(struct source *src, uint64_t i, struct sluice_value *values,
                      struct sluice_error *err)
{
    struct state *s = src->state;
    struct sluice_error own = { 0 };
    for (int k = 0; k < s->beton.field_count; k++) {
        free(s->payloads[k]);
        s->payloads[k] = NULL;
    }
    for (int k = 0; k < s->beton.field_count; k++) {
        const int rc = take(s, k, i, &values[k], &own);
        if (rc < 0) {
            name_file(s, rc, &own);
            if (err)
                *err = own;
            return rc;
        }
    }
    return 0;
}

const struct source_def source_beton = {
    .name = "beton",
    .help = "FFCV's .beton file, of any fields but its users' own",
    .options = "mode trust",
    .open = open_beton,
    .read = read_beton,
    .close = close_beton,
};

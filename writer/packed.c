/* packed.c -- see packed.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/crc32c.h>
#include <sluice/inflate.h>

#include "packed.h"
#include "stats.h"

static int read_at(void *ctx, void *buf, size_t size, uint64_t offset,
                   struct sluice_error *err)
{
    const struct packed *p = ctx;
    for (size_t done = 0; done < size;) {
        const ssize_t n =
            pread(p->fd, (char *)buf + done, size - done, (off_t)(offset + done));
        if (n == 0)
            return sluice_fail(err, SLUICE_ECORRUPT, "%s: ends at %" PRIu64, p->path,
                               offset + done);
        if (n < 0 && errno != EINTR)
            return sluice_fail(err, SLUICE_EIO, "%s: %s", p->path, strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int packed_open_fd(struct packed *p, const char *path, int fd, struct sluice_error *err)
{
    struct stat st;
    int rc;
    *p = (struct packed){ .path = path, .fd = fd };
    if (p->fd < 0 || fstat(p->fd, &st) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: not a regular file", path);
    else
        rc = sluice_dataset_open(&p->dataset, path, (uint64_t)st.st_size, read_at, p,
                                 err);
    if (rc < 0)
        packed_close(p);
    return rc;
}

int packed_open(struct packed *p, const char *path, struct sluice_error *err)
{
    return packed_open_fd(p, path, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err);
}

void packed_close(struct packed *p)
{
    sluice_dataset_free(p->dataset);
    sluice_inflater_free(p->inflater);
    free(p->frame);
    for (int i = 0; i < SLUICE_FIELDS_MAX; i++)
        free(p->bytes[i]);
    if (p->path && p->fd >= 0)
        close(p->fd);
    *p = (struct packed){ .path = NULL };
}

static int grow(struct packed *p, uint8_t **data, size_t *room, size_t need,
                struct sluice_error *err)
{
    if (*data && need <= *room)
        return 0;
    free(*data);
    *data = malloc(need ? need : 1);
    *room = *data ? need : 0;
    return *data ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %zu bytes",
                               p->path, need);
}

static int inflate_payload(struct packed *p, uint64_t sample,
                           const struct sluice_extent *x, uint8_t *out,
                           struct sluice_error *err)
{
    struct sluice_error why;
    int rc = 0;
    if (!p->inflater)
        rc = sluice_inflater_create(&p->inflater, p->dataset, &why);
    if (rc == 0)
        rc = sluice_inflate(p->inflater, x, p->frame, out, &why);
    return rc < 0 ? sluice_fail(err, (enum sluice_code)rc,
                                "%s: sample %" PRIu64 ": %.300s", p->path, sample,
                                why.message)
                  : 0;
}

static int read_payload(struct packed *p, int field, uint64_t sample,
                        struct sluice_value *v, struct sluice_error *err)
{
    struct sluice_extent x;
    int rc = sluice_dataset_locate(p->dataset, field, sample, &x, err);
    if (rc < 0)
        return rc;
    const bool deflated = x.codec == SLUICE_CODEC_ZSTD;
    const size_t size = deflated ? x.plain : x.size;
    rc = grow(p, &p->bytes[field], &p->room[field], size, err);
    if (rc == 0 && deflated)
        rc = grow(p, &p->frame, &p->frame_room, x.size, err);
    uint8_t *stored = deflated ? p->frame : p->bytes[field];
    if (rc == 0)
        rc = read_at(p, stored, x.size, x.offset, err);
    if (rc < 0)
        return rc;
    const uint32_t crc = sluice_crc32c(0, stored, x.size);
    if (crc != x.crc)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: sample %" PRIu64 ", %u bytes at %" PRIu64
                           ": expected checksum %08x, found %08x (field %s)",
                           p->path, sample, x.size, x.offset, x.crc, crc,
                           sluice_dataset_field(p->dataset, field)->name);
    if (deflated && (rc = inflate_payload(p, sample, &x, p->bytes[field], err)) < 0)
        return rc;
    *v = (struct sluice_value){ .data = p->bytes[field],
                                .size = size,
                                .codec = deflated ? SLUICE_CODEC_RAW : x.codec,
                                .height = x.height,
                                .width = x.width,
                                .channels = x.channels };
    return 0;
}

int packed_read(struct packed *p, uint64_t sample, struct sluice_value *values,
                struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < sluice_dataset_field_count(p->dataset) && rc == 0; i++) {
        const struct sluice_field *f = sluice_dataset_field(p->dataset, i);
        values[i] = (struct sluice_value){ .data = NULL };
        if (f->kind != SLUICE_KIND_SCALAR)
            rc = read_payload(p, i, sample, &values[i], err);
        else if (f->dtype <= SLUICE_I64)
            values[i].integer = sluice_dataset_integer(p->dataset, i, sample);
        else
            values[i].real = sluice_dataset_real(p->dataset, i, sample);
    }
    return rc;
}

bool packed_sums(const struct sluice_dataset *ds, struct sluice_pixel_sums *out)
{
    const struct sluice_directory *dir = sluice_dataset_directory(ds);
    const int image = sluice_dataset_find_kind(ds, SLUICE_KIND_IMAGE);
    uint64_t pixels = 0;
    struct sluice_extent x;
    *out = (struct sluice_pixel_sums){ .channels = 0 };
    if (!dir->stats_channels || image < 0)
        return false;
    for (uint64_t i = 0; i < sluice_dataset_count(ds); i++)
        if (sluice_dataset_locate(ds, image, i, &x, NULL) == 0)
            pixels += (uint64_t)x.height * x.width;
    sums_again(out, dir->stats_channels, pixels, dir->mean, dir->std);
    return true;
}

/* The field whose values have names; -1: none. */
static int named_field(const struct sluice_dataset *ds)
{
    for (int i = 0; i < sluice_dataset_field_count(ds); i++)
        if (sluice_dataset_classes(ds, i))
            return i;
    return -1;
}

int packed_schema(const struct packed *p, struct sluice_schema *out,
                  struct sluice_error *err)
{
    const struct sluice_dataset *ds = p->dataset;
    const int named = named_field(ds), count = sluice_dataset_field_count(ds);
    const int classes = named < 0 ? 0 : sluice_dataset_classes(ds, named);
    const char **names = calloc((size_t)classes + 1, sizeof(*names));
    struct sluice_field *fields = calloc((size_t)count + 1, sizeof(*fields));
    const void *dictionary;
    size_t dictionary_size;
    const int level = sluice_dataset_zstd(ds, &dictionary, &dictionary_size);
    *out = (struct sluice_schema){
        .fields = fields,
        .field_count = count,
        .classes = names,
        .class_count = classes,
        .class_field = named < 0 ? NULL : sluice_dataset_field(ds, named)->name,
        .provenance = sluice_dataset_provenance(ds),
        .zstd_level = level,
        .dictionary = dictionary,
        .dictionary_size = dictionary_size,
        .without_statistics = sluice_dataset_count(ds) && !sluice_dataset_mean(ds),
    };
    if (!names || !fields) {
        packed_schema_free(out);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", p->path);
    }
    for (int i = 0; i < classes; i++)
        names[i] = sluice_dataset_class_name(ds, named, i);
    for (int i = 0; i < count; i++)
        fields[i] = *sluice_dataset_field(ds, i);
    return 0;
}

void packed_schema_free(struct sluice_schema *s)
{
    free((void *)s->classes);
    free((void *)s->fields);
    *s = (struct sluice_schema){ .fields = NULL };
}

int packed_begin(struct sluice_writer **out, const char *path, const struct packed *p,
                 struct sluice_error *err)
{
    struct sluice_schema schema;
    int rc = packed_schema(p, &schema, err);
    *out = NULL;
    if (rc == 0)
        rc = sluice_writer_begin(out, path, &schema, err);
    packed_schema_free(&schema);
    return rc;
}

/* As `sluice info` shows it: "label (scalar u8)". */
static const char *describe_field(char *buf, size_t size, const struct sluice_field *f)
{
    static const char *const kinds[] = {
        [SLUICE_KIND_SCALAR] = "scalar", [SLUICE_KIND_IMAGE] = "image",
        [SLUICE_KIND_BYTES] = "bytes",   [SLUICE_KIND_TENSOR] = "tensor",
        [SLUICE_KIND_JSON] = "json",
    };
    const int axes = f->kind == SLUICE_KIND_IMAGE ? 3 : f->rank;
    size_t at = (size_t)snprintf(buf, size, "%s (%s %s", f->name, kinds[f->kind],
                                 sluice_dtype_name((int)f->dtype));
    for (int k = 0; k < axes; k++) {
        const char *before = k ? "x" : " ";
        at += (size_t)(f->shape[k]
                           ? snprintf(buf + at, size - at, "%s%u", before, f->shape[k])
                           : snprintf(buf + at, size - at, "%s?", before));
    }
    snprintf(buf + at, size - at, ")");
    return buf;
}

static int match_field(const struct packed *a, const struct packed *b, int field,
                       struct sluice_error *err)
{
    const struct sluice_field *f = sluice_dataset_field(a->dataset, field);
    const struct sluice_field *g = sluice_dataset_field(b->dataset, field);
    char wanted[128], found[128]; /* names of 31 bytes, four sizes of ten digits */
    if (strcmp(f->name, g->name) == 0 && f->kind == g->kind && f->dtype == g->dtype &&
        f->rank == g->rank && memcmp(f->shape, g->shape, sizeof(f->shape)) == 0)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.100s: field %d: expected %s as in %.100s, found %s", b->path,
                       field, describe_field(wanted, sizeof(wanted), f), a->path,
                       describe_field(found, sizeof(found), g));
}

static int match_classes(const struct packed *a, const struct packed *b, int field,
                         struct sluice_error *err)
{
    const char *name = sluice_dataset_field(a->dataset, field)->name;
    const int count = sluice_dataset_classes(a->dataset, field);
    const int found = sluice_dataset_classes(b->dataset, field);
    if (count != found)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.150s: %s: expected the %d class names of %.150s, found "
                           "%d",
                           b->path, name, count, a->path, found);
    for (int k = 0; k < count; k++) {
        const char *x = sluice_dataset_class_name(a->dataset, field, k);
        const char *y = sluice_dataset_class_name(b->dataset, field, k);
        if (strcmp(x, y) != 0)
            return sluice_fail(err, SLUICE_EINVAL,
                               "%.100s: class %d of %s: expected '%.60s' as in %.100s, "
                               "found '%.60s'",
                               b->path, k, name, x, a->path, y);
    }
    return 0;
}

int packed_match(const struct packed *a, const struct packed *b,
                 struct sluice_error *err)
{
    const int n = sluice_dataset_field_count(a->dataset);
    const int found = sluice_dataset_field_count(b->dataset);
    int rc = 0;
    if (n != found)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: expected the %d fields of %.200s, found %d",
                           b->path, n, a->path, found);
    for (int i = 0; i < n && rc == 0; i++)
        if ((rc = match_field(a, b, i, err)) == 0)
            rc = match_classes(a, b, i, err);
    return rc;
}

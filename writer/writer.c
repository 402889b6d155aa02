/* writer.c -- samples to a file: payloads of the first payload field are written as
 * they come; columns, checksums and indexes are kept and written at the end. Further
 * payload fields are spooled in memory too, and a segment is closed whenever the spool
 * is full, so memory stays bounded: SPOOL bytes and 40 bytes a sample. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>
#include <sluice/format_emit.h>
#include <sluice/writer.h>

#include "deflate.h"
#include "output.h"
#include "packed.h"
#include "scalar.h"
#include "schema.h"
#include "stats.h"

enum { SPOOL = 64 << 20 };

/* Bytes that grow. */
struct bytes {
    uint8_t *data;
    size_t size, room;
};

struct column {
    enum sluice_store_type type;
    struct bytes table; /* column values, checksums, or index entries */
    struct bytes spool; /* payloads that wait: all payload fields but the first */
    uint64_t start;     /* FIXED, INDEXED: where this segment's data begin */
    uint64_t written;   /* bytes of payload of this segment */
};

struct sluice_writer {
    struct output *out;
    char *path;
    struct sluice_directory dir;
    struct column columns[SLUICE_FIELDS_MAX];
    uint64_t samples, segment_samples;
    int streamed; /* the payload field that is written directly; -1: none */
    int image;    /* the image field that statistics are of; -1: none */
    struct deflater *deflater; /* NULL: payloads are stored as they are */
    struct stats stats;
    bool stats_whole; /* every image was raw */
    bool failed, finished;
    bool reopened;
    struct sluice_commit last; /* reopened: the commit that counts until the end */
};

static int grow(struct sluice_writer *w, struct bytes *b, const void *data, size_t size,
                struct sluice_error *err)
{
    if (!size)
        return 0; /* data may be NULL */
    if (b->room - b->size < size) {
        size_t room = b->room ? b->room * 2 : 64 << 10;
        while (room - b->size < size)
            room *= 2;
        uint8_t *more = realloc(b->data, room);
        if (!more)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %zu bytes",
                               w->path, room);
        b->data = more;
        b->room = room;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static bool integer_scalar(const struct sluice_field *f)
{
    return f->kind == SLUICE_KIND_SCALAR && f->dtype <= SLUICE_I64;
}

static int copy_zstd(struct sluice_writer *w, const struct sluice_schema *s,
                     struct sluice_error *err)
{
    struct sluice_directory *dir = &w->dir;
    dir->zstd_level = s->zstd_level;
    if (s->dictionary_size > SLUICE_DICTIONARY_MAX)
        return sluice_fail(err, SLUICE_EINVAL, "%s: a dictionary of %zu bytes", w->path,
                           s->dictionary_size);
    if (s->dictionary_size && !(dir->dictionary = malloc(s->dictionary_size)))
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    if (s->dictionary_size)
        memcpy(dir->dictionary, s->dictionary, s->dictionary_size);
    dir->dictionary_size = s->dictionary_size;
    return deflater_create(&w->deflater, s->zstd_level, dir->dictionary,
                           dir->dictionary_size, err);
}

static int copy_schema(struct sluice_writer *w, const struct sluice_schema *s,
                       struct sluice_error *err)
{
    struct sluice_directory *dir = &w->dir;
    dir->fields = malloc((size_t)s->field_count * sizeof(*dir->fields));
    dir->classes = calloc((size_t)s->class_count + 1, sizeof(*dir->classes));
    dir->provenance = strdup(s->provenance ? s->provenance : "{}");
    if (!dir->fields || !dir->classes || !dir->provenance)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    memcpy(dir->fields, s->fields, (size_t)s->field_count * sizeof(*dir->fields));
    dir->field_count = s->field_count;
    dir->class_field = -1;
    for (int i = s->field_count - 1; i >= 0; i--)
        if (integer_scalar(&s->fields[i]) &&
            (!s->class_field || strcmp(s->class_field, s->fields[i].name) == 0))
            dir->class_field = i;
    if (s->class_count && dir->class_field < 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: class names, but no integer field %s", w->path,
                           s->class_field ? s->class_field : "");
    for (; dir->class_count < s->class_count; dir->class_count++)
        if (!(dir->classes[dir->class_count] = strdup(s->classes[dir->class_count])))
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    if (s->zstd_level) {
        const int rc = copy_zstd(w, s, err);
        if (rc < 0)
            return rc;
    }
    w->streamed = w->image = -1;
    w->stats_whole = !s->without_statistics;
    for (int i = dir->field_count - 1; i >= 0; i--) {
        const struct sluice_field *f = &dir->fields[i];
        if (f->kind == SLUICE_KIND_IMAGE)
            w->image = i;
        if (f->kind != SLUICE_KIND_SCALAR)
            w->streamed = i;
        w->columns[i].type = f->kind == SLUICE_KIND_SCALAR       ? SLUICE_STORE_COLUMN
                             : schema_payload(f) && !w->deflater ? SLUICE_STORE_FIXED
                                                                 : SLUICE_STORE_INDEXED;
    }
    return 0;
}

static int begin_segment(struct sluice_writer *w, struct sluice_error *err)
{
    int rc = sluice_output_align(w->out, SLUICE_BLOCK_SIZE, err);
    w->segment_samples = 0;
    for (int i = 0; i < w->dir.field_count; i++) {
        struct column *c = &w->columns[i];
        c->table.size = c->spool.size = 0;
        c->written = 0;
        c->start = sluice_output_length(w->out);
    }
    return rc;
}

int sluice_writer_begin(struct sluice_writer **out, const char *path,
                        const struct sluice_schema *schema, struct sluice_error *err)
{
    static const uint8_t blank[SLUICE_DATA_AT];
    int rc = schema_check(path, schema, err);
    struct sluice_writer *w = rc < 0 ? NULL : calloc(1, sizeof(*w));
    *out = NULL;
    if (rc < 0)
        return rc;
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    }
    if ((rc = copy_schema(w, schema, err)) < 0 ||
        (rc = sluice_output_create(&w->out, path, err)) < 0 ||
        (rc = sluice_output_write(w->out, blank, sizeof(blank), err)) < 0 ||
        (rc = begin_segment(w, err)) < 0) {
        sluice_writer_abandon(w);
        return rc;
    }
    *out = w;
    return 0;
}

static int take_over(struct sluice_writer *w, const struct sluice_dataset *ds,
                     struct sluice_error *err)
{
    const struct sluice_directory *dir = sluice_dataset_directory(ds);
    const size_t size = (size_t)dir->segment_count * sizeof(*dir->segments);
    w->reopened = true;
    w->last = *sluice_dataset_commit(ds);
    w->samples = w->last.samples;
    w->dir.segments = malloc(size + 1);
    if (!w->dir.segments)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    if (size)
        memcpy(w->dir.segments, dir->segments, size);
    w->dir.segment_count = dir->segment_count;
    w->stats_whole = packed_sums(ds, &w->stats.sums) || !w->samples;
    return sluice_output_keep(w->out, w->last.file_length, err);
}

int sluice_writer_reopen(struct sluice_writer **out, const char *path,
                         struct sluice_error *err)
{
    struct packed old = { .path = NULL };
    struct sluice_schema schema = { .fields = NULL };
    struct sluice_writer *w = calloc(1, sizeof(*w));
    *out = NULL;
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    }
    int rc = sluice_output_reopen(&w->out, path, err);
    if (rc == 0 && (rc = packed_open(&old, path, err)) == 0 &&
        (rc = packed_schema(&old, &schema, err)) == 0 &&
        (rc = copy_schema(w, &schema, err)) == 0 &&
        (rc = take_over(w, old.dataset, err)) == 0)
        rc = begin_segment(w, err);
    packed_schema_free(&schema);
    packed_close(&old);
    if (rc < 0)
        sluice_writer_abandon(w);
    else
        *out = w;
    return rc;
}

/* ---- one value ---- */

static int append_scalar(struct sluice_writer *w, int field,
                         const struct sluice_value *v, struct sluice_error *err)
{
    const struct sluice_field *f = &w->dir.fields[field];
    uint8_t raw[8];
    if (scalar_encode(raw, f->dtype, v) < 0)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%s: sample %" PRIu64 ", field %s: %" PRId64 " does not fit %s", w->path,
            w->samples, f->name, v->integer, sluice_dtype_name(f->dtype));
    return grow(w, &w->columns[field].table, raw, sluice_dtype_size(f->dtype), err);
}

static int check_payload(struct sluice_writer *w, int field,
                         const struct sluice_value *v, struct sluice_error *err)
{
    const struct sluice_field *f = &w->dir.fields[field];
    const bool raw_image = f->kind == SLUICE_KIND_IMAGE && v->codec == SLUICE_CODEC_RAW;
    const bool fixed = w->columns[field].type == SLUICE_STORE_FIXED;
    const uint64_t size = v->codec == SLUICE_CODEC_RAW ? schema_payload(f) : 0;
    const uint64_t want = size        ? size
                          : raw_image ? (uint64_t)v->height * v->width * v->channels
                                      : v->size;
    if (v->size != want || v->size > UINT32_MAX ||
        (fixed && v->codec != SLUICE_CODEC_RAW) || v->codec > SLUICE_CODEC_JPEG ||
        v->channels > UINT16_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64
                           ", field %s: %zu bytes, expected %" PRIu64,
                           w->path, w->samples, f->name, v->size, want);
    return 0;
}

static int append_payload(struct sluice_writer *w, int field,
                          const struct sluice_value *v, struct sluice_error *err)
{
    struct column *c = &w->columns[field];
    const struct sluice_field *f = &w->dir.fields[field];
    int rc = check_payload(w, field, v, err);
    if (rc < 0)
        return rc;
    if (field == w->image && v->sums)
        stats_merge(&w->stats, v->sums);
    else if (field == w->image && v->codec == SLUICE_CODEC_RAW)
        stats_add(&w->stats, v->data, v->size,
                  schema_payload(f) ? f->shape[2] : v->channels);
    else if (field == w->image)
        w->stats_whole = false;
    struct sluice_extent x = { .offset = c->written,
                               .size = (uint32_t)v->size,
                               .codec = v->codec,
                               .height = v->height,
                               .width = v->width,
                               .channels = v->channels };
    const void *bytes = v->data;
    if (f->kind == SLUICE_KIND_IMAGE && schema_payload(f)) {
        x.height = f->shape[0];
        x.width = f->shape[1];
        x.channels = f->shape[2];
    }
    if (w->deflater && v->codec == SLUICE_CODEC_RAW && v->size <= SLUICE_PLAIN_MAX) {
        const size_t frame = deflate_payload(w->deflater, v->data, v->size, &bytes);
        if (frame) {
            x.plain = x.size;
            x.size = (uint32_t)frame;
            x.codec = SLUICE_CODEC_ZSTD;
        } else {
            bytes = v->data;
        }
    }
    x.crc = sluice_crc32c(0, bytes, x.size);
    if (c->type == SLUICE_STORE_FIXED) {
        rc = grow(w, &c->table, &x.crc, sizeof(x.crc), err);
    } else {
        uint8_t entry[SLUICE_INDEX_ENTRY];
        /* Offsets are relative to the store until it has its place: see place_store. */
        sluice_emit_index_entry(entry, &x);
        rc = grow(w, &c->table, entry, sizeof(entry), err);
    }
    if (rc < 0)
        return rc;
    c->written += x.size;
    return field == w->streamed ? sluice_output_write(w->out, bytes, x.size, err)
                                : grow(w, &c->spool, bytes, x.size, err);
}

/* ---- segments ---- */

/* Index offsets become file offsets. */
static void rebase_index(struct column *c)
{
    for (size_t at = 0; at < c->table.size; at += SLUICE_INDEX_ENTRY) {
        uint64_t offset;
        memcpy(&offset, c->table.data + at, sizeof(offset));
        offset += c->start;
        memcpy(c->table.data + at, &offset, sizeof(offset));
    }
}

/* Write what of this field is still in memory, and describe it. */
static int place_store(struct sluice_writer *w, int field, struct sluice_store *store,
                       struct sluice_error *err)
{
    struct column *c = &w->columns[field];
    int rc = 0;
    if (c->type != SLUICE_STORE_COLUMN && field != w->streamed) {
        if ((rc = sluice_output_align(w->out, SLUICE_BLOCK_SIZE, err)) < 0)
            return rc;
        c->start = sluice_output_length(w->out);
        if ((rc = sluice_output_write(w->out, c->spool.data, c->spool.size, err)) < 0)
            return rc;
    }
    if (c->type == SLUICE_STORE_INDEXED)
        rebase_index(c);
    if ((rc = sluice_output_align(w->out, SLUICE_BLOCK_SIZE, err)) < 0)
        return rc;
    const uint64_t table = sluice_output_length(w->out);
    *store = (struct sluice_store){
        .type = c->type,
        .codec = SLUICE_CODEC_RAW,
        .data_offset = c->start,
        .data_size = c->written,
        .stride =
            c->type == SLUICE_STORE_FIXED ? schema_payload(&w->dir.fields[field]) : 0,
        .table_offset = table,
        .table_crc = sluice_crc32c(0, c->table.data, c->table.size),
    };
    if (c->type == SLUICE_STORE_COLUMN) {
        store->data_offset = table;
        store->data_size = c->table.size;
        store->stride = sluice_dtype_size(w->dir.fields[field].dtype);
        store->table_offset = 0;
    }
    return sluice_output_write(w->out, c->table.data, c->table.size, err);
}

static int end_segment(struct sluice_writer *w, struct sluice_error *err)
{
    struct sluice_directory *dir = &w->dir;
    struct sluice_segment *more =
        realloc(dir->segments, ((size_t)dir->segment_count + 1) * sizeof(*more));
    if (!more)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    dir->segments = more;
    struct sluice_segment *segment = &more[dir->segment_count++];
    memset(segment, 0, sizeof(*segment));
    segment->samples = w->segment_samples;
    int rc = 0;
    for (int i = 0; i < dir->field_count && rc == 0; i++)
        rc = place_store(w, i, &segment->stores[i], err);
    return rc;
}

static int append_values(struct sluice_writer *w, const struct sluice_value *values,
                         struct sluice_error *err)
{
    size_t spooled = 0;
    int rc = 0;
    for (int i = 0; i < w->dir.field_count && rc == 0; i++) {
        rc = w->columns[i].type == SLUICE_STORE_COLUMN
                 ? append_scalar(w, i, &values[i], err)
                 : append_payload(w, i, &values[i], err);
        spooled += w->columns[i].spool.size;
    }
    if (rc < 0)
        return rc;
    w->samples++;
    w->segment_samples++;
    if (spooled >= SPOOL && (rc = end_segment(w, err)) == 0)
        rc = begin_segment(w, err);
    return rc;
}

int sluice_writer_append(struct sluice_writer *w, const struct sluice_value *values,
                         struct sluice_error *err)
{
    if (w->failed || w->finished)
        return sluice_fail(err, SLUICE_EINVAL, "%s: the writer has already ended",
                           w->path);
    int rc = append_values(w, values, err);
    w->failed = rc < 0;
    return rc;
}

static int write_end(struct sluice_writer *w, struct sluice_error *err)
{
    uint8_t block[SLUICE_BLOCK_SIZE];
    size_t size;
    int rc = w->segment_samples ? end_segment(w, err) : 0;
    if (rc < 0)
        return rc;
    if (w->image >= 0 && w->stats_whole)
        w->dir.stats_channels = stats_result(&w->stats, w->dir.mean, w->dir.std);
    if ((rc = sluice_output_align(w->out, SLUICE_BLOCK_SIZE, err)) < 0)
        return rc;
    uint8_t *bytes = sluice_emit_directory(&w->dir, &size);
    if (!bytes)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    struct sluice_commit commit = {
        .sequence = w->last.sequence + 1,
        .directory_offset = sluice_output_length(w->out),
        .directory_size = size,
        .directory_crc = sluice_crc32c(0, bytes, size),
        .samples = w->samples,
    };
    rc = sluice_output_write(w->out, bytes, size, err);
    free(bytes);
    commit.file_length = sluice_output_length(w->out);
    sluice_emit_commit(block, &commit);
    if (rc == 0 && w->reopened) /* into the slot that does not count */
        return sluice_output_switch(w->out, block, sizeof(block),
                                    w->last.slot ? SLUICE_COMMIT_AT
                                                 : SLUICE_COMMIT_AT + SLUICE_BLOCK_SIZE,
                                    err);
    if (rc == 0)
        rc = sluice_output_patch(w->out, block, sizeof(block), SLUICE_COMMIT_AT, err);
    sluice_emit_superblock(block, w->deflater != NULL);
    if (rc == 0)
        rc = sluice_output_patch(w->out, block, sizeof(block), SLUICE_SUPERBLOCK_AT,
                                 err);
    return rc < 0 ? rc : sluice_output_commit(w->out, err);
}

int sluice_writer_finish(struct sluice_writer *w, struct sluice_error *err)
{
    if (w->failed || w->finished)
        return sluice_fail(err, SLUICE_EINVAL, "%s: the writer has already ended",
                           w->path);
    int rc = write_end(w, err);
    w->failed = rc < 0;
    w->finished = rc == 0;
    return rc;
}

void sluice_writer_abandon(struct sluice_writer *w)
{
    if (!w)
        return;
    sluice_output_free(w->out);
    for (int i = 0; i < w->dir.field_count; i++) {
        free(w->columns[i].table.data);
        free(w->columns[i].spool.data);
    }
    for (int i = 0; i < w->dir.class_count; i++)
        free(w->dir.classes[i]);
    free(w->dir.classes);
    free(w->dir.fields);
    free(w->dir.segments);
    free(w->dir.provenance);
    free(w->dir.dictionary);
    deflater_free(w->deflater);
    free(w->path);
    free(w);
}

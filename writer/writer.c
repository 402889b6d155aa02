/* writer.c -- samples to a file, once begun (begin.c): payloads of the first payload
 * field are written as they come; columns, checksums and indexes are kept and written
 * at the end. Further payload fields are spooled in memory too, and a segment is closed
 * whenever the spool is full, so memory stays bounded: SPOOL bytes and 40 bytes a
 * sample. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "deflate.h"
#include "output.h"
#include "scalar.h"
#include "writer_parts.h"

enum { SPOOL = 64 << 20 };

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

/* What the schema says of sizes holds for every image; where it says all of them, an
 * image may leave them out. */
static bool has_shape(const struct sluice_field *f, const struct sluice_value *v)
{
    const uint32_t own[3] = { v->height, v->width, v->channels };
    const bool optional = sluice_field_payload(f) > 0;
    for (int k = 0; k < 3; k++)
        if (f->shape[k] && own[k] != f->shape[k] && (own[k] || !optional))
            return false;
    return true;
}

static int check_payload(struct sluice_writer *w, int field,
                         const struct sluice_value *v, struct sluice_error *err)
{
    const struct sluice_field *f = &w->dir.fields[field];
    const bool image = f->kind == SLUICE_KIND_IMAGE, raw = v->codec == SLUICE_CODEC_RAW;
    const bool fixed = w->columns[field].type == SLUICE_STORE_FIXED;
    const uint64_t size = raw ? sluice_field_payload(f) : 0;
    const uint64_t want = size           ? size
                          : image && raw ? (uint64_t)v->height * v->width * v->channels
                                         : v->size;
    if (image && !has_shape(f, v))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64
                           ", field %s: an image of %ux%ux%u, expected %ux%ux%u",
                           w->path, w->samples, f->name, v->height, v->width,
                           v->channels, f->shape[0], f->shape[1], f->shape[2]);
    if (!raw && (!image || fixed || v->codec != SLUICE_CODEC_JPEG))
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64 ", field %s: codec %d is not for it",
                           w->path, w->samples, f->name, (int)v->codec);
    const uint32_t channels = v->channels ? v->channels : f->shape[2];
    if (!raw && channels != 1 && channels != 3)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64
                           ", field %s: a JPEG of %u channels, expected 1 or 3",
                           w->path, w->samples, f->name, channels);
    if (v->size != want || v->size > UINT32_MAX || v->channels > UINT16_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: sample %" PRIu64
                           ", field %s: %zu bytes, expected %" PRIu64,
                           w->path, w->samples, f->name, v->size, want);
    return 0;
}

static void count_pixels(struct sluice_writer *w, const struct sluice_field *f,
                         const struct sluice_value *v)
{
    if (v->sums)
        stats_merge(&w->stats, v->sums);
    else if (v->codec == SLUICE_CODEC_RAW)
        stats_add(&w->stats, v->data, v->size,
                  sluice_field_payload(f) ? f->shape[2] : v->channels);
    else
        w->stats_whole = false;
}

static struct sluice_extent describe(const struct sluice_field *f,
                                     const struct sluice_value *v)
{
    const bool told = f->kind == SLUICE_KIND_IMAGE && sluice_field_payload(f);
    return (struct sluice_extent){ .size = (uint32_t)v->size,
                                   .codec = v->codec,
                                   .height = told ? f->shape[0] : v->height,
                                   .width = told ? f->shape[1] : v->width,
                                   .channels = told ? f->shape[2] : v->channels };
}

/* The bytes to store, which *x then speaks of: a frame of them if that is smaller. */
static const void *deflated(struct sluice_writer *w, const void *data,
                            struct sluice_extent *x)
{
    const void *frame;
    if (!w->deflater || x->codec != SLUICE_CODEC_RAW || x->size > SLUICE_PLAIN_MAX)
        return data;
    const size_t size = deflate_payload(w->deflater, data, x->size, &frame);
    if (!size)
        return data;
    x->plain = x->size;
    x->size = (uint32_t)size;
    x->codec = SLUICE_CODEC_ZSTD;
    return frame;
}

static int append_payload(struct sluice_writer *w, int field,
                          const struct sluice_value *v, struct sluice_error *err)
{
    struct column *c = &w->columns[field];
    const struct sluice_field *f = &w->dir.fields[field];
    int rc = check_payload(w, field, v, err);
    if (rc < 0)
        return rc;
    if (field == w->image)
        count_pixels(w, f, v);
    struct sluice_extent x = describe(f, v);
    const void *bytes = deflated(w, v->data, &x);
    /* Relative to the store until it has its place: see place_store. */
    x.offset = c->written;
    x.crc = sluice_crc32c(0, bytes, x.size);
    if (c->type == SLUICE_STORE_FIXED) {
        rc = grow(w, &c->table, &x.crc, sizeof(x.crc), err);
    } else {
        uint8_t entry[SLUICE_INDEX_ENTRY];
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
        .stride = c->type == SLUICE_STORE_FIXED
                      ? sluice_field_payload(&w->dir.fields[field])
                      : 0,
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

int writer_begin_segment(struct sluice_writer *w, struct sluice_error *err)
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

static int end_segment(struct sluice_writer *w, struct sluice_error *err)
{
    struct sluice_directory *dir = &w->dir;
    struct sluice_segment *more =
        realloc(dir->segments, ((size_t)dir->segment_count + 1) * sizeof(*more));
    if (!more)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    dir->segments = more;
    struct sluice_segment *segment = &more[dir->segment_count++];
    *segment = (struct sluice_segment){
        .samples = w->segment_samples,
        .stores = calloc((size_t)dir->field_count, sizeof(*segment->stores)),
    };
    if (!segment->stores)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
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
        rc = writer_begin_segment(w, err);
    return rc;
}

static int check_open(const struct sluice_writer *w, bool ended,
                      struct sluice_error *err)
{
    return w->failed || ended ? sluice_fail(err, SLUICE_EINVAL,
                                            "%s: the writer has already ended", w->path)
                              : 0;
}

int sluice_writer_append(struct sluice_writer *w, const struct sluice_value *values,
                         struct sluice_error *err)
{
    int rc = check_open(w, w->prepared || w->finished, err);
    if (rc < 0)
        return rc;
    rc = append_values(w, values, err);
    w->failed = rc < 0;
    return rc;
}

/* All but the name; of a reopened file all of it. */
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
    return rc < 0 ? rc : sluice_output_settle(w->out, err);
}

int sluice_writer_prepare(struct sluice_writer *w, struct sluice_error *err)
{
    int rc = check_open(w, w->finished, err);
    if (rc < 0 || w->prepared || w->reopened)
        return rc;
    rc = write_end(w, err);
    w->failed = rc < 0;
    w->prepared = rc == 0;
    return rc;
}

int sluice_writer_finish(struct sluice_writer *w, struct sluice_error *err)
{
    int rc = sluice_writer_prepare(w, err);
    if (rc < 0)
        return rc;
    rc = w->reopened ? write_end(w, err) : sluice_output_commit(w->out, err);
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
    for (int i = 0; i < w->dir.segment_count; i++)
        free(w->dir.segments[i].stores);
    free(w->dir.classes);
    free(w->dir.fields);
    free(w->dir.segments);
    free(w->dir.provenance);
    free(w->dir.dictionary);
    deflater_free(w->deflater);
    free(w->path);
    free(w);
}

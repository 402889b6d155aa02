/* verify.c -- see verify.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/format_emit.h>
#include <sluice/inflate.h>
#include <sluice/jpeg.h>

#include "json.h"
#include "verify.h"

/* Room that is reused from payload to payload. */
struct work {
    uint8_t *bytes, *pixels;
    size_t room, pixel_room;
    struct sluice_jpeg *jpeg;
    struct sluice_inflater *inflater;
};

static int grow(uint8_t **data, size_t *room, size_t need, const char *path,
                struct sluice_error *err)
{
    if (*room >= need)
        return 0;
    free(*data);
    *data = malloc(need);
    *room = *data ? need : 0;
    return *data ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %zu bytes", path,
                               need);
}

/* What a decoder said of a sample: damage, unless it had no memory. */
static int named(const struct sluice_file *f, uint64_t sample, int rc,
                 const struct sluice_error *why, struct sluice_error *err)
{
    if (rc == 0)
        return 0;
    return sluice_fail(err, rc == SLUICE_ENOMEM ? SLUICE_ENOMEM : SLUICE_ECORRUPT,
                       "%s: sample %" PRIu64 ": %.300s", f->path, sample, why->message);
}

/* SLUICE_ECORRUPT unless the picture has the size that the index says, and the channels
 * unless they are the schema's. */
static int check_header(const struct sluice_jpeg_info *info,
                        const struct sluice_extent *x, const struct sluice_field *f,
                        struct sluice_error *err)
{
    const uint32_t channels = info->colour == SLUICE_JPEG_GREY ? 1 : 3;
    if (info->height != x->height || info->width != x->width)
        return sluice_fail(err, SLUICE_ECORRUPT, "a picture of %ux%u, expected %ux%u",
                           info->height, info->width, x->height, x->width);
    if (!f->shape[2] && channels != x->channels)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "a picture of %u channel%s, expected %u", channels,
                           channels == 1 ? "" : "s", x->channels);
    return 0;
}

/* SLUICE_ECORRUPT unless the picture is whole, and what the index says: known before
 * that much memory is asked for. */
static int check_picture(struct work *w, const struct sluice_file *f, int field,
                         uint64_t sample, const struct sluice_extent *x,
                         struct sluice_error *err)
{
    struct sluice_jpeg_info info;
    struct sluice_error why;
    int rc = w->jpeg ? 0 : sluice_jpeg_create(&w->jpeg, NULL, err);
    if (rc < 0)
        return rc;
    rc = sluice_jpeg_begin(w->jpeg, w->bytes, x->size, &info, &why);
    if (rc == 0)
        rc = check_header(&info, x, sluice_dataset_field(f->dataset, field), &why);
    if (rc == 0) {
        const size_t need = (size_t)x->height * x->width * 3;
        if ((rc = grow(&w->pixels, &w->pixel_room, need, f->path, err)) < 0)
            return rc;
        rc = sluice_jpeg_decode(w->jpeg, NULL, 3, w->pixels, &why);
    }
    return named(f, sample, rc, &why, err);
}

static int check_frame(struct work *w, const struct sluice_file *f, uint64_t sample,
                       const struct sluice_extent *x, struct sluice_error *err)
{
    struct sluice_error why;
    int rc = grow(&w->pixels, &w->pixel_room, x->plain, f->path, err);
    if (rc < 0)
        return rc;
    if (!w->inflater)
        rc = sluice_inflater_create(&w->inflater, f->dataset, &why);
    if (rc == 0)
        rc = sluice_inflate(w->inflater, x, w->bytes, w->pixels, &why);
    return named(f, sample, rc, &why, err);
}

/* Check one payload; returns 0, 1 if it is bad (and says so), or an error. */
static int verify_payload(const struct sluice_file *f, int field, uint64_t sample,
                          struct work *w, const struct verify_listener *to,
                          struct sluice_error *err)
{
    struct sluice_extent x;
    size_t done;
    char line[600];
    int rc = sluice_dataset_locate(f->dataset, field, sample, &x, err);
    if (rc < 0)
        return rc;
    if ((rc = grow(&w->bytes, &w->room, x.size, f->path, err)) < 0)
        return rc;
    rc = sluice_file_pread(f, w->bytes, x.size, x.offset, &done);
    rc = rc < 0 || done < x.size ? sluice_file_fail(f, sample, &x, rc, err)
                                 : sluice_file_check(f, sample, &x, w->bytes, err);
    if (rc == 0 && x.codec == SLUICE_CODEC_JPEG)
        rc = check_picture(w, f, field, sample, &x, err);
    if (rc == 0 && x.codec == SLUICE_CODEC_ZSTD)
        rc = check_frame(w, f, sample, &x, err);
    if (rc == 0 || rc == SLUICE_ENOMEM)
        return rc;
    snprintf(line, sizeof(line), "%s (field %s)", err->message,
             sluice_dataset_field(f->dataset, field)->name);
    to->bad(to->ctx, line);
    return 1;
}

/* ---- what lies between ---- */

struct range {
    uint64_t at, end;
};

static int by_place(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* All that the commit describes, in the order of its place; free it. NULL: no memory.
 */
static struct range *described(const struct sluice_dataset *ds, size_t *count)
{
    const struct sluice_directory *dir = sluice_dataset_directory(ds);
    const struct sluice_commit *commit = sluice_dataset_commit(ds);
    struct range *r = calloc(
        (size_t)dir->segment_count * (size_t)dir->field_count * 2 + 2, sizeof(*r));
    size_t n = 0;
    if (!r)
        return NULL;
    r[n++] = (struct range){ 0, SLUICE_DATA_AT };
    r[n++] = (struct range){ commit->directory_offset,
                             commit->directory_offset + commit->directory_size };
    for (int g = 0; g < dir->segment_count; g++)
        for (int i = 0; i < dir->field_count; i++) {
            const struct sluice_store *s = &dir->segments[g].stores[i];
            const uint64_t entry =
                s->type == SLUICE_STORE_INDEXED ? SLUICE_INDEX_ENTRY : 4;
            r[n++] = (struct range){ s->data_offset, s->data_offset + s->data_size };
            if (s->type != SLUICE_STORE_COLUMN)
                r[n++] = (struct range){
                    s->table_offset, s->table_offset + dir->segments[g].samples * entry
                };
        }
    qsort(r, n, sizeof(*r), by_place);
    *count = n;
    return r;
}

/* Bytes from `at` to the next block, or to `next` if that comes before. */
static int64_t check_padding(const struct sluice_file *f, uint64_t at, uint64_t next,
                             const struct verify_listener *to, struct sluice_error *err)
{
    uint8_t bytes[SLUICE_BLOCK_SIZE];
    char line[600];
    uint64_t end = (at + SLUICE_BLOCK_SIZE - 1) / SLUICE_BLOCK_SIZE * SLUICE_BLOCK_SIZE;
    end = end < next ? end : next;
    if (end <= at)
        return 0;
    int rc = sluice_file_read((void *)f, bytes, end - at, at, err);
    if (rc < 0)
        return rc;
    for (uint64_t i = 0; i < end - at; i++)
        if (bytes[i]) {
            snprintf(line, sizeof(line),
                     "%s: padding at %" PRIu64 ": expected 00, found %02x", f->path,
                     at + i, bytes[i]);
            to->bad(to->ctx, line);
            return 1;
        }
    return 0;
}

static int64_t verify_padding(const struct sluice_file *f,
                              const struct verify_listener *to,
                              struct sluice_error *err)
{
    size_t count;
    int64_t bad = 0, rc = 0;
    uint64_t end = 0;
    struct range *r = described(f->dataset, &count);
    if (!r)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", f->path);
    for (size_t i = 0; i < count && rc >= 0; i++) {
        end = r[i].end > end ? r[i].end : end;
        rc = check_padding(f, end, i + 1 < count ? r[i + 1].at : f->size, to, err);
        bad += rc;
    }
    free(r);
    return rc < 0 ? rc : bad;
}

static int64_t verify_slot(const struct sluice_file *f,
                           const struct verify_listener *to)
{
    const int slot = sluice_dataset_damaged_slot(f->dataset);
    char line[600];
    if (slot < 0)
        return 0;
    snprintf(line, sizeof(line),
             "%s: commit slot %d is damaged: the last append may be lost", f->path,
             slot);
    to->bad(to->ctx, line);
    return 1;
}

static int64_t verify_provenance(const struct sluice_file *f,
                                 const struct verify_listener *to)
{
    char line[600];
    if (json_valid(sluice_dataset_provenance(f->dataset)))
        return 0;
    snprintf(line, sizeof(line), "%s: the provenance is no JSON text", f->path);
    to->bad(to->ctx, line);
    return 1;
}

int64_t sluice_verify(const struct sluice_file *f, const struct verify_listener *to,
                      struct sluice_error *err)
{
    const uint64_t count = sluice_dataset_count(f->dataset);
    struct work work = { .bytes = NULL };
    int64_t bad = verify_slot(f, to) + verify_provenance(f, to);
    if (bad >= 0) {
        const int64_t more = verify_padding(f, to, err);
        bad = more < 0 ? more : bad + more;
    }
    for (uint64_t i = 0; i < count && bad >= 0; i++) {
        for (int k = 0; k < sluice_dataset_field_count(f->dataset) && bad >= 0; k++) {
            if (sluice_dataset_field(f->dataset, k)->kind == SLUICE_KIND_SCALAR)
                continue; /* columns were checked on opening */
            int rc = verify_payload(f, k, i, &work, to, err);
            bad = rc < 0 ? rc : bad + rc;
        }
        if (i % 256 == 0 && bad >= 0 && to->progress && !to->progress(to->ctx, i))
            bad = sluice_fail(err, SLUICE_ESTOPPED, "interrupted");
    }
    sluice_jpeg_free(work.jpeg);
    sluice_inflater_free(work.inflater);
    free(work.bytes);
    free(work.pixels);
    return bad;
}

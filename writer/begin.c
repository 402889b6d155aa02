/* begin.c -- a writer of a new file, by its schema, or of one that goes on, by its
 * directory. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "deflate.h"
#include "output.h"
#include "packed.h"
#include "writer_parts.h"

static int check_schema(const char *path, const struct sluice_schema *s,
                        struct sluice_error *err)
{
    if (s->field_count < 1 || s->field_count > SLUICE_FIELDS_MAX)
        return sluice_fail(err, SLUICE_EINVAL, "%s: %d fields, expected 1 to %d", path,
                           s->field_count, SLUICE_FIELDS_MAX);
    for (int i = 0; i < s->field_count; i++) {
        const struct sluice_field *f = &s->fields[i];
        const char *fault = sluice_field_fault(f);
        if (fault)
            return sluice_fail(err, SLUICE_EINVAL, "%s: field %d (%.31s): %s", path, i,
                               f->name, fault);
        for (int k = 0; k < i; k++)
            if (strcmp(s->fields[k].name, f->name) == 0)
                return sluice_fail(err, SLUICE_EINVAL, "%s: two fields are called %s",
                                   path, f->name);
    }
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
        w->columns[i].type = f->kind == SLUICE_KIND_SCALAR ? SLUICE_STORE_COLUMN
                             : sluice_field_payload(f) && !w->deflater
                                 ? SLUICE_STORE_FIXED
                                 : SLUICE_STORE_INDEXED;
    }
    return 0;
}

int sluice_writer_begin(struct sluice_writer **out, const char *path,
                        const struct sluice_schema *schema, struct sluice_error *err)
{
    static const uint8_t blank[SLUICE_DATA_AT];
    int rc = check_schema(path, schema, err);
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
        (rc = writer_begin_segment(w, err)) < 0) {
        sluice_writer_abandon(w);
        return rc;
    }
    *out = w;
    return 0;
}

/* The slot written next would be the one that is damaged, and with it the place of what
 * it committed. */
static int check_slots(const struct sluice_dataset *ds, struct sluice_error *err)
{
    const int slot = sluice_dataset_damaged_slot(ds);
    if (slot < 0)
        return 0;
    return sluice_fail(
        err, SLUICE_ECORRUPT,
        "%s: commit slot %d is damaged: the last append may be lost, and "
        "another would make that final; `sluice subset` copies the "
        "%" PRIu64 " samples that are there to a new file",
        sluice_dataset_name(ds), slot, sluice_dataset_count(ds));
}

static int copy_segments(struct sluice_writer *w, const struct sluice_directory *from,
                         struct sluice_error *err)
{
    struct sluice_directory *dir = &w->dir;
    const size_t size = (size_t)dir->field_count * sizeof(*dir->segments->stores);
    dir->segments = calloc((size_t)from->segment_count + 1, sizeof(*dir->segments));
    while (dir->segments && dir->segment_count < from->segment_count) {
        const struct sluice_segment *old = &from->segments[dir->segment_count];
        struct sluice_store *stores = malloc(size);
        if (!stores)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
        memcpy(stores, old->stores, size);
        dir->segments[dir->segment_count++] =
            (struct sluice_segment){ .samples = old->samples, .stores = stores };
    }
    return dir->segments ? 0
                         : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
}

static int take_over(struct sluice_writer *w, const struct sluice_dataset *ds,
                     struct sluice_error *err)
{
    w->reopened = true;
    w->last = *sluice_dataset_commit(ds);
    w->samples = w->last.samples;
    const int rc = copy_segments(w, sluice_dataset_directory(ds), err);
    if (rc < 0)
        return rc;
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
    /* What is read is the file that is locked, whatever `path` names by now. */
    if (rc == 0 &&
        (rc = packed_open_fd(&old, path, sluice_output_dup(w->out), err)) == 0 &&
        (rc = check_slots(old.dataset, err)) == 0 &&
        (rc = packed_schema(&old, &schema, err)) == 0 &&
        (rc = copy_schema(w, &schema, err)) == 0 &&
        (rc = take_over(w, old.dataset, err)) == 0)
        rc = writer_begin_segment(w, err);
    packed_schema_free(&schema);
    packed_close(&old);
    if (rc < 0)
        sluice_writer_abandon(w);
    else
        *out = w;
    return rc;
}

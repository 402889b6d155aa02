/* arrange.c -- see arrange.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arrange.h"
#include "copy.h"
#include "deflate.h"

/* A dictionary learnt from pictures spread over the file, a hundred times its size. */
static int learn(struct packed *in, uint8_t **dictionary, size_t *size,
                 struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    const uint64_t count = sluice_dataset_count(in->dataset);
    const int image = sluice_dataset_find_kind(in->dataset, SLUICE_KIND_IMAGE);
    const size_t room = 100 * *size;
    const uint64_t most = count < 20000 ? count : 20000;
    uint8_t *bytes = malloc(room);
    size_t *sizes = calloc(most + 1, sizeof(*sizes)), filled = 0;
    unsigned n = 0;
    int rc = image < 0 ? sluice_fail(err, SLUICE_EINVAL, "%s: no pictures", in->path)
             : bytes && sizes
                 ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", in->path);
    for (uint64_t k = 0; k < most && rc == 0; k++) {
        rc = packed_read(in, k * count / most, values, err);
        const struct sluice_value *v = &values[image];
        if (rc < 0 || v->codec != SLUICE_CODEC_RAW || v->size > room - filled)
            continue;
        memcpy(bytes + filled, v->data, v->size);
        filled += v->size;
        sizes[n++] = v->size;
    }
    if (rc == 0)
        rc = deflater_train(dictionary, size, bytes, sizes, n, err);
    free(bytes);
    free(sizes);
    return rc;
}

/* Begin `path` with what `in` has, compressed as the options say. */
static int begin_like(struct sluice_writer **w, const char *path, struct packed *in,
                      const struct arrangement *how, struct sluice_error *err)
{
    struct sluice_schema schema;
    uint8_t *dictionary = NULL;
    size_t size = how->dictionary;
    int rc = packed_schema(in, &schema, err);
    schema.zstd_level = how->level;
    if (rc == 0 && size)
        rc = learn(in, &dictionary, &size, err);
    schema.dictionary = dictionary;
    schema.dictionary_size = size;
    if (rc == 0)
        rc = sluice_writer_begin(w, path, &schema, err);
    packed_schema_free(&schema);
    free(dictionary);
    return rc;
}

int rearrange(const char *from, const char *path, const struct arrangement *how,
              struct sluice_error *err)
{
    struct packed in, out = { .path = NULL };
    struct sluice_writer *w = NULL;
    struct progress progress;
    struct candidate *order = NULL;
    size_t count;
    uint64_t done = 0;
    int rc = packed_open(&in, from, err);
    unlink(from);
    if (rc < 0)
        return rc;
    in.path = how->source;
    progress_begin(&progress, how->append ? "appending" : "arranging", "samples",
                   sluice_dataset_count(in.dataset), how->quiet);
    if (how->shuffle)
        rc = select_order(&order, &count, NULL, in.dataset, how->seed, false, err);
    if (rc == 0 && how->append && (rc = packed_open(&out, path, err)) == 0 &&
        (rc = packed_match(&out, &in, err)) == 0 &&
        (rc = sluice_writer_reopen(&w, path, err)) == 0)
        rc =
            sluice_writer_add_provenance(w, sluice_dataset_provenance(in.dataset), err);
    else if (rc == 0)
        rc = begin_like(&w, path, &in, how, err);
    if (rc == 0)
        rc = copy_all(&in, w, order, &progress, &done, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    progress_end(&progress);
    sluice_writer_abandon(w);
    packed_close(&out);
    packed_close(&in);
    free(order);
    return rc;
}

/* teacher.c -- a teacher's logits in memory and in a run's folder; see teacher.h. */
#include "teacher.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "npy.h"
#include "whole_file.h"

static size_t bytes_of(const struct teacher *t)
{
    return (size_t)t->count * (size_t)t->classes * sizeof *t->logits;
}

int teacher_save(const struct teacher *t, const struct run_dir *run,
                 struct sluice_error *err)
{
    char path[RUN_PATH];
    return npy_write(run_file(path, run, "teacher_logits.npy"), t->logits, t->count,
                     t->classes, err);
}

static int check(const struct teacher *t, const char *path, const char *bytes,
                 size_t size, double crc, struct sluice_error *err)
{
    char header[NPY_HEADER + 1];
    npy_header(header, t->count, t->classes);
    if (size != NPY_HEADER + bytes_of(t) || memcmp(bytes, header, NPY_HEADER) != 0)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: expected %" PRIu64 "x%d logits in %zu bytes, found "
                           "something else in %zu",
                           path, t->count, t->classes, NPY_HEADER + bytes_of(t), size);
    if (crc >= 0 && crc != t->crc)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: damaged: checksum %08x, expected %08x", path,
                           (unsigned)t->crc, (unsigned)crc);
    return 0;
}

int teacher_load(struct teacher *out, const struct run_dir *run,
                 const struct data_info *info, int classes, double crc,
                 struct sluice_error *err)
{
    struct teacher t = { .first = info->first,
                         .count = info->count,
                         .classes = classes };
    char path[RUN_PATH], *bytes;
    size_t size;
    int rc = whole_file_read(run_file(path, run, "teacher_logits.npy"), (void **)&bytes,
                             &size, NPY_HEADER + bytes_of(&t), err);
    *out = (struct teacher){ 0 };
    if (rc < 0)
        return rc;
    if (size > NPY_HEADER)
        t.crc = sluice_crc32c(0, bytes + NPY_HEADER, size - NPY_HEADER);
    rc = check(&t, path, bytes, size, crc, err);
    if (rc == 0 && !(t.logits = malloc(bytes_of(&t))))
        rc = sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    if (rc == 0)
        memcpy(t.logits, bytes + NPY_HEADER, bytes_of(&t));
    free(bytes);
    if (rc == 0)
        *out = t;
    return rc;
}

int teacher_rows(struct teacher *t, const uint64_t *ids, int count, int room,
                 const float **rows, struct sluice_error *err)
{
    const size_t classes = (size_t)t->classes;
    if (!t->batch)
        t->batch = malloc((size_t)room * classes * sizeof *t->batch);
    if (!t->batch)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a batch's logits");
    for (int i = 0; i < count; i++) {
        if (ids[i] < t->first || ids[i] - t->first >= t->count)
            return sluice_fail(err, SLUICE_EINVAL,
                               "sample %" PRIu64 ": the teacher saw %" PRIu64
                               " to %" PRIu64,
                               ids[i], t->first, t->first + t->count - 1);
        memcpy(t->batch + (size_t)i * classes,
               t->logits + (size_t)(ids[i] - t->first) * classes,
               classes * sizeof *t->batch);
    }
    *rows = t->batch;
    return 0;
}

void teacher_free(struct teacher *t)
{
    free(t->logits);
    free(t->batch);
    *t = (struct teacher){ 0 };
}

double teacher_anneal(double start, double end, int epochs, uint64_t epoch)
{
    if (epoch >= (uint64_t)epochs)
        return end;
    const double share = cos(1.57079632679489661923 * (double)epoch / epochs);
    return end + (start - end) * share * share;
}

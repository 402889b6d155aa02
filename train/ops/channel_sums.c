/* channel_sums.c -- see channel_sums.h. */
#include <stdlib.h>

#include "channel_sums.h"

enum {
    CHUNKS_MOST = 256, /* partial sums stay small beside the rows */
    ROWS_LEAST = 128,
};

int chunks_create(struct chunks *k, size_t rows, int c, int vectors,
                  struct sluice_error *err)
{
    k->rows = rows;
    k->c = c;
    k->vectors = vectors;
    k->rows_per_chunk = (rows + CHUNKS_MOST - 1) / CHUNKS_MOST;
    if (k->rows_per_chunk < ROWS_LEAST)
        k->rows_per_chunk = ROWS_LEAST;
    k->count = (rows + k->rows_per_chunk - 1) / k->rows_per_chunk;
    k->partial = malloc(k->count * (size_t)vectors * (size_t)c * sizeof *k->partial);
    if (!k->partial)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for sums of %d channels", c);
    return 0;
}

void chunks_free(struct chunks *k)
{
    free(k->partial);
    k->partial = NULL;
}

double chunks_total(const struct chunks *k, int vector, int c)
{
    double sum = 0;
    for (size_t i = 0; i < k->count; i++)
        sum += (double)chunk_partial(k, i, vector)[c];
    return sum;
}

struct job {
    struct device *dev;
    enum sluice_dtype dtype;
    const char *values;
    const float *zeros;
    struct chunks chunks;
};

static void body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct chunks *k = &job->chunks;
    for (size_t i = begin; i < end; i++) {
        const size_t at = chunk_first(k, i) * (size_t)k->c;
        cpu_kernels(job->dev)->channel_sums(
            job->dtype, job->values + at * sluice_dtype_size(job->dtype), job->zeros,
            chunk_rows(k, i), k->c, chunk_partial(k, i, 0), NULL);
    }
}

int channel_sum(struct device *dev, const struct tensor *t, const void *values,
                float *sum, struct sluice_error *err)
{
    const int c = op_channels(t);
    float *zeros = calloc((size_t)c, sizeof *zeros);
    struct job job = {
        .dev = dev, .dtype = t->dtype, .values = values, .zeros = zeros
    };
    int rc = zeros ? chunks_create(&job.chunks, op_pixels(t), c, 1, err)
                   : sluice_fail(err, SLUICE_ENOMEM, "no memory for %d channels", c);
    if (rc == 0) {
        threads_for(dev, job.chunks.count, job.chunks.rows_per_chunk * (size_t)c, body,
                    &job);
        for (int i = 0; i < c; i++)
            sum[i] = (float)chunks_total(&job.chunks, 0, i);
    }
    chunks_free(&job.chunks);
    free(zeros);
    return rc;
}

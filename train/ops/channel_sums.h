/* channel_sums.h -- sums over all pixels of each channel, by several threads and yet in
 * one order: rows are cut into chunks by their number alone, each chunk has its own
 * partial sums, and these are added in double, first to last. So the result depends on
 * neither the number of threads nor their timing. */
#ifndef SLUICE_CHANNEL_SUMS_H
#define SLUICE_CHANNEL_SUMS_H

#include "../device_cpu.h"
#include "backends.h"

/* Room for the partial sums of `vectors` sums of c channels over `rows` rows. */
struct chunks {
    size_t rows, rows_per_chunk, count;
    int c, vectors;
    float *partial; /* (count, vectors, c) */
};

int chunks_create(struct chunks *k, size_t rows, int c, int vectors,
                  struct sluice_error *err);
void chunks_free(struct chunks *k);

static inline size_t chunk_first(const struct chunks *k, size_t i)
{
    return i * k->rows_per_chunk;
}

static inline size_t chunk_rows(const struct chunks *k, size_t i)
{
    const size_t left = k->rows - chunk_first(k, i);
    return left < k->rows_per_chunk ? left : k->rows_per_chunk;
}

static inline float *chunk_partial(const struct chunks *k, size_t i, int vector)
{
    return k->partial + (i * (size_t)k->vectors + (size_t)vector) * (size_t)k->c;
}

/* Sum number `vector` of channel c over all chunks. */
double chunks_total(const struct chunks *k, int vector, int c);

/* sum[c] of `values`, which lie as t does. */
int channel_sum(struct device *dev, const struct tensor *t, const void *values,
                float *sum, struct sluice_error *err);

#endif

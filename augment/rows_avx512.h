/* rows_avx512.h -- permuting and converting a row in registers: rows of up to 128 bytes
 * (42 RGB pixels), f32 or bf16, NHWC, on CPUs with AVX-512 VBMI. */
#ifndef SLUICE_ROWS_AVX512_H
#define SLUICE_ROWS_AVX512_H

#include "chain.h"

enum {
    AVX512_ROW_MAX = 128,
    SLUICE_AVX512_SLACK = 128, /* bytes behind a row that may be read */
};

struct avx512_rows {
    _Alignas(64) uint8_t index[AVX512_ROW_MAX];  /* byte of the source row */
    _Alignas(64) uint8_t filler[AVX512_ROW_MAX]; /* the fill colour */
    _Alignas(64) float scale[AVX512_ROW_MAX], shift[AVX512_ROW_MAX]; /* per element */
    uint64_t filled[2]; /* bit i: element i is the fill colour */
};

bool sluice_avx512_supports(const struct chain *c);
void sluice_avx512_prepare(struct avx512_rows *r, const struct chain *c,
                           const uint16_t *source, int first, int last,
                           const uint8_t *colour);
/* Permute the source row, fill, convert, store as row y of the result. */
void sluice_avx512_row(const struct avx512_rows *r, const struct chain *c,
                       const uint8_t *source, int y, void *out);
/* Only convert and store. */
void sluice_avx512_convert(const struct avx512_rows *r, const struct chain *c,
                           const uint8_t *row, int y, void *out);

#endif

/* amx.h -- the CPU's matrix tiles: eight registers of 16 rows of 64 bytes.
 *
 * _tile_dpbf16ps(c, a, b): c (16 x 16 float) += a (16 x 32 bf16) times b (32 x 16
 * bf16), where b lies as 16 rows of 16 pairs: row r holds elements 2r and 2r + 1 of
 * each column.
 *
 * Used with two by two accumulators: tiles 0 to 3, left operands 4 and 5, right
 * operands 6 and 7. A block is what two tiles hold of one operand: 2 KB. */
#ifndef SLUICE_AMX_H
#define SLUICE_AMX_H

#include <immintrin.h>
#include <stdint.h>

enum {
    AMX_SIDE = 32,      /* rows and columns of a block of results */
    AMX_TILE = 512,     /* bf16 elements of a tile */
    AMX_BLOCK = 1024,   /* bf16 elements of a block: two tiles */
    AMX_SUMS = 32 * 32, /* floats of a block of results: four tiles, row by row */
    AMX_SUMS_BYTES = 4096,
};

struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Every thread that uses tiles begins with this and ends with amx_end: the library's
 * kernels configure them, too. */
static inline void amx_begin(void)
{
    static const struct amx_config config __attribute__((aligned(64))) = {
        .palette = 1,
        .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
        .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
    };
    _tile_loadconfig(&config);
}

static inline void amx_end(void)
{
    _tile_release();
}

static inline void amx_zero(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* sums is (32, 32). */
static inline void amx_load(const float *sums)
{
    _tile_loadd(0, sums, 128);
    _tile_loadd(1, sums + 16, 128);
    _tile_loadd(2, sums + 512, 128);
    _tile_loadd(3, sums + 528, 128);
}

static inline void amx_store(float *sums)
{
    _tile_stored(0, sums, 128);
    _tile_stored(1, sums + 16, 128);
    _tile_stored(2, sums + 512, 128);
    _tile_stored(3, sums + 528, 128);
}

/* sums += left times right */
static inline void amx_multiply(const uint16_t *left, const uint16_t *right)
{
    _tile_loadd(4, left, 64);
    _tile_loadd(6, right, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, right + AMX_TILE, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, left + AMX_TILE, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

#endif

/* amx.h -- the CPU's matrix tiles: eight registers of 16 rows of 64 bytes.
 *
 * _tile_dpbf16ps(c, a, b): c (16 x 16 float) += a (16 x 32 bf16) times b (32 x 16
 * bf16), where b lies as 16 rows of 16 pairs: row r holds elements 2r and 2r + 1 of
 * each column.
 *
 * Used with three by two accumulators, tiles 0 to 5: three left operands, which pass
 * through tile 6, by two right ones, which pass through tile 7. A tile is loaded from
 * level 1 in half the time of a product, so loading the right ones twice is free; what
 * counts is how many come from level 2, where six products wait for two new right
 * operands and, as neighbouring pixels are each other's left ones, for one or two left.
 */
#ifndef SLUICE_AMX_H
#define SLUICE_AMX_H

#include <immintrin.h>
#include <stdint.h>

enum {
    AMX_SIDE = 16,     /* rows of a tile, columns of its sums */
    AMX_TILE = 512,    /* bf16 elements of a tile */
    AMX_LEFT = 3,      /* left operands at a time */
    AMX_RIGHT = 1024,  /* bf16 elements of a right operand: two tiles */
    AMX_SUMS = 6 * 256 /* floats of all accumulators */
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
    _tile_zero(4);
    _tile_zero(5);
}

/* sums is (3, 2, 16, 16): left operand, half of the right one, rows, columns. */
static inline void amx_load(const float *sums)
{
    _tile_loadd(0, sums, 64);
    _tile_loadd(3, sums + 256, 64);
    _tile_loadd(1, sums + 512, 64);
    _tile_loadd(4, sums + 768, 64);
    _tile_loadd(2, sums + 1024, 64);
    _tile_loadd(5, sums + 1280, 64);
}

static inline void amx_store(float *sums)
{
    _tile_stored(0, sums, 64);
    _tile_stored(3, sums + 256, 64);
    _tile_stored(1, sums + 512, 64);
    _tile_stored(4, sums + 768, 64);
    _tile_stored(2, sums + 1024, 64);
    _tile_stored(5, sums + 1280, 64);
}

/* sums += left times right, for all three. Which operand is loaded again, and when, was
 * measured: the other orders lose 5 to 10 %. */
static inline void amx_multiply(const uint16_t *const left[AMX_LEFT], size_t offset,
                                const uint16_t *right)
{
    _tile_loadd(6, left[0] + offset, 64);
    _tile_loadd(7, right, 64);
    _tile_dpbf16ps(0, 6, 7);
    _tile_loadd(7, right + AMX_TILE, 64);
    _tile_dpbf16ps(3, 6, 7);
    _tile_loadd(6, left[1] + offset, 64);
    _tile_dpbf16ps(4, 6, 7);
    _tile_loadd(7, right, 64);
    _tile_dpbf16ps(1, 6, 7);
    _tile_loadd(6, left[2] + offset, 64);
    _tile_dpbf16ps(2, 6, 7);
    _tile_loadd(7, right + AMX_TILE, 64);
    _tile_dpbf16ps(5, 6, 7);
}

/* The same for those that are not NULL. */
static inline void amx_multiply_some(const uint16_t *const left[AMX_LEFT],
                                     size_t offset, const uint16_t *right)
{
    if (left[0]) {
        _tile_loadd(6, left[0] + offset, 64);
        _tile_loadd(7, right, 64);
        _tile_dpbf16ps(0, 6, 7);
        _tile_loadd(7, right + AMX_TILE, 64);
        _tile_dpbf16ps(3, 6, 7);
    }
    if (left[1]) {
        _tile_loadd(6, left[1] + offset, 64);
        _tile_loadd(7, right, 64);
        _tile_dpbf16ps(1, 6, 7);
        _tile_loadd(7, right + AMX_TILE, 64);
        _tile_dpbf16ps(4, 6, 7);
    }
    if (left[2]) {
        _tile_loadd(6, left[2] + offset, 64);
        _tile_loadd(7, right, 64);
        _tile_dpbf16ps(2, 6, 7);
        _tile_loadd(7, right + AMX_TILE, 64);
        _tile_dpbf16ps(5, 6, 7);
    }
}

/* r[i] lane j becomes r[j] lane i, for 16 x 16 words of 32 bits: pairs of
 * bf16. */
static inline void amx_transpose(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

#endif

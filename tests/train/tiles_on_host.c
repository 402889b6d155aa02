/* tiles_on_host.c -- see tiles_on_host.h. */
#include "tiles_on_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_has.h"
#include "ops/conv_amx.h"

enum { TILES = 8, ROWS = 16, WORDS = 16, MOST_ROW = 64 };

#define HIGH 0xffff0000U /* of a pair, the odd one */

/* As Intel's manual lays it out: palette 1 has eight tiles of 16 rows of 64 bytes. */
struct config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[TILES + 8];
    uint8_t rows[TILES + 8];
};

struct tile {
    union {
        uint32_t pair[ROWS][WORDS]; /* of bf16, the even one below */
        float sum[ROWS][WORDS];
    };
};

static _Thread_local struct tile tiles[TILES];
static _Thread_local bool configured;

/* From here on, whoever asks for tiles gets these. */
bool amx_usable(void)
{
    return cpu_has_avx512_bf16();
}

static void demand(bool what, const char *expected)
{
    if (what)
        return;
    fprintf(stderr, "tiles: expected %s\n", expected);
    abort();
}

static struct tile *tile_at(int tile)
{
    demand(configured, "to be configured first");
    demand(tile >= 0 && tile < TILES, "tile 0 to 7");
    return &tiles[tile];
}

void tiles_configure(const void *from)
{
    struct config config;
    memcpy(&config, from, sizeof config);
    demand(config.palette == 1 && config.start_row == 0, "palette 1, from row 0 on");
    for (int i = 0; i < TILES; i++)
        demand(config.row_bytes[i] == MOST_ROW && config.rows[i] == ROWS,
               "tiles of 16 rows of 64 bytes");
    configured = true;
    memset(tiles, 0xa5, sizeof tiles);
}

void tiles_release(void)
{
    configured = false;
}

void tiles_zero(int tile)
{
    *tile_at(tile) = (struct tile){ 0 };
}

void tiles_load(int tile, const void *from, size_t stride)
{
    struct tile *t = tile_at(tile);
    for (int r = 0; r < ROWS; r++)
        memcpy(t->pair[r], (const char *)from + (size_t)r * stride, MOST_ROW);
}

void tiles_store(int tile, void *to, size_t stride)
{
    const struct tile *t = tile_at(tile);
    for (int r = 0; r < ROWS; r++)
        memcpy((char *)to + (size_t)r * stride, t->pair[r], MOST_ROW);
}

static __m512 bf16(uint32_t word)
{
    return _mm512_castsi512_ps(_mm512_set1_epi32((int)word));
}

/* In vectors, which sanitizers do not take apart: most of what the tests do is this. */

void tiles_multiply(int sums, int left, int right)
{
    struct tile *c = tile_at(sums);
    const struct tile *a = tile_at(left), *b = tile_at(right);
    demand(sums != left && sums != right && left != right, "three different tiles");
    for (int m = 0; m < ROWS; m++) {
        __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
        for (int k = 0; k < WORDS; k++) {
            const __m512i pairs = _mm512_loadu_si512(b->pair[k]);
            even = _mm512_fmadd_ps(bf16(a->pair[m][k] << 16),
                                   _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
                                   even);
            odd = _mm512_fmadd_ps(bf16(a->pair[m][k] & HIGH),
                                  _mm512_castsi512_ps(_mm512_and_si512(
                                      pairs, _mm512_set1_epi32((int)HIGH))),
                                  odd);
        }
        _mm512_storeu_ps(c->sum[m], _mm512_add_ps(_mm512_loadu_ps(c->sum[m]),
                                                  _mm512_add_ps(even, odd)));
    }
}

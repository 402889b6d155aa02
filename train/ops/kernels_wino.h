/* kernels_wino.h -- transforms and products of F(4x4, 3x3): see conv_wino_f32.h. */
#ifndef SLUICE_KERNELS_WINO_H
#define SLUICE_KERNELS_WINO_H

#include "kernels.h"
#include "vector.h"
#include "wino_sides.h"

/* Rows of products, and the vectors of a row: so many that all sums stay in registers.
 */
#ifdef __AVX512F__
enum { TILE_ROWS = 12, CHANNEL_ROWS = 8, ROW_VECTORS = 2 };
#else
enum { TILE_ROWS = 3, CHANNEL_ROWS = 2, ROW_VECTORS = 4 };
#endif
enum {
    ROW_WIDTH = LANES * ROW_VECTORS,
    SUMS_AHEAD = 8 * WINO_BLOCK, /* floats: see wino_add */
};

/* An image, of which every step-th row and column is a map of its own. */
struct phase_map {
    const float *image;
    int h, w, c;
    int step, row, column; /* the first ones */
    const float *zeros;
};

/* The `side` x `side` pixels of the map from row y, column x on; beside it, zeros. */
INLINE void find_pixels(const struct phase_map *m, int y, int x, int side,
                        const float **pixel)
{
    for (int i = 0; i < side * side; i++) {
        const int row = (y + i / side) * m->step + m->row;
        const int column = (x + i % side) * m->step + m->column;
        const bool within = row >= 0 && column >= 0 && row < m->h && column < m->w;
        const size_t at = (size_t)row * (size_t)m->w + (size_t)column;
        pixel[i] = within ? m->image + at * (size_t)m->c : m->zeros;
    }
}

/* `channels` of a tile's pixels, those of the panel from `first` on. */
INLINE void spread_pixels(const float *pixel[WINO_PLACES], int channels, int first,
                          struct wino_panel panel, float *to)
{
    for (int c = 0; c < channels; c += LANES) {
        vf half[WINO_PLACES];
        float *at =
            to + (size_t)((first + c) / WINO_BLOCK) * panel.block + c % WINO_BLOCK;
        for (int x = 0; x < WINO_SIDE; x++) {
            vf column[WINO_SIDE];
#pragma GCC unroll 6
            for (int y = 0; y < WINO_SIDE; y++)
                column[y] = load(pixel[y * WINO_SIDE + x] + c, 0, false);
            spread_side(column, 1, half + x, WINO_SIDE);
        }
        for (int y = 0; y < WINO_SIDE; y++) {
            vf row[WINO_SIDE];
            spread_side(half + WINO_SIDE * y, 1, row, 1);
#pragma GCC unroll 6
            for (int x = 0; x < WINO_SIDE; x++, at += panel.place)
                store(at, 0, row[x], false);
        }
    }
}

static void wino_spread(const struct wino_map *m, const float *source, int tile,
                        struct wino_panel panel, float *to)
{
    const struct wino_tile t = wino_tile(m, tile);
    const int channels = wino_channels(m->sc, m->sstep);
    const size_t image = (size_t)m->sh * (size_t)m->sw * (size_t)channels;
    for (int c = 0; c < m->sc; c += channels) {
        const struct split_phase phase = split_phase(m->split, c, channels, m->sstep);
        const struct phase_map map = { source + (size_t)t.n * image,
                                       m->sh,
                                       m->sw,
                                       channels,
                                       m->sstep,
                                       phase.row,
                                       phase.column,
                                       m->zeros };
        const float *pixel[WINO_PLACES];
        find_pixels(&map, t.y - m->pad, t.x - m->pad, WINO_SIDE, pixel);
        spread_pixels(pixel, channels, c, panel, to);
    }
}

static void wino_unfold(const struct wino_map *m, const float *grads, int tile,
                        struct wino_panel panel, float *to)
{
    enum { PIXELS = WINO_RESULTS * WINO_RESULTS };
    const struct wino_tile t = wino_tile(m, tile);
    const float *pixel[PIXELS];
    const size_t image = (size_t)m->dh * (size_t)m->dw * (size_t)m->dc;
    const struct phase_map map = {
        grads + (size_t)t.n * image, m->dh, m->dw, m->dc, 1, 0, 0, m->zeros
    };
    find_pixels(&map, t.y, t.x, WINO_RESULTS, pixel);
    for (int c = 0; c < m->dc; c += LANES) {
        vf half[WINO_SIDE * WINO_RESULTS];
        float *at = to + (size_t)(c / WINO_BLOCK) * panel.block + c % WINO_BLOCK;
        for (int x = 0; x < WINO_RESULTS; x++) {
            vf column[WINO_RESULTS];
#pragma GCC unroll 4
            for (int y = 0; y < WINO_RESULTS; y++)
                column[y] = load(pixel[y * WINO_RESULTS + x] + c, 0, false);
            unfold_side(column, 1, half + x, WINO_RESULTS);
        }
        for (int y = 0; y < WINO_SIDE; y++) {
            vf row[WINO_SIDE];
            unfold_side(half + WINO_RESULTS * y, 1, row, 1);
#pragma GCC unroll 6
            for (int x = 0; x < WINO_SIDE; x++, at += panel.place)
                store(at, 0, row[x], false);
        }
    }
}

/* s (rows, ROW_VECTORS) += left times right (count, 32): left's next row is `row`
 * elements on, what the next row of right is multiplied with `next`. */
INLINE void add_products(vf s[][ROW_VECTORS], int rows, const float *left, size_t row,
                         size_t next, const float *right, int count)
{
    for (int i = 0; i < count; i++, left += next, right += WINO_BLOCK) {
        vf r[ROW_VECTORS];
#pragma GCC unroll 4
        for (int k = 0; k < ROW_VECTORS; k++)
            r[k] = load(right + k * LANES, 0, false);
#pragma GCC unroll 12
        for (int j = 0; j < rows; j++) {
            const float x = left[(size_t)j * row];
#pragma GCC unroll 4
            for (int k = 0; k < ROW_VECTORS; k++)
                s[j][k] += x * r[k];
        }
    }
}

static void wino_multiply(const float *left, size_t block, int blocks,
                          const float *right, int tiles, float *sums)
{
    for (int t = 0; t < tiles; t += TILE_ROWS)
        for (int c = 0; c < WINO_BLOCK; c += ROW_WIDTH) {
            vf s[TILE_ROWS][ROW_VECTORS]; /* in registers: its loops are unrolled */
#pragma GCC unroll 12
            for (int j = 0; j < TILE_ROWS; j++)
#pragma GCC unroll 4
                for (int k = 0; k < ROW_VECTORS; k++)
                    s[j][k] = splat(0);
            for (int i = 0; i < blocks; i++)
                add_products(
                    s, TILE_ROWS, left + (size_t)i * block + t * WINO_BLOCK, WINO_BLOCK,
                    1, right + (size_t)i * WINO_BLOCK * WINO_BLOCK + c, WINO_BLOCK);
#pragma GCC unroll 12
            for (int j = 0; j < TILE_ROWS; j++)
#pragma GCC unroll 4
                for (int k = 0; k < ROW_VECTORS; k++)
                    store(sums + (t + j) * WINO_BLOCK + c + k * LANES, 0, s[j][k],
                          false);
        }
}

static void wino_add(const float *left, const float *right, int tiles, bool first,
                     float *sums)
{
    for (int c = 0; c < WINO_BLOCK; c += ROW_WIDTH)
        for (int i = 0; i < WINO_BLOCK; i += CHANNEL_ROWS) {
            vf s[CHANNEL_ROWS][ROW_VECTORS];
            float *at = sums + i * WINO_BLOCK + c;
            for (int j = 0; j < CHANNEL_ROWS * ROW_WIDTH && !first; j += 16)
                __builtin_prefetch(at + SUMS_AHEAD + j); /* sums are in level 3 */
#pragma GCC unroll 12
            for (int j = 0; j < CHANNEL_ROWS; j++)
#pragma GCC unroll 4
                for (int k = 0; k < ROW_VECTORS; k++)
                    s[j][k] = first ? splat(0)
                                    : load(at + j * WINO_BLOCK + k * LANES, 0, false);
            add_products(s, CHANNEL_ROWS, left + i, 1, WINO_BLOCK, right + c, tiles);
#pragma GCC unroll 12
            for (int j = 0; j < CHANNEL_ROWS; j++)
#pragma GCC unroll 4
                for (int k = 0; k < ROW_VECTORS; k++)
                    store(at + j * WINO_BLOCK + k * LANES, 0, s[j][k], false);
        }
}

static void wino_fold(const struct wino_map *m, const float *sums, size_t place,
                      int tile, int block, const float *bias, float *dest)
{
    enum { HALF = WINO_RESULTS * WINO_SIDE, PIXELS = WINO_RESULTS * WINO_RESULTS };
    const struct wino_tile t = wino_tile(m, tile);
    const int first = block * WINO_BLOCK;
    const int channels = wino_channels(m->dc, m->dstep);
    const struct split_phase phase = split_phase(m->split, first, channels, m->dstep);
    for (int c = 0; c < WINO_BLOCK; c += LANES) {
        const vf more = load(bias + first % channels + c, 0, false);
        vf half[HALF], y[PIXELS];
        for (int x = 0; x < WINO_SIDE; x++) {
            vf column[WINO_SIDE];
#pragma GCC unroll 6
            for (int i = 0; i < WINO_SIDE; i++)
                column[i] =
                    load(sums + (size_t)(i * WINO_SIDE + x) * place + c, 0, false);
            fold_side(column, 1, half + x, WINO_SIDE);
        }
        for (int i = 0; i < WINO_RESULTS; i++)
            fold_side(half + WINO_SIDE * i, 1, y + WINO_RESULTS * i, 1);
        for (int i = 0; i < PIXELS; i++) {
            const int row = (t.y + i / WINO_RESULTS) * m->dstep + phase.row;
            const int column = (t.x + i % WINO_RESULTS) * m->dstep + phase.column;
            const size_t pixel =
                ((size_t)t.n * (size_t)m->dh + (size_t)row) * (size_t)m->dw +
                (size_t)column;
            if (row < m->dh && column < m->dw)
                store(dest + pixel * (size_t)channels + first % channels + c, 0,
                      y[i] + more, false);
        }
    }
}

static void wino_widen(const float filters[SPLIT_TAPS][WINO_BLOCK], size_t place,
                       float *to)
{
    for (int c = 0; c < WINO_BLOCK; c += LANES) {
        vf w[SPLIT_TAPS], half[3 * WINO_SIDE], all[WINO_PLACES];
        for (int i = 0; i < SPLIT_TAPS; i++)
            w[i] = load(filters[i] + c, 0, false);
        for (int i = 0; i < 3; i++)
            widen_side(w + i, 3, half + i, 3);
        for (int i = 0; i < WINO_SIDE; i++)
            widen_side(half + 3 * i, 1, all + WINO_SIDE * i, 1);
        for (int i = 0; i < WINO_PLACES; i++)
            store(to + (size_t)i * place + c, 0, all[i], false);
    }
}

static void wino_narrow(const float *sums, size_t place,
                        float filters[SPLIT_TAPS][WINO_BLOCK])
{
    for (int c = 0; c < WINO_BLOCK; c += LANES) {
        vf s[WINO_PLACES], half[3 * WINO_SIDE], w[SPLIT_TAPS];
        for (int i = 0; i < WINO_PLACES; i++)
            s[i] = load(sums + (size_t)i * place + c, 0, false);
        for (int i = 0; i < WINO_SIDE; i++)
            narrow_side(s + i, WINO_SIDE, half + i, WINO_SIDE);
        for (int i = 0; i < 3; i++)
            narrow_side(half + WINO_SIDE * i, 1, w + 3 * i, 1);
        for (int i = 0; i < SPLIT_TAPS; i++)
            store(filters[i] + c, 0, w[i], false);
    }
}

#endif

/* kernels_wino4.h -- transforms and products of F(4x4, 3x3): see conv_wino4.h. */
#ifndef SLUICE_KERNELS_WINO4_H
#define SLUICE_KERNELS_WINO4_H

#include "kernels.h"
#include "vector.h"

/* As wide as a register, since sums stay in these through long loops, and so many that
 * they do: rows of products, and the vectors of a row. */
#if defined(__AVX512F__)
enum { WIDE_BYTES = 64, TILE_ROWS = 12, CHANNEL_ROWS = 8, ROW_VECTORS = 2 };
#elif defined(__AVX2__)
enum { WIDE_BYTES = 32, TILE_ROWS = 3, CHANNEL_ROWS = 2, ROW_VECTORS = 4 };
#else
enum { WIDE_BYTES = 16, TILE_ROWS = 3, CHANNEL_ROWS = 2, ROW_VECTORS = 4 };
#endif
enum { WIDE = WIDE_BYTES / 4, ROW_WIDTH = WIDE * ROW_VECTORS };

typedef float wide __attribute__((vector_size(WIDE_BYTES)));

INLINE wide wide_load(const float *p)
{
    wide v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void wide_store(float *p, wide v)
{
    memcpy(p, &v, sizeof v);
}

/* One side of B' x B, of values `step` apart. */
INLINE void spread_side(const wide *x, int step, wide *to, int to_step)
{
    const wide x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step],
               x4 = x[4 * step], x5 = x[5 * step];
    const wide even = x4 - 4.0F * x2, odd = x3 - 4.0F * x1;
    const wide near = x4 - x2, far = 2.0F * (x3 - x1);
    to[0] = 4.0F * x0 - 5.0F * x2 + x4;
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = near + far;
    to[4 * to_step] = near - far;
    to[5 * to_step] = 4.0F * x1 - 5.0F * x3 + x5;
}

/* One side of A dy A'. */
INLINE void unfold_side(const wide *y, int step, wide *to, int to_step)
{
    const wide y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
    const wide even = y0 + y2, odd = y1 + y3;
    const wide even4 = y0 + 4.0F * y2, odd4 = 2.0F * y1 + 8.0F * y3;
    to[0] = y0;
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = even4 + odd4;
    to[4 * to_step] = even4 - odd4;
    to[5 * to_step] = y3;
}

/* One side of A' m A. */
INLINE void fold_side(const wide *m, int step, wide *to, int to_step)
{
    const wide sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const wide sum2 = m[3 * step] + m[4 * step];
    const wide difference2 = m[3 * step] - m[4 * step];
    to[0] = m[0] + sum + sum2;
    to[to_step] = difference + 2.0F * difference2;
    to[2 * to_step] = sum + 4.0F * sum2;
    to[3 * to_step] = difference + 8.0F * difference2 + m[5 * step];
}

/* One side of G w G'. */
INLINE void widen_side(const wide *w, int step, wide *to, int to_step)
{
    const wide w0 = w[0], w1 = w[step], w2 = w[2 * step];
    const wide ends = (w0 + w2) * (-1.0F / 6), middle = w1 * (-1.0F / 6);
    const wide ends2 = w0 * (1.0F / 24) + w2 * (1.0F / 6), middle2 = w1 * (1.0F / 12);
    to[0] = 0.25F * w0;
    to[to_step] = ends + middle;
    to[2 * to_step] = ends - middle;
    to[3 * to_step] = ends2 + middle2;
    to[4 * to_step] = ends2 - middle2;
    to[5 * to_step] = w2;
}

/* One side of G' s G. */
INLINE void narrow_side(const wide *s, int step, wide *to, int to_step)
{
    const wide sum = s[step] + s[2 * step], difference = s[2 * step] - s[step];
    const wide sum2 = s[3 * step] + s[4 * step];
    const wide difference2 = s[3 * step] - s[4 * step];
    to[0] = 0.25F * s[0] - sum * (1.0F / 6) + sum2 * (1.0F / 24);
    to[to_step] = difference * (1.0F / 6) + difference2 * (1.0F / 12);
    to[2 * to_step] = (sum2 - sum) * (1.0F / 6) + s[5 * step];
}

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
INLINE void spread_pixels(const float *pixel[WINO4_PLACES], int channels, int first,
                          struct wino4_panel panel, float *to)
{
    for (int c = 0; c < channels; c += WIDE) {
        wide v[WINO4_PLACES], half[WINO4_PLACES];
        float *at =
            to + (size_t)((first + c) / WINO_BLOCK) * panel.block + c % WINO_BLOCK;
        for (int i = 0; i < WINO4_PLACES; i++)
            v[i] = wide_load(pixel[i] + c);
        for (int i = 0; i < WINO4_SIDE; i++)
            spread_side(v + i, WINO4_SIDE, half + i, WINO4_SIDE);
        for (int i = 0; i < WINO4_SIDE; i++)
            spread_side(half + WINO4_SIDE * i, 1, v + WINO4_SIDE * i, 1);
        for (int i = 0; i < WINO4_PLACES; i++, at += panel.place)
            wide_store(at, v[i]);
    }
}

static void wino4_spread(const struct wino_map *m, const float *source, int tile,
                         struct wino4_panel panel, float *to)
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
        const float *pixel[WINO4_PLACES];
        find_pixels(&map, t.y - m->pad, t.x - m->pad, WINO4_SIDE, pixel);
        spread_pixels(pixel, channels, c, panel, to);
    }
}

static void wino4_unfold(const struct wino_map *m, const float *grads, int tile,
                         struct wino4_panel panel, float *to)
{
    enum { PIXELS = WINO4_RESULTS * WINO4_RESULTS };
    const struct wino_tile t = wino_tile(m, tile);
    const float *pixel[PIXELS];
    const size_t image = (size_t)m->dh * (size_t)m->dw * (size_t)m->dc;
    const struct phase_map map = {
        grads + (size_t)t.n * image, m->dh, m->dw, m->dc, 1, 0, 0, m->zeros
    };
    find_pixels(&map, t.y, t.x, WINO4_RESULTS, pixel);
    for (int c = 0; c < m->dc; c += WIDE) {
        wide v[PIXELS], half[WINO4_SIDE * WINO4_RESULTS], all[WINO4_PLACES];
        float *at = to + (size_t)(c / WINO_BLOCK) * panel.block + c % WINO_BLOCK;
        for (int i = 0; i < PIXELS; i++)
            v[i] = wide_load(pixel[i] + c);
        for (int i = 0; i < WINO4_RESULTS; i++)
            unfold_side(v + i, WINO4_RESULTS, half + i, WINO4_RESULTS);
        for (int i = 0; i < WINO4_SIDE; i++)
            unfold_side(half + WINO4_RESULTS * i, 1, all + WINO4_SIDE * i, 1);
        for (int i = 0; i < WINO4_PLACES; i++, at += panel.place)
            wide_store(at, all[i]);
    }
}

/* s (rows, ROW_VECTORS) += left times right (count, 32): left's next row is `row`
 * elements on, what the next row of right is multiplied with `next`. */
INLINE void add_products(wide s[][ROW_VECTORS], int rows, const float *left, size_t row,
                         size_t next, const float *right, int count)
{
    for (int i = 0; i < count; i++, left += next, right += WINO_BLOCK) {
        wide r[ROW_VECTORS];
#pragma GCC unroll 4
        for (int k = 0; k < ROW_VECTORS; k++)
            r[k] = wide_load(right + k * WIDE);
#pragma GCC unroll 12
        for (int j = 0; j < rows; j++) {
            const float x = left[(size_t)j * row];
#pragma GCC unroll 4
            for (int k = 0; k < ROW_VECTORS; k++)
                s[j][k] += x * r[k];
        }
    }
}

static void wino4_multiply(const float *left, size_t block, int blocks,
                           const float *right, int tiles, float *sums)
{
    for (int t = 0; t < tiles; t += TILE_ROWS)
        for (int c = 0; c < WINO_BLOCK; c += ROW_WIDTH) {
            wide s[TILE_ROWS][ROW_VECTORS] = { 0 };
            for (int i = 0; i < blocks; i++)
                add_products(
                    s, TILE_ROWS, left + (size_t)i * block + t * WINO_BLOCK, WINO_BLOCK,
                    1, right + (size_t)i * WINO_BLOCK * WINO_BLOCK + c, WINO_BLOCK);
            for (int j = 0; j < TILE_ROWS; j++)
                for (int k = 0; k < ROW_VECTORS; k++)
                    wide_store(sums + (t + j) * WINO_BLOCK + c + k * WIDE, s[j][k]);
        }
}

static void wino4_add(const float *left, const float *right, int tiles, bool first,
                      float *sums)
{
    for (int c = 0; c < WINO_BLOCK; c += ROW_WIDTH)
        for (int i = 0; i < WINO_BLOCK; i += CHANNEL_ROWS) {
            wide s[CHANNEL_ROWS][ROW_VECTORS] = { 0 };
            float *at = sums + i * WINO_BLOCK + c;
            for (int j = 0; j < CHANNEL_ROWS && !first; j++)
                for (int k = 0; k < ROW_VECTORS; k++)
                    s[j][k] = wide_load(at + j * WINO_BLOCK + k * WIDE);
            add_products(s, CHANNEL_ROWS, left + i, 1, WINO_BLOCK, right + c, tiles);
            for (int j = 0; j < CHANNEL_ROWS; j++)
                for (int k = 0; k < ROW_VECTORS; k++)
                    wide_store(at + j * WINO_BLOCK + k * WIDE, s[j][k]);
        }
}

static void wino4_fold(const struct wino_map *m, const float *sums, size_t place,
                       int tile, int block, const float *bias, float *dest)
{
    enum { HALF = WINO4_RESULTS * WINO4_SIDE, PIXELS = WINO4_RESULTS * WINO4_RESULTS };
    const struct wino_tile t = wino_tile(m, tile);
    const int first = block * WINO_BLOCK;
    const int channels = wino_channels(m->dc, m->dstep);
    const struct split_phase phase = split_phase(m->split, first, channels, m->dstep);
    for (int c = 0; c < WINO_BLOCK; c += WIDE) {
        const wide more = wide_load(bias + first % channels + c);
        wide v[WINO4_PLACES], half[HALF], y[PIXELS];
        for (int i = 0; i < WINO4_PLACES; i++)
            v[i] = wide_load(sums + (size_t)i * place + c);
        for (int i = 0; i < WINO4_SIDE; i++)
            fold_side(v + i, WINO4_SIDE, half + i, WINO4_SIDE);
        for (int i = 0; i < WINO4_RESULTS; i++)
            fold_side(half + WINO4_SIDE * i, 1, y + WINO4_RESULTS * i, 1);
        for (int i = 0; i < PIXELS; i++) {
            const int row = (t.y + i / WINO4_RESULTS) * m->dstep + phase.row;
            const int column = (t.x + i % WINO4_RESULTS) * m->dstep + phase.column;
            const size_t pixel =
                ((size_t)t.n * (size_t)m->dh + (size_t)row) * (size_t)m->dw +
                (size_t)column;
            if (row < m->dh && column < m->dw)
                wide_store(dest + pixel * (size_t)channels + first % channels + c,
                           y[i] + more);
        }
    }
}

static void wino4_widen(const float filters[SPLIT_TAPS][WINO_BLOCK], size_t place,
                        float *to)
{
    for (int c = 0; c < WINO_BLOCK; c += WIDE) {
        wide w[SPLIT_TAPS], half[3 * WINO4_SIDE], all[WINO4_PLACES];
        for (int i = 0; i < SPLIT_TAPS; i++)
            w[i] = wide_load(filters[i] + c);
        for (int i = 0; i < 3; i++)
            widen_side(w + i, 3, half + i, 3);
        for (int i = 0; i < WINO4_SIDE; i++)
            widen_side(half + 3 * i, 1, all + WINO4_SIDE * i, 1);
        for (int i = 0; i < WINO4_PLACES; i++)
            wide_store(to + (size_t)i * place + c, all[i]);
    }
}

static void wino4_narrow(const float *sums, size_t place,
                         float filters[SPLIT_TAPS][WINO_BLOCK])
{
    for (int c = 0; c < WINO_BLOCK; c += WIDE) {
        wide s[WINO4_PLACES], half[3 * WINO4_SIDE], w[SPLIT_TAPS];
        for (int i = 0; i < WINO4_PLACES; i++)
            s[i] = wide_load(sums + (size_t)i * place + c);
        for (int i = 0; i < WINO4_SIDE; i++)
            narrow_side(s + i, WINO4_SIDE, half + i, WINO4_SIDE);
        for (int i = 0; i < 3; i++)
            narrow_side(half + WINO4_SIDE * i, 1, w + 3 * i, 1);
        for (int i = 0; i < SPLIT_TAPS; i++)
            wide_store(filters[i] + c, w[i]);
    }
}

#endif

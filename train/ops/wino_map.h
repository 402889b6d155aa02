/* wino_map.h -- how Winograd's filtering F(4x4, 3x3) cuts a convolution's results into
 * tiles, and the source that each is computed from. */
#ifndef SLUICE_WINO_MAP_H
#define SLUICE_WINO_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "../device.h"
#include "../device_onednn.h"
#include "conv_split.h"

enum {
    WINO_RESULTS = 4, /* 4 x 4 of a tile */
    WINO_SIDE = 6,
    WINO_PLACES = 36,
    WINO_BLOCK = 32, /* channels, at a time */
    WINO_STEP = 12,  /* tiles that gather multiplies at a time */
};

/* Of a max pool by windows of 2 x 2 behind the convolution: four to a tile. */
struct wino_windows {
    int h, w, blocks; /* a map of windows, of 32 channels each */
    uint32_t *places; /* (n, h, w, blocks, 2): see pool_window.h */
};

/* Images are (n, height, width, channels). */
struct wino_map {
    int n, sh, sw, sc; /* source */
    int dh, dw, dc;    /* results of gather; gradients of weigh */
    /* Channels of a pixel in memory; sc and dc are these, or those of all phases
     * together, filled up with zeros to a multiple of WINO_BLOCK. */
    int swidth, dwidth;
    /* 2: the side is in phases; sc or dc count their channels together, and tiles are
     * of one phase's size. */
    int sstep, dstep;
    const struct conv_split *split;
    struct split_span from[WINO_PLACES], to[WINO_PLACES]; /* of sc, of dc */
    int pad;
    int across, tiles_each; /* tiles of a row; of an image */
    int tiles, unit, units; /* unit: tiles at a time, but for the last */
    const void *zeros;      /* a pixel beside the source */
    /* NULL, or gather's results are pooled, its sources or weigh's gradients unpooled.
     * The map is that of the windows' pixels. bf16 alone. */
    const struct wino_windows *pools, *unpools;
};

/* Padded so that the phases' filters are 3x3 with at most a pixel of padding? */
bool wino_splits_up(const struct onednn_shape *shape);

/* Of a shape that splits up, for its results or, not `forward`, its source's gradients;
 * `unit`, `zeros` and the pools are the caller's to set. */
struct wino_map wino_map_of(const struct onednn_shape *shape, bool forward);

/* The share of the direct convolution's multiplications that is left, what tiles
 * compute beside the map counted. */
double wino_share(const struct onednn_shape *shape, const struct wino_map *m);

/* How many tiles a thread of gather, or all of weigh's, take at a time; their numbers
 * have `size` bytes. */
void wino_cut_gather(struct wino_map *m, const struct device *dev, size_t size);
void wino_cut_weigh(struct wino_map *m, size_t size);

static inline int wino_first(const struct wino_map *m, int unit)
{
    return unit * m->unit;
}

static inline int wino_end(const struct wino_map *m, int unit)
{
    const int end = (unit + 1) * m->unit;
    return end < m->tiles ? end : m->tiles;
}

/* Tile number t, at the result's image n, row y, column x. */
struct wino_tile {
    int n, y, x;
};

static inline struct wino_tile wino_tile(const struct wino_map *m, int t)
{
    const int within = t % m->tiles_each;
    return (struct wino_tile){ t / m->tiles_each, within / m->across * WINO_RESULTS,
                               within % m->across * WINO_RESULTS };
}

/* A pixel's channels, filled up: those of one phase. */
static inline int wino_channels(int channels, int step)
{
    return channels / (step * step);
}

/* In f32, transformed tiles are (place, channels / 32, tile, 32): elements from a
 * place, and from a block of channels, to the next. */
struct wino_panel {
    size_t place, block;
};

#endif

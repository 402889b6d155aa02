/* wino4_map.h -- tiles of a convolution by F(4x4, 3x3), and where what they are
 * transformed to lies: see conv_wino4.h. */
#ifndef SLUICE_WINO4_MAP_H
#define SLUICE_WINO4_MAP_H

#include <stddef.h>

#include "conv_split.h"

enum {
    WINO4_SIDE = 6, /* of a tile */
    WINO4_PLACES = 36,
    WINO4_RESULTS = 4, /* 4 x 4 of them */
    WINO4_BLOCK = 32,  /* channels */
};

/* Tiles of a map of results, and the source that they are computed from; images are
 * (n, height, width, channels), channels multiples of WINO4_BLOCK. */
struct wino4_map {
    int n, sh, sw, sc; /* source */
    int dh, dw, dc;    /* results */
    /* 2: the side is in phases; sc or dc count their channels together, and tiles are
     * of one phase's size. */
    int sstep, dstep;
    const struct conv_split *split;
    struct split_span from[WINO4_PLACES], to[WINO4_PLACES]; /* of sc, of dc */
    int pad;
    int across, tiles_each; /* tiles of a row; of an image */
    int tiles;
    const float *zeros; /* a pixel beside the source */
};

/* Transformed tiles are (place, channels / 32, tile, 32): elements from a place, and
 * from a block of channels, to the next. */
struct wino4_panel {
    size_t place, block;
};

/* A pixel's channels in memory: those of one phase. */
static inline int wino4_channels(int channels, int step)
{
    return channels / (step * step);
}

/* Tile number t, at the result's image n, row y, column x. */
struct wino4_tile {
    int n, y, x;
};

static inline struct wino4_tile wino4_tile(const struct wino4_map *m, int t)
{
    const int within = t % m->tiles_each;
    return (struct wino4_tile){ t / m->tiles_each, within / m->across * WINO4_RESULTS,
                                within % m->across * WINO4_RESULTS };
}

#endif

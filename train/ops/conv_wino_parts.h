/* conv_wino_parts.h -- a Winograd convolution's plan, and transforms of tiles. */
#ifndef SLUICE_CONV_WINO_PARTS_H
#define SLUICE_CONV_WINO_PARTS_H

#include "conv_split.h"
#include "conv_wino.h"

enum {
    WINO_SIDE = 4, /* of a tile; its results are 2 x 2 */
    WINO_PLACES = 16,
    WINO_BLOCK = 32, /* channels of the result at a time */
};

/* Of a max pool by windows of 2 x 2 behind the convolution, which are its tiles. */
struct wino_windows {
    int h, w, blocks; /* a map of windows, of 32 channels each */
    uint32_t *places; /* (n, h, w, blocks, 2): see pool_window.h */
};

/* Tiles of a map, and the source that they are cut from. */
struct wino_map {
    int n, sh, sw, sc; /* source */
    int dh, dw, dc;    /* result of gather; gradients of weigh */
    /* 2: the side is in phases; sc or dc count their channels together, and tiles are
     * of one phase's size. */
    int sstep, dstep;
    const struct conv_split *split;
    struct split_span from[WINO_PLACES], to[WINO_PLACES]; /* of sc, of dc */
    int pad;
    int across, tiles_each; /* tiles of a row; of an image */
    int tiles, unit, units; /* unit: tiles at a time, but for the last */
    const uint16_t *zeros;  /* a pixel beside the source */
    /* NULL, or gather's results are pooled, its sources or weigh's gradients unpooled.
     * The map is that of the windows' pixels. */
    const struct wino_windows *pools, *unpools;
};

struct conv_wino {
    struct onednn_shape shape;
    struct wino_windows windows; /* places is NULL: not pooled */
    struct wino_map forward, backward, weigh;
    /* (dc / 32, place, sc / 2, 32, 2) */
    uint16_t *forward_weight, *backward_weight, *zeros;
    bool forward_fresh, backward_fresh;
};

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
    return (struct wino_tile){ t / m->tiles_each, within / m->across * 2,
                               within % m->across * 2 };
}

/* A pixel's channels in memory: those of one phase. */
static inline int wino_channels(int channels, int step)
{
    return channels / (step * step);
}

/* conv_wino_gather.c: weights are those of conv2d or, for `backward`, the same turned
 * about and with their channels exchanged. */
void wino_pack(const struct wino_map *m, const struct device *dev, const float *weight,
               bool backward, uint16_t *to);
size_t wino_gather_scratch(const struct wino_map *m); /* bytes for each thread */
void wino_gather(const struct wino_map *m, struct device *dev, const uint16_t *source,
                 const uint16_t *weight, uint16_t *dest);

/* conv_wino_weigh.c */
size_t wino_weigh_bytes(const struct wino_map *m); /* shared by the threads */
void wino_weigh(const struct wino_map *m, struct device *dev, const uint16_t *source,
                const uint16_t *grads, float *dweight);

#endif

/* conv_amx.h -- convolutions in bf16 by the CPU's matrix tiles. oneDNN's backward
 * leaves a factor of two to six there; its forward is about as fast, but waits for the
 * slowest of its threads, where units of work here go to whoever is free.
 *
 * Images are interleaved in groups: the values of a group's images of one pixel and 32
 * channels are what a left operand is made of. So a tile is a pixel whatever the size
 * of the map, the stride or the padding: no halo, nothing computed beside the map, and
 * taps that fall into the padding are left out. With a filter of one pixel the images
 * are stretches of pixels that lie one behind the other.
 *
 *   gather   forward and backward to the input: each pixel of the result sums over the
 *            taps a source pixel's values (16 images x channels) times the tap's
 *            weights. Only the tables of which source pixel a tap meets differ.
 *   weigh    backward to the weight: for each tap the sum over pixels of source values,
 *            transposed (channels x 32 images), times gradients.
 *
 * Where a max pool by windows of 2 x 2 follows, neither the convolution's result nor
 * its gradient is ever in memory: gather visits a window's pixels one after the other
 * and writes their maximum; backward unpools as it packs. Rows and columns that belong
 * to no window are not even computed. See conv_amx_pool.h.
 *
 * A unit of work is a group and a part of the result's rows. Its thread packs source
 * rows into a ring as it walks down, so that each is packed once and stays in the level
 * 2 cache while it is needed. */
#ifndef SLUICE_CONV_AMX_H
#define SLUICE_CONV_AMX_H

#include <stdbool.h>

#include "../device_cpu.h"
#include "../device_onednn.h"

enum {
    AMX_BLOCK = 32,              /* channels */
    AMX_KERNEL_MOST = 16,        /* rows and columns of taps */
    AMX_UNIT_ELEMENTS = 1 << 20, /* a unit is always worth a thread */
};

/* Of a max pool behind a convolution. */
struct windows {
    int h, w, blocks; /* a map of windows, of 32 channels each */
    uint32_t *places; /* (groups of 16 images, h, w, blocks, 16, 2) */
};

/* Of some of the values of a result's 32 channels: their distances from the first of
 * them, so that a mean far from zero does not cancel the variance away. */
struct moments {
    float first[AMX_BLOCK], sum[AMX_BLOCK], square[AMX_BLOCK];
    int64_t count;
} __attribute__((aligned(64)));

/* The map over which a convolution walks, and what each of its pixels meets. */
struct walk {
    int n, images;                  /* all; of a group: 16 for gather, 32 for weigh */
    int sh, sw, sc;                 /* source */
    int dh, dw, dc;                 /* result of gather; gradients of weigh */
    int kernel, taps;               /* taps = kernel^2 */
    int source_blocks, dest_blocks; /* of 32 channels */
    int16_t *row, *col; /* (dh or dw, kernel): source row of a tap; -1: padding */
    int ring;           /* source rows kept */
    int slab;           /* rows of dest worked on at a time */
    int step;           /* what slabs and parts are multiples of, in rows */
    int groups, parts;  /* of images; of dest's rows */
    int stack;          /* groups whose maps stand below each other as one: see weigh */
    /* NULL, or gather's results are pooled (step is 2), its sources or weigh's
     * gradients unpooled. The map is that of the windows' pixels. */
    const struct windows *pools, *unpools;
};

struct conv_amx {
    struct onednn_shape shape;
    struct windows windows; /* places is NULL: not pooled */
    struct walk forward, backward, weigh;
    /* (dest block, tap row, source block, tap of the row, AMX_RIGHT) */
    uint16_t *forward_weight, *backward_weight;
    bool forward_fresh, backward_fresh;
    struct moments *moments; /* of forward: (units, dest block); NULL: never wanted */
    int slots; /* partial sums of weigh: fixed, as their order decides the rounding */
};

static inline int walk_units(const struct walk *w)
{
    return w->groups * w->parts;
}

/* A tap and a source block: what one right operand of weights belongs to. */
static inline int walk_pairs(const struct walk *w)
{
    return w->source_blocks * w->taps;
}

static inline size_t walk_row_elements(const struct walk *w)
{
    return (size_t)w->sw * (size_t)w->source_blocks * AMX_BLOCK * (size_t)w->images;
}

/* What is packed and worked on at a time, on the way through units begin ... end - 1,
 * which is { .unit = begin - 1 } at first. */
struct slab {
    int unit, group;
    int y0, y1, stop; /* dest rows y0 ... y1 - 1, of a part that ends with stop - 1 */
    int first, last;  /* source rows to pack, last not included */
    int packed;       /* rows below this one are in the ring, or were */
};

bool slab_next(const struct walk *w, struct slab *s, int end);

static inline int slab_images(const struct walk *w, const struct slab *s)
{
    const int left = w->n - s->group * w->images;
    return left < w->images ? left : w->images;
}

/* Row y of a stack of maps of h rows: which group's, and which of its rows. What is
 * left of a group beyond the last image may be none or less. */
static inline int stack_row(const struct walk *w, const struct slab *s, int h, int *y)
{
    const int group = s->group * w->stack + *y / h;
    *y %= h;
    return group;
}

/* Has the CPU tiles, and may this process use them? */
bool amx_usable(void);

/* Can this shape be done so, and is it worth it? */
bool conv_amx_fits(const struct onednn_shape *shape);

/* `pooled`: y and dy are those of a max pool with kernel and stride 2 behind the
 * convolution; backward belongs to the last forward. `measures`: some forwards will. */
int conv_amx_create(struct conv_amx **out, struct device *dev,
                    const struct onednn_shape *shape, bool pooled, bool measures,
                    struct sluice_error *err);
void conv_amx_free(struct conv_amx *conv); /* NULL is fine */
void conv_amx_stale(struct conv_amx *conv);

/* `measure`: conv_amx_moments will be asked for. */
void conv_amx_forward(struct conv_amx *conv, struct device *dev, const void *x,
                      const float *weight, const float *bias, bool measure, void *y);
/* Of channel c of the last y: its mean, and the sum of squared distances from it. */
void conv_amx_moments(const struct conv_amx *conv, int c, double *mean, double *square);
void conv_amx_backward_data(struct conv_amx *conv, struct device *dev, const void *dy,
                            const float *weight, void *dx);
void conv_amx_backward_weight(struct conv_amx *conv, struct device *dev, const void *x,
                              const void *dy, float *dweight);

/* conv_amx_pack.c: the weight of source channel s, dest channel d and tap t is that at
 * d * dest_stride + s * source_stride + t. */
void pack_weight(const struct walk *w, const struct device *dev, const float *weight,
                 size_t dest_stride, size_t source_stride, uint16_t *to);

/* conv_amx_gather.c: bias is NULL or (dc), moments NULL or (units, dest blocks). */
size_t gather_scratch(const struct walk *w); /* bytes for each thread */
void gather(const struct walk *w, struct device *dev, const uint16_t *source,
            const uint16_t *weight, const float *bias, struct moments *moments,
            uint16_t *dest);

/* conv_amx_weigh.c */
size_t weigh_scratch(const struct walk *w);
size_t weigh_sums(const struct walk *w); /* floats of one slot */
void weigh(const struct walk *w, struct device *dev, int slots, const uint16_t *source,
           const uint16_t *dest, float *dweight);

#endif

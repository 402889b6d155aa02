/* conv_amx_gather.c -- results from sources: forward, and backward to the input.
 *
 * Three pixels' sums stay in the tiles for all their source blocks and taps, whose
 * weights stream from the level 2 cache. Putting sums aside to keep some weights in
 * level 1 was tried and lost 10 to 20 %: the sums' own traffic is the larger. Rounding
 * and writing them is done while the next three are multiplied, as that leaves most of
 * the core idle. */
#include "amx.h"
#include "conv_amx_ahead.h"
#include "conv_amx_drain.h"

enum {
    STAY_BLOCKS = 2, /* times 3 rows of 5 tiles are 30 KB */
    WINDOW_KEPT = 3 * AMX_TILE,
};

struct gather {
    const struct walk *walk;
    struct device *dev;
    const uint16_t *source, *weight;
    const float *bias;
    struct moments *moments; /* of the results, or NULL */
    struct outlet out;
};

/* Up to three pixels of the result, one after the other. */
struct trio {
    int y[AMX_LEFT], x[AMX_LEFT], count;
};

/* One thread's place in its unit. */
struct place {
    struct slab slab;
    struct ahead ahead;
    int lines;      /* to ask for during each row of products */
    uint16_t *ring; /* (ring, source_blocks, sw, AMX_TILE) */
    uint16_t *kept; /* (dest_blocks, 3, AMX_TILE) */
    struct pending pending;
};

static size_t ring_bytes(const struct walk *w)
{
    return (size_t)w->ring * walk_row_elements(w) * sizeof(uint16_t);
}

size_t gather_scratch(const struct walk *w)
{
    const size_t kept = w->pools ? (size_t)w->dest_blocks * WINDOW_KEPT : 0;
    return ring_bytes(w) + kept * sizeof(uint16_t);
}

static __mmask32 channels_mask(int c, int block)
{
    const int left = c - block * AMX_BLOCK;
    return left >= AMX_BLOCK ? 0xffffffffU : (1U << left) - 1;
}

/* Source row y of the group's images, one tile for each pixel and 32 channels. */
static void pack_row(const struct gather *g, const struct place *at, int y)
{
    const struct walk *w = g->walk;
    const int count = slab_images(w, &at->slab);
    const size_t pixel = (size_t)w->sc, row = (size_t)w->sw * pixel;
    const size_t image = (size_t)w->sh * row;
    uint16_t *to = at->ring + (size_t)(y % w->ring) * walk_row_elements(w);
    for (int k = 0; k < w->source_blocks; k++) {
        const __mmask32 mask = channels_mask(w->sc, k);
        const uint16_t *from = g->source +
                               (size_t)(at->slab.group * w->images) * image +
                               (size_t)y * row + (size_t)k * AMX_BLOCK;
        for (int x = 0; x < w->sw; x++, from += pixel, to += AMX_TILE)
            for (int i = 0; i < count; i++)
                _mm512_store_si512(
                    to + (size_t)i * AMX_BLOCK,
                    _mm512_maskz_loadu_epi16(mask, from + (size_t)i * image));
    }
}

/* The same of a pooled source: each gradient belongs to one pixel of its window. */
static void unpool_row(const struct gather *g, const struct place *at, int y)
{
    const struct walk *w = g->walk;
    const struct windows *p = w->unpools;
    const int count = slab_images(w, &at->slab);
    const size_t pixel = (size_t)w->sc, row = (size_t)p->w * pixel;
    const size_t image = (size_t)p->h * row;
    uint16_t *to = at->ring + (size_t)(y % w->ring) * walk_row_elements(w);
    for (int k = 0; k < w->source_blocks; k++) {
        const __mmask32 mask = channels_mask(w->sc, k);
        const uint16_t *from = g->source +
                               (size_t)(at->slab.group * w->images) * image +
                               (size_t)(y / 2) * row + (size_t)k * AMX_BLOCK;
        for (int x = 0; x < p->w; x++, from += pixel, to += 2 * AMX_TILE) {
            const uint32_t *places = window_places(p, at->slab.group, y / 2, x, k);
            for (int i = 0; i < count; i++, places += 2) {
                const uint16_t *dy = from + (size_t)i * image;
                uint16_t *pixels = to + (size_t)i * AMX_BLOCK;
                _mm512_store_si512(pixels, _mm512_maskz_loadu_epi16(
                                               mask & window_owners(places, y, 0), dy));
                _mm512_store_si512(
                    pixels + AMX_TILE,
                    _mm512_maskz_loadu_epi16(mask & window_owners(places, y, 1), dy));
            }
        }
    }
}

/* Where a row of taps finds its left operands; NULL in the padding. */
struct meeting {
    const uint16_t *left[AMX_KERNEL_MOST][AMX_LEFT];
    int pixels[AMX_KERNEL_MOST]; /* how many are not NULL */
    int met;                     /* in all */
};

static void meet(const struct walk *w, const struct place *at, const struct trio *trio,
                 int ky, struct meeting *m)
{
    m->met = 0;
    for (int kx = 0; kx < w->kernel; kx++)
        m->pixels[kx] = 0;
    for (int i = 0; i < AMX_LEFT; i++) {
        const int row = i < trio->count ? w->row[trio->y[i] * w->kernel + ky] : -1;
        const uint16_t *from =
            row < 0 ? NULL : at->ring + (size_t)(row % w->ring) * walk_row_elements(w);
        for (int kx = 0; kx < w->kernel; kx++) {
            const int col = row < 0 ? -1 : w->col[trio->x[i] * w->kernel + kx];
            m->left[kx][i] = col < 0 ? NULL : from + (size_t)col * AMX_TILE;
            m->pixels[kx] += col >= 0;
            m->met += col >= 0;
        }
    }
}

/* A row of taps and a source block, whose left operands are `offset` elements on. */
static inline void multiply_taps(const struct gather *g, const struct meeting *m,
                                 size_t offset, const uint16_t *right,
                                 struct pending *p)
{
    const int kernel = g->walk->kernel;
    for (int kx = 0; kx < kernel; kx++, right += AMX_RIGHT) {
        if (m->pixels[kx] == AMX_LEFT)
            amx_multiply(m->left[kx], offset, right);
        else if (m->pixels[kx])
            amx_multiply_some(m->left[kx], offset, right);
        if (p->pixel < p->pixels)
            drain(&g->out, p, p->at_once);
    }
}

static void multiply_trio(const struct gather *g, struct place *at,
                          const struct meeting *m, const uint16_t *weight)
{
    const struct walk *w = g->walk;
    const size_t step = (size_t)w->kernel * AMX_RIGHT;
    amx_zero();
    for (int ky = 0; ky < w->kernel; ky++, m++)
        for (int k = 0; k < w->source_blocks; k++, weight += step) {
            if (!m->met)
                continue;
            multiply_taps(g, m, (size_t)(k * w->sw) * AMX_TILE, weight, &at->pending);
            ahead_fetch(&at->ahead, at->lines);
        }
}

/* The next three from pixel `first` of the slab on: along its rows, or window by
 * window. */
static struct trio trio_at(const struct walk *w, const struct place *at, int first,
                           int pixels)
{
    struct trio t = { .count = pixels - first < AMX_LEFT ? pixels - first : AMX_LEFT };
    for (int i = 0; i < t.count; i++) {
        const int pixel = first + i, window = pixel / 4;
        t.y[i] = at->slab.y0;
        if (w->pools) {
            t.y[i] += window / w->pools->w * 2 + (pixel >> 1 & 1);
            t.x[i] = window % w->pools->w * 2 + (pixel & 1);
        } else {
            t.y[i] += pixel / w->dw;
            t.x[i] = pixel % w->dw;
        }
    }
    return t;
}

/* Where pixel i of a trio goes. */
static void address(const struct gather *g, struct place *at, const struct trio *t,
                    int i, int block)
{
    const struct walk *w = g->walk;
    struct pending *p = &at->pending;
    int y = t->y[i], x = t->x[i], width = w->dw;
    if (w->pools) {
        p->corner[i] = (y & 1) * 2 + (x & 1);
        y /= 2;
        x /= 2;
        width = w->pools->w;
        p->places[i] = window_places(w->pools, at->slab.group, y, x, block);
    }
    p->to[i] = g->out.dest + (size_t)(at->slab.group * w->images) * g->out.image +
               ((size_t)y * (size_t)width + (size_t)x) * (size_t)w->dc +
               (size_t)block * AMX_BLOCK;
}

/* The sums leave the tiles. */
static void put_aside(const struct gather *g, struct place *at, const struct trio *t,
                      int block)
{
    const struct walk *w = g->walk;
    struct pending *p = &at->pending;
    drain(&g->out, p, AMX_LEFT * AMX_SIDE);
    amx_store(p->sums);
    for (int i = 0; i < t->count; i++)
        address(g, at, t, i, block);
    p->kept = at->kept + (size_t)block * WINDOW_KEPT;
    p->moments =
        g->moments ? g->moments + at->slab.unit * w->dest_blocks + block : NULL;
    p->mask = channels_mask(w->dc, block);
    p->images = slab_images(w, &at->slab);
    p->pixels = t->count;
    p->i = p->pixel = 0;
    for (int half = 0; half < 2; half++) {
        const __mmask16 mask = (__mmask16)(p->mask >> half * 16);
        const int at_channel = block * AMX_BLOCK + half * 16;
        _mm512_store_ps(p->bias + half * 16,
                        g->bias ? _mm512_maskz_loadu_ps(mask, g->bias + at_channel)
                                : _mm512_setzero_ps());
    }
}

/* Where few source blocks leave a trio's left operands in level 1, it meets all weights
 * at once; else a block of weights meets all trios. */
static void multiply_slab(const struct gather *g, struct place *at)
{
    const struct walk *w = g->walk;
    const int pixels = (at->slab.y1 - at->slab.y0) * w->dw;
    const int trios = (pixels + AMX_LEFT - 1) / AMX_LEFT;
    const bool stay = w->source_blocks <= STAY_BLOCKS;
    struct meeting m[AMX_KERNEL_MOST];
    struct trio t;
    for (int i = 0; i < trios * w->dest_blocks; i++) {
        const int trio = stay ? i / w->dest_blocks : i % trios;
        const int block = stay ? i % w->dest_blocks : i / trios;
        if (!stay || block == 0) {
            t = trio_at(w, at, trio * AMX_LEFT, pixels);
            for (int ky = 0; ky < w->kernel; ky++)
                meet(w, at, &t, ky, &m[ky]);
        }
        multiply_trio(g, at, m,
                      g->weight + (size_t)block * (size_t)walk_pairs(w) * AMX_RIGHT);
        put_aside(g, at, &t, block);
    }
    drain(&g->out, &at->pending, AMX_LEFT * AMX_SIDE);
}

/* What the next slab packs, and how much of it to ask for during each row of products.
 */
static void look_ahead(const struct gather *g, struct place *at,
                       const struct slab *next)
{
    const struct walk *w = g->walk;
    const size_t pixels = (size_t)(at->slab.y1 - at->slab.y0) * (size_t)w->dw;
    const size_t rows = pixels * (size_t)w->dest_blocks * (size_t)w->kernel *
                        (size_t)w->source_blocks / AMX_LEFT;
    const size_t c = (size_t)w->sc;
    const struct windows *p = w->unpools;
    at->ahead = p ? ahead_of(w, next, g->source, p->h, (size_t)p->w * c,
                             next->first / 2, (next->last + 1) / 2)
                  : ahead_of(w, next, g->source, w->sh, (size_t)w->sw * c, next->first,
                             next->last);
    at->lines = (int)(ahead_lines(&at->ahead) * 5 / 4 / (rows + 1)) + 1;
}

static void units(void *arg, size_t begin, size_t end)
{
    const struct gather *g = arg;
    const struct walk *w = g->walk;
    char *scratch = cpu_scratch(g->dev, threads_self());
    struct place at = { .ring = (uint16_t *)scratch,
                        .kept = (uint16_t *)(scratch + ring_bytes(w)) };
    struct slab next = { .unit = (int)begin - 1 };
    const int steps = walk_pairs(w);
    at.pending.at_once = (AMX_LEFT * AMX_SIDE + steps - 1) / steps;
    amx_begin();
    for (bool more = slab_next(w, &next, (int)end); more;) {
        at.slab = next;
        for (int row = at.slab.first; row < at.slab.last; row++)
            if (w->unpools)
                unpool_row(g, &at, row);
            else
                pack_row(g, &at, row);
        more = slab_next(w, &next, (int)end);
        at.ahead = (struct ahead){ 0 };
        if (more)
            look_ahead(g, &at, &next);
        multiply_slab(g, &at);
    }
    amx_end();
    _mm_sfence();
}

void gather(const struct walk *w, struct device *dev, const uint16_t *source,
            const uint16_t *weight, const float *bias, struct moments *moments,
            uint16_t *dest)
{
    const bool stream = w->dc % AMX_BLOCK == 0 && (uintptr_t)dest % 64 == 0;
    const size_t pixels = w->pools ? (size_t)w->pools->h * (size_t)w->pools->w
                                   : (size_t)w->dh * (size_t)w->dw;
    struct gather g = {
        .walk = w,
        .dev = dev,
        .source = source,
        .weight = weight,
        .bias = bias,
        .moments = moments,
        .out = { dest, pixels * (size_t)w->dc, stream, w->pools != NULL },
    };
    threads_for(dev, (size_t)walk_units(w), AMX_UNIT_ELEMENTS, units, &g);
}

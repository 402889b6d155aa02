/* conv_amx_weigh.c -- backward to the weight: for each tap and each pair of channel
 * blocks, the sum over images and pixels of source times gradient.
 *
 * Images are the inner dimension of the products, so both operands are packed: source
 * tiles transposed (channels x images), gradients with two images side by side. Three
 * neighbouring taps' sums stay in the tiles for a whole slab, or with one tap those of
 * three source tiles. Each slot adds up its own units, and the slots are added in
 * order. */
#include <string.h>

#include "amx.h"
#include "conv_amx.h"
#include "conv_amx_pool.h"

enum {
    LINES_AHEAD = 4,           /* of sums, during each product */
    SUMS_NEAR = 256 * 1024,    /* bytes that stay beside ring and gradients */
    TAP_SUMS = 2 * 256,        /* of a source tile and a gradient block */
    BLOCK_SUMS = 2 * TAP_SUMS, /* of a source block and a gradient block */
};

struct weigh {
    const struct walk *walk;
    struct device *dev;
    int slots;
    const uint16_t *source, *dest;
    float *sums;    /* (slots, dest block, source tile, tap, 2, 16, 16) */
    float *dweight; /* (dc, sc, taps) */
};

struct place {
    struct slab slab;
    uint16_t *ring;  /* (ring, source_blocks, 2, sw, AMX_TILE): transposed */
    uint16_t *grads; /* (slab, dest_blocks, dw, AMX_RIGHT) */
    float *sums;     /* this slot's */
    bool sums_are_far;
};

static size_t ring_bytes(const struct walk *w)
{
    return (size_t)w->ring * walk_row_elements(w) * sizeof(uint16_t);
}

static size_t grads_row(const struct walk *w)
{
    return (size_t)w->dw * (size_t)w->dest_blocks * AMX_RIGHT;
}

size_t weigh_scratch(const struct walk *w)
{
    return ring_bytes(w) + (size_t)w->slab * grads_row(w) * sizeof(uint16_t);
}

size_t weigh_sums(const struct walk *w)
{
    return (size_t)w->dest_blocks * (size_t)walk_pairs(w) * BLOCK_SUMS;
}

/* Where the 32 images' values of one pixel and block lie; fewer at the end. */
struct column {
    const uint16_t *first;
    size_t image; /* elements from one image to the next */
    int count;
    __mmask32 mask;
};

static __m512i image_of(const struct column *c, int i)
{
    if (i >= c->count)
        return _mm512_setzero_si512();
    const uint16_t *at = c->first + (size_t)i * c->image;
    _mm_prefetch(at + 4 * AMX_BLOCK, _MM_HINT_T0);
    return _mm512_maskz_loadu_epi16(c->mask, at);
}

/* Images 2 i and 2 i + 1 side by side: for 32 channels, two vectors of 16 pairs. The
 * instruction that is one for each interleaves within quarters of a vector, so channels
 * come in the order that place_of tells. */
static void pairs_of(const struct column *c, int i, __m512i *low, __m512i *high)
{
    const __m512i a = image_of(c, 2 * i), b = image_of(c, 2 * i + 1);
    *low = _mm512_unpacklo_epi16(a, b);
    *high = _mm512_unpackhi_epi16(a, b);
}

/* Where channel c of a block stands in both operands, and in their sums. */
static int place_of(int c)
{
    return (c >> 2 & 1) * 16 + (c >> 3) * 4 + (c & 3);
}

/* The right operand: row i holds images 2 i and 2 i + 1. */
static void pack_pairs(const struct column *c, int width, uint16_t *block)
{
    (void)width;
    for (int i = 0; i < 16; i++) {
        __m512i low, high;
        pairs_of(c, i, &low, &high);
        _mm512_store_si512(block + i * 32, low);
        _mm512_store_si512(block + AMX_TILE + i * 32, high);
    }
}

/* The left operand: each row holds one channel of all images. */
static void pack_transposed(const struct column *c, int width, uint16_t *block)
{
    __m512i low[16], high[16];
    for (int i = 0; i < 16; i++)
        pairs_of(c, i, &low[i], &high[i]);
    amx_transpose(low);
    amx_transpose(high);
    for (int i = 0; i < 16; i++) {
        _mm512_store_si512(block + i * 32, low[i]);
        _mm512_store_si512(block + width * AMX_TILE + i * 32, high[i]);
    }
}

typedef void pack_fn(const struct column *c, int width, uint16_t *block);

/* Row y of the group's images of a tensor (n, h, width, channels). */
static void pack_row(const struct walk *w, const struct place *at,
                     const uint16_t *values, int h, int width, int channels, int y,
                     pack_fn *pack, size_t pixel, uint16_t *to)
{
    const int first = stack_row(w, &at->slab, h, &y) * w->images;
    struct column c = { .image = (size_t)h * (size_t)width * (size_t)channels,
                        .count = w->n - first };
    const uint16_t *row =
        values + (size_t)first * c.image + (size_t)y * (size_t)width * (size_t)channels;
    for (int x = 0; x < width; x++, row += channels)
        for (int k = 0; k < channels; k += AMX_BLOCK) {
            const int left = channels - k;
            c.first = row + k;
            c.mask = left >= AMX_BLOCK ? 0xffffffffU : (1U << left) - 1;
            pack(&c, width,
                 to + (size_t)k / AMX_BLOCK * (size_t)width * AMX_RIGHT +
                     (size_t)x * pixel);
        }
}

/* What of a window's gradient belongs to its left and its right pixel in row y. */
static void split(__m512i dy, const uint32_t *places, int y, __m512i pixels[2])
{
    for (int x = 0; x < 2; x++)
        pixels[x] = _mm512_maskz_mov_epi16(window_owners(places, y, x), dy);
}

/* The right operands of both, which lie side by side. */
static void pack_window(const struct column *c, const uint32_t *const places[2], int y,
                        uint16_t *block)
{
    for (int i = 0; i < 16; i++) {
        const uint32_t *own = places[i / 8] + (size_t)(2 * i % AMX_SIDE) * 2;
        __m512i a[2] = { _mm512_setzero_si512(), _mm512_setzero_si512() };
        __m512i b[2] = { a[0], a[0] };
        if (2 * i < c->count)
            split(image_of(c, 2 * i), own, y, a);
        if (2 * i + 1 < c->count)
            split(image_of(c, 2 * i + 1), own + 2, y, b);
        for (int x = 0; x < 2; x++) {
            uint16_t *to = block + x * AMX_RIGHT + i * 32;
            _mm512_store_si512(to, _mm512_unpacklo_epi16(a[x], b[x]));
            _mm512_store_si512(to + AMX_TILE, _mm512_unpackhi_epi16(a[x], b[x]));
        }
    }
}

/* Row y of the group's gradients, which are those of a pool's result. */
static void unpool_row(const struct weigh *g, const struct place *at, int y,
                       uint16_t *to)
{
    const struct walk *w = g->walk;
    const struct windows *p = w->unpools;
    const int group = stack_row(w, &at->slab, 2 * p->h, &y);
    const size_t row = (size_t)p->w * (size_t)w->dc;
    struct column c = { .image = (size_t)p->h * row,
                        .count = w->n - group * w->images };
    const uint16_t *from =
        g->dest + (size_t)(group * w->images) * c.image + (size_t)(y / 2) * row;
    for (int x = 0; x < p->w; x++, from += w->dc, to += 2 * AMX_RIGHT)
        for (int k = 0; k < w->dest_blocks; k++) {
            const uint32_t *first = window_places(p, 2 * group, y / 2, x, k);
            const uint32_t *const places[2] = {
                first, c.count > AMX_SIDE ? window_places(p, 2 * group + 1, y / 2, x, k)
                                          : first
            };
            const int left = w->dc - k * AMX_BLOCK;
            c.first = from + (size_t)k * AMX_BLOCK;
            c.mask = left >= AMX_BLOCK ? 0xffffffffU : (1U << left) - 1;
            pack_window(&c, places, y, to + (size_t)k * (size_t)w->dw * AMX_RIGHT);
        }
}

/* What the tiles hold at a time: up to three taps of a row with one source tile, or of
 * the only tap three source tiles. */
struct trio {
    int ky, kx, tile, count;
};

/* The left operands of gradient column x; NULL in the padding. */
static int meet(const struct walk *w, const struct trio *t, const uint16_t *row, int x,
                const uint16_t *left[AMX_LEFT])
{
    int met = 0;
    for (int i = 0; i < t->count; i++) {
        const bool taps = w->kernel > 1;
        const int col = w->col[x * w->kernel + (taps ? t->kx + i : 0)];
        const int tile = taps ? t->tile : t->tile + i;
        left[i] = col < 0 ? NULL : row + (size_t)(tile * w->sw + col) * AMX_TILE;
        met += col >= 0;
    }
    return met;
}

/* Those over the slab, added to their sums. Where all sums are more than stay in level
 * 2, the next ones are asked for meanwhile. */
static void multiply_trio(const struct walk *w, const struct place *at,
                          const struct trio *t, const uint16_t *grads, float *sums)
{
    float some[AMX_SUMS] __attribute__((aligned(64)));
    const bool whole = t->count == AMX_LEFT;
    if (!whole)
        memcpy(some, sums, (size_t)t->count * TAP_SUMS * sizeof *sums);
    const char *ahead = (const char *)(sums + (size_t)t->count * TAP_SUMS);
    const char *end = ahead + (at->sums_are_far ? AMX_SUMS * sizeof *sums : 0);
    amx_load(whole ? sums : some);
    for (int y = at->slab.y0; y < at->slab.y1; y++, grads += grads_row(w)) {
        const int row = w->row[y * w->kernel + t->ky];
        if (row < 0)
            continue;
        const uint16_t *from =
            at->ring + (size_t)(row % w->ring) * walk_row_elements(w);
        for (int x = 0; x < w->dw; x++) {
            const uint16_t *left[AMX_LEFT] = { 0 };
            const int met = meet(w, t, from, x, left);
            if (met == AMX_LEFT)
                amx_multiply(left, 0, grads + (size_t)x * AMX_RIGHT);
            else if (met)
                amx_multiply_some(left, 0, grads + (size_t)x * AMX_RIGHT);
            for (int i = 0; i < LINES_AHEAD && ahead < end; i++, ahead += 64)
                _mm_prefetch(ahead, _MM_HINT_T0);
        }
    }
    amx_store(whole ? sums : some);
    if (!whole)
        memcpy(sums, some, (size_t)t->count * TAP_SUMS * sizeof *sums);
}

/* All taps and source tiles with gradient block d over the slab. */
static void gradient_block(const struct walk *w, const struct place *at, int d)
{
    const uint16_t *grads = at->grads + (size_t)d * (size_t)w->dw * AMX_RIGHT;
    const int tiles = 2 * w->source_blocks, all = tiles * w->taps;
    float *sums = at->sums + (size_t)d * (size_t)all * TAP_SUMS;
    const int length = w->kernel > 1 ? w->kernel : tiles;
    for (int i = 0; i < all;) {
        const int within = i % length;
        struct trio t = { i / w->kernel % w->kernel, i % w->kernel, i / w->taps,
                          length - within < AMX_LEFT ? length - within : AMX_LEFT };
        multiply_trio(w, at, &t, grads, sums + (size_t)i * TAP_SUMS);
        i += t.count;
    }
}

static void pack_slab(const struct weigh *g, struct place *at)
{
    const struct walk *w = g->walk;
    const struct slab *s = &at->slab;
    for (int row = s->first; row < s->last; row++)
        pack_row(w, at, g->source, w->sh / w->stack, w->sw, w->sc, row, pack_transposed,
                 AMX_TILE, at->ring + (size_t)(row % w->ring) * walk_row_elements(w));
    for (int row = s->y0; row < s->y1; row++) {
        uint16_t *to = at->grads + (size_t)(row - s->y0) * grads_row(w);
        if (w->unpools)
            unpool_row(g, at, row, to);
        else
            pack_row(w, at, g->dest, w->dh / w->stack, w->dw, w->dc, row, pack_pairs,
                     AMX_RIGHT, to);
    }
}

/* Units begin ... end - 1. */
static void units(const struct weigh *g, struct place *at, int begin, int end)
{
    const struct walk *w = g->walk;
    at->slab = (struct slab){ .unit = begin - 1 };
    while (slab_next(w, &at->slab, end)) {
        pack_slab(g, at);
        for (int d = 0; d < w->dest_blocks; d++)
            gradient_block(w, at, d);
    }
}

static void slots(void *arg, size_t begin, size_t end)
{
    const struct weigh *g = arg;
    const struct walk *w = g->walk;
    char *scratch = cpu_scratch(g->dev, threads_self());
    struct place at = { .ring = (uint16_t *)scratch,
                        .grads = (uint16_t *)(scratch + ring_bytes(w)) };
    const int count = walk_units(w);
    at.sums_are_far = weigh_sums(w) * sizeof(float) > SUMS_NEAR;
    amx_begin();
    for (int slot = (int)begin; slot < (int)end; slot++) {
        at.sums = g->sums + (size_t)slot * weigh_sums(w);
        memset(at.sums, 0, weigh_sums(w) * sizeof(float));
        units(g, &at, count * slot / g->slots, count * (slot + 1) / g->slots);
    }
    amx_end();
}

/* Within the sums of a source and a gradient block. */
static int sum_at(const struct walk *w, int c, int tap, int k)
{
    const int row = place_of(c), col = place_of(k), tile = row / AMX_SIDE;
    return (tile * w->taps + tap) * TAP_SUMS + col / AMX_SIDE * 256 +
           row % AMX_SIDE * AMX_SIDE + col % AMX_SIDE;
}

/* The slots' sums of a source and a gradient block, to the weight's order. */
static void write_blocks(const struct weigh *g, int d, int s)
{
    const struct walk *w = g->walk;
    const size_t size = (size_t)w->taps * BLOCK_SUMS;
    float *sum = g->sums + ((size_t)d * (size_t)w->source_blocks + (size_t)s) * size;
    for (int slot = 1; slot < g->slots; slot++) {
        const float *more = sum + (size_t)slot * weigh_sums(w);
        for (size_t i = 0; i < size; i += 16)
            _mm512_storeu_ps(sum + i, _mm512_add_ps(_mm512_loadu_ps(sum + i),
                                                    _mm512_loadu_ps(more + i)));
    }
    const int last =
        w->sc - s * AMX_BLOCK < AMX_BLOCK ? w->sc - s * AMX_BLOCK : AMX_BLOCK;
    for (int k = 0; k < AMX_BLOCK && d * AMX_BLOCK + k < w->dc; k++) {
        float *to = g->dweight + ((size_t)(d * AMX_BLOCK + k) * (size_t)w->sc +
                                  (size_t)s * AMX_BLOCK) *
                                     (size_t)w->taps;
        for (int c = 0; c < last; c++)
            for (int t = 0; t < w->taps; t++)
                *to++ = sum[sum_at(w, c, t, k)];
    }
}

static void write_all(void *arg, size_t begin, size_t end)
{
    const struct weigh *g = arg;
    const int s = g->walk->source_blocks;
    for (int i = (int)begin; i < (int)end; i++)
        write_blocks(g, i / s, i % s);
}

void weigh(const struct walk *w, struct device *dev, int slot_count,
           const uint16_t *source, const uint16_t *dest, float *dweight)
{
    struct weigh g = { w, dev, slot_count, source, dest, cpu_of(dev)->sums, dweight };
    threads_for(dev, (size_t)slot_count, AMX_UNIT_ELEMENTS, slots, &g);
    threads_for(dev, (size_t)w->dest_blocks * (size_t)w->source_blocks,
                (size_t)w->taps * BLOCK_SUMS * (size_t)slot_count, write_all, &g);
}

/* conv_amx_weigh.c -- backward to the weight: for each tap and each pair of channel
 * blocks, the sum over images and pixels of source times gradient.
 *
 * Images are the inner dimension of the products, so both operands are packed: source
 * blocks transposed (channels x images), gradients with two images side by side. A
 * tap's sums stay in the tiles for a whole slab. Each slot adds up its own units, and
 * the slots are added in order. */
#include <string.h>

#include "amx.h"
#include "conv_amx.h"

struct weigh {
    const struct walk *walk;
    struct device *dev;
    int slots;
    const uint16_t *source, *dest;
    float *sums;    /* (slots, dest block, source block, tap, AMX_SUMS) */
    float *dweight; /* (dc, sc, taps) */
};

struct place {
    int group, y0, y1;
    uint16_t *ring;  /* (ring, sw, source_blocks, AMX_BLOCK): transposed */
    uint16_t *grads; /* (slab, dw, dest_blocks, AMX_BLOCK) */
    float *sums;     /* this slot's */
};

static size_t ring_bytes(const struct walk *w)
{
    return (size_t)w->ring * walk_row_elements(w) * sizeof(uint16_t);
}

static size_t grads_row(const struct walk *w)
{
    return (size_t)w->dw * (size_t)w->dest_blocks * AMX_BLOCK;
}

size_t weigh_scratch(const struct walk *w)
{
    return ring_bytes(w) + (size_t)w->slab * grads_row(w) * sizeof(uint16_t);
}

size_t weigh_sums(const struct walk *w)
{
    return (size_t)w->dest_blocks * (size_t)walk_pairs(w) * AMX_SUMS;
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
    _mm_prefetch(at + 4 * AMX_SIDE, _MM_HINT_T0);
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
static void pack_pairs(const struct column *c, uint16_t *block)
{
    for (int i = 0; i < 16; i++) {
        __m512i low, high;
        pairs_of(c, i, &low, &high);
        _mm512_store_si512(block + i * 32, low);
        _mm512_store_si512(block + AMX_TILE + i * 32, high);
    }
}

/* r[i] lane j becomes r[j] lane i, for 16 x 16 words of 32 bits. */
static void transpose_16(__m512i r[16])
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

/* The left operand: each row holds one channel of all images. */
static void pack_transposed(const struct column *c, uint16_t *block)
{
    __m512i low[16], high[16];
    for (int i = 0; i < 16; i++)
        pairs_of(c, i, &low[i], &high[i]);
    transpose_16(low);
    transpose_16(high);
    for (int i = 0; i < 16; i++) {
        _mm512_store_si512(block + i * 32, low[i]);
        _mm512_store_si512(block + AMX_TILE + i * 32, high[i]);
    }
}

typedef void pack_fn(const struct column *c, uint16_t *block);

/* Row y of the group's images of a tensor (n, h, width, channels). */
static void pack_row(const struct walk *w, const struct place *at,
                     const uint16_t *values, int h, int width, int channels, int y,
                     pack_fn *pack, uint16_t *to)
{
    const int first = at->group * AMX_GROUP;
    struct column c = { .image = (size_t)h * (size_t)width * (size_t)channels,
                        .count = w->n - first < AMX_GROUP ? w->n - first : AMX_GROUP };
    const uint16_t *row =
        values + (size_t)first * c.image + (size_t)y * (size_t)width * (size_t)channels;
    for (int x = 0; x < width; x++, row += channels)
        for (int k = 0; k < channels; k += AMX_SIDE, to += AMX_BLOCK) {
            const int left = channels - k;
            c.first = row + k;
            c.mask = left >= AMX_SIDE ? 0xffffffffU : (1U << left) - 1;
            pack(&c, to);
        }
}

/* Tap (ky, kx) over the slab, added to its sums. */
static void tap(const struct walk *w, const struct place *at, const uint16_t *source,
                const uint16_t *grads, int ky, int kx, float *sums)
{
    const size_t step = (size_t)w->dest_blocks * AMX_BLOCK;
    amx_load(sums);
    for (int y = at->y0; y < at->y1; y++, grads += (size_t)w->dw * step) {
        const int row = w->row[y * w->kernel + ky];
        for (int x = 0; row >= 0 && x < w->dw; x++) {
            const int col = w->col[x * w->kernel + kx];
            const size_t pixel = (size_t)(row % w->ring) * (size_t)w->sw + (size_t)col;
            if (col >= 0)
                amx_multiply(source + pixel * (size_t)w->source_blocks * AMX_BLOCK,
                             grads + (size_t)x * step);
        }
    }
    amx_store(sums);
}

/* All taps of source block s and gradient block d over the slab. */
static void blocks(const struct walk *w, const struct place *at, int d, int s)
{
    float *sums = at->sums + ((size_t)d * (size_t)w->source_blocks + (size_t)s) *
                                 (size_t)w->taps * AMX_SUMS;
    for (int ky = 0; ky < w->kernel; ky++)
        for (int kx = 0; kx < w->kernel; kx++, sums += AMX_SUMS)
            tap(w, at, at->ring + (size_t)s * AMX_BLOCK,
                at->grads + (size_t)d * AMX_BLOCK, ky, kx, sums);
}

static void unit(const struct weigh *g, struct place *at, int number)
{
    const struct walk *w = g->walk;
    const int part = number % w->parts;
    const int begin = w->dh * part / w->parts, end = w->dh * (part + 1) / w->parts;
    int packed = 0;
    at->group = number / w->parts;
    for (int y = begin; y < end; y += w->slab) {
        int first, last;
        at->y0 = y;
        at->y1 = y + w->slab < end ? y + w->slab : end;
        walk_source_rows(w, at->y0, at->y1, &first, &last);
        for (int row = packed > first ? packed : first; row < last; row++)
            pack_row(w, at, g->source, w->sh, w->sw, w->sc, row, pack_transposed,
                     at->ring + (size_t)(row % w->ring) * walk_row_elements(w));
        packed = packed > last ? packed : last;
        for (int row = at->y0; row < at->y1; row++)
            pack_row(w, at, g->dest, w->dh, w->dw, w->dc, row, pack_pairs,
                     at->grads + (size_t)(row - at->y0) * grads_row(w));
        for (int d = 0; d < w->dest_blocks; d++)
            for (int s = 0; s < w->source_blocks; s++)
                blocks(w, at, d, s);
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
    amx_begin();
    for (int slot = (int)begin; slot < (int)end; slot++) {
        at.sums = g->sums + (size_t)slot * weigh_sums(w);
        memset(at.sums, 0, weigh_sums(w) * sizeof(float));
        for (int i = count * slot / g->slots; i < count * (slot + 1) / g->slots; i++)
            unit(g, &at, i);
    }
    amx_end();
}

/* The slots' sums of a source and a gradient block, to the weight's order. */
static void write_blocks(const struct weigh *g, int d, int s)
{
    const struct walk *w = g->walk;
    const size_t size = (size_t)w->taps * AMX_SUMS;
    float *sum = g->sums + ((size_t)d * (size_t)w->source_blocks + (size_t)s) * size;
    for (int slot = 1; slot < g->slots; slot++) {
        const float *more = sum + (size_t)slot * weigh_sums(w);
        for (size_t i = 0; i < size; i += 16)
            _mm512_storeu_ps(sum + i, _mm512_add_ps(_mm512_loadu_ps(sum + i),
                                                    _mm512_loadu_ps(more + i)));
    }
    const int last = w->sc - s * AMX_SIDE < AMX_SIDE ? w->sc - s * AMX_SIDE : AMX_SIDE;
    for (int k = 0; k < AMX_SIDE && d * AMX_SIDE + k < w->dc; k++) {
        float *to = g->dweight + ((size_t)(d * AMX_SIDE + k) * (size_t)w->sc +
                                  (size_t)s * AMX_SIDE) *
                                     (size_t)w->taps;
        for (int c = 0; c < last; c++)
            for (int t = 0; t < w->taps; t++)
                *to++ = sum[t * AMX_SUMS + place_of(c) * AMX_SIDE + place_of(k)];
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
                (size_t)w->taps * AMX_SUMS * (size_t)slot_count, write_all, &g);
}

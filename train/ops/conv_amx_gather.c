/* conv_amx_gather.c -- results from sources: forward, and backward to the input.
 *
 * A pixel's sums stay in the tiles for all its source blocks and taps, whose weights
 * stream from the level 2 cache. Putting sums aside to keep some weights in level 1 was
 * tried and lost 10 to 20 %: the sums' own traffic is the larger. */
#include "amx.h"
#include "conv_amx.h"

struct gather {
    const struct walk *walk;
    struct device *dev;
    const uint16_t *source, *weight;
    const float *bias;
    uint16_t *dest;
    bool stream; /* whole lines: write them past the caches */
};

/* One thread's place in its unit. */
struct place {
    int group, y0, y1; /* the slab */
    uint16_t *ring;    /* (ring, sw, source_blocks, AMX_BLOCK) */
};

size_t gather_scratch(const struct walk *w)
{
    return (size_t)w->ring * walk_row_elements(w) * sizeof(uint16_t);
}

static __mmask32 channels_mask(int c, int block)
{
    const int left = c - block * AMX_SIDE;
    return left >= AMX_SIDE ? 0xffffffffU : (1U << left) - 1;
}

/* Source row y of the group's images, one block for each pixel and 32 channels. */
static void pack_row(const struct gather *g, const struct place *at, int y)
{
    const struct walk *w = g->walk;
    uint16_t *row = at->ring + (size_t)(y % w->ring) * walk_row_elements(w);
    const int first = at->group * AMX_GROUP;
    const int last = first + AMX_GROUP < w->n ? first + AMX_GROUP : w->n;
    for (int i = first; i < last; i++) {
        const uint16_t *from = g->source + ((size_t)i * (size_t)w->sh + (size_t)y) *
                                               (size_t)w->sw * (size_t)w->sc;
        uint16_t *to = row + (size_t)(i - first) * AMX_SIDE;
        for (int x = 0; x < w->sw; x++, from += w->sc)
            for (int k = 0; k < w->source_blocks; k++, to += AMX_BLOCK)
                _mm512_store_si512(to, _mm512_maskz_loadu_epi16(channels_mask(w->sc, k),
                                                                from + k * AMX_SIDE));
    }
}

/* A tap's source blocks at one pixel, added to the tiles. */
static void multiply_tap(const struct walk *w, const struct place *at,
                         const uint16_t *weight, int row, int col)
{
    const size_t pixel = (size_t)(row % w->ring) * (size_t)w->sw + (size_t)col;
    const uint16_t *source = at->ring + pixel * (size_t)w->source_blocks * AMX_BLOCK;
    for (int k = 0; k < w->source_blocks; k++)
        amx_multiply(source + (size_t)k * AMX_BLOCK, weight + (size_t)k * AMX_BLOCK);
}

static void multiply_pixel(const struct walk *w, const struct place *at,
                           const uint16_t *weight, int y, int x)
{
    const int16_t *rows = w->row + y * w->kernel, *cols = w->col + x * w->kernel;
    const size_t tap = (size_t)w->source_blocks * AMX_BLOCK;
    amx_zero();
    for (int ky = 0; ky < w->kernel; ky++)
        for (int kx = 0; kx < w->kernel; kx++, weight += tap)
            if (rows[ky] >= 0 && cols[kx] >= 0)
                multiply_tap(w, at, weight, rows[ky], cols[kx]);
}

/* A pixel's sums, 32 images by 32 channels, to where they belong. */
static void write_pixel(const struct gather *g, const struct place *at,
                        const float *sums, int y, int x, int block)
{
    const struct walk *w = g->walk;
    const __mmask32 mask = channels_mask(w->dc, block);
    const int first = at->group * AMX_GROUP;
    const int count = w->n - first < AMX_GROUP ? w->n - first : AMX_GROUP;
    __m512 low = _mm512_setzero_ps(), high = low;
    if (g->bias) {
        const float *bias = g->bias + block * AMX_SIDE;
        low = _mm512_maskz_loadu_ps((__mmask16)mask, bias);
        high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), bias + 16);
    }
    uint16_t *to =
        g->dest +
        (((size_t)first * (size_t)w->dh + (size_t)y) * (size_t)w->dw + (size_t)x) *
            (size_t)w->dc +
        (size_t)block * AMX_SIDE;
    const size_t image = (size_t)w->dh * (size_t)w->dw * (size_t)w->dc;
    for (int i = 0; i < count; i++, sums += AMX_SIDE, to += image) {
        const __m512 a = _mm512_add_ps(_mm512_load_ps(sums), low);
        const __m512 b = _mm512_add_ps(_mm512_load_ps(sums + 16), high);
        const __m512i v = (__m512i)_mm512_cvtne2ps_pbh(b, a);
        if (g->stream)
            _mm512_stream_si512((void *)to, v);
        else
            _mm512_mask_storeu_epi16(to, mask, v);
    }
}

static void slab(const struct gather *g, const struct place *at)
{
    const struct walk *w = g->walk;
    float sums[AMX_SUMS] __attribute__((aligned(64)));
    for (int block = 0; block < w->dest_blocks; block++) {
        const uint16_t *weight =
            g->weight + (size_t)block * (size_t)walk_pairs(w) * AMX_BLOCK;
        for (int y = at->y0; y < at->y1; y++)
            for (int x = 0; x < w->dw; x++) {
                multiply_pixel(w, at, weight, y, x);
                amx_store(sums);
                write_pixel(g, at, sums, y, x, block);
            }
    }
}

static void unit(const struct gather *g, struct place *at, int number)
{
    const struct walk *w = g->walk;
    const int part = number % w->parts;
    const int begin = w->dh * part / w->parts, end = w->dh * (part + 1) / w->parts;
    int packed = 0; /* rows below this one are in the ring, or were */
    at->group = number / w->parts;
    for (int y = begin; y < end; y += w->slab) {
        int first, last;
        at->y0 = y;
        at->y1 = y + w->slab < end ? y + w->slab : end;
        walk_source_rows(w, at->y0, at->y1, &first, &last);
        for (int row = packed > first ? packed : first; row < last; row++)
            pack_row(g, at, row);
        packed = packed > last ? packed : last;
        slab(g, at);
    }
}

static void units(void *arg, size_t begin, size_t end)
{
    const struct gather *g = arg;
    struct place at = { .ring = (uint16_t *)cpu_scratch(g->dev, threads_self()) };
    amx_begin();
    for (size_t i = begin; i < end; i++)
        unit(g, &at, (int)i);
    amx_end();
    _mm_sfence();
}

void gather(const struct walk *w, struct device *dev, const uint16_t *source,
            const uint16_t *weight, const float *bias, uint16_t *dest)
{
    const bool stream = w->dc % AMX_SIDE == 0 && (uintptr_t)dest % 64 == 0;
    struct gather g = { w, dev, source, weight, bias, dest, stream };
    threads_for(dev, (size_t)walk_units(w), AMX_UNIT_ELEMENTS, units, &g);
}

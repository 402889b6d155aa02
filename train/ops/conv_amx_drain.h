/* conv_amx_drain.h -- gather's sums on their way out of the tiles: rounded, measured,
 * pooled and written, a few at a time between the products of the next ones. */
#ifndef SLUICE_CONV_AMX_DRAIN_H
#define SLUICE_CONV_AMX_DRAIN_H

#include "conv_amx_pool.h"

/* Where results go. */
struct outlet {
    uint16_t *dest;
    size_t image; /* elements from one image to the next */
    bool stream;  /* whole lines: write them past the caches */
    bool pools;   /* what is written is the largest of each window */
};

/* Up to three pixels' sums of a group's images and a block of channels, and how many of
 * them are written. */
struct pending {
    float sums[AMX_SUMS] __attribute__((aligned(64)));
    float bias[AMX_BLOCK] __attribute__((aligned(64)));
    uint16_t *to[AMX_LEFT]; /* of the group's first image */
    int corner[AMX_LEFT];   /* which pixel of its window each is, if pooled: 0 to 3 */
    uint32_t *places[AMX_LEFT]; /* of their windows, if pooled */
    uint16_t *kept;             /* (3, AMX_TILE): pixels of a window before its last */
    struct moments *moments;    /* of the unit and block, or NULL */
    __mmask32 mask;
    int images, pixels;
    int i, pixel; /* the image and pixel whose turn it is */
    int at_once;  /* images to write during each product */
};

static inline void write_out(const struct outlet *o, const struct pending *p,
                             uint16_t *to, __m512i v)
{
    if (o->stream)
        _mm512_stream_si512((void *)to, v);
    else
        _mm512_mask_storeu_epi16(to, p->mask, v);
}

/* Moments in registers while a pixel is written: 16 channels and 16 more. */
struct measuring {
    __m512 first[2], sum[2], square[2];
};

/* The lower or upper 16 of 32 bf16 values, as floats. */
static inline __m512 half_of(__m512i v, int half)
{
    const __m256i h =
        half ? _mm512_extracti64x4_epi64(v, 1) : _mm512_castsi512_si256(v);
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16);
}

/* `v` will be measured first, if nothing was. */
static inline struct measuring measure_begin(const struct moments *m, __m512i v)
{
    struct measuring s;
    for (int h = 0; h < 2; h++) {
        const bool none = m->count == 0;
        s.first[h] = none ? half_of(v, h) : _mm512_load_ps(m->first + 16 * h);
        s.sum[h] = none ? _mm512_setzero_ps() : _mm512_load_ps(m->sum + 16 * h);
        s.square[h] = none ? _mm512_setzero_ps() : _mm512_load_ps(m->square + 16 * h);
    }
    return s;
}

/* The values as they are written. */
static inline void measure(struct measuring *s, __m512i v)
{
    for (int h = 0; h < 2; h++) {
        const __m512 d = _mm512_sub_ps(half_of(v, h), s->first[h]);
        s->sum[h] = _mm512_add_ps(s->sum[h], d);
        s->square[h] = _mm512_fmadd_ps(d, d, s->square[h]);
    }
}

static inline void measure_end(struct moments *m, const struct measuring *s, int count)
{
    for (int h = 0; h < 2; h++) {
        _mm512_store_ps(m->first + 16 * h, s->first[h]);
        _mm512_store_ps(m->sum + 16 * h, s->sum[h]);
        _mm512_store_ps(m->square + 16 * h, s->square[h]);
    }
    m->count += count;
}

/* Image i's 32 channels of a pixel, rounded. */
static inline __m512i rounded(const struct pending *p, int i)
{
    const float *sums = p->sums + (size_t)p->pixel * 512 + (size_t)i * AMX_SIDE;
    const __m512 low = _mm512_load_ps(p->bias), high = _mm512_load_ps(p->bias + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_add_ps(_mm512_load_ps(sums + 256), high),
                                        _mm512_add_ps(_mm512_load_ps(sums), low));
}

/* Images p->i ... end - 1 of the pixel whose turn it is. */
static inline void write_pixel(const struct outlet *o, const struct pending *p, int end)
{
    uint16_t *to = p->to[p->pixel] + (size_t)p->i * o->image;
    if (!p->moments) {
        for (int i = p->i; i < end; i++, to += o->image)
            write_out(o, p, to, rounded(p, i));
        return;
    }
    struct measuring s = measure_begin(p->moments, rounded(p, p->i));
    for (int i = p->i; i < end; i++, to += o->image) {
        const __m512i v = rounded(p, i);
        write_out(o, p, to, v);
        measure(&s, v);
    }
    measure_end(p->moments, &s, end - p->i);
}

/* A pixel of a window before its last waits for it. */
static inline void keep_pixel(const struct pending *p, int end)
{
    uint16_t *to = p->kept + (size_t)p->corner[p->pixel] * AMX_TILE;
    for (int i = p->i; i < end; i++)
        _mm512_store_si512(to + (size_t)i * AMX_BLOCK, rounded(p, i));
}

/* The last pixel of a window: the largest of the four is written. */
static inline void pool_pixel(const struct outlet *o, const struct pending *p, int end)
{
    uint16_t *to = p->to[p->pixel] + (size_t)p->i * o->image;
    uint32_t *places = p->places[p->pixel];
    struct measuring s = { 0 };
    for (int i = p->i; i < end; i++, to += o->image) {
        const __m512i v = window_largest(p->kept + (size_t)i * AMX_BLOCK, rounded(p, i),
                                         places + 2 * (size_t)i);
        write_out(o, p, to, v);
        if (p->moments && i == p->i)
            s = measure_begin(p->moments, v);
        if (p->moments)
            measure(&s, v);
    }
    if (p->moments)
        measure_end(p->moments, &s, end - p->i);
}

/* Write up to `most` images' values of pixels. */
static inline void drain(const struct outlet *o, struct pending *p, int most)
{
    while (most > 0 && p->pixel < p->pixels) {
        const int left = p->images - p->i, count = left < most ? left : most;
        if (!o->pools)
            write_pixel(o, p, p->i + count);
        else if (p->corner[p->pixel] < 3)
            keep_pixel(p, p->i + count);
        else
            pool_pixel(o, p, p->i + count);
        most -= count;
        p->i += count;
        if (p->i == p->images) {
            p->i = 0;
            p->pixel++;
        }
    }
}

#endif

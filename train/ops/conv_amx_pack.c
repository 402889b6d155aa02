/* conv_amx_pack.c -- weights in the order in which gather meets them. */
#include "amx.h"
#include "conv_amx.h"

struct packing {
    const struct walk *walk;
    const float *weight;
    size_t dest_stride, source_stride; /* elements of the weight */
    uint16_t *to;
};

/* How many of 16 channels from `first` on there are, as a mask. */
static __mmask16 channels(int all, int first)
{
    const int left = all - first;
    return left >= AMX_SIDE ? 0xffff : left > 0 ? (__mmask16)((1U << left) - 1) : 0;
}

/* 16 result channels of a source channel, as bf16 in words of 32 bits. */
static __m512i result_channels(const struct packing *p, int dest, int source, int tap)
{
    const struct walk *w = p->walk;
    const __mmask16 mask = source < w->sc ? channels(w->dc, dest) : 0;
    const __m512i lane =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)p->dest_stride));
    const float *from = p->weight;
    if (mask)
        from += (size_t)dest * p->dest_stride + (size_t)source * p->source_stride +
                (size_t)tap;
    const __m512 v = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, at, from, 4);
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v));
}

/* The right operand of a tap and a source block: row r of a tile holds 16 result
 * channels, of source channels 2 r and 2 r + 1. */
static void pack_right(const struct packing *p, int dest, int source, int tap,
                       uint16_t *to)
{
    for (int half = 0; half < 2; half++, dest += AMX_SIDE)
        for (int r = 0; r < AMX_SIDE; r++, to += AMX_BLOCK) {
            const __m512i even = result_channels(p, dest, source + 2 * r, tap);
            const __m512i odd = result_channels(p, dest, source + 2 * r + 1, tap);
            _mm512_store_si512(to, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
        }
}

static void pack_dest_blocks(void *arg, size_t begin, size_t end)
{
    const struct packing *p = arg;
    const struct walk *w = p->walk;
    uint16_t *to = p->to + begin * (size_t)walk_pairs(w) * AMX_RIGHT;
    for (int d = (int)begin; d < (int)end; d++)
        for (int ky = 0; ky < w->kernel; ky++)
            for (int k = 0; k < w->source_blocks; k++)
                for (int kx = 0; kx < w->kernel; kx++, to += AMX_RIGHT)
                    pack_right(p, d * AMX_BLOCK, k * AMX_BLOCK, ky * w->kernel + kx,
                               to);
}

void pack_weight(const struct walk *w, const struct device *dev, const float *weight,
                 size_t dest_stride, size_t source_stride, uint16_t *to)
{
    struct packing p = { w, weight, dest_stride, source_stride, to };
    threads_for(dev, (size_t)w->dest_blocks, (size_t)walk_pairs(w) * AMX_RIGHT,
                pack_dest_blocks, &p);
}

/* narrow_avx512.c -- an image of narrow rows: permute, paint, convert, store. */
#include "narrow.h"

#ifdef __x86_64__
#include "store_avx512.h"

/* Two registers: a row. */
struct row {
    __m512i half[2];
};

/* A rectangle in every row that it crosses. */
struct painted {
    int top, end;
    struct row_mask where;
    const uint8_t *colour;
};

static uint64_t first_bits(int n)
{
    return n <= 0 ? 0 : n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
}

/* Bits from .. to - 1 of a row's mask. */
static void add_bits(struct row_mask *m, int from, int to)
{
    m->half[0] |= first_bits(to) & ~first_bits(from);
    m->half[1] |= first_bits(to - 64) & ~first_bits(from - 64);
}

static void prepare(struct painted *q, const struct narrow *n, const struct plan *p,
                    const struct arrangement *a, int i)
{
    const struct rect *r = &a->rect[i];
    q->top = r->y;
    q->end = r->y + r->height;
    q->where = (struct row_mask){ { 0, 0 } };
    q->colour = n->colour[a->rect_step[i]];
    if (n->pixel_step == p->channels)
        add_bits(&q->where, r->x * p->channels, (r->x + r->width) * p->channels);
    else
        for (int c = 0; c < p->channels; c++)
            add_bits(&q->where, c * n->channel_bytes + r->x,
                     c * n->channel_bytes + r->x + r->width);
}

INLINE void paint(struct row *row, const struct row_mask *m, const uint8_t *colour)
{
    row->half[0] =
        _mm512_mask_mov_epi8(row->half[0], m->half[0], _mm512_load_si512(colour));
    row->half[1] =
        _mm512_mask_mov_epi8(row->half[1], m->half[1], _mm512_load_si512(colour + 64));
}

/* Sixteen bytes of a row, the g-th. */
INLINE void store_group(void *out, __m128i bytes, const struct narrow *n, int g,
                        int dtype)
{
    store(out, n->to[g], bytes, _mm512_load_ps(n->gain[g]), _mm512_load_ps(n->bias[g]),
          n->live[g], dtype);
}

INLINE void store_row(void *out, struct row row, const struct narrow *n, int dtype)
{
    store_group(out, _mm512_castsi512_si128(row.half[0]), n, 0, dtype);
    if (n->groups > 1)
        store_group(out, _mm512_extracti32x4_epi32(row.half[0], 1), n, 1, dtype);
    if (n->groups > 2)
        store_group(out, _mm512_extracti32x4_epi32(row.half[0], 2), n, 2, dtype);
    if (n->groups > 3)
        store_group(out, _mm512_extracti32x4_epi32(row.half[0], 3), n, 3, dtype);
    if (n->groups > 4)
        store_group(out, _mm512_castsi512_si128(row.half[1]), n, 4, dtype);
    if (n->groups > 5)
        store_group(out, _mm512_extracti32x4_epi32(row.half[1], 1), n, 5, dtype);
    if (n->groups > 6)
        store_group(out, _mm512_extracti32x4_epi32(row.half[1], 2), n, 6, dtype);
    if (n->groups > 7)
        store_group(out, _mm512_extracti32x4_epi32(row.half[1], 3), n, 7, dtype);
}

INLINE void run_as(const struct narrow *n, const struct plan *p,
                   const struct arrangement *a, const uint8_t *src, void *out,
                   int dtype)
{
    const struct narrow_order *o =
        &n->order[a->hflip * (2 * n->reach + 1) + a->dx + n->reach];
    const struct step *border = a->shift < 0 ? 0 : &p->step[a->shift];
    const uint8_t *border_colour = n->colour[a->shift < 0 ? 0 : a->shift];
    const struct row_mask all = { { ~(uint64_t)0, ~(uint64_t)0 } };
    const __m512i from0 = _mm512_load_si512(o->from);
    const __m512i from1 = _mm512_load_si512(o->from + 64);
    const __mmask64 in0 = first_bits(n->row_bytes), in1 = first_bits(n->row_bytes - 64);
    const size_t step = n->row_step * (dtype == SLUICE_U8    ? 1
                                       : dtype == SLUICE_F32 ? 4
                                                             : 2);
    struct painted rects[STEPS_MAX];
    for (int i = 0; i < a->rects; i++)
        prepare(&rects[i], n, p, a, i);
    for (int y = 0; y < p->height; y++, out = (char *)out + step) {
        struct row row = { { _mm512_setzero_si512(), _mm512_setzero_si512() } };
        int sy = y + a->dy;
        if (border)
            sy = padded(sy, p->height, border->fill_mode);
        if (sy < 0) {
            paint(&row, &all, border_colour);
        } else {
            const uint8_t *from = src + (size_t)(a->vflip ? p->height - 1 - sy : sy) *
                                            (size_t)n->row_bytes;
            const __m512i s0 = _mm512_maskz_loadu_epi8(in0, from);
            const __m512i s1 =
                in1 ? _mm512_maskz_loadu_epi8(in1, from + 64) : _mm512_setzero_si512();
            row.half[0] = _mm512_permutex2var_epi8(s0, from0, s1);
            row.half[1] = _mm512_permutex2var_epi8(s0, from1, s1);
            paint(&row, &o->border, border_colour);
        }
        for (int i = 0; i < a->rects; i++)
            if (y >= rects[i].top && y < rects[i].end)
                paint(&row, &rects[i].where, rects[i].colour);
        store_row(out, row, n, dtype);
    }
}

WIDE void sluice_augment_narrow_run(const struct narrow *n, const struct plan *p,
                                    const struct arrangement *a, const uint8_t *src,
                                    void *out)
{
    if (p->dtype == SLUICE_F32)
        run_as(n, p, a, src, out, SLUICE_F32);
    else if (p->dtype == SLUICE_BF16)
        run_as(n, p, a, src, out, SLUICE_BF16);
    else if (p->dtype == SLUICE_F16)
        run_as(n, p, a, src, out, SLUICE_F16);
    else
        run_as(n, p, a, src, out, SLUICE_U8);
}

#else

void sluice_augment_narrow_run(const struct narrow *n, const struct plan *p,
                               const struct arrangement *a, const uint8_t *src,
                               void *out)
{
    (void)n, (void)p, (void)a, (void)src, (void)out; /* never created here */
}

#endif

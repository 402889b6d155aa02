/* jpeg_blocks.h -- the coefficients of one block, from the stream: T.81, F.2.2. */
#ifndef SLUICE_JPEG_BLOCKS_H
#define SLUICE_JPEG_BLOCKS_H

#include <string.h>

#include "jpeg_kernels.h"

/* Bits in hand, while a block is decoded. */
struct hand {
    uint64_t bits;
    const uint8_t *at;
    int left;
};

/* At least 56 bits. What does not fit in whole bytes is read again, onto itself. */
static inline __attribute__((always_inline)) void refill(struct hand *h)
{
    uint64_t word;
    memcpy(&word, h->at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    h->bits |= word >> h->left;
    h->at += (63 - h->left) >> 3;
    h->left |= 56;
}

static inline __attribute__((always_inline)) void drop(struct hand *h, int count)
{
    h->bits <<= count;
    h->left -= count;
}

/* The value of `size` bits (1 to 16) behind `skipped` ones. */
static inline __attribute__((always_inline)) int32_t value_of(uint64_t bits,
                                                              int skipped, int size)
{
    const uint64_t here = bits << skipped;
    const int32_t v = (int32_t)(here >> (64 - size));
    return v - (((1 << size) - 1) & (int32_t)((int64_t)~here >> 63));
}

/* The first coefficient's difference; the bits that it takes, 0 if it is none. */
static inline __attribute__((always_inline)) int
difference(const struct jpeg_code *code, const struct hand *h, int32_t *value)
{
    const uint32_t entry = code->look[h->bits >> (64 - JPEG_LOOK_DC)];
    *value = (int32_t)entry >> 16;
    if (__builtin_expect(entry != 0, 1))
        return (int)(entry & 63);
    const struct jpeg_symbol s = sluice_jpeg_code_symbol(code, h->bits);
    if (s.symbol)
        *value = value_of(h->bits, s.bits, s.symbol);
    return s.bits ? s.bits + s.symbol : 0;
}

/* A block under way. */
struct progress {
    struct hand h;
    int k;            /* the next coefficient */
    uint64_t squares; /* of those stored, summed */
};

enum { GOING_ON, ENDED, FAILED };

/* One symbol of which `entry` tells a part, or behind which the block may end. */
static inline __attribute__((always_inline)) int
one_symbol(struct progress *p, const struct jpeg_code *code, uint32_t entry,
           const struct jpeg_terms *t, int16_t *coef, const int stored)
{
    struct jpeg_symbol s = { (uint8_t)(entry >> 24), (uint8_t)(entry & 63) };
    refill(&p->h);
    if ((entry >> 10 & 63) != JPEG_PART || !s.bits)
        s = sluice_jpeg_code_symbol(code, p->h.bits);
    if (__builtin_expect(s.bits == 0, 0))
        return FAILED;
    const int size = s.symbol & 15, at = p->k + (s.symbol >> 4);
    if (s.symbol == 0) {
        drop(&p->h, s.bits);
        return ENDED;
    }
    if (__builtin_expect(at > 63, 0))
        return FAILED;
    if (stored && size) {
        const int64_t v = (int64_t)value_of(p->h.bits, s.bits, size) * t->quant[at];
        if (__builtin_expect(v < -0x7fff || v > 0x7fff, 0))
            return FAILED;
        coef[t->place[at]] = (int16_t)v;
        p->squares += (uint64_t)(v * v);
    }
    drop(&p->h, s.bits + size);
    refill(&p->h);
    p->k = at + 1;
    return p->k < 64 ? GOING_ON : ENDED;
}

/* One or two symbols, of at most JPEG_LOOK bits. */
static inline __attribute__((always_inline)) int step(struct progress *p,
                                                      const struct jpeg_code *code,
                                                      const struct jpeg_terms *t,
                                                      int16_t *coef, const int stored)
{
    const uint32_t entry = code->look[p->h.bits >> (64 - JPEG_LOOK)];
    const int next = p->k + (int)(entry >> 10 & 63);
    if (__builtin_expect(next > 63, 0))
        return one_symbol(p, code, entry, t, coef, stored);
    if (stored) {
        /* The last first: where there is one alone both are in the same place. */
        const int at = p->k + (int)(entry >> 6 & 15);
        const int32_t last = ((int32_t)entry >> 24) * t->quant[next - 1];
        const int32_t first = ((int32_t)(entry << 9) >> 25) * t->quant[at];
        coef[t->place[next - 1]] = (int16_t)last;
        coef[t->place[at]] = (int16_t)first;
        p->squares += (uint64_t)((int64_t)last * last);
        p->squares += (uint64_t)((int64_t)first * first);
    }
    p->h.bits <<= entry & 63;
    p->h.left -= (int)(entry & 63);
    p->k = next;
    return entry & JPEG_END ? ENDED : GOING_ON;
}

/* The coefficients behind the first. */
static inline __attribute__((always_inline)) int rest(struct progress *p,
                                                      const struct jpeg_code *code,
                                                      const struct jpeg_terms *t,
                                                      int16_t *coef, const int stored)
{
    int state;
    do {
        refill(&p->h); /* for four steps */
        if ((state = step(p, code, t, coef, stored)) == GOING_ON &&
            (state = step(p, code, t, coef, stored)) == GOING_ON &&
            (state = step(p, code, t, coef, stored)) == GOING_ON)
            state = step(p, code, t, coef, stored);
    } while (state == GOING_ON);
    return state;
}

/* With `stored`, into coef; else over it. */
static inline __attribute__((always_inline)) int
any_block(struct jpeg_bits *b, const struct jpeg_code *dc_code,
          const struct jpeg_code *ac_code, const struct jpeg_terms *t, int32_t *dc,
          int16_t *coef, const int stored)
{
    struct progress p = { .h = { b->bits, b->at, b->left }, .k = 1 };
    int32_t value;
    refill(&p.h);
    const int taken = difference(dc_code, &p.h, &value);
    drop(&p.h, taken);
    *dc += value;
    const int state = rest(&p, ac_code, t, coef, stored);
    b->bits = p.h.bits;
    b->at = p.h.at;
    b->left = p.h.left;
    if (!taken || state == FAILED || *dc < -0x7fff || *dc > 0x7fff)
        return JPEG_ODD;
    if (!stored)
        return JPEG_FLAT;
    const int64_t v = (int64_t)*dc * t->quant[0];
    if (v < -JPEG_TAME || v > JPEG_TAME || p.squares > 0x7fff * 0x7fff)
        return JPEG_ODD;
    if (p.squares == 0)
        return JPEG_FLAT;
    coef[0] = (int16_t)v;
    p.squares += (uint64_t)(v * v);
    return p.squares <= JPEG_TAME_SQUARES || sluice_jpeg_tame(coef, IDCT_LANES)
               ? JPEG_FULL
               : JPEG_ODD;
}

static int block(struct jpeg_bits *b, const struct jpeg_code *dc_code,
                 const struct jpeg_code *ac_code, const struct jpeg_terms *terms,
                 int32_t *dc, int16_t *coef)
{
    return any_block(b, dc_code, ac_code, terms, dc, coef, 1);
}

static int skip(struct jpeg_bits *b, const struct jpeg_code *dc_code,
                const struct jpeg_code *ac_code, int32_t *dc)
{
    return any_block(b, dc_code, ac_code, NULL, dc, NULL, 0);
}

#endif

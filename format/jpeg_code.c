/* jpeg_code.c -- tables for Huffman codes: T.81, annexes C and F.2.2. */
#include <string.h>

#include "jpeg_kernels.h"

/* `size` bits as the standard's EXTEND has them: the upper half stands for itself, the
 * lower for negative values. */
static int32_t extend(uint32_t bits, int size)
{
    return bits >> (size - 1) ? (int32_t)bits : (int32_t)bits - (1 << size) + 1;
}

/* Symbols that sequential pictures of 8 bits have: libjpeg takes more. */
static int known_symbol(uint8_t symbol, int is_dc)
{
    const int run = symbol >> 4, size = symbol & 15;
    return is_dc ? symbol <= 11 : size <= 14 && (size || run == 0 || run == 15);
}

/* What a code and `size` bits behind it mean where that fits in `look` bits. `base`
 * stands for the code alone, `shift` is the value's place. */
static void fill(struct jpeg_code *c, uint32_t code, int length, int size, int look,
                 uint32_t base, int shift)
{
    const int spare = look - length;
    uint32_t *at = c->look + ((size_t)code << (spare < 0 ? 0 : spare));
    if (size > spare)
        return;
    for (uint32_t i = 0; i < 1u << spare; i++) {
        const int32_t value = size ? extend(i >> (spare - size), size) : 0;
        at[i] = base + (uint32_t)(length + size) + ((uint32_t)value << shift);
    }
}

/* First every AC symbol alone, its value where a last one stands. */
static void fill_ac(struct jpeg_code *c, uint32_t code, int length, uint8_t symbol)
{
    const int run = symbol >> 4, size = symbol & 15;
    const uint32_t end = symbol == 0 ? JPEG_END : 0;
    const uint32_t steps = (uint32_t)(run + 1) << 10;
    if (size <= 6 && length + size <= JPEG_LOOK) /* 7 bits for a first value */
        fill(c, code, length, size, JPEG_LOOK, end | (uint32_t)run << 6 | steps, 24);
    else
        fill(c, code, length, 0, JPEG_LOOK,
             (uint32_t)symbol << 24 | (uint32_t)JPEG_PART << 10, 0);
}

/* Then two of them where both are to be told. */
static void pair(struct jpeg_code *c)
{
    enum { MASK = (1 << JPEG_LOOK) - 1 };
    uint32_t single[1 << JPEG_LOOK];
    memcpy(single, c->look, sizeof(single));
    for (uint32_t i = 0; i <= MASK; i++) {
        const uint32_t one = single[i];
        const uint32_t next = single[i << (one & 63) & MASK];
        const uint32_t value = one >> 24 & 0x7f, steps = one >> 10 & 63;
        if (steps == JPEG_PART)
            continue;
        const uint32_t alone = (one & 0x00ffffff) | value << 16;
        const int both = !(one & JPEG_END) && (next >> 10 & 63) != JPEG_PART &&
                         (one & 63) + (next & 63) <= JPEG_LOOK;
        c->look[i] = both ? ((one & 0x3c0) | value << 16) + (next & 0xff80003f) +
                                (one & 63) + ((steps + (next >> 10 & 63)) << 10)
                          : alone;
    }
}

static int make(struct jpeg_code *c, int is_dc)
{
    uint32_t code = 0;
    int at = 0;
    for (size_t i = 0; i < sizeof(c->look) / sizeof(*c->look); i++)
        c->look[i] = is_dc ? 0 : (uint32_t)JPEG_PART << 10;
    for (int n = 1; n <= JPEG_LONGEST; n++, code <<= 1) {
        c->offset[n] = at - (int32_t)code;
        for (int i = 0; i < c->counts[n]; i++, at++, code++) {
            if (at == 256 || !known_symbol(c->symbols[at], is_dc) || code >> n)
                return 0;
            if (is_dc && n <= JPEG_LOOK_DC)
                fill(c, code, n, c->symbols[at], JPEG_LOOK_DC, 0, 16);
            else if (!is_dc && n <= JPEG_LOOK)
                fill_ac(c, code, n, c->symbols[at]);
        }
        /* The code of ones alone is none. */
        if (c->counts[n] && code >> n)
            return 0;
        c->limit[n] = code << (JPEG_LONGEST - n);
    }
    if (!is_dc)
        pair(c);
    return at > 0;
}

int sluice_jpeg_code_make(struct jpeg_code *code, const uint8_t counts[17],
                          const uint8_t symbols[256], int is_dc)
{
    if (code->known && memcmp(code->counts + 1, counts + 1, JPEG_LONGEST) == 0 &&
        memcmp(code->symbols, symbols, sizeof(code->symbols)) == 0)
        return code->usable;
    memcpy(code->counts, counts, sizeof(code->counts));
    memcpy(code->symbols, symbols, sizeof(code->symbols));
    code->known = 1;
    code->usable = (uint8_t)make(code, is_dc);
    return code->usable;
}

struct jpeg_symbol sluice_jpeg_code_symbol(const struct jpeg_code *code, uint64_t bits)
{
    const uint32_t top = (uint32_t)(bits >> 48);
    int n = 1;
    while (n <= JPEG_LONGEST && top >= code->limit[n])
        n++;
    if (n > JPEG_LONGEST)
        return (struct jpeg_symbol){ 0, 0 };
    const int32_t at = (int32_t)(top >> (JPEG_LONGEST - n)) + code->offset[n];
    return (struct jpeg_symbol){ code->symbols[at], (uint8_t)n };
}

int sluice_jpeg_tame(const int16_t *coef, int lanes)
{
    for (int x = 0; x < 8; x++) {
        int sum = 0;
        for (int y = 0; y < 8; y++) {
            const int v = coef[y * lanes * 8 + x];
            sum += v < 0 ? -v : v;
        }
        if (sum > JPEG_TAME)
            return 0;
    }
    return 1;
}

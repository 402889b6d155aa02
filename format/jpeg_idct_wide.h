/* jpeg_idct_wide.h -- the inverse DCT of jpeg_idct_plain.h for IDCT_LANES blocks at a
 * time: lane i of 128 bits is block i's, and no instruction leaves its lane. Products
 * are summed in pairs, which is what multiply-and-add of 16 bits does: with the sums of
 * jpeg_code.c's `tame` below their limit nothing overflows. */
#include "jpeg_idct.h"
#include "jpeg_kernels.h"

/* The two factors of a pair, in every place. */
static inline vec factors(int first, int second)
{
    return VEC(set1_epi32)((int)((uint32_t)second << 16 | (uint16_t)first));
}

/* The eight sums p * first + q * second, four in each of *low and *high. */
static inline void dot(vec p, vec q, int first, int second, vec *low, vec *high)
{
    const vec k = factors(first, second);
    *low = VEC(madd_epi16)(VEC(unpacklo_epi16)(p, q), k);
    *high = VEC(madd_epi16)(VEC(unpackhi_epi16)(p, q), k);
}

static inline void add(vec *low, vec *high, vec other_low, vec other_high)
{
    *low = VEC(add_epi32)(*low, other_low);
    *high = VEC(add_epi32)(*high, other_high);
}

struct halves {
    vec low, high;
};

#define TWO(name, p, q, first, second)                                                 \
    struct halves name;                                                                \
    dot(p, q, first, second, &name.low, &name.high)

/* even + odd and even - odd, shifted, in 16 bits. */
#define OUT(even, odd, i, shift)                                                       \
    do {                                                                               \
        v[i] = VEC(packs_epi32)(                                                       \
            VEC(srai_epi32)(VEC(add_epi32)((even).low, (odd).low), shift),             \
            VEC(srai_epi32)(VEC(add_epi32)((even).high, (odd).high), shift));          \
        v[7 - (i)] = VEC(packs_epi32)(                                                 \
            VEC(srai_epi32)(VEC(sub_epi32)((even).low, (odd).low), shift),             \
            VEC(srai_epi32)(VEC(sub_epi32)((even).high, (odd).high), shift));          \
    } while (0)

static inline struct halves plus(struct halves a, struct halves b)
{
    return (struct halves){ VEC(add_epi32)(a.low, b.low),
                            VEC(add_epi32)(a.high, b.high) };
}

static inline struct halves minus(struct halves a, struct halves b)
{
    return (struct halves){ VEC(sub_epi32)(a.low, b.low),
                            VEC(sub_epi32)(a.high, b.high) };
}

/* Along v[0..7], for all eight elements of a lane. */
static inline __attribute__((always_inline)) void lines(vec v[8], int round,
                                                        const int shift)
{
    const vec half = VEC(set1_epi32)(round);
    TWO(sum, v[0], v[4], IDCT_ONE, IDCT_ONE);
    TWO(diff, v[0], v[4], IDCT_ONE, -IDCT_ONE);
    TWO(low, v[2], v[6], C_26_C, C_26_G);
    TWO(high, v[2], v[6], C_62_C, C_62_G);
    add(&sum.low, &sum.high, half, half);
    add(&diff.low, &diff.high, half, half);
    const vec hd = VEC(add_epi16)(v[7], v[3]), fb = VEC(add_epi16)(v[5], v[1]);
    TWO(left, hd, fb, C_Z3_HD, C_Z_CROSS);
    TWO(right, hd, fb, C_Z_CROSS, C_Z4_FB);
    TWO(odd0, v[7], v[1], C_HB_CROSS, C_B);
    TWO(odd1, v[5], v[3], C_FD_CROSS, C_D);
    TWO(odd2, v[5], v[3], C_F, C_FD_CROSS);
    TWO(odd3, v[7], v[1], C_H, C_HB_CROSS);
    add(&odd0.low, &odd0.high, right.low, right.high);
    add(&odd1.low, &odd1.high, left.low, left.high);
    add(&odd2.low, &odd2.high, right.low, right.high);
    add(&odd3.low, &odd3.high, left.low, left.high);
    const struct halves even0 = plus(sum, low), even1 = plus(diff, high);
    const struct halves even2 = minus(diff, high), even3 = minus(sum, low);
    OUT(even0, odd0, 0, shift);
    OUT(even1, odd1, 1, shift);
    OUT(even2, odd2, 2, shift);
    OUT(even3, odd3, 3, shift);
}

/* Rows become columns. */
static inline __attribute__((always_inline)) void transpose(vec v[8])
{
    vec a[8], b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = VEC(unpacklo_epi16)(v[i], v[i + 4]);
        a[2 * i + 1] = VEC(unpackhi_epi16)(v[i], v[i + 4]);
    }
    for (int i = 0; i < 4; i++) {
        b[2 * i] = VEC(unpacklo_epi16)(a[i], a[i + 4]);
        b[2 * i + 1] = VEC(unpackhi_epi16)(a[i], a[i + 4]);
    }
    for (int i = 0; i < 4; i++) {
        v[2 * i] = VEC(unpacklo_epi16)(b[i], b[i + 4]);
        v[2 * i + 1] = VEC(unpackhi_epi16)(b[i], b[i + 4]);
    }
}

/* Two rows of one block. */
static inline void put(__m128i rows, const struct jpeg_target *out, int y)
{
    _mm_storel_epi64((__m128i *)(out->at + (size_t)y * out->stride), rows);
    _mm_storeh_pd((double *)(void *)(out->at + (size_t)(y + 1) * out->stride),
                  _mm_castsi128_pd(rows));
}

#define PUT_LANE(i)                                                                    \
    do {                                                                               \
        put(VEC_LANE(r[0], i), &out[i], 0);                                            \
        put(VEC_LANE(r[1], i), &out[i], 2);                                            \
        put(VEC_LANE(r[2], i), &out[i], 4);                                            \
        put(VEC_LANE(r[3], i), &out[i], 6);                                            \
    } while (0)

static void idct(const int16_t *coef, const struct jpeg_target *out)
{
    vec v[8], a[4], r[4];
    for (int i = 0; i < 8; i++)
        v[i] = VEC_LOAD(coef + (size_t)i * IDCT_LANES * 8);
    lines(v, IDCT_ROUND_1, IDCT_SHIFT_1);
    transpose(v);
    lines(v, IDCT_ROUND_2, IDCT_SHIFT_2);
    /* Columns of 16 bits become rows of 8. */
    for (int i = 0; i < 4; i++)
        a[i] = VEC(packus_epi16)(v[i], v[i + 4]);
    const vec ac = VEC(unpacklo_epi8)(a[0], a[1]), bd = VEC(unpacklo_epi8)(a[2], a[3]);
    const vec eg = VEC(unpackhi_epi8)(a[0], a[1]), fh = VEC(unpackhi_epi8)(a[2], a[3]);
    const vec upper = VEC(unpacklo_epi16)(ac, bd), lower = VEC(unpackhi_epi16)(ac, bd);
    const vec upper_right = VEC(unpacklo_epi16)(eg, fh),
              lower_right = VEC(unpackhi_epi16)(eg, fh);
    r[0] = VEC(unpacklo_epi32)(upper, upper_right);
    r[1] = VEC(unpackhi_epi32)(upper, upper_right);
    r[2] = VEC(unpacklo_epi32)(lower, lower_right);
    r[3] = VEC(unpackhi_epi32)(lower, lower_right);
    PUT_LANE(0);
#if IDCT_LANES > 1
    PUT_LANE(1);
#endif
#if IDCT_LANES > 2
    PUT_LANE(2);
    PUT_LANE(3);
#endif
}

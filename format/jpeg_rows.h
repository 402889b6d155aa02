/* jpeg_rows.h -- rows of samples into rows of pixels, and the set of kernels of the
 * including file. Loops without intrinsics are such that the compiler finds the
 * vectors. */
#include "jpeg_blocks.h"
#include "jpeg_kernels.h"

/* sums[1..n]: with their outermost repeated, each value and a quarter or third of its
 * neighbours. */
static inline void spread(uint16_t *sums, size_t n, const int left, const int right,
                          const int shift, uint8_t *out)
{
    sums[0] = sums[1];
    sums[n + 1] = sums[n];
    for (size_t i = 0; i < n; i++) {
        const uint16_t here = (uint16_t)(3 * sums[i + 1]);
        const uint16_t even = (uint16_t)((uint16_t)(here + sums[i] + left) >> shift);
        const uint16_t odd =
            (uint16_t)((uint16_t)(here + sums[i + 2] + right) >> shift);
        const uint16_t both = (uint16_t)(even | odd << 8);
        memcpy(out + 2 * i, &both, sizeof(both));
    }
}

static void widen(const uint8_t *in, size_t n, uint16_t *sums, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        sums[i + 1] = in[i];
    spread(sums, n, 1, 2, 2, out);
}

static void widen_between(const uint8_t *near, const uint8_t *far, size_t n,
                          uint16_t *sums, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        sums[i + 1] = (uint16_t)(3 * near[i] + far[i]);
    spread(sums, n, 8, 7, 4, out);
}

/* BT.601 with the full range, in fixed point of 16 bits:
 * R = Y + 1.402 Cr, G = Y - 0.34414 Cb - 0.71414 Cr, B = Y + 1.772 Cb. */
enum {
    RED_CR = 91881,
    GREEN_CB = 22554,
    GREEN_CR = 46802,
    BLUE_CB = 116130,
    COLOUR_HALF = 1 << 15,
};

static inline uint8_t limited(int v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static inline void colour_each(const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                               size_t n, uint8_t *rgb)
{
    for (size_t i = 0; i < n; i++, rgb += 3) {
        const int u = cb[i] - 128, v = cr[i] - 128;
        rgb[0] = limited(y[i] + ((RED_CR * v + COLOUR_HALF) >> 16));
        rgb[1] = limited(y[i] + ((-GREEN_CB * u - GREEN_CR * v + COLOUR_HALF) >> 16));
        rgb[2] = limited(y[i] + ((BLUE_CB * u + COLOUR_HALF) >> 16));
    }
}

#ifdef __AVX2__
/* (x * k + 2^15) >> 16 of a factor that is even or not: with x doubled it is halved
 * once more, rounded. */
static inline __m256i scaled(__m256i doubled, int k)
{
    const __m256i product = _mm256_mulhi_epi16(doubled, _mm256_set1_epi16((short)k));
    return _mm256_srai_epi16(_mm256_add_epi16(product, _mm256_set1_epi16(1)), 1);
}

/* 16 pixels; factors beyond 16 bits are those less a multiple of 2^16. */
static inline void colour_16(const uint8_t *y, const uint8_t *cb, const uint8_t *cr,
                             uint8_t *rgb)
{
    const __m256i middle = _mm256_set1_epi16(128);
    const __m256i l = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)y));
    const __m256i u = _mm256_sub_epi16(
        _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)cb)), middle);
    const __m256i v = _mm256_sub_epi16(
        _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)cr)), middle);
    const __m256i u2 = _mm256_add_epi16(u, u), v2 = _mm256_add_epi16(v, v);
    const __m256i red =
        _mm256_add_epi16(_mm256_add_epi16(l, v), scaled(v2, RED_CR - 65536));
    const __m256i blue =
        _mm256_add_epi16(_mm256_add_epi16(l, u2), scaled(u2, BLUE_CB - 2 * 65536));
    const __m256i k = _mm256_set1_epi32(
        (int)((uint32_t)(65536 - GREEN_CR) << 16 | (uint16_t)-GREEN_CB));
    const __m256i half = _mm256_set1_epi32(COLOUR_HALF);
    const __m256i low = _mm256_srai_epi32(
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(u, v), k), half), 16);
    const __m256i high = _mm256_srai_epi32(
        _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(u, v), k), half), 16);
    const __m256i green =
        _mm256_add_epi16(_mm256_sub_epi16(l, v), _mm256_packs_epi32(low, high));
    /* Eight pixels in each half: all of red and green, and of blue. */
    const __m256i rg = _mm256_packus_epi16(red, green);
    const __m256i bb = _mm256_packus_epi16(blue, blue);
    const __m256i first =
        _mm256_setr_epi8(0, 8, -1, 1, 9, -1, 2, 10, -1, 3, 11, -1, 4, 12, -1, 5, 0, 8,
                         -1, 1, 9, -1, 2, 10, -1, 3, 11, -1, 4, 12, -1, 5);
    const __m256i first_b =
        _mm256_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1,
                         -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
    const __m256i rest =
        _mm256_setr_epi8(13, -1, 6, 14, -1, 7, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                         13, -1, 6, 14, -1, 7, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i rest_b =
        _mm256_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1,
                         -1, 5, -1, -1, 6, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i head = _mm256_or_si256(_mm256_shuffle_epi8(rg, first),
                                         _mm256_shuffle_epi8(bb, first_b));
    const __m256i tail =
        _mm256_or_si256(_mm256_shuffle_epi8(rg, rest), _mm256_shuffle_epi8(bb, rest_b));
    _mm_storeu_si128((__m128i *)rgb, _mm256_castsi256_si128(head));
    _mm_storel_epi64((__m128i *)(rgb + 16), _mm256_castsi256_si128(tail));
    _mm_storeu_si128((__m128i *)(rgb + 24), _mm256_extracti128_si256(head, 1));
    _mm_storel_epi64((__m128i *)(rgb + 40), _mm256_extracti128_si256(tail, 1));
}
#endif

static void colour(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, size_t n,
                   uint8_t *rgb)
{
    size_t i = 0;
#ifdef __AVX2__
    for (; i + 16 <= n; i += 16)
        colour_16(y + i, cb + i, cr + i, rgb + 3 * i);
#endif
    colour_each(y + i, cb + i, cr + i, n - i, rgb + 3 * i);
}

const struct jpeg_kernels JPEG_NAME = {
    JPEG_TEXT, IDCT_LANES, block, skip, idct, widen, widen_between, colour,
};

/* resize_kernels.h -- the passes of resize.h, with the instructions that the including
 * file allows. Down the columns the compiler finds the vectors itself; across, four
 * rows go together, so that three channels at a time fill a register. */
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "resize.h"

static inline uint8_t clip(int32_t sum)
{
    const int32_t v = sum >> RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

#ifdef __AVX2__
static inline int word_at(const uint8_t *p)
{
    int word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* One position of four rows `stride` bytes apart: a row's three channels in four lanes,
 * the last of which belongs to the next pixel and means nothing. */
static inline void across3(int out[4], const uint8_t *in, size_t stride,
                           const int32_t *w, int taps)
{
    const int half = 1 << (RESIZE_BITS - 1);
#ifdef __AVX512BW__
    __m512i sum = _mm512_set1_epi32(half);
    for (int k = 0; k < taps; k++, in += 3) {
        const __m128i pixels =
            _mm_setr_epi32(word_at(in), word_at(in + stride), word_at(in + 2 * stride),
                           word_at(in + 3 * stride));
        sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(_mm512_cvtepu8_epi32(pixels),
                                                       _mm512_set1_epi32(w[k])));
    }
    const __m128i value = _mm512_cvtusepi32_epi8(_mm512_srli_epi32(sum, RESIZE_BITS));
    memcpy(out, &value, sizeof(value));
#else
    __m256i sum = _mm256_set1_epi32(half), more = sum;
    for (int k = 0; k < taps; k++, in += 3) {
        const __m256i weight = _mm256_set1_epi32(w[k]);
        const __m128i first =
            _mm_insert_epi32(_mm_cvtsi32_si128(word_at(in)), word_at(in + stride), 1);
        const __m128i second = _mm_insert_epi32(
            _mm_cvtsi32_si128(word_at(in + 2 * stride)), word_at(in + 3 * stride), 1);
        sum = _mm256_add_epi32(sum,
                               _mm256_mullo_epi32(_mm256_cvtepu8_epi32(first), weight));
        more = _mm256_add_epi32(
            more, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(second), weight));
    }
    /* Packing goes by halves: rows 0, 2 and 1, 3. */
    const __m256i words = _mm256_packus_epi32(_mm256_srli_epi32(sum, RESIZE_BITS),
                                              _mm256_srli_epi32(more, RESIZE_BITS));
    const __m256i value = _mm256_packus_epi16(words, words);
    out[0] = _mm256_extract_epi32(value, 0);
    out[1] = _mm256_extract_epi32(value, 4);
    out[2] = _mm256_extract_epi32(value, 1);
    out[3] = _mm256_extract_epi32(value, 5);
#endif
}

/* Whole words are stored, each over the meaningless byte of the one before, but for the
 * last, behind which another row begins. */
static inline void four_rows(const struct resize_axis *a, const uint8_t *in,
                             size_t stride, uint8_t *out)
{
    const size_t out_stride = 3 * (size_t)a->to;
    const int last = a->to - 1;
    int value[4];
    for (int i = 0; i <= last; i++, out += 3) {
        across3(value, in + 3 * (size_t)a->first[i], stride,
                a->weight + (size_t)i * (size_t)a->taps, a->taps);
        for (int row = 0; row < 4; row++)
            memcpy(out + (size_t)row * out_stride, &value[row], i < last ? 4 : 3);
    }
}
#endif

static inline void one_row(const struct resize_axis *a, const uint8_t *in, int channels,
                           uint8_t *out)
{
    for (int i = 0; i < a->to; i++)
        for (int c = 0; c < channels; c++) {
            const int32_t *w = a->weight + (size_t)i * (size_t)a->taps;
            const uint8_t *p = in + a->first[i] * channels + c;
            int32_t sum = 1 << (RESIZE_BITS - 1);
            for (int k = 0; k < a->taps; k++)
                sum += p[k * channels] * w[k];
            *out++ = clip(sum);
        }
}

static void across(const struct resize_axis *a, const uint8_t *in, size_t rows,
                   int channels, uint8_t *out)
{
    const size_t stride = (size_t)a->from * (size_t)channels;
    const size_t out_stride = (size_t)a->to * (size_t)channels;
    size_t y = 0;
#ifdef __AVX2__
    for (; channels == 3 && y + 4 <= rows; y += 4)
        four_rows(a, in + y * stride, stride, out + y * out_stride);
#endif
    for (; y < rows; y++)
        one_row(a, in + y * stride, channels, out + y * out_stride);
}

static void down(const struct resize_axis *a, int y, const uint8_t *in, size_t stride,
                 uint8_t *out, size_t bytes)
{
    enum { BLOCK = 64 };
    const int32_t *w = a->weight + (size_t)y * (size_t)a->taps;
    const uint8_t *first = in + (size_t)a->first[y] * stride;
    const int count = a->taps;
    size_t x = 0;
    for (; x + BLOCK <= bytes; x += BLOCK) {
        int32_t sum[BLOCK];
        for (int i = 0; i < BLOCK; i++)
            sum[i] = 1 << (RESIZE_BITS - 1);
        for (int k = 0; k < count; k++) {
            const uint8_t *p = first + (size_t)k * stride + x;
            const int32_t weight = w[k];
            for (int i = 0; i < BLOCK; i++)
                sum[i] += p[i] * weight;
        }
        for (int i = 0; i < BLOCK; i++)
            out[x + (size_t)i] = clip(sum[i]);
    }
    for (; x < bytes; x++) {
        int32_t sum = 1 << (RESIZE_BITS - 1);
        for (int k = 0; k < count; k++)
            sum += first[(size_t)k * stride + x] * w[k];
        out[x] = clip(sum);
    }
}

const struct resize_kernels RESIZE_NAME = { RESIZE_TEXT, across, down };

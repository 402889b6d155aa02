/* resize_kernels.h -- the passes of resize.h in plain loops over small vectors, which
 * the compiler turns into whatever instructions the including file allows. */
#include <string.h>

#include "resize.h"

typedef int32_t four __attribute__((vector_size(16)));
typedef uint8_t four_bytes __attribute__((vector_size(4)));

static inline uint8_t clip(int32_t sum)
{
    const int32_t v = sum >> RESIZE_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Three channels in the lanes of one vector; the fourth lane is of the next pixel and
 * is thrown away. */
static inline void across3(const struct resize_axis *a, const uint8_t *in, uint8_t *out)
{
    const int32_t half = 1 << (RESIZE_BITS - 1);
    for (int i = 0; i < a->to; i++, out += 3) {
        const int32_t *w = a->weight + (size_t)i * (size_t)a->taps;
        const uint8_t *p = in + 3 * (size_t)a->first[i];
        four sum = { half, half, half, half };
        for (int k = 0; k < a->count[i]; k++, p += 3) {
            four_bytes v;
            memcpy(&v, p, 4);
            sum += __builtin_convertvector(v, four) * w[k];
        }
        out[0] = clip(sum[0]);
        out[1] = clip(sum[1]);
        out[2] = clip(sum[2]);
    }
}

static void across(const struct resize_axis *a, const uint8_t *in, int channels,
                   uint8_t *out)
{
    if (channels == 3) {
        across3(a, in, out);
        return;
    }
    for (int i = 0; i < a->to; i++) {
        const int32_t *w = a->weight + (size_t)i * (size_t)a->taps;
        int32_t sum = 1 << (RESIZE_BITS - 1);
        for (int k = 0; k < a->count[i]; k++)
            sum += in[a->first[i] + k] * w[k];
        out[i] = clip(sum);
    }
}

static void down(const struct resize_axis *a, int y, const uint8_t *in, size_t stride,
                 uint8_t *out, size_t bytes)
{
    enum { BLOCK = 64 };
    const int32_t *w = a->weight + (size_t)y * (size_t)a->taps;
    const uint8_t *first = in + (size_t)a->first[y] * stride;
    const int count = a->count[y];
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

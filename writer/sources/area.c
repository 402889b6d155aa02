/* area.c -- scaling down by area averages, rows first, then columns. */
#include <stdlib.h>

#include "picture.h"

enum { ONE = 1 << 24 }; /* 255 of it, and a half, fit 32 bits */

/* Output position `i` of `n` covers [i * from / n, (i + 1) * from / n): the first
 * source position and the weights of all, differences of rounded shares of what lies
 * before their ends, so that they sum to ONE. Returns how many. */
static uint32_t cover(uint32_t i, uint32_t n, uint32_t from, uint32_t *first,
                      uint32_t *weight)
{
    const uint64_t begin = (uint64_t)i * from, end = begin + from; /* in 1/n */
    uint32_t count = 0, before = 0;
    *first = (uint32_t)(begin / n);
    for (uint64_t at = *first; at * n < end; at++, count++) {
        const uint64_t high = (at + 1) * n < end ? (at + 1) * n : end;
        /* from is 0 for no caller: begin < end. NOLINTNEXTLINE(*-core.DivideZero) */
        const uint32_t until = (uint32_t)(((high - begin) * ONE + from / 2) / from);
        weight[count] = until - before;
        before = until;
    }
    return count;
}

/* One line of `count` values of `channels` each, `step` apart, into a shorter one. */
static void scale_line(const uint8_t *in, size_t step, uint32_t from, uint8_t *out,
                       size_t out_step, uint32_t to, uint32_t *weight)
{
    for (uint32_t i = 0; i < to; i++) {
        uint32_t first, sum = ONE / 2;
        const uint32_t n = cover(i, to, from, &first, weight);
        for (uint32_t k = 0; k < n; k++)
            sum += weight[k] * in[(first + k) * step];
        out[i * out_step] = (uint8_t)(sum / ONE);
    }
}

int area_scale(const uint8_t *in, uint32_t height, uint32_t width, uint32_t channels,
               uint8_t *out, uint32_t out_height, uint32_t out_width,
               struct sluice_error *err)
{
    if (!out_height || !out_width || out_height > height || out_width > width)
        return sluice_fail(err, SLUICE_EINVAL, "%ux%u pixels cannot shrink to %ux%u",
                           height, width, out_height, out_width);
    const size_t row = (size_t)width * channels, out_row = (size_t)out_width * channels;
    uint32_t *weight = malloc(((size_t)(height > width ? height : width) + 2) * 4);
    uint8_t *narrow = malloc((size_t)height * out_row);
    if (!weight || !narrow) {
        free(weight);
        free(narrow);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory to scale %ux%u pixels",
                           height, width);
    }
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t c = 0; c < channels; c++)
            scale_line(in + y * row + c, channels, width, narrow + y * out_row + c,
                       channels, out_width, weight);
    for (size_t x = 0; x < out_row; x++)
        scale_line(narrow + x, out_row, height, out + x, out_row, out_height, weight);
    free(weight);
    free(narrow);
    return 0;
}

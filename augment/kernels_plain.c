/* kernels_plain.c -- the inner loops in plain C, by table. */
#include <string.h>

#include "kernels.h"

static void reverse(const struct conversion *cv, uint8_t *dst, const uint8_t *src,
                    int pixels)
{
    const int channels = cv->channels;
    for (int i = 0; i < pixels; i++, dst += channels)
        for (int c = 0; c < channels; c++)
            dst[c] = src[(size_t)(pixels - 1 - i) * channels + c];
}

static void planar(const struct conversion *cv, void *out, size_t plane,
                   const uint8_t *src, size_t pixels)
{
    const int channels = cv->channels;
    for (int c = 0; c < channels; c++) {
        const size_t first = (size_t)c * plane;
        for (size_t i = 0; i < pixels; i++) {
            const uint8_t v = src[i * channels + c];
            if (cv->dtype == SLUICE_U8)
                ((uint8_t *)out)[first + i] = v;
            else if (cv->dtype == SLUICE_F32)
                ((float *)out)[first + i] = cv->table.f32[c][v];
            else
                ((uint16_t *)out)[first + i] = cv->table.u16[c][v];
        }
    }
}

static void interleaved(const struct conversion *cv, void *out, const uint8_t *src,
                        size_t pixels)
{
    const int channels = cv->channels;
    if (cv->dtype == SLUICE_U8) {
        memcpy(out, src, pixels * channels);
        return;
    }
    for (size_t i = 0, at = 0; i < pixels; i++)
        for (int c = 0; c < channels; c++, at++)
            if (cv->dtype == SLUICE_F32)
                ((float *)out)[at] = cv->table.f32[c][src[at]];
            else
                ((uint16_t *)out)[at] = cv->table.u16[c][src[at]];
}

const struct kernels sluice_augment_plain = { "plain", reverse, interleaved, planar };

/* turn.c -- EXIF's eight orientations; see picture.h. */
#include <string.h>

#include "picture.h"

void turn_upright(const uint8_t *in, uint32_t height, uint32_t width, uint32_t channels,
                  int orientation, uint8_t *out)
{
    /* Row 0 and column 0 of the picture as stored lie, upright, at: */
    const bool exchange = orientation >= 5;
    const bool from_bottom =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const bool from_right =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const uint32_t rows = exchange ? width : height,
                   columns = exchange ? height : width;
    for (uint32_t y = 0; y < rows; y++)
        for (uint32_t x = 0; x < columns; x++, out += channels) {
            const uint32_t v = exchange ? x : y, h = exchange ? y : x;
            const uint32_t row = from_bottom ? height - 1 - v : v;
            const uint32_t column = from_right ? width - 1 - h : h;
            memcpy(out, in + ((size_t)row * width + column) * channels, channels);
        }
}

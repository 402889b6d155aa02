/* fuzz_jpeg.c -- any bytes taken for a picture, whole or in part, are refused with
 * words or give every pixel, inside what was asked for. The first 5 bytes choose the
 * part. */
#include <sluice/jpeg.h>

#include "fuzz.h"

enum { CHOICE = 5, PIXELS = 1 << 20 };

static uint32_t share(uint8_t byte, uint32_t of)
{
    return (uint32_t)((uint64_t)byte * of / 256);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sluice_jpeg *decoder;
    static const struct sluice_jpeg_limits limits = { PIXELS, (size_t)64 << 20, 20 };
    struct sluice_error err = { 0 };
    struct sluice_jpeg_info info;
    if (size < CHOICE)
        return 0;
    if (!decoder && sluice_jpeg_create(&decoder, &limits, &err) < 0)
        return 0;
    const int rc =
        sluice_jpeg_begin(decoder, data + CHOICE, size - CHOICE, &info, &err);
    FUZZ_REQUIRE(rc == 0 || (err.message[0] && err.code == rc));
    if (rc < 0)
        return 0;
    struct sluice_jpeg_rect r = { .y = share(data[0], info.height),
                                  .x = share(data[1], info.width) };
    r.height = 1 + share(data[2], info.height - r.y);
    r.width = 1 + share(data[3], info.width - r.x);
    const int channels = data[4] & 1 ? 1 : 3;
    const bool part = data[4] & 2;
    const size_t bytes = part ? (size_t)r.height * r.width * (size_t)channels
                              : (size_t)info.height * info.width * (size_t)channels;
    uint8_t *pixels = malloc(bytes);
    FUZZ_REQUIRE(pixels);
    memset(&err, 0, sizeof err);
    const int got =
        sluice_jpeg_decode(decoder, part ? &r : NULL, channels, pixels, &err);
    FUZZ_REQUIRE(got == 0 || (err.message[0] && err.code == got));
    free(pixels);
    return 0;
}

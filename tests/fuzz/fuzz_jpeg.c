/* fuzz_jpeg.c -- any bytes taken for a picture, whole or in part, are refused with
 * words or give every pixel, inside what was asked for; and libjpeg alone says and
 * gives the same. The first 5 bytes choose the part, and the instructions. */
#include <sluice/jpeg.h>

#include "fuzz.h"

enum { CHOICE = 5, PIXELS = 1 << 20 };

static const struct sluice_jpeg_limits limits = { PIXELS, (size_t)64 << 20, 20 };

static uint32_t share(uint8_t byte, uint32_t of)
{
    return (uint32_t)((uint64_t)byte * of / 256);
}

/* The part by libjpeg: the same verdict and pixels. */
static void by_libjpeg(const uint8_t *data, size_t size,
                       const struct sluice_jpeg_rect *r, int channels,
                       const struct sluice_error *want, const uint8_t *pixels,
                       size_t bytes)
{
    static struct sluice_jpeg *libjpeg;
    struct sluice_error err = { 0 };
    struct sluice_jpeg_info info;
    if (!libjpeg && (sluice_jpeg_create(&libjpeg, &limits, &err) < 0 ||
                     sluice_jpeg_prefer(libjpeg, SLUICE_JPEG_LIBJPEG, &err) < 0))
        return;
    uint8_t *other = malloc(bytes);
    FUZZ_REQUIRE(other);
    FUZZ_REQUIRE(sluice_jpeg_begin(libjpeg, data, size, &info, &err) == 0);
    const int rc = sluice_jpeg_decode(libjpeg, r, channels, other, &err);
    FUZZ_REQUIRE(rc == want->code && strcmp(err.message, want->message) == 0);
    FUZZ_REQUIRE(rc < 0 || memcmp(other, pixels, bytes) == 0);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sluice_jpeg *decoder;
    struct sluice_error err = { 0 };
    struct sluice_jpeg_info info;
    if (size < CHOICE)
        return 0;
    if (!decoder && sluice_jpeg_create(&decoder, &limits, &err) < 0)
        return 0;
    /* Where the CPU has them not, it is another. */
    sluice_jpeg_prefer(decoder, SLUICE_JPEG_AUTO, &err);
    sluice_jpeg_prefer(decoder, (enum sluice_jpeg_path)(2 + (data[4] >> 2) % 3), &err);
    memset(&err, 0, sizeof err);
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
    by_libjpeg(data + CHOICE, size - CHOICE, part ? &r : NULL, channels, &err, pixels,
               bytes);
    free(pixels);
    return 0;
}

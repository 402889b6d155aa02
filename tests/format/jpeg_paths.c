/* jpeg_paths.c -- the decoder of our own gives what libjpeg gives, with every set of
 * instructions: pixels of any kind, size, quality and part, and the same words about
 * what is damaged. What it does not decode is libjpeg's. */
#include <sluice/jpeg.h>
#include <sluice/rng.h>

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { SIDE = 180, BYTES = SIDE * SIDE * 3 };

enum coding { PLAIN, PROGRESSIVE, SCANS, ARITHMETIC };

struct kind {
    uint32_t height, width;
    int colours; /* 1 grey, 3 YCbCr, 4 CMYK, -3 RGB as it is */
    int across, down, quality, restart, optimal;
    enum coding coding;
    int picture; /* 0 slopes, 1 noise, 2 black and white, 3 flat but for a corner */
};

static struct sluice_jpeg *libjpeg, *own;
static enum sluice_jpeg_path path;
static struct sluice_rng rng;

static uint32_t below(uint32_t n)
{
    return sluice_rng_below(&rng, n);
}

static uint8_t value(const struct kind *k, uint32_t y, uint32_t x, uint32_t c)
{
    switch (k->picture) {
    case 0:
        return (uint8_t)(((x * (3 + c) + y * 2) & 127) + below(32));
    case 1:
        return (uint8_t)below(256);
    case 2:
        return (x / 3 + y / 2 + c) % 2 ? 255 : 0;
    default:
        return x + y > k->width ? (uint8_t)below(64) : (uint8_t)(100 + 40 * c);
    }
}

static void set_up(struct jpeg_compress_struct *info, const struct kind *k)
{
    static const jpeg_scan_info scans[] = { { 1, { 0 }, 0, 63, 0, 0 },
                                            { 2, { 1, 2 }, 0, 63, 0, 0 } };
    info->image_height = k->height;
    info->image_width = k->width;
    info->input_components = abs(k->colours);
    info->in_color_space = k->colours == 1   ? JCS_GRAYSCALE
                           : k->colours == 4 ? JCS_CMYK
                                             : JCS_RGB;
    jpeg_set_defaults(info);
    if (k->colours == -3)
        jpeg_set_colorspace(info, JCS_RGB);
    jpeg_set_quality(info, k->quality, k->restart % 2 == 0);
    info->comp_info[0].h_samp_factor = k->across;
    info->comp_info[0].v_samp_factor = k->down;
    info->restart_interval = (unsigned)k->restart;
    info->optimize_coding = k->optimal ? TRUE : FALSE;
    info->arith_code = k->coding == ARITHMETIC ? TRUE : FALSE;
    if (k->coding == PROGRESSIVE)
        jpeg_simple_progression(info);
    if (k->coding == SCANS) {
        info->scan_info = scans;
        info->num_scans = 2;
    }
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

static uint8_t *make(const struct kind *k, size_t *size)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long length = 0;
    const uint32_t colours = (uint32_t)abs(k->colours);
    uint8_t *row = malloc((size_t)k->width * colours);
    info.err = jpeg_std_error(&errors);
    errors.output_message = say_nothing;
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &out, &length);
    set_up(&info, k);
    jpeg_start_compress(&info, TRUE);
    for (uint32_t y = 0; y < k->height; y++) {
        for (uint32_t i = 0; i < k->width * colours; i++)
            row[i] = value(k, y, i / colours, i % colours);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    *size = length;
    return out;
}

static struct sluice_jpeg_rect any_part(uint32_t height, uint32_t width)
{
    struct sluice_jpeg_rect r = { .height = 1 + below(height),
                                  .width = 1 + below(width) };
    r.y = below(height - r.height + 1);
    r.x = below(width - r.width + 1);
    return r;
}

/* One picture both ways; whether they agree, and the verdict in *rc. */
static bool agree(const uint8_t *data, size_t size, const struct sluice_jpeg_rect *r,
                  int channels, int *rc)
{
    static uint8_t want[BYTES], got[BYTES];
    struct sluice_error want_err = { 0 }, err = { 0 };
    struct sluice_jpeg_info info, other;
    *rc = sluice_jpeg_begin(libjpeg, data, size, &info, &want_err);
    int mine = sluice_jpeg_begin(own, data, size, &other, &err);
    if (*rc == 0 && (info.height > SIDE || info.width > SIDE))
        return true; /* damaged sizes */
    memset(want, 1, sizeof want);
    memset(got, 1, sizeof got);
    if (*rc == 0)
        *rc = sluice_jpeg_decode(libjpeg, r, channels, want, &want_err);
    if (mine == 0)
        mine = sluice_jpeg_decode(own, r, channels, got, &err);
    /* Behind an error pixels mean nothing. */
    return *rc == mine && strcmp(err.message, want_err.message) == 0 &&
           (mine < 0 || memcmp(want, got, sizeof want) == 0);
}

enum { EITHER, OWN, LIBJPEGS };

static void compare(const struct kind *k, const char *what, int by)
{
    size_t size;
    int rc;
    uint8_t *data = make(k, &size);
    for (int i = 0; i < 4; i++) {
        const struct sluice_jpeg_rect r = any_part(k->height, k->width);
        const int channels = k->colours != 4 && i == 2 ? 1 : 3;
        const bool same = agree(data, size, i ? &r : NULL, channels, &rc);
        CHECK(same && rc == 0,
              "path %d, %s: %ux%u, %dx%d, quality %d, restart %d, "
              "picture %d: part %ux%u at (%u, %u) of %d channels differs",
              (int)path, what, k->height, k->width, k->across, k->down, k->quality,
              k->restart, k->picture, r.height, r.width, r.y, r.x, channels);
        /* A part of the last bytes may be too near to the end for it. */
        if (by == OWN && (i == 0 || r.y + r.height == k->height))
            CHECK(sluice_jpeg_took(own) == path,
                  "path %d, %s: %ux%u, quality %d, "
                  "picture %d was left to libjpeg",
                  (int)path, what, k->height, k->width, k->quality, k->picture);
        if (by == LIBJPEGS)
            CHECK(sluice_jpeg_took(own) == SLUICE_JPEG_LIBJPEG, "%s was not", what);
    }
    free(data);
}

static void every_kind(int quality_step)
{
    static const int samplings[][3] = {
        { 3, 1, 1 }, { 3, 2, 1 }, { 3, 2, 2 }, { 1, 1, 1 }
    };
    for (int quality = 1; quality <= 100; quality += quality_step)
        for (int i = 0; i < 4; i++) {
            const struct kind k = {
                .height = 1 + below(SIDE),
                .width = 5 + below(SIDE - 4),
                .colours = samplings[i][0],
                .across = samplings[i][1],
                .down = samplings[i][2],
                .quality = quality,
                .restart = below(3) ? 0 : 1 + (int)below(9),
                .optimal = (int)below(2),
                .picture = quality < 8 ? 3 : (int)below(4),
            };
            compare(&k, "any", quality >= 8 && k.picture != 2 ? OWN : EITHER);
        }
}

/* Every size from one pixel, where chroma is a pixel or two across. */
static void small(void)
{
    for (uint32_t side = 1; side < 36; side++)
        for (int down = 1; down <= 2; down++) {
            const struct kind k = { side < 18 ? side : 36 - side,
                                    side,
                                    3,
                                    2,
                                    down,
                                    90,
                                    0,
                                    0,
                                    PLAIN,
                                    (int)side % 2 };
            compare(&k, "small", side > 4 ? OWN : LIBJPEGS);
        }
}

static void left_to_libjpeg(void)
{
    static const struct {
        const char *what;
        struct kind k;
    } cases[] = {
        { "progressive", { 50, 60, 3, 2, 2, 90, 0, 0, PROGRESSIVE, 0 } },
        { "arithmetic", { 50, 60, 3, 2, 2, 90, 0, 0, ARITHMETIC, 0 } },
        { "two scans", { 50, 60, 3, 2, 2, 90, 0, 0, SCANS, 0 } },
        { "CMYK", { 50, 60, 4, 1, 1, 90, 0, 0, PLAIN, 0 } },
        { "RGB", { 50, 60, -3, 1, 1, 90, 0, 0, PLAIN, 0 } },
        { "4:4:0", { 50, 60, 3, 1, 2, 90, 0, 0, PLAIN, 0 } },
        { "4:1:1", { 50, 60, 3, 4, 1, 90, 0, 0, PLAIN, 0 } },
        { "grey of 2x2", { 50, 60, 1, 2, 2, 90, 0, 0, PLAIN, 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        compare(&cases[i].k, cases[i].what, LIBJPEGS);
}

/* Every cut, and every byte with a bit turned: libjpeg's verdict. A copy of the exact
 * size shows reading beyond it. */
static void damage(const struct kind *k)
{
    size_t size, accepted = 0, bad = 0, first = 0;
    int rc;
    uint8_t *data = make(k, &size);
    const struct sluice_jpeg_rect upper = { 0, 3, k->height / 2, k->width - 5 };
    /* Its last row is the last but one of its MCUs: libjpeg wants the next ones too. */
    const struct sluice_jpeg_rect fifteen = { 0, 0, 15, k->width };
    const struct sluice_jpeg_rect lower = { k->height / 3, 0, k->height / 2, k->width };
    for (size_t n = 0; n < 2 * size; n++) {
        const bool cut = n < size;
        const size_t length = cut ? n : size, at = n - size;
        uint8_t *copy = malloc(length + !length);
        memcpy(copy, data, length);
        if (!cut)
            copy[at] ^= (uint8_t)(1 << below(8));
        const struct sluice_jpeg_rect *const parts[] = { NULL, &upper, &lower,
                                                         &fifteen };
        const struct sluice_jpeg_rect *r = parts[n % 4];
        if (!agree(copy, length, r, 3, &rc) && !bad++)
            first = n;
        accepted += rc == 0;
        free(copy);
    }
    CHECK(bad == 0, "path %d: %zu of %zu damaged pictures differ, the first is %zu",
          (int)path, bad, 2 * size, first);
    CHECK(accepted > 0 && accepted < 2 * size, "%zu of %zu accepted", accepted,
          2 * size);
    free(data);
}

static void every_path(void)
{
    static const struct kind damaged[] = {
        { 40, 52, 3, 2, 2, 70, 0, 0, PLAIN, 0 },
        { 33, 52, 3, 2, 2, 95, 2, 0, PLAIN, 1 },
        { 40, 40, 3, 2, 1, 50, 0, 1, PLAIN, 0 },
        { 30, 40, 3, 1, 1, 30, 0, 0, PLAIN, 1 },
        { 40, 60, 1, 1, 1, 80, 4, 0, PLAIN, 0 },
    };
    struct sluice_error err;
    for (path = SLUICE_JPEG_PLAIN; path <= SLUICE_JPEG_AVX512; path++) {
        if (sluice_jpeg_prefer(own, path, &err) < 0)
            continue;
        rng = sluice_rng_at(7, (uint64_t)path, 0);
        every_kind(path == SLUICE_JPEG_PLAIN ? 3 : 1);
        small();
        left_to_libjpeg();
        for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
            damage(&damaged[i]);
    }
}

int main(void)
{
    struct sluice_error err;
    REQUIRE(sluice_jpeg_create(&libjpeg, NULL, &err) == 0, "%s", err.message);
    REQUIRE(sluice_jpeg_create(&own, NULL, &err) == 0, "%s", err.message);
    REQUIRE(sluice_jpeg_prefer(libjpeg, SLUICE_JPEG_LIBJPEG, &err) == 0, "%s",
            err.message);
    every_path();
    sluice_jpeg_free(own);
    sluice_jpeg_free(libjpeg);
    return check_done();
}

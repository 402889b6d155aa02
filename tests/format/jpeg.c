/* jpeg.c -- pictures decoded whole are what libjpeg gives; parts are the same pixels,
 * for every kind of subsampling; damage, limits and unusual kinds are told apart. */
#include <sluice/jpeg.h>
#include <sluice/rng.h>

#include "check.h"
#include "support/jpegs.h"

enum { PARTS = 60 };

static struct sluice_jpeg *decoder;
static struct sluice_error err;

/* Whole, as libjpeg's example does it. */
static uint8_t *plain_decode(const uint8_t *data, size_t size, J_COLOR_SPACE colours)
{
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, data, (unsigned long)size);
    jpeg_read_header(&info, TRUE);
    info.out_color_space = colours;
    jpeg_start_decompress(&info);
    const size_t row = (size_t)info.output_width * (size_t)info.output_components;
    uint8_t *out = malloc(row * info.output_height);
    while (info.output_scanline < info.output_height) {
        uint8_t *at = out + info.output_scanline * row;
        jpeg_read_scanlines(&info, &at, 1);
    }
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    return out;
}

static int begin(const uint8_t *data, size_t size)
{
    struct sluice_jpeg_info info;
    return sluice_jpeg_begin(decoder, data, size, &info, &err);
}

/* Pixels of the part that differ from the whole's; -1: an error. */
static long differing(const uint8_t *data, size_t size, const uint8_t *whole, int width,
                      const struct sluice_jpeg_rect *r, int channels)
{
    const size_t row = r->width * (size_t)channels;
    uint8_t *part = malloc(row * r->height);
    long bad = 0;
    if (begin(data, size) < 0 ||
        sluice_jpeg_decode(decoder, r, channels, part, &err) < 0)
        bad = -1;
    for (uint32_t y = 0; bad >= 0 && y < r->height; y++)
        for (size_t i = 0; i < row; i++)
            bad += part[y * row + i] !=
                   whole[((r->y + y) * (size_t)width + r->x) * (size_t)channels + i];
    free(part);
    return bad;
}

static struct sluice_jpeg_rect any_part(struct sluice_rng *rng, int height, int width)
{
    struct sluice_jpeg_rect r;
    r.height = 1 + sluice_rng_below(rng, (uint32_t)height);
    r.width = 1 + sluice_rng_below(rng, (uint32_t)width);
    r.y = sluice_rng_below(rng, (uint32_t)height - r.height + 1);
    r.x = sluice_rng_below(rng, (uint32_t)width - r.width + 1);
    return r;
}

static void parts(const struct jpeg_make *m, int channels, const char *what)
{
    struct sluice_rng rng = sluice_rng_at(5, m->seed, 0);
    size_t size;
    uint8_t *data = jpeg_make(m, &size);
    uint8_t *whole = plain_decode(data, size, channels == 1 ? JCS_GRAYSCALE : JCS_RGB);
    const struct sluice_jpeg_rect all = { 0, 0, (uint32_t)m->height,
                                          (uint32_t)m->width };
    long bad = differing(data, size, whole, m->width, &all, channels);
    CHECK(bad == 0, "%s: whole: %ld differ: %s", what, bad, err.message);
    for (int i = 0; i < PARTS; i++) {
        const struct sluice_jpeg_rect r = any_part(&rng, m->height, m->width);
        bad = differing(data, size, whole, m->width, &r, channels);
        CHECK(bad == 0, "%s: %ux%u at (%u, %u): %ld differ", what, r.height, r.width,
              r.y, r.x, bad);
    }
    free(whole);
    free(data);
}

static void every_kind(void)
{
    static const struct {
        const char *what;
        struct jpeg_make m;
        int channels;
    } cases[] = {
        { "4:4:4", { 67, 93, 3, 1, 1, 0, 0, 0, 1 }, 3 },
        { "4:2:2", { 67, 93, 3, 2, 1, 0, 0, 0, 2 }, 3 },
        { "4:4:0", { 67, 93, 3, 1, 2, 0, 0, 0, 3 }, 3 },
        { "4:2:0", { 67, 93, 3, 2, 2, 0, 0, 0, 4 }, 3 },
        { "4:2:0 of odd sides", { 131, 150, 3, 2, 2, 0, 95, 0, 5 }, 3 },
        { "4:2:0 progressive", { 67, 93, 3, 2, 2, 1, 0, 0, 6 }, 3 },
        { "luma", { 67, 93, 3, 2, 2, 0, 0, 0, 7 }, 1 },
        { "grey", { 67, 93, 1, 1, 1, 0, 0, 0, 8 }, 1 },
        { "grey as RGB", { 40, 50, 1, 1, 1, 1, 0, 0, 9 }, 3 },
        { "one pixel", { 1, 1, 3, 2, 2, 0, 0, 0, 10 }, 3 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        parts(&cases[i].m, cases[i].channels, cases[i].what);
}

/* A pixel or two across, where libjpeg's own parts are not smoothed. */
static void narrow(enum sluice_jpeg_path path)
{
    CHECK(sluice_jpeg_prefer(decoder, path, &err) == 0, "%s", err.message);
    for (int width = 1; width < 40; width++) {
        const struct jpeg_make m = { 20, width, 3, 2, 2, 0, 90, 0, 11 };
        size_t size;
        uint8_t *data = jpeg_make(&m, &size);
        uint8_t *whole = plain_decode(data, size, JCS_RGB);
        for (uint32_t x = 0; x < (uint32_t)width; x++) {
            const struct sluice_jpeg_rect r = { 3, x, 9,
                                                x + 2 < (uint32_t)width ? 2 : 1 };
            const long bad = differing(data, size, whole, width, &r, 3);
            CHECK(bad == 0, "path %d: %u wide at %u of %d: %ld differ", (int)path,
                  r.width, r.x, width, bad);
        }
        free(whole);
        free(data);
    }
}

/* Inks as Pillow turns them into light; libjpeg writes CMYK with Adobe's marker, so
 * the stored values are 255 - ink. */
static void cmyk(void)
{
    const struct jpeg_make m = { 20, 30, 4, 1, 1, 0, 90, 0, 3 };
    struct sluice_jpeg_info info;
    static uint8_t rgb[20 * 30 * 3], one[20 * 30];
    size_t size, bad = 0;
    uint8_t *data = jpeg_make(&m, &size);
    uint8_t *inks = plain_decode(data, size, JCS_CMYK);
    REQUIRE(sluice_jpeg_begin(decoder, data, size, &info, &err) == 0, "%s",
            err.message);
    CHECK(info.colour == SLUICE_JPEG_CMYK, "colour %d", (int)info.colour);
    CHECK(sluice_jpeg_decode(decoder, NULL, 3, rgb, &err) == 0, "%s", err.message);
    for (size_t i = 0; i < 600; i++)
        for (int c = 0; c < 3; c++) {
            const double ink = 255 - inks[4 * i + (size_t)c], light = inks[4 * i + 3];
            bad +=
                !(fabs(rgb[3 * i + (size_t)c] - (light - ink * light / 255)) <= 0.51);
        }
    CHECK(bad == 0, "%zu of 1800 values differ", bad);
    REQUIRE(begin(data, size) == 0, "%s", err.message);
    CHECK(sluice_jpeg_decode(decoder, NULL, 1, one, &err) == 0, "%s", err.message);
    for (size_t i = 0; i < 600; i++) {
        const uint8_t *p = rgb + 3 * i;
        bad += !(fabs(one[i] - (.299 * p[0] + .587 * p[1] + .114 * p[2])) <= 0.51);
    }
    CHECK(bad == 0, "%zu of 600 grey values differ", bad);
    free(inks);
    free(data);
}

static void header(void)
{
    const struct jpeg_make m = { 33, 44, 3, 2, 2, 1, 0, 6, 1 };
    struct sluice_jpeg_info info;
    size_t size;
    uint8_t *data = jpeg_make(&m, &size), pixel[3];
    REQUIRE(sluice_jpeg_begin(decoder, data, size, &info, &err) == 0, "%s",
            err.message);
    CHECK(info.height == 33 && info.width == 44 && info.progressive &&
              info.colour == SLUICE_JPEG_RGB && info.orientation == 6,
          "%ux%u, progressive %d, colour %d, orientation %d", info.height, info.width,
          info.progressive, (int)info.colour, info.orientation);
    const struct sluice_jpeg_rect outside = { 33, 0, 1, 1 };
    CHECK(sluice_jpeg_decode(decoder, &outside, 3, pixel, &err) == SLUICE_EINVAL, "%s",
          err.message);
    free(data);
    CHECK(begin((const uint8_t *)"no picture", 10) == SLUICE_ECORRUPT, "%s",
          err.message);
    CHECK(sluice_jpeg_decode(decoder, NULL, 3, pixel, &err) == SLUICE_EINVAL,
          "decodes what was not begun");
    CHECK(begin(NULL, 0) == SLUICE_ECORRUPT, "nothing is a picture");
}

/* Cut anywhere before its last two rows of blocks, a picture is damaged. */
static void damage(int progressive)
{
    const struct jpeg_make m = { 64, 64, 3, 2, 2, progressive, 0, 0, 2 };
    static uint8_t out[64 * 64 * 3];
    size_t size, passed = 0;
    uint8_t *data = jpeg_make(&m, &size);
    for (size_t n = 0; n < size * 9 / 10; n++) {
        uint8_t *cut = malloc(n + 1); /* so that reading beyond it is seen */
        memcpy(cut, data, n);
        if (begin(cut, n) == 0 && sluice_jpeg_decode(decoder, NULL, 3, out, &err) == 0)
            passed++;
        free(cut);
    }
    CHECK(passed == 0, "%zu of the cut pictures pass", passed);
    /* The decoder is not spoiled by it. */
    CHECK(begin(data, size) == 0 &&
              sluice_jpeg_decode(decoder, NULL, 3, out, &err) == 0,
          "%s", err.message);
    free(data);
}

/* A picture without its tables is no picture, whatever was decoded before. */
static void forgets(void)
{
    const struct jpeg_make m = { 40, 40, 3, 2, 2, 0, 0, 0, 2 };
    static uint8_t out[40 * 40 * 3];
    size_t size, at = 2;
    uint8_t *data = jpeg_make(&m, &size);
    CHECK(begin(data, size) == 0 &&
              sluice_jpeg_decode(decoder, NULL, 3, out, &err) == 0,
          "%s", err.message);
    while (data[at + 1] != 0xdb)
        at += 2 + (size_t)(data[at + 2] << 8 | data[at + 3]);
    data[at + 1] = 0xfe; /* a comment */
    int rc = begin(data, size);
    if (rc == 0)
        rc = sluice_jpeg_decode(decoder, NULL, 3, out, &err);
    CHECK(rc == SLUICE_ECORRUPT && strstr(err.message, "not defined"), "%d: %s", rc,
          err.message);
    free(data);
}

static void limits(void)
{
    const struct jpeg_make m = { 300, 400, 3, 2, 2, 1, 0, 0, 2 };
    const struct {
        struct sluice_jpeg_limits limits;
        int code;
        const char *says;
    } cases[] = {
        { { .pixels = 300 * 400 - 1 }, SLUICE_EINVAL, "300x400" },
        { { .scans = 2 }, SLUICE_EINVAL, "scans" },
        { { .memory = 100000 }, SLUICE_ENOMEM, "" },
        { { .pixels = 300 * 400, .scans = 20 }, SLUICE_OK, "" },
    };
    static uint8_t out[300 * 400 * 3];
    size_t size;
    uint8_t *data = jpeg_make(&m, &size);
    struct sluice_jpeg *first = decoder;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        REQUIRE(sluice_jpeg_create(&decoder, &cases[i].limits, &err) == 0, "%s",
                err.message);
        err.message[0] = 0;
        int rc = begin(data, size);
        if (rc == 0)
            rc = sluice_jpeg_decode(decoder, NULL, 3, out, &err);
        CHECK(rc == cases[i].code && strstr(err.message, cases[i].says), "%zu: %d: %s",
              i, rc, err.message);
        sluice_jpeg_free(decoder);
    }
    decoder = first;
    free(data);
}

int main(void)
{
    REQUIRE(sluice_jpeg_create(&decoder, NULL, &err) == 0, "%s", err.message);
    every_kind();
    narrow(SLUICE_JPEG_LIBJPEG);
    narrow(SLUICE_JPEG_AUTO);
    cmyk();
    header();
    damage(0);
    damage(1);
    forgets();
    limits();
    sluice_jpeg_free(decoder);
    return check_done();
}

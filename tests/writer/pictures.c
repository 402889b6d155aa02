/* pictures.c -- what is stored of an image file: coefficients kept, pixels exact,
 * scaled by area, damage refused. Instead, `pictures make DIR` writes a tree for
 * folder.sh, `pictures pixels WIDTH CHANNELS FILE` a .sluice file of one picture. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <png.h>
#include <sluice/writer.h>
#include <zlib.h>

#include "check.h"
#include "options.h"
#include "picture.h"
#include "source.h"
#include "support/jpegs.h"

static struct picture_work work;
static struct sluice_error err;

static uint8_t *png_make(int height, int width, uint32_t format, size_t *size)
{
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .height = (png_uint_32)height,
                        .width = (png_uint_32)width,
                        .format = format };
    const size_t bytes = PNG_IMAGE_SIZE(image);
    uint8_t *pixels = malloc(bytes), *out;
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 11);
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    out = malloc(room);
    REQUIRE(png_image_write_to_memory(&image, out, &room, 0, pixels, 0, NULL), "%s",
            image.message);
    free(pixels);
    *size = room;
    return out;
}

/* With a chunk eXIf of that orientation, before the pixels or behind them. */
static uint8_t *png_exif(uint8_t *png, size_t *size, int orientation, bool behind)
{
    uint8_t chunk[4 + 4 + 26 + 4] = "\0\0\0\x1a"
                                    "eXIfII*\0\x8\0\0\0\1\0\x12\1\3\0\1\0\0\0";
    const size_t at = behind ? *size - 12 : 8 + 25; /* IEND's place, or behind IHDR */
    chunk[8 + 18] = (uint8_t)orientation;
    const uint32_t crc = (uint32_t)crc32(0, chunk + 4, 4 + 26);
    for (int i = 0; i < 4; i++)
        chunk[sizeof(chunk) - 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    png = realloc(png, *size + sizeof(chunk));
    memmove(png + at + sizeof(chunk), png + at, *size - at);
    memcpy(png + at, chunk, sizeof(chunk));
    *size += sizeof(chunk);
    return png;
}

static int make(struct picture *p, const uint8_t *bytes, size_t size,
                const struct picture_options *opt)
{
    uint8_t *own = malloc(size + 1);
    memcpy(own, bytes, size);
    *p = (struct picture){ 0 };
    const int rc = picture_make(p, &work, own, size, 5, opt, &err);
    if (rc < 0)
        free(own);
    return rc;
}

/* Pixels of a stored JPEG, to be freed. */
static uint8_t *pixels_of(const uint8_t *data, size_t size, int channels,
                          struct sluice_jpeg_info *info)
{
    struct sluice_jpeg *j;
    REQUIRE(sluice_jpeg_create(&j, NULL, &err) == 0, "%s", err.message);
    REQUIRE(sluice_jpeg_begin(j, data, size, info, &err) == 0, "%s", err.message);
    uint8_t *out = malloc((size_t)info->height * info->width * (size_t)channels);
    REQUIRE(sluice_jpeg_decode(j, NULL, channels, out, &err) == 0, "%s", err.message);
    sluice_jpeg_free(j);
    return out;
}

/* EXIF's eight orientations, each by its own words: where row y, column x of the
 * upright picture lies in what the camera stored (height h, width w). */
static void upright(void)
{
    enum { H = 24, W = 40 };
    for (int o = 1; o <= 8; o++) {
        const struct jpeg_make m = { H, W, 3, 1, 1, 0, 90, o, 7 };
        const struct picture_options raw = { .mode = PICTURE_RAW, .orient = true };
        const struct picture_options keep = {
            .mode = PICTURE_KEEP, .orient = true, .quality = 95, .sums = true
        };
        struct sluice_jpeg_info info;
        struct picture p, k;
        size_t size;
        uint8_t *jpeg = jpeg_make(&m, &size);
        uint8_t *stored = pixels_of(jpeg, size, 3, &info);
        REQUIRE(make(&p, jpeg, size, &raw) == 0 && make(&k, jpeg, size, &keep) == 0,
                "%s", err.message);
        const uint32_t rows = o < 5 ? H : W, columns = o < 5 ? W : H;
        CHECK(p.height == rows && p.width == columns && k.height == rows, "%d: %ux%u",
              o, p.height, p.width);
        uint64_t sum = 0;
        int wrong = 0;
        for (uint32_t y = 0; y < rows; y++)
            for (uint32_t x = 0; x < columns; x++) {
                uint32_t row = y, column = x;
                switch (o) {
                case 2: /* mirrored */
                    column = W - 1 - x;
                    break;
                case 3: /* upside down */
                    row = H - 1 - y;
                    column = W - 1 - x;
                    break;
                case 4: /* mirrored, upside down */
                    row = H - 1 - y;
                    break;
                case 5: /* rows are columns */
                    row = x;
                    column = y;
                    break;
                case 6: /* to be turned right: its left edge was the top */
                    row = H - 1 - x;
                    column = y;
                    break;
                case 7:
                    row = H - 1 - x;
                    column = W - 1 - y;
                    break;
                case 8: /* to be turned left */
                    row = x;
                    column = W - 1 - y;
                    break;
                default:
                    break;
                }
                const uint8_t *want = stored + (row * W + column) * 3;
                wrong += memcmp(p.data + (y * columns + x) * 3, want, 3) != 0;
                sum += want[1];
            }
        CHECK(wrong == 0, "orientation %d: %d pixels", o, wrong);
        CHECK(k.codec == SLUICE_CODEC_JPEG &&
                  (o == 1) == (k.size == size && memcmp(k.data, jpeg, size) == 0),
              "orientation %d: made anew?", o);
        CHECK(k.sums.channels == 3 && k.sums.pixels == H * W && k.sums.sum[1] == sum,
              "orientation %d: sums", o);
        free(p.data);
        free(k.data);
        free(stored);
        free(jpeg);
    }
}

/* As EXIF's orientation 6 says: the left edge was the top. */
static size_t turned_wrongly(const uint8_t *flat, const uint8_t *upright, uint32_t h,
                             uint32_t w)
{
    size_t wrong = 0;
    for (uint32_t y = 0; y < w; y++)
        for (uint32_t x = 0; x < h; x++)
            wrong += memcmp(upright + (y * h + x) * 3, flat + ((h - 1 - x) * w + y) * 3,
                            3) != 0;
    return wrong;
}

/* A PNG is turned by its eXIf, wherever that stands. */
static void upright_png(bool behind)
{
    enum { H = 9, W = 14 };
    struct picture_options opt = { .mode = PICTURE_RAW };
    struct picture flat, upright;
    uint32_t height, width, channels;
    size_t size;
    uint8_t *png = png_exif(png_make(H, W, PNG_FORMAT_RGB, &size), &size, 6, behind);
    REQUIRE(make(&flat, png, size, &opt) == 0, "%s", err.message);
    CHECK(flat.height == H && flat.width == W, "%ux%u", flat.height, flat.width);
    opt.orient = true;
    REQUIRE(make(&upright, png, size, &opt) == 0, "%s", err.message);
    REQUIRE(upright.height == W && upright.width == H && upright.channels == 3, "%ux%u",
            upright.height, upright.width);
    const size_t wrong = turned_wrongly(flat.data, upright.data, H, W);
    CHECK(wrong == 0, "%zu pixels, chunk behind them: %d", wrong, behind);
    CHECK(picture_measure(&work, png, size, &opt, &height, &width, &channels, &err) ==
                  0 &&
              height == W && width == H,
          "%ux%u", height, width);
    for (size_t n = 33; n < size; n += 5) /* its end is looked for, in vain */
        CHECK(png_orientation(png, n) == (n >= 33 + 38 && !behind ? 6 : 1) ||
                  (behind && n > size - 12),
              "cut after %zu", n);
    uint8_t *exif = memmem(png, size, "eXIf", 4);
    REQUIRE(exif, "no chunk");
    exif[4 + 26] ^= 1;
    CHECK(png_orientation(png, size) == 1, "a wrong checksum");
    exif[4 + 26] ^= 1;
    if (behind) { /* exchanged with IEND, it is behind the picture */
        uint8_t end[12];
        memcpy(end, png + size - 12, 12);
        memmove(exif - 4 + 12, exif - 4, 38);
        memcpy(exif - 4, end, 12);
        CHECK(png_orientation(png, size) == 1, "behind the end");
    }
    free(flat.data);
    free(upright.data);
    free(png);
}

static int orientation_of(const struct picture *p)
{
    struct sluice_jpeg_info info;
    free(pixels_of(p->data, p->size, 3, &info));
    return info.orientation;
}

/* What is made anew without being turned says still how it lies. */
static void lying(void)
{
    struct picture_options opt = { .mode = PICTURE_JPG, .quality = 90 };
    const struct jpeg_make m = { 24, 40, 3, 1, 1, 0, 90, 8, 7 };
    struct picture p;
    size_t size, png_size;
    uint8_t *jpeg = jpeg_make(&m, &size);
    uint8_t *png =
        png_exif(png_make(9, 14, PNG_FORMAT_RGB, &png_size), &png_size, 3, false);
    static const struct {
        enum picture_mode mode;
        uint32_t max_side;
        bool orient;
        int of_jpeg;
    } cases[] = {
        { PICTURE_JPG, 0, false, 8 },
        { PICTURE_KEEP, 20, false, 8 },
        { PICTURE_JPG, 0, true, 1 },
        { PICTURE_KEEP, 20, true, 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        opt.mode = cases[i].mode;
        opt.max_side = cases[i].max_side;
        opt.orient = cases[i].orient;
        REQUIRE(make(&p, jpeg, size, &opt) == 0, "%s", err.message);
        CHECK(orientation_of(&p) == cases[i].of_jpeg, "case %zu: %d", i,
              orientation_of(&p));
        free(p.data);
    }
    opt = (struct picture_options){ .mode = PICTURE_JPG, .quality = 90 };
    REQUIRE(make(&p, png, png_size, &opt) == 0, "%s", err.message);
    CHECK(orientation_of(&p) == 3, "of a PNG: %d", orientation_of(&p));
    free(p.data);
    free(png);
    free(jpeg);
}

static bool same_pixels(const struct picture *p, const uint8_t *jpeg, size_t size)
{
    struct sluice_jpeg_info info;
    uint8_t *want = pixels_of(jpeg, size, 3, &info);
    uint8_t *got = pixels_of(p->data, p->size, 3, &info);
    const bool same = memcmp(want, got, (size_t)info.height * info.width * 3) == 0;
    free(want);
    free(got);
    return same;
}

/* Of what libjpeg smooths, as its scans end early, the bytes are kept; a version number
 * that nobody knows is no damage. */
static void odd_progressive(void)
{
    const struct picture_options keep = { .mode = PICTURE_KEEP };
    struct jpeg_make m = { 45, 71, 3, 2, 2, 2, 40, 0, 4 };
    struct picture p;
    size_t size;
    uint8_t *data = jpeg_make(&m, &size);
    REQUIRE(make(&p, data, size, &keep) == 0, "%s", err.message);
    CHECK(same_pixels(&p, data, size), "pixels changed");
    free(p.data);
    free(data);
    m.progressive = 1;
    data = jpeg_make(&m, &size);
    REQUIRE(memcmp(data + 6, "JFIF", 5) == 0 && data[11] == 1, "no JFIF");
    data[11] = 3; /* major version */
    const int rc = make(&p, data, size, &keep);
    CHECK(rc == 0 && p.size != size && same_pixels(&p, data, size), "%s", err.message);
    free(p.data);
    free(data);
}

/* Scans without end are refused by whoever reads them first. */
static void many_scans(void)
{
    enum { MORE = 120 };
    const struct jpeg_make m = { 16, 16, 3, 1, 1, 1, 40, 0, 4 };
    struct picture_options keep = { .mode = PICTURE_KEEP };
    struct picture p;
    size_t size, at, end;
    uint8_t *data = jpeg_make(&m, &size);
    for (at = 2; data[at] != 0xff || data[at + 1] != 0xda;)
        at++;
    for (end = at + 2; data[end] != 0xff || data[end + 1] == 0;)
        end++;
    const size_t scan = end - at, all = size + MORE * scan;
    uint8_t *many = malloc(all);
    memcpy(many, data, end);
    for (size_t i = 0; i < MORE; i++)
        memcpy(many + end + i * scan, data + at, scan);
    memcpy(many + end + MORE * scan, data + end, size - end);
    for (int trust = 0; trust < 2; trust++) {
        keep.trust = trust;
        CHECK(make(&p, many, all, &keep) < 0 &&
                  strstr(err.message, "more than 100 scans"),
              "%s", err.message);
    }
    free(many);
    free(data);
}

static void kept(int progressive)
{
    const struct jpeg_make m = { 45, 71, 3, 2, 2, progressive, 0, 6, 4 };
    const struct picture_options keep = { .mode = PICTURE_KEEP };
    struct sluice_jpeg_info before, after;
    struct picture p;
    size_t size;
    uint8_t *data = jpeg_make(&m, &size);
    REQUIRE(make(&p, data, size, &keep) == 0, "%s", err.message);
    CHECK(p.codec == SLUICE_CODEC_JPEG && p.height == 45 && p.width == 71 &&
              p.channels == 3,
          "%ux%ux%u", p.height, p.width, p.channels);
    if (!progressive)
        CHECK(p.size == size && memcmp(p.data, data, size) == 0, "bytes changed");
    uint8_t *want = pixels_of(data, size, 3, &before);
    uint8_t *got = pixels_of(p.data, p.size, 3, &after);
    CHECK(!after.progressive && after.orientation == 6 &&
              before.progressive == (progressive != 0),
          "progressive %d, orientation %d", after.progressive, after.orientation);
    CHECK(memcmp(want, got, 45 * 71 * 3) == 0, "pixels changed");
    free(want);
    free(got);
    free(p.data);
    /* Cut in the middle it is refused, unless the caller trusts it. */
    CHECK(make(&p, data, size / 2, &keep) == SLUICE_ECORRUPT, "half a picture passes");
    const struct picture_options trust = { .mode = PICTURE_KEEP, .trust = true };
    if (!progressive) {
        CHECK(make(&p, data, size / 2, &trust) == 0, "%s", err.message);
        free(p.data);
    }
    free(data);
}

/* CMYK without Adobe's marker stays what it is: inks, not their opposite. */
static void inks(void)
{
    const struct jpeg_make m = { 16, 16, 4, 1, 1, 1, 0, 0, 4 };
    const struct picture_options keep = { .mode = PICTURE_KEEP };
    struct sluice_jpeg_info info;
    struct picture p;
    size_t size;
    uint8_t *data = jpeg_make(&m, &size), *adobe = NULL;
    for (size_t i = 0; i + 9 < size && !adobe; i++)
        if (data[i] == 0xff && data[i + 1] == 0xee &&
            memcmp(data + i + 4, "Adobe", 5) == 0)
            adobe = data + i;
    REQUIRE(adobe, "no marker");
    adobe[1] = 0xec; /* another application's */
    uint8_t *want = pixels_of(data, size, 3, &info);
    REQUIRE(make(&p, data, size, &keep) == 0, "%s", err.message);
    uint8_t *got = pixels_of(p.data, p.size, 3, &info);
    CHECK(memcmp(want, got, 16 * 16 * 3) == 0, "inks changed");
    free(want);
    free(got);
    free(p.data);
    free(data);
}

static void png_pixels(uint32_t format, int stored, int channels, const char *what)
{
    const struct picture_options raw = { .mode = PICTURE_RAW, .channels = channels };
    struct picture p;
    size_t size, bad = 0;
    uint8_t *data = png_make(9, 13, format, &size);
    REQUIRE(make(&p, data, size, &raw) == 0, "%s: %s", what, err.message);
    CHECK(p.codec == SLUICE_CODEC_RAW && p.size == (size_t)(9 * 13 * channels) &&
              (int)p.channels == channels,
          "%s: %zu bytes", what, p.size);
    for (int i = 0; i < 9 * 13; i++)
        for (int c = 0; c < channels; c++) {
            const size_t from =
                (size_t)i * (size_t)stored + (size_t)(stored < 3 ? 0 : c);
            bad += p.data[i * channels + c] != (uint8_t)(from * 37 + from / 11);
        }
    CHECK(bad == 0, "%s: %zu values differ", what, bad);
    free(p.data);
    for (size_t n = 0; n < size - 12; n++) {
        if (make(&p, data, n, &raw) == 0) {
            CHECK(0, "%s: cut after %zu of %zu bytes it passes", what, n, size);
            free(p.data);
            break;
        }
    }
    free(data);
}

static void modes(void)
{
    size_t size, as_jpeg = 0;
    uint8_t *data = png_make(40, 50, PNG_FORMAT_RGB, &size);
    struct picture_options opt = { .quality = 90, .smart = 40 * 50 * 3 };
    static const struct {
        enum picture_mode mode;
        uint64_t smart;
        enum sluice_codec codec;
    } cases[] = {
        { PICTURE_KEEP, 0, SLUICE_CODEC_RAW },
        { PICTURE_RAW, 0, SLUICE_CODEC_RAW },
        { PICTURE_JPG, 0, SLUICE_CODEC_JPEG },
        { PICTURE_SMART, 40 * 50 * 3, SLUICE_CODEC_RAW },
        { PICTURE_SMART, 40 * 50 * 3 - 1, SLUICE_CODEC_JPEG },
    };
    struct picture p;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        opt.mode = cases[i].mode;
        opt.smart = cases[i].smart;
        REQUIRE(make(&p, data, size, &opt) == 0, "%s", err.message);
        CHECK(p.codec == cases[i].codec, "%zu: codec %d", i, (int)p.codec);
        free(p.data);
    }
    opt.mode = PICTURE_PROPORTION;
    opt.proportion = 0.3;
    for (uint64_t n = 0; n < 400; n++) {
        uint8_t *own = malloc(size);
        memcpy(own, data, size);
        REQUIRE(picture_make(&p, &work, own, size, n, &opt, &err) == 0, "%s",
                err.message);
        as_jpeg += p.codec == SLUICE_CODEC_JPEG;
        free(p.data);
    }
    CHECK(as_jpeg > 90 && as_jpeg < 150, "%zu of 400, expected about 120", as_jpeg);
    free(data);
}

/* The mean of each area, by the definition. */
static void area(void)
{
    enum { H = 31, W = 23, HH = 12, WW = 9 };
    static uint8_t in[H * W], out[HH * WW];
    for (int i = 0; i < H * W; i++)
        in[i] = (uint8_t)(i * 101 + i * i / 7);
    REQUIRE(area_scale(in, H, W, 1, out, HH, WW, &err) == 0, "%s", err.message);
    int bad = 0;
    for (int y = 0; y < HH; y++)
        for (int x = 0; x < WW; x++) {
            double sum = 0, all = 0;
            for (int v = 0; v < H; v++)
                for (int u = 0; u < W; u++) {
                    const double a =
                        fmin(v + 1, (y + 1.0) * H / HH) - fmax(v, (double)y * H / HH);
                    const double b =
                        fmin(u + 1, (x + 1.0) * W / WW) - fmax(u, (double)x * W / WW);
                    const double share = a > 0 && b > 0 ? a * b : 0;
                    sum += share * in[v * W + u];
                    all += share;
                }
            bad += !(fabs(out[y * WW + x] - sum / all) <= 1.05); /* rounded twice */
        }
    CHECK(bad == 0, "%d of %d pixels differ", bad, HH * WW);
}

/* Far smaller, each pixel still counts alike. */
static void area_of_many(void)
{
    enum { W = 5000, WW = 20, EACH = W / WW };
    static uint8_t in[W], out[WW];
    for (int at = 0; at < EACH; at++) {
        memset(in, 0, sizeof(in));
        for (int i = 0; i < WW; i++)
            in[i * EACH + at] = 255;
        REQUIRE(area_scale(in, 1, W, 1, out, 1, WW, &err) == 0, "%s", err.message);
        for (int i = 0; i < WW; i++)
            CHECK(out[i] == 1, "%d: %d of 255 at %d of %d", i, out[i], at, EACH);
    }
}

static void smaller(void)
{
    const struct jpeg_make m = { 90, 60, 3, 2, 2, 0, 0, 0, 4 };
    struct picture_options opt = { .mode = PICTURE_KEEP,
                                   .quality = 90,
                                   .max_side = 30 };
    struct picture p;
    size_t size;
    uint8_t *data = jpeg_make(&m, &size);
    REQUIRE(make(&p, data, size, &opt) == 0, "%s", err.message);
    CHECK(p.height == 30 && p.width == 20 && p.codec == SLUICE_CODEC_JPEG, "%ux%u",
          p.height, p.width);
    free(p.data);
    opt.max_side = 90;
    REQUIRE(make(&p, data, size, &opt) == 0, "%s", err.message);
    CHECK(p.size == size, "re-encoded without need");
    free(p.data);
    free(data);
    CHECK(make(&p, (const uint8_t *)"GIF89a..", 8, &opt) == SLUICE_ECORRUPT &&
              strstr(err.message, "JPEG or PNG"),
          "%s", err.message);
}

static void save(const char *root, const char *name, uint8_t *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        REQUIRE(mkdir(path, 0777) == 0 || errno == EEXIST, "%s", path);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    REQUIRE(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "%s", path);
    free(data);
}

static int make_tree(const char *root)
{
    char name[64];
    size_t size;
    for (int i = 0; i < 90; i++) {
        const struct jpeg_make m = { 20 + i,    110 - i, i % 9 ? 3 : 1,
                                     1 + i % 2, 1,       i % 5 == 0,
                                     0,         0,       (uint32_t)i };
        snprintf(name, sizeof name, "%c class/deep/%02d.jpg", 'a' + i % 3, i);
        uint8_t *data = jpeg_make(&m, &size);
        save(root, name, data, size);
    }
    uint8_t *data = png_make(30, 40, PNG_FORMAT_RGBA, &size);
    save(root, "b class/\xc3\xa4 'odd' name.PNG", data, size);
    return check_failures != 0;
}

static int make_pixels(int width, int channels, const char *path)
{
    static const struct sluice_field field = {
        "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 }
    };
    struct sluice_writer *w;
    const size_t size = (size_t)width * (size_t)channels;
    uint8_t *pixels = calloc(1, size);
    REQUIRE(sluice_writer_begin(
                &w, path, &(struct sluice_schema){ .fields = &field, .field_count = 1 },
                &err) == 0,
            "%s", err.message);
    REQUIRE(
        sluice_writer_append(w,
                             &(struct sluice_value){ .data = pixels,
                                                     .size = size,
                                                     .height = 1,
                                                     .width = (uint32_t)width,
                                                     .channels = (uint32_t)channels },
                             &err) == 0 &&
            sluice_writer_finish(w, &err) == 0,
        "%s", err.message);
    sluice_writer_abandon(w);
    free(pixels);
    return check_done();
}

/* A signal is heeded while a folder is walked, too. Nothing can be read behind it. */
static void interrupted(void)
{
    struct source src = { .def = &source_folder };
    char folder[] = "/tmp/test_pictures-XXXXXX", file[64];
    REQUIRE(mkdtemp(folder), "%s", strerror(errno));
    snprintf(file, sizeof(file), "%s/a.jpg", folder);
    FILE *f = fopen(file, "w");
    REQUIRE(f && fclose(f) == 0, "%s", strerror(errno));
    cli_catch_signals();
    raise(SIGTERM);
    const int rc = src.def->open(
        &src, &(struct source_options){ .input = folder, .threads = 1 }, &err);
    CHECK(rc == SLUICE_ESTOPPED, "%d: %s", rc, err.message);
    unlink(file);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "pixels") == 0)
        return make_pixels(atoi(argv[2]), atoi(argv[3]), argv[4]);
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make_tree(argv[2]);
    kept(0);
    kept(1);
    inks();
    png_pixels(PNG_FORMAT_RGB, 3, 3, "RGB");
    png_pixels(PNG_FORMAT_RGBA, 4, 3, "RGBA");
    png_pixels(PNG_FORMAT_GRAY, 1, 1, "grey");
    png_pixels(PNG_FORMAT_GRAY, 1, 3, "grey as RGB");
    modes();
    area();
    area_of_many();
    smaller();
    upright();
    upright_png(false);
    upright_png(true);
    lying();
    odd_progressive();
    many_scans();
    picture_work_free(&work);
    interrupted();
    return check_done();
}

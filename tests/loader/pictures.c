/* pictures.c -- JPEG and raw images of any size as batches: crops are drawn as
 * torchvision draws them and depend on (seed, epoch, sample) alone; pixels are those of
 * a whole decode, cut and scaled; damage is named. */
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "check.h"
#include "core.h"
#include "pack.h"
#include "support/jpegs.h"

enum { SAMPLES = 90, SIZE = 24 };

static struct sluice_error err;

/* Every third picture raw, every seventh grey; sizes all differ. */
static void write_pictures(const char *path, int damaged)
{
    static const struct sluice_field fields[] = {
        { "image", SLUICE_KIND_IMAGE, SLUICE_U8, 0, { 0 } },
        { "label", SLUICE_KIND_SCALAR, SLUICE_I32, 0, { 0 } },
    };
    const struct sluice_schema schema = { .fields = fields, .field_count = 2 };
    struct sluice_writer *w;
    REQUIRE(sluice_writer_begin(&w, path, &schema, &err) == 0, "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        const int colours = i % 7 ? 3 : 1, h = 20 + i, wide = 130 - i;
        const struct jpeg_make m = { h, wide, colours, 2, 2, 0, 0, 0, (uint32_t)i };
        size_t size = (size_t)(h * wide * colours);
        uint8_t *data;
        if (i % 3) {
            data = jpeg_make(&m, &size);
            size = i == damaged ? size / 2 : size;
        } else {
            data = malloc(size);
            for (size_t k = 0; k < size; k++)
                data[k] = (uint8_t)(k * 13 + k / 50 + (size_t)i);
        }
        const struct sluice_value v[2] = {
            { .data = data,
              .size = size,
              .codec = i % 3 ? SLUICE_CODEC_JPEG : SLUICE_CODEC_RAW,
              .height = (uint32_t)h,
              .width = (uint32_t)wide,
              .channels = (uint32_t)colours },
            { .integer = i },
        };
        REQUIRE(sluice_writer_append(w, v, &err) == 0, "%s", err.message);
        free(data);
    }
    REQUIRE(sluice_writer_finish(w, &err) == 0, "%s", err.message);
    sluice_writer_abandon(w);
}

static struct sluice_loader *open_with(const char *path,
                                       const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

/* One channel of a pixel as three, or three as Pillow's luma of BT.601. */
static uint8_t as_channel(const uint8_t *pixel, int have, int want, int c)
{
    if (have == 1 || want == 3)
        return pixel[have == 1 ? 0 : c];
    return (uint8_t)((pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >>
                     16);
}

/* One image of a batch from a whole one: cut, of so many channels, scaled. */
static void expected(struct sluice_loader *ld, uint64_t sample, uint32_t epoch,
                     int channels, uint8_t *out)
{
    static uint8_t whole[140 * 140 * 3], part[140 * 140 * 3 + RESIZE_SLACK];
    static struct resizer resizer;
    struct sluice_image image;
    REQUIRE(sluice_loader_read(ld, sample, whole, sizeof whole, &image, &err) == 0,
            "%s", err.message);
    const struct sluice_jpeg_rect r = sluice_crop_part(
        ld, sample, epoch, (uint32_t)image.height, (uint32_t)image.width);
    uint8_t *to = part;
    for (uint32_t y = 0; y < r.height; y++)
        for (uint32_t x = 0; x < r.width; x++)
            for (int c = 0; c < channels; c++)
                *to++ =
                    as_channel(whole + ((r.y + y) * (uint32_t)image.width + r.x + x) *
                                           (uint32_t)image.channels,
                               image.channels, channels, c);
    REQUIRE(sluice_resize(&resizer, part, (int)r.height, (int)r.width, channels, out,
                          SIZE, SIZE) == 0,
            "no memory");
}

/* Grey out of a JPEG with colours is what it holds, not what is made of its colours. */
static bool is_near(const uint8_t *got, const uint8_t *want, size_t size, double most)
{
    double sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += abs(got[i] - want[i]);
    return sum <= most * (double)size;
}

static void pixels(const char *path, enum sluice_crop_kind kind, int channels)
{
    static uint8_t want[SIZE * SIZE * 3];
    const struct sluice_loader_options o = { .batch_size = 16,
                                             .seed = 5,
                                             .channels = channels,
                                             .crop = { .kind = kind, .size = SIZE } };
    struct sluice_loader *ld = open_with(path, &o);
    const struct sluice_batch *b;
    const size_t size = (size_t)(SIZE * SIZE * channels);
    int n, bad = 0;
    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        REQUIRE(sluice_loader_seek(ld, epoch, 0, &err) == 0, "%s", err.message);
        while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
            for (int i = 0; i < n; i++) {
                const bool exact = channels == 3 || b->ids[i] % 3 == 0 ||
                                   b->ids[i] % 7 == 0; /* see write_pictures */
                expected(ld, b->ids[i], epoch, channels, want);
                bad += !is_near((uint8_t *)b->pixels + (size_t)i * size, want, size,
                                exact ? 0 : 2);
            }
            sluice_loader_release(ld, b);
        }
        CHECK(n == 0, "%s", err.message);
    }
    CHECK(bad == 0, "kind %d, %d channels: %d of %d images differ", (int)kind, channels,
          bad, 2 * SAMPLES);
    sluice_loader_close(ld);
}

static uint32_t stream(const char *path, int threads, enum sluice_io io, uint64_t seed,
                       uint64_t from)
{
    const struct sluice_loader_options o = { .batch_size = 16,
                                             .seed = seed,
                                             .threads = threads,
                                             .io = io,
                                             .crop = { .kind = SLUICE_CROP_RANDOM,
                                                       .size = SIZE } };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    uint32_t hash = 0;
    int n, rc = sluice_loader_open(&ld, path, &o, &err);
    if (rc == SLUICE_EUNBUILT)
        return 0;
    REQUIRE(rc == 0, "%s", err.message);
    REQUIRE(sluice_loader_seek(ld, 1, from, &err) == 0, "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        hash = sluice_crc32c(hash, b->pixels, (size_t)n * SIZE * SIZE * 3);
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0, "%s", err.message);
    sluice_loader_close(ld);
    return hash;
}

static void same_stream(const char *path)
{
    static const enum sluice_io backends[] = { SLUICE_IO_RESIDENT, SLUICE_IO_URING,
                                               SLUICE_IO_DIRECT, SLUICE_IO_PREAD };
    static const int threads[] = { 1, 2, 7 };
    for (uint64_t from = 0; from < 5; from += 2) {
        const uint32_t want = stream(path, 1, SLUICE_IO_PREAD, 1, from);
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 3; k++) {
                const uint32_t got = stream(path, threads[k], backends[i], 1, from);
                CHECK(got == want || got == 0, "%s, %d threads: %08x, not %08x",
                      sluice_io_name(backends[i]), threads[k], got, want);
            }
    }
    CHECK(stream(path, 2, SLUICE_IO_PREAD, 1, 0) !=
              stream(path, 2, SLUICE_IO_PREAD, 2, 0),
          "the seed changes nothing");
}

/* The same bytes whichever decodes, and the library's own says what it took. */
static void decoders(const char *path)
{
    struct sluice_loader_options o = {
        .batch_size = 16, .crop = { .kind = SLUICE_CROP_RANDOM, .size = SIZE }
    };
    uint32_t hash[2] = { 0 };
    for (int own = 0; own < 2; own++) {
        struct sluice_loader_stats s;
        const struct sluice_batch *b;
        int n;
        o.jpeg = own ? SLUICE_JPEG_PLAIN : SLUICE_JPEG_LIBJPEG;
        struct sluice_loader *ld = open_with(path, &o);
        while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
            hash[own] =
                sluice_crc32c(hash[own], b->pixels, (size_t)n * SIZE * SIZE * 3);
            sluice_loader_release(ld, b);
        }
        CHECK(n == 0, "%s", err.message);
        sluice_loader_stats(ld, &s);
        CHECK((s.entropy_seconds > 0) == own && (s.pixels_seconds > 0) == own &&
                  s.entropy_seconds + s.pixels_seconds <= s.decode_seconds,
              "own %d: %g s + %g s of %g s", own, s.entropy_seconds, s.pixels_seconds,
              s.decode_seconds);
        sluice_loader_close(ld);
    }
    CHECK(hash[0] == hash[1], "%08x, not %08x", hash[1], hash[0]);
}

/* torchvision's RandomResizedCrop: area uniform in scale, logarithm of the shape
 * uniform, where the part fits; a wide image falls back to its middle. */
static void draws(const char *path)
{
    const struct sluice_loader_options o = {
        .crop = { .kind = SLUICE_CROP_RANDOM, .size = SIZE, .scale = { 0.2, 0.6 } }
    };
    struct sluice_loader *ld = open_with(path, &o);
    double area = 0, shape = 0, y = 0, x = 0;
    int outside = 0, count = 4000;
    for (int i = 0; i < count; i++) {
        const struct sluice_jpeg_rect r =
            sluice_crop_part(ld, (uint64_t)i, 3, 1000, 1000);
        const double a = (double)r.height * r.width / 1e6;
        const double s = log((double)r.width / r.height);
        outside += !(a >= 0.199 && a <= 0.601 && fabs(s) <= log(4.0 / 3) + 0.01);
        outside += r.y + r.height > 1000 || r.x + r.width > 1000;
        area += a / count;
        shape += s / count;
        y += r.y / (1000.0 - r.height + 1) / count;
        x += r.x / (1000.0 - r.width + 1) / count;
    }
    CHECK(outside == 0, "%d of %d outside", outside, count);
    /* Standard errors: 0.0018, 0.0026, 0.0046. */
    CHECK(near(area, 0.4, 0.008, 0), "mean area %g", area);
    CHECK(near(shape, 0, 0.011, 0), "mean shape %g", shape);
    CHECK(near(y, 0.5, 0.02, 0) && near(x, 0.5, 0.02, 0), "mean place %g %g", y, x);
    const struct sluice_jpeg_rect wide = sluice_crop_part(ld, 1, 0, 10, 2000);
    CHECK(wide.height == 10 && wide.width == 13 && wide.x == 993 && wide.y == 0,
          "%ux%u at (%u, %u)", wide.height, wide.width, wide.y, wide.x);
    const struct sluice_jpeg_rect a = sluice_crop_part(ld, 1, 0, 500, 500);
    const struct sluice_jpeg_rect b = sluice_crop_part(ld, 1, 1, 500, 500);
    CHECK(memcmp(&a, &b, sizeof a) != 0, "epochs show the same part");
    sluice_loader_close(ld);

    /* All of the area in a shape other than the picture's fits nowhere: then it is
     * whole. */
    ld = open_with(
        path,
        &(struct sluice_loader_options){
            .crop = { .kind = SLUICE_CROP_RANDOM, .size = SIZE, .scale = { 1, 1 } } });
    int whole = 0;
    for (uint64_t i = 0; i < 100; i++) {
        const struct sluice_jpeg_rect r = sluice_crop_part(ld, i, 0, 90, 100);
        whole += r.y == 0 && r.x == 0 && r.height == 90 && r.width == 100;
    }
    CHECK(whole >= 90, "whole %d times of 100", whole);
    sluice_loader_close(ld);
}

static void refusals(const char *path)
{
    struct sluice_loader_options o = { .batch_size = 16 };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int n;
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_EINVAL &&
              strstr(err.message, "sample 1 ") && strstr(err.message, "crop"),
          "%s", err.message);
    o.crop = (struct sluice_crop){ .kind = SLUICE_CROP_RANDOM };
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_EINVAL, "no size passes");
    o.crop = (struct sluice_crop){ .kind = SLUICE_CROP_RANDOM,
                                   .size = 8,
                                   .scale = { 0.5, 0.4 } };
    CHECK(sluice_loader_open(&ld, path, &o, &err) == SLUICE_EINVAL, "scale passes");
    write_pictures("damaged.sluice", 46);
    o.crop = (struct sluice_crop){ .kind = SLUICE_CROP_CENTER, .size = 8 };
    ld = open_with("damaged.sluice", &o);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0)
        sluice_loader_release(ld, b);
    CHECK(n == SLUICE_ECORRUPT &&
              strstr(err.message, "damaged.sluice: sample 46: JPEG"),
          "%d: %s", n, err.message);
    sluice_loader_close(ld);
}

int main(void)
{
    const char *folder = folder_make();
    REQUIRE(chdir(folder) == 0, "%s", folder);
    write_pictures("a.sluice", -1);
    pixels("a.sluice", SLUICE_CROP_RANDOM, 3);
    pixels("a.sluice", SLUICE_CROP_CENTER, 3);
    pixels("a.sluice", SLUICE_CROP_RANDOM, 1);
    same_stream("a.sluice");
    decoders("a.sluice");
    draws("a.sluice");
    refusals("a.sluice");
    folder_remove(folder);
    return check_done();
}

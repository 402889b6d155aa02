/* parity.c -- every way to run a pipeline writes the same bytes as the plain reference,
 * and writes each byte of the result and none beside it. */
#include <string.h>

#include <sluice/augment.h>

#include "check.h"

enum { GUARD = 64 }; /* bytes around the result that must stay */

static const double mean[] = { 125.307, 122.961, 113.8575, 50 };
static const double std[] = { 51.5865, 50.847, 51.255, 3 };

static const struct size {
    int height, width, channels;
} sizes[] = {
    { 1, 1, 1 },   { 1, 1, 3 },   { 1, 7, 3 },   { 5, 1, 1 },  { 28, 28, 1 },
    { 31, 33, 3 }, { 32, 32, 3 }, { 96, 96, 3 }, { 9, 22, 2 }, { 17, 21, 4 }
};

static const char *const pipelines[] = {
    "",
    "normalize",
    "flip",
    "flip:p=1,normalize",
    "flip_alternating",
    "vertical_flip:p=1",
    "translate:pad=2",
    "translate:pad=2:fill=reflect,normalize",
    "crop:pad=4:fill=edge,normalize",
    "crop:pad=40:fill=mean,normalize",
    "crop:pad=40:fill=reflect",
    "cutout:size=1:fill=9,normalize",
    "flip,translate:pad=2:fill=mean,cutout:size=1:fill=mean,normalize",
    "translate:pad=4,flip,normalize",
    "translate:pad=3:fill=reflect,flip:p=1,vertical_flip:p=1,cutout:size=1,flip:p=1",
    ("flip,vertical_flip,translate:pad=2:fill=edge,cutout:size=1,cutout:size=1:fill="
     "200,"
     "vertical_flip"),
    "cutout:size=1:fill=7,translate:pad=1:fill=mean",
    "translate:pad=1:fill=reflect,translate:pad=2:fill=33",
};

static const enum sluice_augment_use uses[] = {
    SLUICE_AUGMENT_BEST,
    SLUICE_AUGMENT_PLAIN,
    SLUICE_AUGMENT_AVX2,
    SLUICE_AUGMENT_AVX512,
};

static uint8_t *noise(size_t size)
{
    uint8_t *p = malloc(size);
    uint32_t x = 12345;
    REQUIRE(p, "no memory");
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (uint8_t)(x >> 24);
    }
    return p;
}

/* One result between two guards, over `pattern`. */
static void run(const struct sluice_augment *a, const struct sluice_image *in,
                uint8_t *room, size_t size, int pattern)
{
    const struct sluice_transform t = sluice_augment_transform(a);
    struct sluice_error err = { 0 };
    memset(room, pattern, size + 2 * GUARD);
    REQUIRE(t.apply(t.arg, in, room + GUARD, &err) == 0, "%s", err.message);
    for (int i = 0; i < GUARD; i++)
        if (room[i] != pattern || room[GUARD + size + i] != pattern) {
            CHECK(0, "%s (%s): wrote outside the result", sluice_augment_describe(a),
                  sluice_augment_path(a));
            return;
        }
}

static void compare(const char *pipeline, const struct sluice_augment_options *o,
                    const uint8_t *pixels)
{
    const struct sluice_shape *s = &o->source;
    const size_t size =
        (size_t)s->height * s->width * s->channels * sluice_dtype_size(o->dtype);
    struct sluice_augment_options reference = *o;
    struct sluice_error err = { 0 };
    struct sluice_augment *want, *got;
    uint8_t *room[3];
    reference.use = SLUICE_AUGMENT_STEPS;
    REQUIRE(sluice_augment_create(&want, pipeline, &reference, &err) == 0, "%s",
            err.message);
    const int rc = sluice_augment_create(&got, pipeline, o, &err);
    if (rc == SLUICE_EUNBUILT) { /* this CPU lacks it */
        sluice_augment_free(want);
        return;
    }
    REQUIRE(rc == 0, "%s", err.message);
    CHECK(strcmp(sluice_augment_path(want), "steps") == 0, "reference is %s",
          sluice_augment_path(want));
    for (int i = 0; i < 3; i++)
        room[i] = noise(size + 2 * GUARD);
    const uint64_t samples = size > 20000 ? 2 : 5;
    for (uint64_t sample = 0; sample < samples; sample++) {
        const struct sluice_image image = { pixels,      s->height, s->width,
                                            s->channels, sample,    (uint32_t)sample };
        run(want, &image, room[0], size, 0x55);
        run(got, &image, room[1], size, 0x55);
        run(got, &image, room[2], size, 0xAA);
        CHECK(memcmp(room[0] + GUARD, room[1] + GUARD, size) == 0,
              "%s of %dx%dx%d, %s, layout %d: %s differs from the reference", pipeline,
              s->height, s->width, s->channels, sluice_dtype_name(o->dtype), o->layout,
              sluice_augment_path(got));
        CHECK(memcmp(room[1] + GUARD, room[2] + GUARD, size) == 0,
              "%s of %dx%dx%d: %s leaves bytes unwritten", pipeline, s->height,
              s->width, s->channels, sluice_augment_path(got));
    }
    for (int i = 0; i < 3; i++)
        free(room[i]);
    sluice_augment_free(want);
    sluice_augment_free(got);
}

int main(void)
{
    static const enum sluice_dtype dtypes[] = { SLUICE_U8, SLUICE_F32, SLUICE_BF16,
                                                SLUICE_F16 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        const struct size *z = &sizes[i];
        uint8_t *pixels = noise((size_t)z->height * z->width * z->channels);
        for (size_t k = 0; k < sizeof(pipelines) / sizeof(*pipelines); k++)
            for (int way = 0; way < 4 * 2 * 4; way++) {
                const struct sluice_augment_options o = {
                    .source = { z->height, z->width, z->channels, SLUICE_U8 },
                    .seed = 77,
                    .dtype = dtypes[way % 4],
                    .layout = way / 4 % 2 ? SLUICE_NCHW : SLUICE_NHWC,
                    .mean = mean,
                    .std = std,
                    .use = uses[way / 8],
                };
                if (o.dtype == SLUICE_U8 && strstr(pipelines[k], "normalize"))
                    continue;
                compare(pipelines[k], &o, pixels);
            }
        free(pixels);
    }
    return check_done();
}

/* fused.c -- geometry:mode=fused: what it must leave alone to the byte, what it may
 * move, and how far it strays from the steps one by one. */
#include <stdlib.h>
#include <string.h>

#include <sluice/augment.h>

#include "check.h"

enum { SIDE = 40, BYTES = SIDE * SIDE * 3, SAMPLES = 32 };

static uint8_t source[BYTES];

static void run(const char *pipeline, uint64_t sample, uint8_t *out)
{
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, 3, SLUICE_U8, SLUICE_NHWC },
        .seed = 9,
        .dtype = SLUICE_U8,
    };
    const struct sluice_image image = { source, SIDE, SIDE, 3, sample, 2 };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, pipeline, &o, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    REQUIRE(t.apply(t.arg, &image, out, &err) == 0, "%s", err.message);
    sluice_augment_free(a);
}

static void same(const char *a, const char *b)
{
    static uint8_t one[BYTES], other[BYTES];
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        run(a, sample, one);
        run(b, sample, other);
        if (memcmp(one, other, BYTES) != 0) {
            CHECK(0, "%s: sample %d differs from %s", a, (int)sample, b);
            return;
        }
    }
}

/* Mean absolute difference over the images, and the share of bytes that are further
 * apart than one. */
static void compare(const char *a, const char *b, double *mean, double *far_share)
{
    static uint8_t one[BYTES], other[BYTES];
    *mean = *far_share = 0;
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        run(a, sample, one);
        run(b, sample, other);
        for (int i = 0; i < BYTES; i++) {
            const int d = abs(one[i] - other[i]);
            *mean += d / (double)(BYTES * SAMPLES);
            *far_share += (d > 1) / (double)(BYTES * SAMPLES);
        }
    }
}

static void exact_where_it_can_be(void)
{
    same("geometry:mode=exact,rotate:degrees=20,perspective",
         "rotate:degrees=20,perspective");
    same("geometry:mode=fused,rotate:degrees=0,affine:degrees=0,perspective:p=0", "");
    same("geometry:mode=fused,perspective:distortion=0:p=1", "");
    same("geometry:mode=fused,flip,rotate:degrees=0,translate:pad=5,vertical_flip",
         "flip,rotate:degrees=0,translate:pad=5,vertical_flip");
    same("geometry:mode=fused,translate:pad=3:fill=9/8/7,flip:p=1",
         "translate:pad=3:fill=9/8/7,flip:p=1");
    /* What one step after the other cuts off, one map still shows. */
    same("geometry:mode=fused,center_crop:size=20,rotate:degrees=0,center_crop:size=40",
         "");
    same("geometry:mode=fused,translate_x:reach=0.3:p=1:fill=4,flip,vertical_flip",
         "translate_x:reach=0.3:p=1:fill=4,flip,vertical_flip");
    same("geometry:mode=fused,flip,translate_y:reach=0.2:p=1,center_crop:size=40",
         "flip,translate_y:reach=0.2:p=1,center_crop:size=40");
}

static void order(void)
{
    same("geometry:mode=fused,rotate:degrees=30,invert:p=1,perspective:p=1",
         "geometry:mode=fused,rotate:degrees=30,identity,perspective:p=1,invert:p=1");
    same("geometry:mode=fused,rotate:degrees=30,equalize:p=1,flip:p=1",
         "geometry:mode=fused,rotate:degrees=30,identity,flip:p=1,equalize:p=1");
    /* A square stays between the maps. */
    same("geometry:mode=fused,rotate:degrees=0,cutout:size=9:fill=zero,"
         "translate_x:reach=0.2:p=1",
         "rotate:degrees=0,cutout:size=9:fill=zero,translate_x:reach=0.2:p=1");
}

/* On a smooth image one map is near the other way to the same place. */
static void near_otherwise(void)
{
    double mean, far_share;
    compare("geometry:mode=fused,perspective:distortion=0.3:p=1",
            "perspective:distortion=0.3:p=1", &mean, &far_share);
    CHECK(mean < 1 && far_share <= 0, "perspective: mean %g, %g further than 1", mean,
          far_share);
    /* Turned by a, then by b, is turned by both; one by one, corners are cut. */
    compare("geometry:mode=fused,rotate:degrees=10,rotate:degrees=10",
            "rotate:degrees=10,rotate:degrees=10", &mean, &far_share);
    CHECK(mean < 6 && mean > 0.1, "rotations: mean %g", mean);
    compare(
        "geometry:mode=fused,affine:degrees=20:scale=0.9/1.1,rotate:degrees=10,flip",
        "affine:degrees=20:scale=0.9/1.1,rotate:degrees=10,flip", &mean, &far_share);
    CHECK(mean < 10 && mean > 0.1, "affine: mean %g", mean);
    compare("geometry:mode=fused,rotate:degrees=15,perspective:p=1:distortion=0.2",
            "geometry:mode=exact,rotate:degrees=15,perspective:p=1:distortion=0.2",
            &mean, &far_share);
    CHECK(mean < 6 && mean > 0.1, "both: mean %g", mean);
}

static void refuses(const char *pipeline, const char *part)
{
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, 3, SLUICE_U8, SLUICE_NHWC },
        .dtype = SLUICE_U8,
    };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    CHECK(sluice_augment_create(&a, pipeline, &o, &err) == SLUICE_EINVAL &&
              strstr(err.message, part),
          "%s: %s", pipeline, err.message);
    sluice_augment_free(a);
}

int main(void)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            source[(y * SIDE + x) * 3] = (uint8_t)(40 + 5 * x);
            source[(y * SIDE + x) * 3 + 1] = (uint8_t)(230 - 4 * y);
            source[(y * SIDE + x) * 3 + 2] = (uint8_t)(20 + 2 * x + 3 * y);
        }
    exact_where_it_can_be();
    order();
    near_otherwise();
    refuses("flip,geometry", "expected at the beginning");
    refuses("geometry,geometry", "expected at the beginning");
    refuses("geometry:mode=fast", "expected exact or fused");
    refuses("geometry:mode=fused,rotate:degrees=1:fill=9,perspective:fill=8",
            "rotate and perspective: expected the same fill");
    refuses("geometry:mode=fused,rotate:degrees=1,invert,invert,invert,invert,invert,"
            "invert,invert,invert,invert,invert,invert,invert,invert,invert,invert",
            "more than 16 operations in a pipeline, with one for each fused run");
    return check_done();
}

/* pipeline.c -- texts in, descriptions out, and one clear line for what is refused. */
#include <string.h>

#include <sluice/augment.h>

#include "check.h"

static const double mean[] = { 125.307, 122.961, 113.8575 };
static const double std[] = { 51.5865, 50.847, 51.255 };

static struct sluice_augment_options options(void)
{
    return (struct sluice_augment_options){
        .source = { 32, 32, 3, SLUICE_U8, SLUICE_NHWC },
        .seed = 1,
        .dtype = SLUICE_F32,
        .mean = mean,
        .std = std,
    };
}

static void describes(const char *pipeline, const char *want)
{
    const struct sluice_augment_options o = options();
    struct sluice_error err = { 0 };
    struct sluice_augment *a, *b;
    REQUIRE(sluice_augment_create(&a, pipeline, &o, &err) == 0, "%s", err.message);
    const char *got = sluice_augment_describe(a);
    CHECK(strcmp(got, want) == 0, "'%s' is '%s'", pipeline, got);
    REQUIRE(sluice_augment_create(&b, got, &o, &err) == 0, "%s", err.message);
    CHECK(strcmp(got, sluice_augment_describe(b)) == 0, "again: '%s'",
          sluice_augment_describe(b));
    sluice_augment_free(a);
    sluice_augment_free(b);
}

static void refuses_with(const struct sluice_augment_options *o, const char *pipeline,
                         const char *part)
{
    struct sluice_error err = { 0 };
    struct sluice_augment *a = (void *)&err;
    const int rc = sluice_augment_create(&a, pipeline, o, &err);
    CHECK(rc == SLUICE_EINVAL && !a, "'%s': code %d", pipeline, rc);
    CHECK(strstr(err.message, part), "'%s': '%s' lacks '%s'", pipeline, err.message,
          part);
    CHECK(!strchr(err.message, '\n'), "'%s': more than a line", err.message);
    if (!rc)
        sluice_augment_free(a);
}

static void refuses(const char *pipeline, const char *part)
{
    const struct sluice_augment_options o = options();
    refuses_with(&o, pipeline, part);
}

static void descriptions(void)
{
    describes("", "");
    describes(" flip , crop : pad = 4 ",
              "flip:p=0.5:mode=random,translate:pad=4:fill=0/0/0");
    describes("flip_alternating", "flip:p=0.5:mode=alternating");
    describes("flip_alternating:p=0.25", "flip:p=0.25:mode=alternating");
    describes("translate:fill=reflect:pad=2", "translate:pad=2:fill=reflect");
    describes("translate:pad=0:fill=edge", "translate:pad=0:fill=edge");
    describes("translate:pad=2:fill=mean,cutout:size=4:fill=1/2/3,normalize",
              "translate:pad=2:fill=125/122/113,cutout:size=4:fill=1/2/3,"
              "normalize:mean=125.307/122.961/113.8575:std=51.5865/50.847/51.255");
    describes("cutout:size=32:fill=mean", "cutout:size=32:fill=125/122/113");
    describes("affine:degrees=10",
              "affine:degrees=10:translate=0/0:scale=1/1:shear=0/0:"
              "fill=0/0/0");
    describes("affine:shear=5/0:degrees=1:translate=0.1:scale=0.9/1.1:fill=mean",
              "affine:degrees=1:translate=0.1/0.1:scale=0.9/1.1:shear=5/0:fill=125/122/"
              "113");
    describes(
        "randaugment,autoaugment:fill=mean,trivialaugment_wide:bins=5",
        "randaugment:num_ops=2:magnitude=9:bins=31:fill=0/0/0,autoaugment:fill=125/"
        "122/113,trivialaugment_wide:bins=5:fill=0/0/0");
    describes("gaussian_blur:kernel=3,identity",
              "gaussian_blur:kernel=3:sigma=0.1/2,identity");
    describes("center_crop:size=8,cutout:size=8:fill=zero",
              "center_crop:size=8:fill=0/0/0,cutout:size=8:fill=0/0/0");
    describes("geometry:mode=fused,rotate:degrees=3,erase:fill=random",
              "geometry:mode=fused,rotate:degrees=3:fill=0/0/0,"
              "erase:p=0.5:scale=0.02/0.33:ratio=0.3/3.3:fill=random");
    describes("geometry,flip", "geometry:mode=exact,flip:p=0.5:mode=random");
#define FOUR "identity,identity,identity,identity,"
    describes(FOUR FOUR FOUR FOUR "normalize:mean=0:std=255",
              FOUR FOUR FOUR FOUR "normalize:mean=0/0/0:std=255/255/255");
    describes("normalize:mean=0:std=255", "normalize:mean=0/0/0:std=255/255/255");
    describes("vertical_flip:p=1,vertical_flip:p=0",
              "vertical_flip:p=1:mode=random,vertical_flip:p=0:mode=random");
}

static void refusals(void)
{
    refuses("flop",
            "no operation 'flop'; there are: flip, vertical_flip, translate, cutout, "
            "erase");
    refuses("flop", "flip_alternating");
    refuses("flip,,flip", "no operation ''");
    refuses("flip:q=1", "flip has no option 'q'; there are: p, mode");
    refuses("flip:p=1.5", "flip: p=1.5: expected a number from 0 to 1");
    refuses("flip:p=nan", "expected a number from 0 to 1");
    refuses("flip:p=", "expected a number");
    refuses("flip:p=0.5x", "p=0.5x");
    refuses("flip:p=0.1:p=0.1", "flip: p is given twice");
    refuses("flip_alternating:mode=random", "mode is given twice");
    refuses("flip:mode=often", "expected random or alternating");
    refuses("translate", "translate: pad must be given");
    refuses("translate:pad=-1", "from 0 to 4096");
    refuses("translate:pad=1.5", "whole number");
    refuses(
        "translate:pad=2:fill=mirror",
        "expected zero, mean, reflect, edge or 3 numbers from 0 to 255 joined by /");
    refuses("translate:pad=2:fill=1/2", "3 numbers");
    refuses("translate:pad=2:fill=1/2/", "3 numbers");
    refuses("translate:pad=2:fill=1/2/3/4/5/6/7", "3 numbers");
    refuses("translate:pad=2:fill=1/2/256", "from 0 to 255");
    refuses("cutout:size=33", "cutout: size=33: expected 1 to 32, for images of 32x32");
    refuses("cutout:size=0", "from 1 to");
    refuses("cutout:size=4:fill=reflect", "expected zero, mean or 3 numbers");
    refuses("erase:fill=reflect", "expected zero, mean, random or 3 numbers");
    refuses("rotate:degrees=1:fill=random", "expected zero, mean or 3 numbers");
    refuses("normalize,erase:fill=9", "fill: expected zero or random");
    refuses("center_crop:size=8,cutout:size=9", "expected 1 to 8, for images of 8x8");
    refuses("center_crop:size=32767", "are larger than 256 MiB");
    refuses("affine:degrees=1:scale=2/1",
            "scale=2/1: expected FROM/TO, numbers in order");
    refuses("affine:degrees=1:shear=1/2/3",
            "expected ACROSS/DOWN, one or two numbers, from 0 to 80");
    refuses("affine:degrees=1:translate=-0.1", "translate=-0.1");
    refuses("gaussian_blur:kernel=4", "kernel=4: expected an odd number below 64");
    refuses("center_crop:size=2,gaussian_blur:kernel=5", "below 4, for images of 2x2");
    refuses("randaugment:magnitude=31",
            "magnitude=31: expected 0 to 30, as there are 31");
    refuses("randaugment:num_ops=15,flip,autoaugment", "more than 16 operations");
    refuses("trivialaugment_wide:bins=1", "from 2 to 1001");
    refuses("identity:p=1", "identity has no option 'p'; there are: none");
    refuses("normalize:std=0", "1 or 3 numbers joined by / from 1e-06");
    refuses("normalize:mean=inf", "normalize: mean=inf");
    refuses("normalize,flip",
            "flip stands after normalize: only erase, cutmix and mixup may");
    refuses(
        "flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,flip,"
        "flip,flip",
        "more than 16");
}

/* What depends on the images and on the result's type. */
static void options_refused(void)
{
    static const double zero[] = { 0, 0, 0 };
    struct sluice_augment_options o = options();
    o.mean = NULL;
    refuses_with(&o, "normalize", "the file does not say the mean");
    refuses_with(&o, "cutout:size=2:fill=mean", "the file does not say the mean");
    o = options();
    o.stats_channels = 3;
    o.source.channels = 1;
    refuses_with(&o, "normalize",
                 "normalize: the file's mean is of 3 channels, the images have 1");
    refuses_with(&o, "normalize:mean=0", "the file's std is of 3 channels");
    refuses_with(&o, "cutout:size=2:fill=mean", "the file's mean is of 3 channels");
    o = options();
    o.std = zero;
    refuses_with(&o, "normalize", "std of channel 0 is 0");
    o = options();
    o.dtype = SLUICE_U8;
    refuses_with(&o, "normalize", "result of type u8");
    o.dtype = SLUICE_I32;
    refuses_with(&o, "", "result of type i32: expected f32, bf16, f16 or u8");
    o = options();
    o.source.channels = 4;
    refuses_with(&o, "autoaugment", "images of 1 or 3 channels, not 4");
    refuses_with(&o, "randaugment", "images of 1 or 3 channels, not 4");
    o.source.channels = 5;
    refuses_with(&o, "", "1 to 4 channels");
    o = options();
    o.source.height = 0;
    refuses_with(&o, "", "images of 0x32x3");
    o = options();
    o.layout = (enum sluice_layout)7;
    refuses_with(&o, "", "layout 7");
    refuses_with(NULL, "", "no options");
}

/* An image of another size than planned for is refused, not read past its end. */
static void wrong_image(void)
{
    const struct sluice_augment_options o = options();
    const uint8_t pixels[28 * 28] = { 0 };
    static float out[32 * 32 * 3];
    const struct sluice_image image = { pixels, 28, 28, 1, 17, 0 };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    REQUIRE(sluice_augment_create(&a, "flip", &o, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    CHECK(t.apply(t.arg, &image, out, &err) == SLUICE_EINVAL, "accepted");
    CHECK(strcmp(err.message, "augment: sample 17: expected an image of 32x32x3, found "
                              "28x28x1") == 0,
          "%s", err.message);
    sluice_augment_free(a);
    sluice_augment_free(NULL);
}

static void lists(void)
{
    int n = 0;
    for (; sluice_augment_op_name(n); n++) {
        CHECK(sluice_augment_op_help(n) && *sluice_augment_op_help(n), "%s: no help",
              sluice_augment_op_name(n));
        for (int i = 0; i < n; i++)
            CHECK(strcmp(sluice_augment_op_name(i), sluice_augment_op_name(n)) != 0,
                  "%s twice", sluice_augment_op_name(n));
    }
    CHECK(n >= 30, "%d operations", n);
    CHECK(!sluice_augment_op_help(n) && !sluice_augment_op_name(-1), "past the ends");
}

int main(void)
{
    descriptions();
    refusals();
    options_refused();
    wrong_image();
    lists();
    return check_done();
}

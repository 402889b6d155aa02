/* pipelines.h -- the pipelines and the kinds of image that all ways to run them are
 * compared on. */
#ifndef SLUICE_TESTS_PIPELINES_H
#define SLUICE_TESTS_PIPELINES_H

#include <stdlib.h>
#include <string.h>

#include <sluice/augment.h>

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
    "flip,vertical_flip,translate:pad=2:fill=edge,cutout:size=1,"
    "cutout:size=1:fill=200,vertical_flip",
    "cutout:size=1:fill=7,translate:pad=1:fill=mean",
    "translate:pad=1:fill=reflect,translate:pad=2:fill=33",
    "rotate:degrees=40:fill=mean,flip",
    "flip,erase:p=1:fill=mean,normalize,erase:p=1",
    "erase:p=1,jitter:brightness=0.4:contrast=0.4:saturation=0.4:hue=0.2,normalize",
    "grayscale:p=0.5,posterize:bits=3,solarize:threshold=100,invert",
    "invert:p=1,crop:pad=2:fill=mean,autocontrast,flip,equalize:p=1,rotate:degrees=180",
    "sharpness:factor=2.5:p=1,perspective:distortion=0.6:p=1:fill=mean,flip,solarize:"
    "threshold=128",
    "affine:degrees=90:translate=0.2:scale=0.5/2:shear=20:fill=mean,flip,normalize",
    "shear_x:reach=0.4:p=1,translate_y:reach=0.3:p=1:fill=mean,shear_y:reach=0.2:p=1",
    "identity,flip,cutout:size=1:fill=3,identity,normalize",
    "flip,translate_x:reach=0.4:fill=mean,affine:degrees=0:scale=0.7/1.4,normalize",
    "solarize_add:addition=60:p=1,brightness:factor=1.4:p=1,translate:pad=1",
    "color:factor=0.2:p=1,contrast:factor=1.7:p=0.7,flip,contrast:factor=0.4:p=1",
    "flip,gaussian_blur:kernel=5:sigma=0.1/3,solarize:threshold=90",
    "rotate:degrees=45,center_crop:size=5:fill=mean,normalize,erase:p=1",
    "center_crop:size=24,gaussian_blur:kernel=1,center_crop:size=7,equalize:p=1",
    "sharpness:factor=0.1:p=1,center_crop:size=30,perspective:p=1,crop:pad=3:fill=edge",
    "flip,cutmix",
    "translate:pad=2,cutmix:alpha=0.5:per=sample,mixup",
    "flip,normalize,erase:p=0.5,mixup:per=sample:alpha=3",
    "rotate:degrees=90,autocontrast:p=1,mixup",
    "equalize:p=0.5,affine:degrees=20,normalize,erase:p=1,cutmix:per=sample",
    "autoaugment:fill=mean,flip,normalize",
    "flip,randaugment:num_ops=4:magnitude=20:fill=9,translate:pad=2",
    "trivialaugment_wide,trivialaugment_wide,trivialaugment_wide,center_crop:size=9",
    "crop:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:contrast=0.3:saturation="
    "0.3:hue=0.1,perspective:distortion=0.2,normalize,erase:p=0.9:scale=0.02/0.2",
    "geometry:mode=fused,crop:pad=4,flip,rotate:degrees=15,jitter:brightness=0.3:"
    "contrast=0.3:hue=0.1,perspective:distortion=0.2:p=1,normalize,erase:p=1:"
    "fill=random:scale=0.1/0.3",
    "geometry:mode=fused,affine:degrees=30:scale=0.8/1.2,center_crop:size=7,equalize:p="
    "1,cutout:size=1,shear_x:reach=0.3:p=1,vertical_flip,invert,cutmix",
    "flip,erase:p=1:fill=random:scale=0.2/0.4,flip,translate:pad=1",
    "flip,normalize,erase:p=1:fill=random,erase:p=0.5,mixup",
};

static const struct {
    int height, width, channels;
} sizes[] = {
    { 1, 1, 1 },   { 1, 1, 3 },   { 1, 7, 3 },   { 5, 1, 1 },  { 28, 28, 1 },
    { 31, 33, 3 }, { 32, 32, 3 }, { 96, 96, 3 }, { 9, 22, 2 }, { 17, 21, 4 }
};

enum {
    PIPELINES = sizeof(pipelines) / sizeof(*pipelines),
    SIZES = sizeof(sizes) / sizeof(*sizes),
    CASES = SIZES * 4 * 2, /* sizes, types, layouts */
};

static const enum sluice_dtype case_dtypes[] = { SLUICE_U8, SLUICE_F32, SLUICE_BF16,
                                                 SLUICE_F16 };
static const double case_mean[] = { 125.307, 122.961, 113.8575, 50 };
static const double case_std[] = { 51.5865, 50.847, 51.255, 3 };

static inline struct sluice_augment_options case_options(int i,
                                                         enum sluice_augment_use use)
{
    const int size = i / 8;
    const struct sluice_augment_options o = {
        .source = { sizes[size].height, sizes[size].width, sizes[size].channels,
                    SLUICE_U8, SLUICE_NHWC },
        .seed = 77,
        .dtype = case_dtypes[i % 4],
        .layout = i / 4 % 2 ? SLUICE_NCHW : SLUICE_NHWC,
        .mean = case_mean,
        .std = case_std,
        .use = use,
        .mixes = 1,
    };
    return o;
}

/* u8 results cannot be normalised; colours are of 1 or 3 channels; what is mirrored at
 * a border must be there. */
static inline int case_suits(int i, int pipeline)
{
    const char *text = pipelines[pipeline];
    if (case_dtypes[i % 4] == SLUICE_U8 && strstr(text, "normalize"))
        return 0;
    if (strstr(text, "blur:kernel=5") &&
        (sizes[i / 8].height < 3 || sizes[i / 8].width < 3))
        return 0;
    return sizes[i / 8].channels % 2 == 1 ||
           (!strstr(text, "jitter") && !strstr(text, "grayscale") &&
            !strstr(text, "augment") && !strstr(text, "color") &&
            !strstr(text, "contrast:f"));
}

static inline int same_mixes(const struct sluice_mix *a, const struct sluice_mix *b,
                             int count)
{
    int same = 1;
    for (int i = 0; i < count; i++)
        same &= a[i].partner == b[i].partner && !(a[i].share != b[i].share) &&
                a[i].y == b[i].y && a[i].x == b[i].x && a[i].height == b[i].height &&
                a[i].width == b[i].width;
    return same;
}

/* Bytes without a pattern, at a multiple of 64. */
static inline uint8_t *aligned_noise(size_t size, uint32_t seed)
{
    uint8_t *p = aligned_alloc(64, (size + 63) / 64 * 64 + 64);
    if (!p)
        abort();
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (uint8_t)(seed >> 24);
    }
    return p;
}

#endif

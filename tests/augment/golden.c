/* golden.c -- the meaning of each operation, pinned: checksums of results of a small
 * fixed image. oracle.py makes the same ones with Pillow and numpy and none of this
 * code; a change here is a change of what recipes mean. */
#include <sluice/augment.h>
#include <sluice/crc32c.h>

#include "check.h"

enum { HEIGHT = 11, WIDTH = 13, CHANNELS = 3, SAMPLES = 8 };

static const struct {
    const char *pipeline;
    enum sluice_dtype dtype;
    enum sluice_layout layout;
    uint32_t crc;
} cases[] = {
    { "", SLUICE_U8, SLUICE_NHWC, 0x06145dc8 },
    { "", SLUICE_U8, SLUICE_NCHW, 0x1749ea71 },
    { "", SLUICE_F32, SLUICE_NHWC, 0xbfb1dc44 },
    { "flip", SLUICE_U8, SLUICE_NHWC, 0x1c07d558 },
    { "flip_alternating", SLUICE_U8, SLUICE_NHWC, 0xf38b90ca },
    { "vertical_flip", SLUICE_U8, SLUICE_NHWC, 0xecaa92f3 },
    { "translate:pad=2", SLUICE_U8, SLUICE_NHWC, 0xdea795ec },
    { "translate:pad=2:fill=9/8/7", SLUICE_U8, SLUICE_NHWC, 0x3cf6db71 },
    { "translate:pad=3:fill=reflect", SLUICE_U8, SLUICE_NHWC, 0xd54dc00f },
    { "translate:pad=3:fill=edge", SLUICE_U8, SLUICE_NHWC, 0x593c43da },
    { "cutout:size=4:fill=1/2/3", SLUICE_U8, SLUICE_NHWC, 0x15c49182 },
    { "normalize:mean=120/110/100:std=60/70/80", SLUICE_F32, SLUICE_NHWC, 0xa9ce2864 },
    { "normalize:mean=120/110/100:std=60/70/80", SLUICE_BF16, SLUICE_NHWC, 0xe9ae3de5 },
    { "normalize:mean=120/110/100:std=60/70/80", SLUICE_F16, SLUICE_NCHW, 0xcf8428db },
    { "normalize:mean=127.5:std=1e-4", SLUICE_F16, SLUICE_NHWC, 0xcbaf2f4b },
    { "normalize:mean=127.5:std=9e5", SLUICE_F16, SLUICE_NHWC, 0x8f9c144c },
    { "rotate:degrees=90:fill=50", SLUICE_U8, SLUICE_NHWC, 0xfead2798 },
    { "erase:p=0.7:fill=7", SLUICE_U8, SLUICE_NHWC, 0x7f050858 },
    { "erase:p=0.7:fill=random:scale=0.2/0.4", SLUICE_U8, SLUICE_NHWC, 0xb5cdb33a },
    { "normalize:mean=127.5:std=64,erase:p=1:fill=random:scale=0.2/0.4", SLUICE_F32,
      SLUICE_NCHW, 0x9510bac4 },
    { "geometry:mode=fused,flip,rotate:degrees=40:fill=1/2/3,translate:pad=3:fill=1/2/"
      "3",
      SLUICE_U8, SLUICE_NHWC, 0x200698cb },
    { "geometry:mode=fused,rotate:degrees=15,invert:p=0.5,perspective:p=0.8,"
      "vertical_flip,affine:degrees=20:translate=0.1:scale=0.8/1.2:shear=10",
      SLUICE_U8, SLUICE_NHWC, 0xf36eb981 },
    { "grayscale:p=0.5", SLUICE_U8, SLUICE_NHWC, 0x29020353 },
    { "posterize:bits=3", SLUICE_U8, SLUICE_NHWC, 0x57126fa2 },
    { "solarize:threshold=128", SLUICE_U8, SLUICE_NHWC, 0xde91c4b7 },
    { "invert", SLUICE_U8, SLUICE_NHWC, 0x7070a5f6 },
    { "jitter:brightness=0.8", SLUICE_U8, SLUICE_NHWC, 0x7ab24258 },
    { "jitter:contrast=0.8", SLUICE_U8, SLUICE_NHWC, 0xb3f03db9 },
    { "jitter:saturation=1.8", SLUICE_U8, SLUICE_NHWC, 0xe3a4f6e2 },
    { "jitter:hue=0.5", SLUICE_U8, SLUICE_NHWC, 0xc5f8cd50 },
    { "jitter:brightness=0.3:contrast=0.3:saturation=0.3:hue=0.1", SLUICE_U8,
      SLUICE_NHWC, 0xe9ca9210 },
    { "solarize:threshold=64:p=1,autocontrast:p=1", SLUICE_U8, SLUICE_NHWC,
      0x8d5cd75f },
    { "posterize:bits=5:p=1,equalize:p=0.8", SLUICE_U8, SLUICE_NHWC, 0xbc779c9d },
    { "sharpness:factor=0.3", SLUICE_U8, SLUICE_NHWC, 0x00417ec5 },
    { "sharpness:factor=1.9:p=1", SLUICE_U8, SLUICE_NHWC, 0xf35a682f },
    { "perspective:distortion=0.7:p=0.9:fill=1/2/3", SLUICE_U8, SLUICE_NHWC,
      0xdb5eb1a3 },
    { "affine:degrees=40", SLUICE_U8, SLUICE_NHWC, 0x64f43fb5 },
    { "affine:degrees=0:translate=0.3/0.1:fill=9/8/7", SLUICE_U8, SLUICE_NHWC,
      0x58eb1dd3 },
    { "affine:degrees=0:scale=0.7/1.4", SLUICE_U8, SLUICE_NHWC, 0x4ac0ac46 },
    { "affine:degrees=0:shear=20/0:fill=50", SLUICE_U8, SLUICE_NHWC, 0xe5c81ab7 },
    { "affine:degrees=180:translate=0.2:scale=0.5/2:shear=30/15:fill=1/2/3", SLUICE_U8,
      SLUICE_NHWC, 0x5a87c151 },
    { "shear_x:reach=0.3:p=0.9", SLUICE_U8, SLUICE_NHWC, 0x86d87afa },
    { "shear_y:reach=0.3:p=0.9:fill=5", SLUICE_U8, SLUICE_NHWC, 0x226f1a21 },
    { "translate_x:reach=0.45:p=0.9", SLUICE_U8, SLUICE_NHWC, 0xa3997a5c },
    { "translate_y:reach=0.45:p=0.9:fill=5", SLUICE_U8, SLUICE_NHWC, 0x6d92b2ca },
    { "center_crop:size=8", SLUICE_U8, SLUICE_NHWC, 0x13ff34c9 },
    { "center_crop:size=9", SLUICE_U8, SLUICE_NHWC, 0xa1772011 },
    { "center_crop:size=12", SLUICE_U8, SLUICE_NCHW, 0xe471f2d3 },
    { "center_crop:size=20", SLUICE_U8, SLUICE_NHWC, 0x915585de },
    { "center_crop:size=15,center_crop:size=6", SLUICE_F32, SLUICE_NHWC, 0x9f70bd58 },
    { "gaussian_blur:kernel=3", SLUICE_U8, SLUICE_NHWC, 0x8f5ba4c7 },
    { "gaussian_blur:kernel=9:sigma=0.4/3", SLUICE_U8, SLUICE_NHWC, 0x96b489ab },
    { "gaussian_blur:kernel=21:sigma=20", SLUICE_U8, SLUICE_NHWC, 0x9fefb314 },
    { "identity", SLUICE_U8, SLUICE_NHWC, 0x06145dc8 },
    { "solarize_add:addition=110", SLUICE_U8, SLUICE_NHWC, 0x3538f0ab },
    { "solarize_add:addition=-70:threshold=200:p=1", SLUICE_U8, SLUICE_NHWC,
      0x2a4a03e7 },
    { "brightness:factor=0.4", SLUICE_U8, SLUICE_NHWC, 0xaaa09528 },
    { "brightness:factor=1.9:p=1", SLUICE_U8, SLUICE_NHWC, 0x13ba6d51 },
    { "color:factor=0.1", SLUICE_U8, SLUICE_NHWC, 0x6af4ce48 },
    { "color:factor=1.9:p=1", SLUICE_U8, SLUICE_NHWC, 0x1e20cdaa },
    { "contrast:factor=0.1", SLUICE_U8, SLUICE_NHWC, 0x75e033dd },
    { "contrast:factor=1.9:p=1", SLUICE_U8, SLUICE_NHWC, 0xd08e23b8 },
    { "autoaugment", SLUICE_U8, SLUICE_NHWC, 0x22e8895f },
    { "flip,autoaugment:fill=9/8/7,invert:p=1", SLUICE_U8, SLUICE_NHWC, 0xdf797a9a },
    { "randaugment", SLUICE_U8, SLUICE_NHWC, 0xb233f5f4 },
    { "randaugment:num_ops=5:magnitude=3:bins=7:fill=5", SLUICE_U8, SLUICE_NHWC,
      0x9d0ace56 },
    { "invert,trivialaugment_wide", SLUICE_U8, SLUICE_NHWC, 0x81c7b39b },
    { "trivialaugment_wide:bins=11:fill=1/2/3,trivialaugment_wide", SLUICE_U8,
      SLUICE_NHWC, 0xfeff9e31 },
    { "normalize:mean=127.5:std=64,erase:p=1", SLUICE_F32, SLUICE_NHWC, 0xa84fe7e4 },
    { "flip,translate:pad=2:fill=reflect,cutout:size=4:fill=zero,normalize:mean=127:"
      "std=64",
      SLUICE_F32, SLUICE_NHWC, 0x35f3807d },
};

int main(void)
{
    uint8_t pixels[HEIGHT * WIDTH * CHANNELS];
    _Alignas(64) uint8_t out[sizeof(pixels) * sizeof(float)];
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)(i * 7 + i * i / 5);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct sluice_augment_options o = {
            .source = { HEIGHT, WIDTH, CHANNELS, SLUICE_U8, SLUICE_NHWC },
            .seed = 0x5eed,
            .dtype = cases[i].dtype,
            .layout = cases[i].layout,
        };
        struct sluice_error err = { 0 };
        struct sluice_augment *a;
        uint32_t crc = 0;
        REQUIRE(sluice_augment_create(&a, cases[i].pipeline, &o, &err) == 0, "%s",
                err.message);
        const struct sluice_transform t = sluice_augment_transform(a);
        for (uint64_t n = 0; n < SAMPLES; n++) {
            const struct sluice_image image = { pixels,   HEIGHT, WIDTH,
                                                CHANNELS, n,      (uint32_t)n };
            REQUIRE(t.apply(t.arg, &image, out, &err) == 0, "%s", err.message);
            crc = sluice_crc32c(crc, out, sluice_shape_bytes(&t.out));
        }
        CHECK(crc == cases[i].crc, "%s as %s: 0x%08x, not 0x%08x", cases[i].pipeline,
              sluice_dtype_name(cases[i].dtype), crc, cases[i].crc);
        sluice_augment_free(a);
    }
    return check_done();
}

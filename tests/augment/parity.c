/* parity.c -- every way through a pipeline gives the same bytes: the rows of the CPU,
 * the pixels of the reference, and the GPU kernel's own body and index arithmetic
 * walked over blocks and threads. Output is filled with two patterns before, so that a
 * byte that is never written shows. */
#include <string.h>

#include <sluice/augment_cuda.h>

#include "chain.h"
#include "check.h"

enum { IMAGES = 5, THREADS = 64, EPOCHS = 3 };

static const char *const pipelines[] = {
    "",
    "flip:p=1",
    "flip",
    "flip_alternating",
    "vertical_flip",
    "translate:pad=2",
    "translate:pad=2:fill=reflect",
    "translate:pad=2:fill=edge",
    "translate:pad=2:fill=mean",
    "cutout:size=2",
    "flip,translate:pad=2:fill=mean,cutout:size=3,normalize",
    "flip_alternating,translate:pad=2:fill=reflect,normalize",
    "vertical_flip,flip,crop:pad=1:fill=7,cutout:size=1:fill=9,cutout:size=2:fill=0",
    "translate:pad=1,flip,normalize:mean=100:std=50",
    "cutout:size=2,translate:pad=2:fill=reflect,flip", /* rows cannot: cutout comes
                                                          first */
    "translate:pad=1,translate:pad=2:fill=edge",       /* nor two translates */
};

static const int shapes[][3] = { { 4, 4, 1 },   { 5, 7, 3 },   { 28, 28, 1 },
                                 { 32, 32, 3 }, { 31, 42, 3 }, { 31, 43, 3 },
                                 { 96, 96, 3 }, { 9, 33, 4 },  { 3, 128, 1 },
                                 { 3, 129, 1 }, { 8, 8, 2 } };

static const enum sluice_dtype dtypes[] = { SLUICE_F32, SLUICE_BF16, SLUICE_F16,
                                            SLUICE_U8 };

static void compare(const struct sluice_augment *aug, const uint8_t *pixels,
                    const char *what)
{
    const struct chain *c = sluice_augment_chain(aug);
    const struct sluice_shape shape = sluice_augment_shape(aug);
    const struct sluice_transform t = sluice_augment_transform(aug);
    const size_t in = (size_t)c->height * c->width * c->channels;
    const size_t out = sluice_shape_bytes(&shape);
    const int per_image = (c->height * c->width + THREADS - 1) / THREADS;
    const uint8_t *images[IMAGES];
    uint64_t ids[IMAGES];
    uint8_t *cpu = malloc(out * IMAGES), *grid = malloc(out * IMAGES);
    REQUIRE(cpu && grid, "no memory");
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (int n = 0; n < IMAGES; n++) {
            images[n] = pixels + (size_t)n * in;
            ids[n] = (uint64_t)n * 1000003;
            memset(cpu + (size_t)n * out, n % 2 ? 0xaa : 0x55, out);
            memset(grid + (size_t)n * out, n % 2 ? 0x55 : 0xaa, out);
            const struct sluice_image image = { images[n],   c->height, c->width,
                                                c->channels, ids[n],    epoch };
            REQUIRE(t.apply(t.arg, &image, cpu + (size_t)n * out, NULL) == 0, "apply");
        }
        for (int block = 0; block < IMAGES * per_image; block++)
            for (int thread = 0; thread < THREADS; thread++)
                chain_thread(c, images, ids, epoch, grid, out, block, per_image, thread,
                             THREADS);
        CHECK(memcmp(cpu, grid, out * IMAGES) == 0, "%s, %dx%dx%d, %s %s, %s", what,
              c->height, c->width, c->channels, sluice_dtype_name((int)shape.dtype),
              c->planar ? "nchw" : "nhwc", sluice_augment_path(aug));
    }
    free(cpu);
    free(grid);
}

static void one(const char *pipeline, const int *shape, enum sluice_dtype dtype,
                enum sluice_layout layout, const uint8_t *pixels)
{
    static const double mean[4] = { 125.307, 122.961, 113.8575, 90 };
    static const double std[4] = { 51.5865, 50.847, 51.255, 60 };
    const struct sluice_augment_options o = {
        .source = { shape[0], shape[1], shape[2], SLUICE_U8, SLUICE_NHWC },
        .seed = 42,
        .dtype = dtype,
        .layout = layout,
        .mean = mean,
        .std = std,
    };
    struct sluice_augment *aug, *again;
    struct sluice_error err = { 0 };
    if (dtype == SLUICE_U8 && strstr(pipeline, "normalize"))
        return;
    REQUIRE(sluice_augment_create(&aug, pipeline, &o, &err) == 0, "%s: %s", pipeline,
            err.message);
    compare(aug, pixels, pipeline);
    /* What it says of itself makes the same again. */
    REQUIRE(sluice_augment_create(&again, sluice_augment_describe(aug), &o, &err) == 0,
            "%s: %s", sluice_augment_describe(aug), err.message);
    CHECK(strcmp(sluice_augment_describe(aug), sluice_augment_describe(again)) == 0,
          "%s", sluice_augment_describe(again));
    sluice_augment_free(aug);
    sluice_augment_free(again);
}

int main(void)
{
    const size_t most = (size_t)96 * 96 * 3 * IMAGES;
    uint8_t *pixels = malloc(most);
    REQUIRE(pixels, "no memory");
    for (size_t i = 0; i < most; i++)
        pixels[i] = (uint8_t)((i * 2654435761u) >> 13);
    for (size_t p = 0; p < sizeof(pipelines) / sizeof(pipelines[0]); p++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
            for (int d = 0; d < 4; d++) {
                if (strstr(pipelines[p], "size=3") && shapes[s][0] < 3)
                    continue;
                one(pipelines[p], shapes[s], dtypes[d], SLUICE_NHWC, pixels);
                one(pipelines[p], shapes[s], dtypes[d], SLUICE_NCHW, pixels);
            }
    free(pixels);
    return check_done();
}

/* fuzz_augment.c -- any text taken for a pipeline is refused with words, or gives one
 * that writes its whole result, mixed with another, and whose description gives the
 * same again. */
#include <stdlib.h>

#include <sluice/augment.h>

#include "fuzz.h"

enum { SIDE = 9, BYTES = SIDE * SIDE * 3, IMAGES = 2, MOST = 64 * 64 * 3 };

/* Two images and their mix, into memory as large as they are. */
static void run(const struct sluice_augment *aug, uint64_t first)
{
    const struct sluice_transform t = sluice_augment_transform(aug);
    const size_t bytes = sluice_shape_bytes(&t.out), elements = bytes / sizeof(float);
    const uint64_t ids[IMAGES] = { first, first + 1 };
    float *plain = malloc(IMAGES * bytes), *mixed = malloc(IMAGES * bytes);
    struct sluice_mix mixes[IMAGES];
    struct sluice_error err = { 0 };
    uint8_t pixels[BYTES];
    const struct sluice_batch batch = {
        .shape = t.out, .count = IMAGES, .pixels = plain, .ids = ids, .epoch = 2
    };
    FUZZ_REQUIRE(plain && mixed);
    memset(plain, 0xff, IMAGES * bytes); /* NaN */
    for (int n = 0; n < IMAGES; n++) {
        const struct sluice_image image = { pixels, SIDE, SIDE, 3, ids[n], 2 };
        memset(pixels, 7 + 99 * n, sizeof(pixels));
        FUZZ_REQUIRE(t.apply(t.arg, &image, plain + (size_t)n * elements, &err) == 0);
    }
    FUZZ_REQUIRE(sluice_augment_mix(aug, &batch, mixed, mixes, &err) == 0);
    for (size_t i = 0; i < IMAGES * elements; i++)
        FUZZ_REQUIRE(mixed[i] == mixed[i]);
    for (int n = 0; n < IMAGES; n++)
        FUZZ_REQUIRE(mixes[n].share >= 0 && mixes[n].share <= 1 &&
                     mixes[n].partner >= 0 && mixes[n].partner < IMAGES);
    free(plain);
    free(mixed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double mean[] = { 1, 128, 254 }, std[] = { 1, 60, 3 };
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, 3, SLUICE_U8, SLUICE_NHWC },
        .dtype = SLUICE_F32,
        .mean = mean,
        .std = std,
        .mixes = 1,
    };
    struct sluice_augment *aug, *again;
    struct sluice_error err = { 0 };
    char *text = malloc(size + 1);
    FUZZ_REQUIRE(text);
    memcpy(text, data, size);
    text[size] = 0;
    int rc = sluice_augment_create(&aug, text, &o, &err);
    FUZZ_REQUIRE(rc == 0 || (!aug && err.message[0]));
    if (rc == 0) {
        const struct sluice_shape shape = sluice_augment_shape(aug);
        const char *described = sluice_augment_describe(aug);
        if (sluice_shape_bytes(&shape) <= MOST * sizeof(float)) /* else it takes long */
            run(aug, size);
        FUZZ_REQUIRE(sluice_augment_create(&again, described, &o, &err) == 0);
        FUZZ_REQUIRE(strcmp(described, sluice_augment_describe(again)) == 0);
        sluice_augment_free(again);
    }
    sluice_augment_free(aug);
    free(text);
    return 0;
}

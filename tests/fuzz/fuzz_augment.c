/* fuzz_augment.c -- any text taken for a pipeline is refused with words, or gives one
 * that writes its whole result, and whose description gives the same again. */
#include <stdlib.h>

#include <sluice/augment.h>

#include "fuzz.h"

enum { SIDE = 9, BYTES = SIDE * SIDE * 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double mean[] = { 1, 128, 254 }, std[] = { 1, 60, 3 };
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, 3, SLUICE_U8, SLUICE_NHWC },
        .dtype = SLUICE_F32,
        .mean = mean,
        .std = std,
    };
    struct sluice_augment *aug, *again;
    struct sluice_error err = { 0 };
    uint8_t pixels[BYTES];
    float out[BYTES];
    char *text = malloc(size + 1);
    FUZZ_REQUIRE(text);
    memcpy(text, data, size);
    text[size] = 0;
    int rc = sluice_augment_create(&aug, text, &o, &err);
    FUZZ_REQUIRE(rc == 0 || (!aug && err.message[0]));
    if (rc == 0) {
        const struct sluice_transform t = sluice_augment_transform(aug);
        memset(pixels, 7, sizeof(pixels));
        memset(out, 0xff, sizeof(out)); /* NaN */
        const struct sluice_image image = { pixels, SIDE, SIDE, 3, size, 2 };
        FUZZ_REQUIRE(t.apply(t.arg, &image, out, &err) == 0);
        for (int i = 0; i < BYTES; i++)
            FUZZ_REQUIRE(out[i] == out[i]);
        FUZZ_REQUIRE(
            sluice_augment_create(&again, sluice_augment_describe(aug), &o, &err) == 0);
        sluice_augment_free(again);
    }
    sluice_augment_free(aug);
    free(text);
    return 0;
}

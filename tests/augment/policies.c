/* policies.c -- each operation that a policy may choose, at each of its magnitudes, to
 * either side, and many images through whole policies: checksums that oracle.py makes
 * with torchvision. */
#include <string.h>

#include <sluice/crc32c.h>

#include "check.h"
#include "ops.h"
#include "pipeline.h"

enum { HEIGHT = 24, WIDTH = 40, CHANNELS = 3, BYTES = HEIGHT * WIDTH * CHANNELS };
enum { SAMPLES = 600 };

static const struct {
    const char *policy;
    enum change_kind kind;
    uint32_t crc;
} cases[] = {
    { "autoaugment", CHANGE_SHEAR_X, 0x6b844f97 },
    { "autoaugment", CHANGE_SHEAR_Y, 0xc75669c1 },
    { "autoaugment", CHANGE_TRANSLATE_X, 0xf4f7160d },
    { "autoaugment", CHANGE_TRANSLATE_Y, 0x7e1b3995 },
    { "autoaugment", CHANGE_ROTATE, 0x68ce6089 },
    { "autoaugment", CHANGE_BRIGHTNESS, 0xc647be68 },
    { "autoaugment", CHANGE_COLOR, 0x638e614d },
    { "autoaugment", CHANGE_CONTRAST, 0x9d0d8356 },
    { "autoaugment", CHANGE_SHARPNESS, 0x90645bbf },
    { "autoaugment", CHANGE_POSTERIZE, 0xc52b28a3 },
    { "autoaugment", CHANGE_SOLARIZE, 0x7d0c8f5b },
    { "autoaugment", CHANGE_AUTOCONTRAST, 0x66f4898d },
    { "autoaugment", CHANGE_EQUALIZE, 0x4d0cd367 },
    { "autoaugment", CHANGE_INVERT, 0xf1d180ca },
    { "randaugment", CHANGE_IDENTITY, 0x989940b2 },
    { "randaugment", CHANGE_SHEAR_X, 0xef51ad51 },
    { "randaugment", CHANGE_SHEAR_Y, 0xc90cd3bb },
    { "randaugment", CHANGE_TRANSLATE_X, 0x612d34df },
    { "randaugment", CHANGE_TRANSLATE_Y, 0xd9d38ffe },
    { "randaugment", CHANGE_ROTATE, 0x85403274 },
    { "randaugment", CHANGE_BRIGHTNESS, 0x2da44ac7 },
    { "randaugment", CHANGE_COLOR, 0x6ed734b4 },
    { "randaugment", CHANGE_CONTRAST, 0xfcbbc753 },
    { "randaugment", CHANGE_SHARPNESS, 0xfd33252a },
    { "randaugment", CHANGE_POSTERIZE, 0xc06d86e2 },
    { "randaugment", CHANGE_SOLARIZE, 0xb85cc6f3 },
    { "randaugment", CHANGE_AUTOCONTRAST, 0x989940b2 },
    { "randaugment", CHANGE_EQUALIZE, 0x7824134f },
    { "trivialaugment_wide", CHANGE_IDENTITY, 0x989940b2 },
    { "trivialaugment_wide", CHANGE_SHEAR_X, 0xc142ad03 },
    { "trivialaugment_wide", CHANGE_SHEAR_Y, 0x1208d947 },
    { "trivialaugment_wide", CHANGE_TRANSLATE_X, 0x87509d56 },
    { "trivialaugment_wide", CHANGE_TRANSLATE_Y, 0xee9f8aa8 },
    { "trivialaugment_wide", CHANGE_ROTATE, 0x224f04be },
    { "trivialaugment_wide", CHANGE_BRIGHTNESS, 0x08c6c09a },
    { "trivialaugment_wide", CHANGE_COLOR, 0xcf1c9e48 },
    { "trivialaugment_wide", CHANGE_CONTRAST, 0x488fbc48 },
    { "trivialaugment_wide", CHANGE_SHARPNESS, 0x5f0cf317 },
    { "trivialaugment_wide", CHANGE_POSTERIZE, 0x2bc17486 },
    { "trivialaugment_wide", CHANGE_SOLARIZE, 0xb85cc6f3 },
    { "trivialaugment_wide", CHANGE_AUTOCONTRAST, 0x989940b2 },
    { "trivialaugment_wide", CHANGE_EQUALIZE, 0x7824134f },
};

static const struct {
    const char *policy;
    uint32_t crc;
} whole[] = {
    { "autoaugment", 0xaa7d3a6a },
    { "randaugment", 0x71799bf3 },
    { "trivialaugment_wide", 0xc3841e45 },
};

static const struct sluice_augment_options options = {
    .source = { HEIGHT, WIDTH, CHANNELS, SLUICE_U8, SLUICE_NHWC },
    .seed = 0x5eed,
    .dtype = SLUICE_U8,
};

static uint32_t images(const char *policy, const uint8_t *source)
{
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    uint8_t out[BYTES];
    uint32_t crc = 0;
    REQUIRE(sluice_augment_create(&a, policy, &options, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    for (uint64_t n = 0; n < SAMPLES; n++) {
        const struct sluice_image image = { source,   HEIGHT, WIDTH,
                                            CHANNELS, n,      (uint32_t)n };
        REQUIRE(t.apply(t.arg, &image, out, &err) == 0, "%s", err.message);
        crc = sluice_crc32c(crc, out, BYTES);
    }
    sluice_augment_free(a);
    return crc;
}

static uint32_t levels(const char *policy, enum change_kind kind, const uint8_t *source)
{
    const int bins = strcmp(policy, "autoaugment") == 0 ? AUTO_BINS : 31;
    const int turns = strcmp(policy, "trivialaugment_wide") == 0 ? 1 : 2;
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    uint8_t out[BYTES];
    uint32_t crc = 0;
    REQUIRE(sluice_augment_create(&a, policy, &options, &err) == 0, "%s", err.message);
    const struct step *s = &sluice_augment_plan(a)->step[0];
    const struct change_reach most = turns == 1 ? wide_reach() : usual_reach(s);
    CHECK(sluice_augment_plan(a)->steps == turns, "%s: %d steps", policy,
          sluice_augment_plan(a)->steps);
    for (int bin = 0; bin < bins; bin++)
        for (int negative = 0; negative < 2; negative++) {
            struct draw draws[STEPS_MAX] = { { .on = 1 } };
            set_change(&draws[0].u.change, kind, &most, bins, bin, negative, s);
            REQUIRE(sluice_augment_run_stages(a, draws, source, out, &err) == 0, "%s",
                    err.message);
            crc = sluice_crc32c(crc, out, BYTES);
        }
    sluice_augment_free(a);
    return crc;
}

int main(void)
{
    uint8_t source[BYTES];
    for (int i = 0; i < BYTES; i++)
        source[i] = (uint8_t)(i * 7 + i * i / 5);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const uint32_t crc = levels(cases[i].policy, cases[i].kind, source);
        CHECK(crc == cases[i].crc, "%s: operation %d: 0x%08x, not 0x%08x",
              cases[i].policy, cases[i].kind, crc, cases[i].crc);
    }
    for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        const uint32_t crc = images(whole[i].policy, source);
        CHECK(crc == whole[i].crc, "%s: 0x%08x, not 0x%08x", whole[i].policy, crc,
              whole[i].crc);
    }
    return check_done();
}

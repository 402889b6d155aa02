/* chance.c -- draws have the distribution that the operation promises: chi-square with
 * fixed seeds, at a level that a right generator misses once in a thousand. */
#include <string.h>

#include <sluice/augment.h>

#include "check.h"

enum { SIDE = 8, SAMPLES = 20000 };

/* Pixel (y, x) of the source says where it is. */
static uint8_t source[SIDE][SIDE];

static void each(const char *pipeline, uint32_t epoch, uint64_t samples,
                 void (*seen)(uint8_t (*out)[SIDE], uint64_t sample))
{
    const struct sluice_augment_options o = { .source = { SIDE, SIDE, 1, SLUICE_U8,
                                                          SLUICE_NHWC },
                                              .seed = 20,
                                              .dtype = SLUICE_U8 };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    uint8_t out[SIDE][SIDE];
    REQUIRE(sluice_augment_create(&a, pipeline, &o, &err) == 0, "%s", err.message);
    const struct sluice_transform t = sluice_augment_transform(a);
    for (uint64_t i = 0; i < samples; i++) {
        const struct sluice_image image = { source[0], SIDE, SIDE, 1, i, epoch };
        REQUIRE(t.apply(t.arg, &image, out, &err) == 0, "%s", err.message);
        seen(out, i);
    }
    sluice_augment_free(a);
}

/* The upper 0.1 % point of chi-square (Wilson and Hilferty's approximation). */
static double chi_limit(int freedom)
{
    const double k = freedom, c = 2 / (9 * k);
    return k * pow(1 - c + 3.0902 * sqrt(c), 3);
}

static void check_even(const char *what, const int *count, int bins, int total)
{
    const double want = (double)total / bins;
    double sum = 0;
    for (int i = 0; i < bins; i++)
        sum += (count[i] - want) * (count[i] - want) / want;
    CHECK(sum <= chi_limit(bins - 1), "%s: chi-square %g over %d bins, limit %g", what,
          sum, bins, chi_limit(bins - 1));
    CHECK(bins == 1 || sum > 0, "%s: too even", what);
}

static int count[SIDE * SIDE * 4];
static char side[SAMPLES], first_side[SAMPLES];

static void see_flip(uint8_t (*out)[SIDE], uint64_t sample)
{
    const int on = out[3][0] == source[3][SIDE - 1];
    CHECK(on || out[3][0] == source[3][0], "neither side");
    side[sample] = (char)on;
    count[on]++;
}

static void flips(void)
{
    memset(count, 0, sizeof(count));
    each("flip", 3, SAMPLES, see_flip);
    check_even("flip", count, 2, SAMPLES);
    memset(count, 0, sizeof(count));
    each("flip:p=0.25", 3, SAMPLES, see_flip);
    const double z = (count[1] - SAMPLES * 0.25) / sqrt(SAMPLES * 0.25 * 0.75);
    CHECK(fabs(z) <= 3.3, "flip:p=0.25 turned %d of %d", count[1], SAMPLES);
    memset(count, 0, sizeof(count));
    each("flip:p=0", 3, 1000, see_flip);
    CHECK(count[1] == 0, "flip:p=0 turned %d", count[1]);
    each("flip:p=1", 3, 1000, see_flip);
    CHECK(count[1] == 1000, "flip:p=1 turned %d", count[1]);
}

/* Half of the images are turned at first, and each at every second epoch from there. */
static void alternating(void)
{
    memset(count, 0, sizeof(count));
    each("flip_alternating", 0, SAMPLES, see_flip);
    check_even("flip_alternating", count, 2, SAMPLES);
    memcpy(first_side, side, sizeof(side));
    for (uint32_t epoch = 1; epoch < 5; epoch++) {
        int wrong = 0;
        each("flip_alternating", epoch, SAMPLES, see_flip);
        for (int i = 0; i < SAMPLES; i++)
            wrong += side[i] != (first_side[i] ^ (char)(epoch & 1));
        CHECK(wrong == 0, "epoch %u: %d images on the wrong side", epoch, wrong);
    }
}

static void see_shift(uint8_t (*out)[SIDE], uint64_t sample)
{
    (void)sample;
    const int at = out[4][4] - source[4][4]; /* 8 * dy + dx, each -2..2 */
    const int dy = (at + 18 + 64) / 8 - 10, dx = at - 8 * dy;
    REQUIRE(dy >= -2 && dy <= 2 && dx >= -2 && dx <= 2, "shifted by %d, %d", dy, dx);
    count[(dy + 2) * 5 + dx + 2]++;
}

static void shifts(void)
{
    memset(count, 0, sizeof(count));
    each("translate:pad=2", 0, SAMPLES, see_shift);
    check_even("translate", count, 25, SAMPLES);
}

static void see_square(uint8_t (*out)[SIDE], uint64_t sample)
{
    int first = -1, gone = 0;
    (void)sample;
    for (int i = 0; i < SIDE * SIDE; i++)
        if (out[i / SIDE][i % SIDE] == 255) {
            first = first < 0 ? i : first;
            gone++;
        }
    REQUIRE(gone == 9 && first / SIDE <= 5 && first % SIDE <= 5, "%d pixels from %d",
            gone, first);
    count[first / SIDE * 6 + first % SIDE]++;
}

static void squares(void)
{
    memset(count, 0, sizeof(count));
    each("cutout:size=3:fill=255", 0, SAMPLES, see_square);
    check_even("cutout", count, 36, SAMPLES);
}

/* Two operations of a pipeline, two epochs and two samples draw independently. */
static void see_corner(uint8_t (*out)[SIDE], uint64_t sample)
{
    (void)sample;
    count[(out[0][0] / 8 != 0) * 2 + (out[0][0] % 8 != 0)]++;
}

static void independent(void)
{
    int same = 0;
    memset(count, 0, sizeof(count));
    each("flip,vertical_flip", 0, SAMPLES, see_corner);
    check_even("both flips", count, 4, SAMPLES);
    each("flip", 0, SAMPLES, see_flip);
    memcpy(first_side, side, sizeof(side));
    each("flip", 1, SAMPLES, see_flip);
    for (int i = 0; i < SAMPLES; i++)
        same += side[i] == first_side[i];
    CHECK(fabs(same - SAMPLES * 0.5) <= 3.3 * sqrt(SAMPLES * 0.25),
          "%d of %d are the same in the next epoch", same, SAMPLES);
}

int main(void)
{
    for (int i = 0; i < SIDE * SIDE; i++)
        source[i / SIDE][i % SIDE] = (uint8_t)i;
    flips();
    alternating();
    shifts();
    squares();
    independent();
    return check_done();
}

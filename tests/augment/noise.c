/* noise.c -- what erase:fill=random puts into a rectangle: bytes that are all as
 * likely, and behind the conversion numbers of the normal distribution, by chi-square
 * with a fixed seed; and none twice, from pixel to pixel, image to image or epoch to
 * epoch. */
#include <math.h>

#include "check.h"
#include "ops/erase.h"

enum { PIXELS = 20000, BINS = 64 };

static const struct step step = { .height = 1, .width = PIXELS };

/* At a level that right numbers miss once in a thousand, by Wilson and Hilferty. */
static void check_even(const char *what, int channel, const int *count)
{
    const double want = (double)PIXELS / BINS, k = BINS - 1, c = 2 / (9 * k);
    const double limit = k * pow(1 - c + 3.0902 * sqrt(c), 3);
    double sum = 0;
    for (int i = 0; i < BINS; i++)
        sum += (count[i] - want) * (count[i] - want) / want;
    CHECK(sum <= limit, "%s of channel %d: chi-square %g, limit %g", what, channel, sum,
          limit);
}

static struct draw draw_of(uint64_t sample, uint32_t epoch)
{
    return (struct draw){ .u.noise = { .seed = 20, .sample = sample, .epoch = epoch } };
}

static void distribution(int channel)
{
    const struct draw d = draw_of(7, 3);
    int bytes[BINS] = { 0 }, numbers[BINS] = { 0 };
    for (int x = 0; x < PIXELS; x++) {
        uint8_t v[CHANNELS_MAX];
        noise_pixel(&d, &step, 0, x, v);
        bytes[v[channel] * BINS / 256]++;
        const double number = (double)noise_number(&d, &step, 0, x, channel);
        REQUIRE(fabs(number) < 8, "pixel %d is %g", x, number);
        numbers[(int)(erfc(-number / sqrt(2)) / 2 * BINS)]++;
    }
    check_even("bytes", channel, bytes);
    check_even("numbers", channel, numbers);
}

/* Pairs of pixels that are alike, of as many as there are. */
static int alike(const struct draw *a, const struct draw *b, int apart)
{
    int same = 0;
    for (int x = 0; x + apart < PIXELS; x++) {
        uint8_t v[CHANNELS_MAX], w[CHANNELS_MAX];
        noise_pixel(a, &step, 0, x, v);
        noise_pixel(b, &step, 0, x + apart, w);
        same += v[0] == w[0] && v[1] == w[1] && v[2] == w[2];
    }
    return same;
}

int main(void)
{
    const struct draw one = draw_of(7, 3), image = draw_of(8, 3), epoch = draw_of(7, 4);
    for (int channel = 0; channel < CHANNELS_MAX; channel++)
        distribution(channel);
    CHECK(alike(&one, &one, 1) < 3, "neighbours are alike");
    CHECK(alike(&one, &image, 0) < 3, "images are alike");
    CHECK(alike(&one, &epoch, 0) < 3, "epochs are alike");
    return check_done();
}

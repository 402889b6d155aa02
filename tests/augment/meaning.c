/* meaning.c -- what the operations do, against loops written here from their words, and
 * the distributions of their draws. */
#include <string.h>

#include <sluice/augment.h>

#include "check.h"

enum { SIDE = 8, CHANNELS = 3, BYTES = SIDE * SIDE * CHANNELS };

static const double mean[] = { 125.9, 122.1, 113.5 }, std[] = { 50, 60, 70 };
static uint8_t source[BYTES];

static struct sluice_augment *make(const char *pipeline, enum sluice_dtype dtype)
{
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, CHANNELS, SLUICE_U8, SLUICE_NHWC },
        .seed = 7,
        .dtype = dtype,
        .mean = mean,
        .std = std,
    };
    struct sluice_augment *aug;
    struct sluice_error err = { 0 };
    REQUIRE(sluice_augment_create(&aug, pipeline, &o, &err) == 0, "%s", err.message);
    return aug;
}

static void apply(const struct sluice_augment *aug, uint64_t id, uint32_t epoch,
                  void *out)
{
    const struct sluice_transform t = sluice_augment_transform(aug);
    const struct sluice_image image = { source, SIDE, SIDE, CHANNELS, id, epoch };
    REQUIRE(t.apply(t.arg, &image, out, NULL) == 0, "apply");
}

static uint8_t pixel(int y, int x, int c)
{
    return source[(y * SIDE + x) * CHANNELS + c];
}

/* Is `got` the source shifted by (dy, dx), with numpy's mode for what is outside? */
static int is_shifted(const uint8_t *got, int dy, int dx, const char *mode)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++) {
                int sy = y + dy, sx = x + dx, want;
                const int outside = sy < 0 || sx < 0 || sy >= SIDE || sx >= SIDE;
                if (strcmp(mode, "reflect") == 0) {
                    sy = sy < 0 ? -sy : sy >= SIDE ? 2 * SIDE - 2 - sy : sy;
                    sx = sx < 0 ? -sx : sx >= SIDE ? 2 * SIDE - 2 - sx : sx;
                } else if (strcmp(mode, "edge") == 0) {
                    sy = sy < 0 ? 0 : sy >= SIDE ? SIDE - 1 : sy;
                    sx = sx < 0 ? 0 : sx >= SIDE ? SIDE - 1 : sx;
                } else if (outside) {
                    want = strcmp(mode, "mean") == 0 ? (int)mean[c] : 0;
                    if (got[(y * SIDE + x) * CHANNELS + c] != want)
                        return 0;
                    continue;
                }
                if (got[(y * SIDE + x) * CHANNELS + c] != pixel(sy, sx, c))
                    return 0;
            }
    return 1;
}

/* Chi-square of counts against equal frequencies, times 1; `cells` - 1 degrees. */
static double chi_square(const int *counts, int cells, int total)
{
    double sum = 0, want = (double)total / cells;
    for (int i = 0; i < cells; i++)
        sum += (counts[i] - want) * (counts[i] - want) / want;
    return sum;
}

static void translate(const char *mode)
{
    enum { DRAWS = 5000, PAD = 2, CELLS = 25 };
    char text[64];
    uint8_t out[BYTES];
    int counts[CELLS] = { 0 }, unknown = 0;
    snprintf(text, sizeof(text), "translate:pad=%d:fill=%s", PAD, mode);
    struct sluice_augment *aug = make(text, SLUICE_U8);
    for (int i = 0; i < DRAWS; i++) {
        int found = -1;
        apply(aug, (uint64_t)i, 0, out);
        for (int k = 0; k < CELLS && found < 0; k++)
            if (is_shifted(out, k / 5 - PAD, k % 5 - PAD, mode))
                found = k;
        if (found < 0)
            unknown++;
        else
            counts[found]++;
    }
    CHECK(unknown == 0, "%s: %d results are no shift", text, unknown);
    /* 24 degrees of freedom: 51.2 is the 0.1 % point. */
    CHECK(chi_square(counts, CELLS, DRAWS) < 51.2, "%s: offsets are not uniform: %g",
          text, chi_square(counts, CELLS, DRAWS));
    sluice_augment_free(aug);
}

static int is_flipped(const uint8_t *got)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++)
                if (got[(y * SIDE + x) * CHANNELS + c] != pixel(y, SIDE - 1 - x, c))
                    return 0;
    return 1;
}

static void flip(void)
{
    enum { DRAWS = 4000 };
    uint8_t out[BYTES];
    struct sluice_augment *half = make("flip", SLUICE_U8),
                          *never = make("flip:p=0", SLUICE_U8);
    struct sluice_augment *seldom = make("flip:p=0.1", SLUICE_U8);
    int counts[2] = { 0 }, few = 0;
    for (int i = 0; i < DRAWS; i++) {
        apply(half, (uint64_t)i, 3, out);
        const int f = is_flipped(out);
        CHECK(f || memcmp(out, source, BYTES) == 0, "neither flipped nor not");
        counts[f]++;
        apply(never, (uint64_t)i, 3, out);
        CHECK(memcmp(out, source, BYTES) == 0, "p=0 flips");
        apply(seldom, (uint64_t)i, 3, out);
        few += is_flipped(out);
    }
    CHECK(chi_square(counts, 2, DRAWS) < 10.8, "%d of %d flipped", counts[1], DRAWS);
    CHECK(few > 320 && few < 480, "p=0.1 flips %d of %d", few, DRAWS);
    sluice_augment_free(half);
    sluice_augment_free(never);
    sluice_augment_free(seldom);
}

static void alternating(void)
{
    uint8_t first[BYTES], now[BYTES];
    int flipped = 0;
    struct sluice_augment *aug = make("flip_alternating", SLUICE_U8);
    for (uint64_t i = 0; i < 1000; i++) {
        apply(aug, i, 0, first);
        flipped += is_flipped(first);
        for (uint32_t epoch = 1; epoch < 5; epoch++) {
            apply(aug, i, epoch, now);
            CHECK(is_flipped(now) == (is_flipped(first) ^ (int)(epoch & 1)), "epoch %u",
                  epoch);
        }
    }
    CHECK(flipped > 440 && flipped < 560, "%d of 1000 in epoch 0", flipped);
    sluice_augment_free(aug);
}

static void cutout(void)
{
    enum { DRAWS = 5000, SIZE = 4, PLACES = SIDE - SIZE + 1 };
    uint8_t out[BYTES];
    int counts[PLACES * PLACES] = { 0 };
    struct sluice_augment *aug = make("cutout:size=4:fill=mean", SLUICE_U8);
    for (int i = 0; i < DRAWS; i++) {
        int top = SIDE, left = SIDE, cut = 0;
        apply(aug, (uint64_t)i, 1, out);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                const uint8_t *p = out + (y * SIDE + x) * CHANNELS;
                if (p[0] == 125 && p[1] == 122 && p[2] == 113) {
                    top = y < top ? y : top;
                    left = x < left ? x : left;
                    cut++;
                } else {
                    CHECK(p[0] == pixel(y, x, 0) && p[2] == pixel(y, x, 2),
                          "other pixels move");
                }
            }
        CHECK(cut == SIZE * SIZE, "%d pixels cut", cut);
        if (cut == SIZE * SIZE)
            counts[top * PLACES + left]++;
    }
    CHECK(chi_square(counts, PLACES * PLACES, DRAWS) < 51.2, "places are not uniform");
    sluice_augment_free(aug);
}

static void normalize(void)
{
    float out[BYTES], planes[BYTES];
    struct sluice_augment *aug = make("normalize", SLUICE_F32);
    apply(aug, 0, 0, out);
    for (int i = 0; i < BYTES; i++) {
        const double want = (source[i] - mean[i % 3]) / std[i % 3];
        CHECK(near((double)out[i], want, 1e-6, 1e-6), "%g, not %g", (double)out[i],
              want);
    }
    sluice_augment_free(aug);
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, CHANNELS, SLUICE_U8, SLUICE_NHWC },
        .dtype = SLUICE_F32,
        .layout = SLUICE_NCHW,
        .mean = mean,
        .std = std,
    };
    REQUIRE(sluice_augment_create(&aug, "normalize", &o, NULL) == 0, "nchw");
    apply(aug, 0, 0, planes);
    for (int c = 0; c < CHANNELS; c++)
        for (int p = 0; p < SIDE * SIDE; p++)
            CHECK(!(planes[c * SIDE * SIDE + p] != out[p * CHANNELS + c]), "layout");
    sluice_augment_free(aug);
}

int main(void)
{
    for (int i = 0; i < BYTES; i++)
        source[i] = (uint8_t)(i * 37 + 11);
    source[0] = 200; /* not the fill colour */
    translate("zero");
    translate("mean");
    translate("reflect");
    translate("edge");
    flip();
    alternating();
    cutout();
    normalize();
    return check_done();
}

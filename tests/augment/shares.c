/* shares.c -- what mixup and cutmix draw has the distribution that they promise, with
 * fixed seeds: shares, partners, and where boxes lie. */
#include "goodness.h"
#include "ops/mix.h"
#include "pipeline.h"

enum { SIDE = 8000, SAMPLES = 20000 };

/* Distribution functions of Beta(a, a). */
static double beta_half(double x)
{
    return asin(sqrt(x)) * 2 / 3.14159265358979;
}

static double beta_one(double x)
{
    return x;
}

static double beta_two(double x)
{
    return x * x * (3 - 2 * x);
}

static double beta_three(double x)
{
    return x * x * x * (10 - 15 * x + 6 * x * x);
}

/* mixup's share, each batch's or each image's own, and the partners, of seven. */
static void mixed(const char *pipeline, double (*distribution)(double))
{
    enum { COUNT = 8 };
    static double share[SAMPLES], shift[SAMPLES], side[SAMPLES];
    const struct bins shifts = { pipeline, COUNT - 1, NULL };
    const struct bins sides = { pipeline, 4, NULL };
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, 3, SLUICE_U8, SLUICE_NHWC },
        .seed = 20,
        .dtype = SLUICE_U8,
        .mixes = 1,
    };
    struct sluice_error err = { 0 };
    struct sluice_augment *a;
    int boxes = 0;
    REQUIRE(sluice_augment_create(&a, pipeline, &o, &err) == 0, "%s", err.message);
    for (int i = 0; i < SAMPLES; i++) {
        struct sluice_mix m;
        mix_draw(&m, sluice_augment_plan(a), i % COUNT, COUNT, (uint64_t)i * 3,
                 (uint64_t)i, 3);
        share[i] = distribution ? distribution((double)m.share) : 0;
        shift[i] = (m.partner - i % COUNT + COUNT) % COUNT - 1;
        if (m.height) { /* cut off or not, its middle is where its centre is */
            side[boxes] = 2 * (2 * m.y + m.height > SIDE) + (2 * m.x + m.width > SIDE);
            boxes++;
        }
    }
    if (distribution)
        check_uniform(pipeline, 0, share, SAMPLES);
    else
        check_bins(&sides, 0, side, boxes);
    check_bins(&shifts, 1, shift, SAMPLES);
    sluice_augment_free(a);
}

int main(void)
{
    mixed("mixup:alpha=0.5", beta_half);
    mixed("mixup", beta_one);
    mixed("mixup:alpha=2:per=sample", beta_two);
    mixed("mixup:alpha=3", beta_three);
    mixed("cutmix:per=sample", NULL);
    mixed("cutmix", NULL);
    return check_done();
}

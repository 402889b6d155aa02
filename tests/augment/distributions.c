/* distributions.c -- what every operation draws has the distribution that it promises,
 * with fixed seeds. Draws need no pixels, so the images are large and the roundings to
 * pixels small. */
#include <string.h>

#include "goodness.h"
#include "ops.h"
#include "pipeline.h"

enum { SIDE = 8000, SAMPLES = 20000, VALUES = 8 };

/* Of one image's draws: numbers that should be uniform in [0, 1), or a category. */
typedef int measure(const struct step *s, const struct draw *d, double *out);

struct test {
    const char *pipeline;
    measure *measure;     /* how many numbers; 0: none from this image */
    int bins;             /* 0: continuous; else `out` are categories below it */
    const double *expect; /* (bins): their probabilities; NULL: all the same */
};

static void run(const struct test *t)
{
    const struct sluice_augment_options o = {
        .source = { SIDE, SIDE, 3, SLUICE_U8, SLUICE_NHWC },
        .seed = 20,
        .dtype = SLUICE_U8,
    };
    static double value[VALUES][SAMPLES];
    struct sluice_error err = { 0 };
    const struct bins bins = { t->pipeline, t->bins, t->expect };
    struct sluice_augment *a;
    int n = 0, numbers = 0;
    REQUIRE(sluice_augment_create(&a, t->pipeline, &o, &err) == 0, "%s", err.message);
    const struct plan *p = sluice_augment_plan(a);
    for (int i = 0; i < SAMPLES; i++) {
        struct draw d[STEPS_MAX];
        double out[VALUES] = { 0 };
        memset(d, 0, sizeof(d));
        for (int k = 0; k < p->steps; k++)
            step_draw(&d[k], p, k, (uint64_t)i, 3);
        const int got = t->measure(p->step, d, out);
        for (int k = 0; k < got; k++)
            value[k][n] = out[k];
        numbers = got ? got : numbers;
        n += got > 0;
    }
    REQUIRE(n >= 500, "%s: %d samples", t->pipeline, n);
    for (int k = 0; k < numbers; k++) {
        if (t->bins)
            check_bins(&bins, k, value[k], n);
        else
            check_uniform(t->pipeline, k, value[k], n);
    }
    sluice_augment_free(a);
}

static const double three_of_ten[] = { 0.7, 0.3 };

static int is_on(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d->on;
    return 1;
}

/* Where -1 .. 1 of the reach becomes 0 .. 1. */
static double share(double v, double reach)
{
    return (v / reach + 1) / 2;
}

static int shift(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d->u.shift.dy;
    out[1] = d->u.shift.dx;
    return 2;
}

static int place(const struct step *s, const struct draw *d, double *out)
{
    const struct rect *r = &d->u.rect;
    if (!d->on)
        return 0;
    out[0] = (r->y + 0.5) / (s->height - r->height + 1);
    out[1] = (r->x + 0.5) / (s->width - r->width + 1);
    return 2;
}

/* Small enough to fit at once, so that nothing is drawn again. */
static int rectangle(const struct step *s, const struct draw *d, double *out)
{
    const double h = d->u.rect.height, w = d->u.rect.width;
    place(s, d, out);
    out[2] = (h * w / ((double)s->height * s->width) - 0.02) / 0.08;
    out[3] = (log(h / w) - log(0.5)) / log(4);
    return d->on ? 4 : 0;
}

static int fused_angle(const struct step *s, const struct draw *d, double *out)
{
    const double *m = d->u.warp;
    out[0] = share(atan2(m[3], m[0]) * 180 / 3.14159265358979, 40);
    (void)s;
    return 1;
}

static int turned(const struct step *s, const struct draw *d, double *out)
{
    const int64_t *m = d->u.affine.u.fixed;
    out[0] = share(atan2((double)m[3], (double)m[0]) * 180 / 3.14159265358979, 30);
    (void)s;
    return 1;
}

static int shifted(const struct step *s, const struct draw *d, double *out)
{
    out[0] = share(d->u.affine.u.line[1] - 0.5, 0.25 * s->width);
    out[1] = share(d->u.affine.u.line[3] - 0.5, 0.125 * s->height);
    return 2;
}

static int shifted_across(const struct step *s, const struct draw *d, double *out)
{
    out[0] = share(d->u.affine.u.line[1] - 0.5, 0.25 * s->width);
    return d->on;
}

static int shifted_down(const struct step *s, const struct draw *d, double *out)
{
    out[0] = share(d->u.affine.u.line[3] - 0.5, 0.25 * s->height);
    return d->on;
}

static int scaled(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = (1 / d->u.affine.u.line[0] - 0.5) / 1.5;
    return 1;
}

/* The matrix is [1 tan x; tan y 1 + tan x tan y], but for a common factor. */
static int sheared(const struct step *s, const struct draw *d, double *out)
{
    const int64_t *m = d->u.affine.u.fixed;
    (void)s;
    out[0] = share(atan2((double)m[1], (double)m[4]) * 180 / 3.14159265358979, 30);
    out[1] = share(atan2(-(double)m[3], (double)m[4]) * 180 / 3.14159265358979, 15);
    return 2;
}

static int slid_across(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = share((double)d->u.affine.u.fixed[1] / 65536, 0.5);
    return d->on;
}

static int slid_down(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = share((double)d->u.affine.u.fixed[3] / 65536, 0.5);
    return d->on;
}

static int factors(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    for (int i = 0; i < 3; i++)
        out[i] = ((double)d->u.jitter.factor[i] - 0.7) / 0.6;
    return 3;
}

/* -25.5 .. 25.5, cut off towards zero. */
static int hue(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d->u.jitter.hue + 25;
    return 1;
}

static int order(const struct step *s, const struct draw *d, double *out)
{
    const uint8_t *o = d->u.jitter.order;
    (void)s;
    out[0] = 6 * o[0] + 2 * (o[1] - (o[1] > o[0])) + (o[2] > o[3]);
    return 1;
}

static int sigma(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = (sqrt(-0.5 / log(d->u.blur[1] / (2 * d->u.blur[0]))) - 0.5) / 2.5;
    return 1;
}

/* Where the output shows the source's corners, by Cramer's rule. */
static int corners(const struct step *s, const struct draw *d, double *out)
{
    const double *m = d->u.homography, w = s->width - 1, h = s->height - 1;
    for (int i = 0; i < 4; i++) {
        const double u = i == 1 || i == 2 ? w : 0, v = i >= 2 ? h : 0;
        const double a = m[0] - m[6] * u, b = m[1] - m[7] * u;
        const double c = m[3] - m[6] * v, e = m[4] - m[7] * v;
        const double x = ((u - m[2]) * e - b * (v - m[5])) / (a * e - b * c);
        const double y = (a * (v - m[5]) - c * (u - m[2])) / (a * e - b * c);
        out[2 * i] = (u > 0 ? w - x : x) / (s->inward[1] + 1.0);
        out[2 * i + 1] = (v > 0 ? h - y : y) / (s->inward[0] + 1.0);
    }
    return 8;
}

static int same_for_all(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    (void)d;
    out[0] = 0;
    return 1;
}

/* AutoAugment's choice is in its stream's first block. */
static int auto_choice(const struct draw *d)
{
    for (int policy = 0; policy < AUTO_POLICIES; policy++)
        if (auto_part(policy, 0).kind == d[0].u.change.kind &&
            auto_part(policy, 1).kind == d[1].u.change.kind)
            return policy;
    return -1;
}

static double auto_expect[AUTO_POLICIES], auto_on[2 * AUTO_POLICIES];

/* Several policies have the same two operations: the first stands for them. */
static void expect_auto(void)
{
    for (int policy = 0; policy < AUTO_POLICIES; policy++) {
        struct draw d[2];
        for (int turn = 0; turn < 2; turn++)
            d[turn].u.change.kind = auto_part(policy, turn).kind;
        auto_expect[auto_choice(d)] += 1.0 / AUTO_POLICIES;
        for (int turn = 0; turn < 2; turn++) {
            const double p = auto_part(policy, turn).tenths / 10.0;
            auto_on[2 * turn] += (1 - p) / AUTO_POLICIES;
            auto_on[2 * turn + 1] += p / AUTO_POLICIES;
        }
    }
}

static int auto_pair(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = auto_choice(d);
    return 1;
}

static int auto_first(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d[0].on;
    return 1;
}

static int auto_second(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d[1].on;
    return 1;
}

static int chosen_pair(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = CHANGE_DRAWN * d[0].u.change.kind + d[1].u.change.kind;
    return 1;
}

static int chosen(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d->u.change.kind;
    CHECK(d->on == (d->u.change.kind != CHANGE_IDENTITY), "on");
    return 1;
}

static int blends(const struct draw *d)
{
    return d->u.change.kind >= CHANGE_BRIGHTNESS &&
           d->u.change.kind <= CHANGE_SHARPNESS;
}

static int chosen_side(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = d->u.change.factor > 1;
    return blends(d);
}

/* Either side: 2 * 31 magnitudes, of which the two zeros are one. */
static int chosen_level(const struct step *s, const struct draw *d, double *out)
{
    (void)s;
    out[0] = rint(((double)d->u.change.factor - 1) / 0.99 * 30) + 30;
    return blends(d);
}

static double level_expect[61], hue_expect[51];

static void expect_levels(void)
{
    for (int i = 0; i < 61; i++)
        level_expect[i] = i == 30 ? 1 / 31.0 : 1 / 62.0;
    for (int i = 0; i < 51; i++)
        hue_expect[i] = i == 25 ? 2 / 51.0 : i == 0 || i == 50 ? 0.5 / 51 : 1 / 51.0;
}

static const struct test tests[] = {
    { "flip:p=0.3", is_on, 2, three_of_ten },
    { "vertical_flip:p=0.3", is_on, 2, three_of_ten },
    { "translate:pad=15", shift, 31, NULL },
    { "cutout:size=100:fill=0", place, 0, NULL },
    { "erase:p=0.3", is_on, 2, three_of_ten },
    { "erase:scale=0.02/0.1:ratio=0.5/2", rectangle, 0, NULL },
    { "rotate:degrees=30", turned, 0, NULL },
    { "affine:degrees=30", turned, 0, NULL },
    { "affine:degrees=0:translate=0.25/0.125", shifted, 0, NULL },
    { "affine:degrees=0:scale=0.5/2", scaled, 0, NULL },
    { "affine:degrees=0:shear=30/15", sheared, 0, NULL },
    { "shear_x:reach=0.5:p=0.3", is_on, 2, three_of_ten },
    { "shear_x:reach=0.5:p=0.3", slid_across, 0, NULL },
    { "shear_y:reach=0.5:p=0.3", is_on, 2, three_of_ten },
    { "shear_y:reach=0.5:p=0.3", slid_down, 0, NULL },
    { "translate_x:reach=0.25:p=0.3", is_on, 2, three_of_ten },
    { "translate_x:reach=0.25:p=0.3", shifted_across, 0, NULL },
    { "translate_y:reach=0.25:p=0.3", is_on, 2, three_of_ten },
    { "translate_y:reach=0.25:p=0.3", shifted_down, 0, NULL },
    { "center_crop:size=8", same_for_all, 1, NULL },
    { "identity", same_for_all, 1, NULL },
    { "grayscale:p=0.3", is_on, 2, three_of_ten },
    { "posterize:bits=1:p=0.3", is_on, 2, three_of_ten },
    { "solarize:threshold=1:p=0.3", is_on, 2, three_of_ten },
    { "solarize_add:addition=1:p=0.3", is_on, 2, three_of_ten },
    { "invert:p=0.3", is_on, 2, three_of_ten },
    { "brightness:factor=2:p=0.3", is_on, 2, three_of_ten },
    { "color:factor=2:p=0.3", is_on, 2, three_of_ten },
    { "contrast:factor=2:p=0.3", is_on, 2, three_of_ten },
    { "autocontrast:p=0.3", is_on, 2, three_of_ten },
    { "equalize:p=0.3", is_on, 2, three_of_ten },
    { "sharpness:factor=2:p=0.3", is_on, 2, three_of_ten },
    { "jitter:brightness=0.3:contrast=0.3:saturation=0.3", factors, 0, NULL },
    { "jitter:hue=0.1", hue, 51, hue_expect },
    { "jitter", order, 24, NULL },
    { "gaussian_blur:kernel=3:sigma=0.5/3", sigma, 0, NULL },
    { "perspective:p=0.3", is_on, 2, three_of_ten },
    { "perspective", corners, 0, NULL },
    { "geometry:mode=fused,rotate:degrees=40", fused_angle, 0, NULL },
    { "autoaugment", auto_pair, AUTO_POLICIES, auto_expect },
    { "autoaugment", auto_first, 2, auto_on },
    { "autoaugment", auto_second, 2, auto_on + 2 },
    { "randaugment", chosen_pair, CHANGE_DRAWN *CHANGE_DRAWN, NULL },
    { "randaugment", chosen_side, 2, NULL },
    { "trivialaugment_wide", chosen, CHANGE_DRAWN, NULL },
    { "trivialaugment_wide", chosen_level, 61, level_expect },
};

enum { TESTS = sizeof(tests) / sizeof(*tests) };

/* Nothing that draws is left out. */
static void complete(void)
{
#define OP(name) #name,
    static const char *const names[] = { DRAWN_OPS(OP) };
#undef OP
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int found = 0;
        for (int k = 0; k < TESTS; k++)
            found += strcspn(tests[k].pipeline, ":") == strlen(names[i]) &&
                     strncmp(tests[k].pipeline, names[i], strlen(names[i])) == 0;
        CHECK(found, "%s: its draws are not tested", names[i]);
    }
}

int main(void)
{
    expect_auto();
    expect_levels();
    for (int i = 0; i < TESTS; i++)
        run(&tests[i]);
    complete();
    return check_done();
}

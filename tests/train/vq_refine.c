/* vq_refine.c -- the refinement network: how many numbers it trains, decoding and
 * gradients against PyTorch and against differences, what it draws first, and bits that
 * do not depend on threads. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "vq/refine.h"
#include "workers.h"

static enum refine_way way; /* that refiners are opened with */
static bool bf16;           /* likewise */

static struct refiner *open_refiner(const struct refine_shape *shape, int batch,
                                    struct workers *workers, int threads)
{
    const struct refiner_options options = { *shape, batch, 0, true, way, bf16 };
    struct sluice_error err;
    struct refiner *r;
    REQUIRE(refiner_open(&r, &options, workers, threads, &err) == 0, "%s", err.message);
    return r;
}

static void check_counts(void)
{
    const struct refine_shape full = { 40, 4, 512, 2, 60106, false };
    const struct refine_shape large = { 40, 4, 512, 4, 60106, false };
    const struct refine_shape biases = { 40, 4, 512, 2, 60106, true };
    CHECK(refine_count(&full) == 164537744, "%zu", refine_count(&full));
    CHECK(refine_count(&large) == 165063056, "%zu", refine_count(&large));
    CHECK(refine_count(&biases) == 9617000, "%zu", refine_count(&biases));
    const struct refiner_options options = { full, 4, 16, true, REFINE_AUTO, false };
    const double gb = (double)refine_bytes(&options) / 1e9;
    CHECK(gb > 3 * 4 * 164537744e-9 && gb < 2.63, "%.3f GB", gb);
}

static void check_bounds(void)
{
    const struct refine_shape good = { 3, 2, 5, 2, 7, false };
    const struct {
        const char *names;
        struct refiner_options options;
    } bad[] = {
        { "stages", { { 0, 2, 5, 2, 7, false }, 1, 0, true, way, false } },
        { "options", { { 3, 257, 5, 2, 7, false }, 1, 0, true, way, false } },
        { "hidden", { { 3, 2, -1, 2, 7, false }, 1, 0, true, way, false } },
        { "depth", { { 3, 2, 5, 17, 7, false }, 1, 0, true, way, false } },
        { "batch", { good, 65, 0, true, way, false } },
        { "weights", { { 3, 2, 5, 2, 0, false }, 1, 0, true, way, false } },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sluice_error err = { 0 };
        struct refiner *r;
        CHECK(refiner_open(&r, &bad[i].options, NULL, 1, &err) == SLUICE_EINVAL && !r,
              "%s", bad[i].names);
        CHECK(strstr(err.message, bad[i].names), "%s: %s", bad[i].names, err.message);
    }
}

/* The gradients in one array, as the values lie. */
static float gradient[1 << 20];

static void keep(void *arg, size_t at, size_t count, const float *g)
{
    (void)arg;
    memcpy(gradient + at, g, count * sizeof *g);
}

/* Value i of tensor `number`, as the numbers from PyTorch were made. */
static void fill(struct refiner *r)
{
    for (int q = 0; q < refiner_param_count(r); q++) {
        const struct refine_param *p = refiner_param(r, q);
        for (size_t i = 0; i < p->count; i++)
            refiner_values(r)[p->at + i] =
                (float)(0.6 * sin(1.3 * q + 0.71 * (double)i + 0.05 * q * (double)i));
    }
}

/* Of PyTorch's gradient of each tensor: its norm, its last number, and the sum of
 * g[i] cos(0.3 i). */
struct wanted {
    double norm, last, sum;
};

static const struct wanted whole[] = {
    { 8.81244677, -7.55416161, -4.58964306 },
    { 1.9925151, -0.437415358, 1.86896083 },
    { 2.5035013, -0.928121285, 0.697904044 },
    { 0.278626215, -0.0159113828, 0.0661661545 },
    { 0.298355043, -0.0374745041, -0.416725772 },
    { 0.305604176, 0, 0.101873999 },
    { 0.329463063, 0, -0.417657928 },
    { 3.27525334, -0.906946713, 0.19951998 },
    { 2.52185794, -1.09049312, -0.0584032154 },
    { 1.00978979, 0, -1.97552299 },
    { 0.761834271, 0, 0.0184913106 },
    { 1.51625521, 0, -0.172224045 },
    { 3.45668901, -1.94383735, 0.129168957 },
};
static const struct wanted biases[] = {
    { 4.75465174, -2.54915362, -2.13095853 },
    { 1.95010568, -0.437415358, 1.79843063 },
};
static const double whole_out[] = {
    -0.830839527, -0.986063284, -0.421186732, 0.273446855, 0.599603683,
    0.490365701,  0.170253639,  -0.713041831, -1.33676662, -0.899967527,
    0.173520563,  1.01462676,   1.05796047,   0.407181922,
};
static const double biases_out[] = {
    -0.104477749, -0.306979437, -0.340541752, -0.186694413, 0.0698960848,
    0.288020812,  0.347639628,  -0.432296083, -0.520277212, -0.321935235,
    0.0535767097, 0.399603892,  0.525717872,  0.362514598,
};
static const uint8_t latents[] = { 0, 1, 1, 1, 1, 0 };

static void check_torch(bool bias_only)
{
    const struct refine_shape shape = { 3, 2, 5, 2, 7, bias_only };
    const struct wanted *want = bias_only ? biases : whole;
    const double *out = bias_only ? biases_out : whole_out;
    struct refiner *r = open_refiner(&shape, 4, NULL, 1); /* two of four are used */
    float sampled[14];
    fill(r);
    refiner_decode(r, latents, 2);
    refiner_sample(r, latents, 2, sampled);
    for (int i = 0; i < 14; i++) {
        CHECK(near((double)refiner_output(r)[i], out[i], 1e-6, 1e-6),
              "theta %d: %.9g, not %.9g", i, (double)refiner_output(r)[i], out[i]);
        CHECK(sampled[i] == refiner_output(r)[i], "sampled %d", i);
        const int latent = i / 7;
        refiner_delta(r)[i] = (float)cos(0.9 * latent + 0.4 * (i % 7));
    }
    memset(gradient, 0x7f, sizeof gradient);
    refiner_gradient(r, keep, NULL);
    for (int q = 0; q < refiner_param_count(r); q++) {
        const struct refine_param *p = refiner_param(r, q);
        const float *g = gradient + p->at;
        double square = 0, sum = 0;
        for (size_t i = 0; i < p->count; i++) {
            square += (double)g[i] * (double)g[i];
            sum += (double)g[i] * cos(0.3 * (double)i);
        }
        CHECK(near(sqrt(square), want[q].norm, 1e-5, 1e-5), "%s: norm %.9g, not %.9g",
              p->name, sqrt(square), want[q].norm);
        CHECK(near((double)g[p->count - 1], want[q].last, 1e-6, 1e-5),
              "%s: last %.9g, not %.9g", p->name, (double)g[p->count - 1],
              want[q].last);
        CHECK(near(sum, want[q].sum, 1e-5, 1e-5), "%s: sum %.9g, not %.9g", p->name,
              sum, want[q].sum);
    }
    refiner_close(r);
}

/* sum of theta_T delta, in double */
static double objective(struct refiner *r, const uint8_t *z, int n, const float *delta)
{
    const size_t all = (size_t)n * refiner_shape(r)->size;
    double sum = 0;
    refiner_decode(r, z, n);
    for (size_t i = 0; i < all; i++)
        sum += (double)refiner_output(r)[i] * (double)delta[i];
    return sum;
}

/* Sizes of more than one part, odd, with an option that nobody takes: for each tensor,
 * the gradient along itself against a difference. */
static void check_differences(const struct refine_shape *shape, int n)
{
    const size_t all = (size_t)n * shape->size;
    uint8_t z[64];
    float *delta = calloc(all, sizeof *delta);
    struct refiner *r = open_refiner(shape, n, NULL, 1);
    REQUIRE(delta, "no memory");
    refiner_init(r, 5);
    for (int i = 0; i < n * shape->stages; i++)
        z[i] = (uint8_t)(i * 7 % 5 % (shape->options - 1));
    for (size_t i = 0; i < all; i++)
        delta[i] = (float)sin((double)i * 0.61);
    objective(r, z, n, delta);
    memcpy(refiner_delta(r), delta, all * sizeof *delta);
    refiner_gradient(r, keep, NULL);
    for (int q = 0; q < refiner_param_count(r); q++) {
        const struct refine_param *p = refiner_param(r, q);
        const float *g = gradient + p->at;
        double norm = 0;
        for (size_t i = 0; i < p->count; i++)
            norm += (double)g[i] * (double)g[i];
        /* A step along the gradient that changes the objective by at least 0.0003, or
         * rounding would show. */
        const double step = norm < 1 ? 3e-4 / norm : 1e-3 / sqrt(norm);
        float *kept = malloc(p->count * sizeof *kept);
        double side[2];
        REQUIRE(kept, "no memory");
        memcpy(kept, refiner_values(r) + p->at, p->count * sizeof *kept);
        for (int s = 0; s < 2; s++) {
            float *w = refiner_values(r) + p->at;
            for (size_t i = 0; i < p->count; i++)
                w[i] = kept[i] + (float)((s ? step : -step) * (double)g[i]);
            side[s] = objective(r, z, n, delta);
        }
        memcpy(refiner_values(r) + p->at, kept, p->count * sizeof *kept);
        free(kept);
        CHECK(near((side[1] - side[0]) / (2 * step), norm, 0, 0.02),
              "%s: slope %.6g, gradient's square %.6g", p->name,
              (side[1] - side[0]) / (2 * step), norm);
    }
    refiner_close(r);
    free(delta);
}

/* Mean square of theta_T, and its variance over the latents, averaged over P. */
static void check_first_values(bool bias_only, double square, double variance)
{
    const struct refine_shape shape = { 40, 4, 64, 2, 20000, bias_only };
    enum { LATENTS = 4 };
    uint8_t z[LATENTS * 40];
    double mean_square = 0, spread = 0;
    struct refiner *r = open_refiner(&shape, LATENTS, NULL, 1);
    refiner_init(r, 3);
    for (size_t i = 0; i < sizeof z; i++)
        z[i] = (uint8_t)(i * i % 67 * 31 % 4);
    refiner_decode(r, z, LATENTS);
    for (size_t p = 0; p < shape.size; p++) {
        double sum = 0, squares = 0;
        for (size_t b = 0; b < LATENTS; b++) {
            const double v = (double)refiner_output(r)[b * shape.size + p];
            sum += v / LATENTS;
            squares += v * v / LATENTS;
        }
        mean_square += squares / (double)shape.size;
        spread += (squares - sum * sum) / (double)shape.size;
    }
    CHECK(near(mean_square, square, 0, 0.12), "mean square %.3f, not %.3f", mean_square,
          square);
    CHECK(near(spread, variance, 0, 0.15), "variance %.3f, not %.3f", spread, variance);
    refiner_close(r);
}

/* One step of Adam from each number of threads: the same bits. */
static void check_threads(void)
{
    const struct refine_shape shape = { 4, 3, 33, 2, 2500, false };
    const uint8_t z[] = { 0, 1, 2, 0, 2, 2, 1, 1, 0, 0, 0, 1 };
    float *first = NULL;
    for (int threads = 1; threads <= 4; threads++) {
        struct sluice_error err;
        struct workers *w;
        REQUIRE(workers_open(&w, threads, &err) == 0, "%s", err.message);
        struct refiner *r = open_refiner(&shape, 3, w, threads);
        const struct refine_param *last = refiner_param(r, refiner_param_count(r) - 1);
        const size_t bytes = (last->at + last->count) * sizeof(float);
        struct refine_adam adam;
        refiner_init(r, 9);
        for (uint64_t step = 1; step <= 2; step++) {
            refiner_decode(r, z, 3);
            for (size_t i = 0; i < 3 * shape.size; i++)
                refiner_delta(r)[i] = refiner_output(r)[i] - 0.1F;
            refine_adam_begin(&adam, r, 1e-3, step);
            refiner_gradient(r, refine_adam_sink, &adam);
        }
        if (!first) {
            first = malloc(bytes);
            REQUIRE(first, "no memory");
            memcpy(first, refiner_values(r), bytes);
        }
        CHECK(memcmp(first, refiner_values(r), bytes) == 0, "%d threads", threads);
        refiner_close(r);
        workers_close(w);
    }
    free(first);
}

/* What a latent gives is encoded as near as that latent, and an untrained refiner does
 * no worse than guessing. */
static void check_encode(void)
{
    const struct refine_shape shape = { 6, 3, 8, 2, 1500, false };
    const uint8_t z[] = { 2, 0, 1, 1, 2, 0 };
    uint8_t found[6];
    float target[1500], out[1500];
    struct refiner *r = open_refiner(&shape, 1, NULL, 1);
    refiner_init(r, 11);
    refiner_sample(r, z, 1, target);
    const double miss = refiner_encode(r, target, found, out);
    CHECK(near(miss, 0, 1e-12, 0) && memcmp(found, z, sizeof z) == 0,
          "the latent was not found: %g", miss);
    for (int i = 0; i < 1500; i++)
        target[i] = (float)sin(i * 0.37);
    double guess = 0, got = 0;
    const double reported = refiner_encode(r, target, found, out);
    refiner_sample(r, z, 1, target); /* any other latent's weights */
    for (int i = 0; i < 1500; i++) {
        guess += pow((double)target[i] - sin(i * 0.37), 2) / 1500;
        got += pow((double)out[i] - (double)(float)sin(i * 0.37), 2) / 1500;
    }
    CHECK(near(reported, got, 1e-9, 1e-6), "reports %g, is %g", reported, got);
    CHECK(got < guess, "%g is no nearer than %g", got, guess);
    refiner_sample(r, found, 1, target);
    for (int i = 0; i < 1500; i++)
        CHECK(target[i] == out[i], "%d: another theta than its latent's", i);
    refiner_close(r);
}

/* A sink that changes values, by no more than their places say. */
static void shrink(void *arg, size_t at, size_t count, const float *g)
{
    float *w = arg;
    memcpy(gradient + at, g, count * sizeof *g);
    for (size_t i = 0; i < count; i++)
        w[at + i] *= 0.9F;
}

/* Largest difference of n numbers, over the largest of them. */
static double apart(const float *a, const float *b, size_t n)
{
    double most = 0, difference = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)a[i] - (double)b[i]) <= difference))
            difference = fabs((double)a[i] - (double)b[i]);
        most = fmax(most, fabs((double)a[i]));
    }
    return difference / most;
}

/* Stages gone through both ways, in sizes of several slices and blocks, with fewer
 * latents than there is room for: the same but for rounding, also when the weights have
 * changed in between. */
static void check_ways(void)
{
    enum { LATENTS = 3, SIZE = 16600, STEPS = 3 };
    const struct refine_shape shape = { 5, 3, 9, 2, SIZE, false };
    static const uint8_t z[] = { 0, 1, 2, 0, 2, 2, 1, 1, 0, 0, 0, 1, 2, 2, 0 };
    static float theta[2][STEPS][LATENTS * SIZE], grown[2][STEPS][1 << 20];
    for (int i = 0; i < 2; i++) {
        way = i ? REFINE_FOLDED : REFINE_DIRECT;
        struct refiner *r = open_refiner(&shape, LATENTS + 1, NULL, 1);
        refiner_init(r, 21);
        float *values = refiner_values(r); /* for the sink, which may change them */
        for (int step = 0; step < STEPS; step++) {
            refiner_decode(r, z, LATENTS);
            memcpy(theta[i][step], refiner_output(r), sizeof theta[i][step]);
            for (int p = 0; p < LATENTS * SIZE; p++)
                refiner_delta(r)[p] = (float)sin(0.37 * p);
            refiner_gradient(r, shrink, values);
            memcpy(grown[i][step], gradient, sizeof gradient);
            for (int q = 0; q < refiner_param_count(r) && step == 1; q++)
                for (size_t p = 0; p < refiner_param(r, q)->count; p++)
                    refiner_values(r)[refiner_param(r, q)->at + p] *= 1.05F;
            if (i == 0)
                continue;
            const double d = apart(theta[0][step], theta[1][step], LATENTS * SIZE);
            CHECK(near(d, 0, 2e-6, 0), "step %d: thetas are %g apart", step, d);
            for (int q = 0; q < refiner_param_count(r); q++) {
                const struct refine_param *p = refiner_param(r, q);
                const double g =
                    apart(grown[0][step] + p->at, grown[1][step] + p->at, p->count);
                CHECK(near(g, 0, 1e-5, 0), "step %d, %s: gradients are %g apart", step,
                      p->name, g);
            }
        }
        refiner_close(r);
    }
}

/* Products in bf16: near those in float, and not the same; the same bits from each
 * number of threads. */
static void check_bf16(void)
{
    const struct refine_shape shape = { 8, 2, 40, 2, 9000, false };
    static const uint8_t z[] = { 0, 1, 1, 0, 0, 0, 1, 1 };
    static float theta[2][9000];
    way = REFINE_FOLDED;
    for (int i = 0; i < 2; i++) {
        bf16 = i;
        struct refiner *r = open_refiner(&shape, 1, NULL, 1);
        refiner_init(r, 2);
        refiner_sample(r, z, 1, theta[i]);
        refiner_close(r);
    }
    const double d = apart(theta[0], theta[1], 9000);
    CHECK(d > 1e-8 && near(d, 0, 1e-4, 0), "thetas are %g apart", d);
    check_threads();
    bf16 = false;
}

int main(void)
{
    static const enum refine_way ways[] = { REFINE_DIRECT, REFINE_FOLDED };
    check_counts();
    check_bounds();
    for (int i = 0; i < 2; i++) {
        way = ways[i];
        check_torch(false);
        check_differences(&(struct refine_shape){ 4, 3, 17, 1, 2100, false }, 3);
        check_differences(&(struct refine_shape){ 3, 4, 20, 4, 1030, false }, 5);
        check_differences(&(struct refine_shape){ 1, 3, 6, 2, 40, false }, 1);
        check_first_values(false, 0.56, 0.29);
        check_threads();
        check_encode();
    }
    check_ways();
    check_bf16();
    way = REFINE_AUTO;
    check_torch(true);
    check_differences(&(struct refine_shape){ 5, 3, 1, 1, 1500, true }, 2);
    check_first_values(true, 0.40, 0.22);
    return check_done();
}

/* tpe.c -- suggestions of a search. Densities are held to numbers of Optuna 4.1's
 * _ParzenEstimator.log_pdf (univariate, its defaults), draws to their own densities,
 * and the whole to known functions. */
#include <string.h>

#include <sluice/rng.h>

#include "check.h"
#include "search/tpe.h"

static struct sluice_error err;

static const struct tpe_domain momentum = { TPE_REAL, 0.85, 0.95 };
static const struct tpe_domain rate = { TPE_LOG, 0.01, 1 };
static const struct tpe_domain layers = { TPE_INT, 1, 8 };
static const struct tpe_domain width = { TPE_LOG_INT, 1, 64 };
static const struct tpe_domain name = { TPE_CHOICE, 0, 2 };
static const struct tpe_domain wide = { TPE_REAL, -1, 3 };
static const struct tpe_domain unit = { TPE_REAL, 0, 1 };

static void expect_density(const char *what, const struct tpe_domain *domain,
                           const double *seen, int n, const double *at,
                           const double *want, int points)
{
    struct tpe_density d;
    REQUIRE(tpe_density_make(&d, domain, seen, n, &err) == 0, "%s", err.message);
    for (int i = 0; i < points; i++) {
        const double got = tpe_log_density(&d, at[i]);
        CHECK(near(got, want[i], 1e-12, 1e-12), "%s at %g: %.15g, expected %.15g", what,
              at[i], got, want[i]);
    }
    tpe_density_free(&d);
}

static void test_densities(void)
{
    double many[31];
    for (int i = 0; i < 31; i++)
        many[i] = i * 7 % 31 / 31.0;
    expect_density("momentum", &momentum, (double[]){ .9, .86, .93, .9 }, 4,
                   (double[]){ .85, .87, .9, .949 },
                   (double[]){ 1.79576464520918, 2.14077901944523, 2.64309570730382,
                               1.77477710045375 },
                   4);
    expect_density("rate", &rate, (double[]){ .02, .5, .05 }, 3,
                   (double[]){ .01, .03, .2, 1 },
                   (double[]){ -1.68890231279832, -1.20789647352507, -1.72378674151677,
                               -1.99370442531706 },
                   4);
    expect_density("layers", &layers, (double[]){ 3, 3, 7 }, 3,
                   (double[]){ 1, 3, 6, 8 },
                   (double[]){ -2.36454206531351, -1.72639572020822, -2.23928402961433,
                               -2.50705747347174 },
                   4);
    expect_density("width", &width, (double[]){ 4, 16, 60 }, 3, (double[]){ 1, 5, 64 },
                   (double[]){ -2.3115373401209, -1.42556083560281, -1.4072340036292 },
                   3);
    expect_density(
        "name", &name, (double[]){ 1, 1, 0, 2, 1 }, 5, (double[]){ 0, 1, 2 },
        (double[]){ -1.34992671694902, -0.730887508542792, -1.34992671694902 }, 3);
    expect_density("nothing seen", &wide, NULL, 0, (double[]){ -1, 0, 1, 3 },
                   (double[]){ -1.47031656062894, -1.37656656062894, -1.34531656062894,
                               -1.47031656062894 },
                   4);
    expect_density("one seen", &wide, (double[]){ 2.5 }, 1, (double[]){ -1, 0, 1, 3 },
                   (double[]){ -2.04788656915021, -1.71679933396163, -1.34644066954855,
                               -1.14703307721394 },
                   4);
    expect_density("weights of old ones", &unit, many, 31,
                   (double[]){ 0.01, .25, .5, .99 },
                   (double[]){ -0.558187528293582, -0.160490463191439,
                               0.0208735665116779, -0.608990898802616 },
                   4);
}

/* What is drawn has the density's distribution: shares of 16 intervals, 20,000 draws.
 * Their deviation is at most 0.0036; four of them are allowed. */
static void test_draws(const struct tpe_domain *domain, const double *seen, int n)
{
    enum { PARTS = 16, DRAWS = 20000, FINE = 200 };
    struct tpe_density d;
    struct sluice_rng rng = sluice_rng_at(3, 1, 4);
    double share[PARTS] = { 0 }, want[PARTS] = { 0 };
    const bool log_scale = domain->kind == TPE_LOG;
    const double low = log_scale ? log(domain->low) : domain->low;
    const double range = (log_scale ? log(domain->high) : domain->high) - low;
    REQUIRE(tpe_density_make(&d, domain, seen, n, &err) == 0, "%s", err.message);
    for (int i = 0; i < DRAWS; i++) {
        const double which = (double)sluice_rng_unit(&rng);
        const double x = tpe_draw(&d, which, (double)sluice_rng_unit(&rng));
        CHECK(x >= domain->low && x <= domain->high, "%g is out of bounds", x);
        const int part = (int)(((log_scale ? log(x) : x) - low) / range * PARTS);
        share[part < PARTS ? part : PARTS - 1] += 1.0 / DRAWS;
    }
    for (int i = 0; i < PARTS * FINE; i++) {
        const double y = low + (i + 0.5) * range / (PARTS * FINE);
        want[i / FINE] +=
            exp(tpe_log_density(&d, log_scale ? exp(y) : y)) * range / (PARTS * FINE);
    }
    for (int i = 0; i < PARTS; i++)
        CHECK(near(share[i], want[i], 0.0145, 0), "part %d: %g of draws, expected %g",
              i, share[i], want[i]);
    tpe_density_free(&d);
}

/* The same for whole numbers and choices, by value. */
static void test_whole_draws(const struct tpe_domain *domain, const double *seen, int n)
{
    enum { DRAWS = 20000, VALUES = 9 };
    struct tpe_density d;
    struct sluice_rng rng = sluice_rng_at(3, 1, 4);
    double share[VALUES] = { 0 };
    REQUIRE(tpe_density_make(&d, domain, seen, n, &err) == 0, "%s", err.message);
    for (int i = 0; i < DRAWS; i++) {
        const double which = (double)sluice_rng_unit(&rng);
        const double x = tpe_draw(&d, which, (double)sluice_rng_unit(&rng));
        REQUIRE(x >= domain->low && x <= domain->high && x == rint(x), "%g", x);
        share[(int)x] += 1.0 / DRAWS;
    }
    for (int x = (int)domain->low; x <= (int)domain->high; x++)
        CHECK(near(share[x], exp(tpe_log_density(&d, x)), 0.0145, 0),
              "%d: %g of draws, expected %g", x, share[x], exp(tpe_log_density(&d, x)));
    tpe_density_free(&d);
}

static void test_split(void)
{
    const struct tpe_trial trials[] = {
        { NULL, 0.5, false, 0 },         { NULL, 0.9, true, 3 },
        { NULL, 0.7, false, 0 },         { NULL, 0.1, true, 8 },
        { NULL, (double)NAN, false, 0 }, { NULL, 0.2, true, 8 },
        { NULL, 0.7, false, 0 },
    };
    /* 2, 6, 0, 4 complete; 5, 3, 1 pruned, the latest first. */
    static const int want[][7] = { { 2, 0, 1, 3, 4, 5, 6 },
                                   { 2, 6, 0, 1, 3, 4, 5 },
                                   { 0, 2, 4, 5, 6, 1, 3 } };
    static const int good[] = { 1, 2, 5 };
    int places[7];
    for (int k = 0; k < 3; k++) {
        REQUIRE(tpe_split(places, trials, 7, good[k], &err) == 0, "%s", err.message);
        for (int i = 0; i < 7; i++)
            CHECK(places[i] == want[k][i], "%d good: place %d is %d", good[k], i,
                  places[i]);
    }
    CHECK(tpe_good(1) == 1 && tpe_good(10) == 1 && tpe_good(11) == 2, "tenths");
    CHECK(tpe_good(249) == 25 && tpe_good(1000) == 25, "at most 25");
    CHECK(tpe_weight(0, 25) == 1 && near(tpe_weight(0, 26), 1 / 26., 1e-15, 0),
          "weights");
    CHECK(near(tpe_weight(1, 30), 0.275, 1e-15, 0) && tpe_weight(4, 30) == 1,
          "weights");
}

/* ---- studies of known functions ---- */

enum { TRIALS = 60, DIMENSIONS = 4 };

static const struct tpe_domain domains[DIMENSIONS] = {
    { TPE_LOG, 1e-4, 1 }, { TPE_REAL, -5, 5 }, { TPE_INT, 1, 20 }, { TPE_CHOICE, 0, 3 }
};

/* Largest, 0, at (0.01, 2, 7, 1). */
static double hill(const double *x)
{
    const double a = log10(x[0]) + 2, b = x[1] - 2, c = (x[2] - 7) / 4;
    return -(a * a + b * b + c * c + (x[3] == 1 ? 0 : 2));
}

/* The best of TRIALS trials; every tenth is pruned if `prune`. */
static double study(uint64_t seed, bool by_estimation, bool prune)
{
    double values[TRIALS][DIMENSIONS], best = (double)-INFINITY;
    struct tpe_trial trials[TRIALS];
    for (int n = 0; n < TRIALS; n++) {
        if (by_estimation)
            REQUIRE(tpe_suggest(values[n], domains, DIMENSIONS, trials, n, seed,
                                (uint64_t)n, &err) == 0,
                    "%s", err.message);
        else
            random_suggest(values[n], domains, DIMENSIONS, seed, (uint64_t)n);
        for (int i = 0; i < DIMENSIONS; i++)
            CHECK(values[n][i] >= domains[i].low && values[n][i] <= domains[i].high,
                  "%g", values[n][i]);
        trials[n] =
            (struct tpe_trial){ values[n], hill(values[n]), prune && n % 10 == 9, 5 };
        best = fmax(best, trials[n].score);
    }
    return best;
}

static void test_beats_random(void)
{
    enum { SEEDS = 40 };
    double sums[2] = { 0 };
    int wins = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        const double tpe = study(seed, true, seed % 2),
                     random = study(seed, false, false);
        wins += tpe > random;
        sums[0] += tpe / SEEDS;
        sums[1] += random / SEEDS;
    }
    printf("mean best: tpe %.4f, random %.4f; tpe ahead in %d of %d\n", sums[0],
           sums[1], wins, SEEDS);
    CHECK(wins >= 30 && sums[0] > 0.5 * sums[1], "no better than chance");
}

/* The first trials are random ones; the same question has the same answer. */
static void test_function_of_arguments(void)
{
    double values[12][DIMENSIONS], again[DIMENSIONS];
    struct tpe_trial trials[12];
    for (int n = 0; n < 12; n++) {
        random_suggest(values[n], domains, DIMENSIONS, 7, (uint64_t)n);
        trials[n] = (struct tpe_trial){ values[n], hill(values[n]), false, 0 };
    }
    tpe_suggest(again, domains, DIMENSIONS, trials, 9, 7, 9, &err);
    CHECK(memcmp(again, values[9], sizeof(again)) == 0, "trial 9 is not random");
    double one[DIMENSIONS], other[DIMENSIONS];
    tpe_suggest(one, domains, DIMENSIONS, trials, 12, 7, 12, &err);
    tpe_suggest(other, domains, DIMENSIONS, trials, 12, 7, 12, &err);
    CHECK(memcmp(one, other, sizeof(one)) == 0, "asked twice");
    tpe_suggest(other, domains, DIMENSIONS, trials, 12, 8, 12, &err);
    CHECK(one[1] != other[1], "the seed changes nothing");
    tpe_suggest(other, domains, DIMENSIONS, trials, 12, 7, 13, &err);
    CHECK(one[1] != other[1], "the trial changes nothing");
    /* A dimension's draws are its own, whatever the others are. */
    random_suggest(other, domains, 2, 7, 3);
    CHECK(other[0] == values[3][0] && other[1] == values[3][1], "two of four");
}

static void test_edges(void)
{
    const struct tpe_domain edges[] = { { TPE_CHOICE, 0, 0 },
                                        { TPE_REAL, 2, 2 },
                                        { TPE_LOG, 1e-12, 1e12 },
                                        { TPE_INT, 5, 5 } };
    double same[4] = { 0, 2, 1e-12, 5 }, without[4] = { 0, 2, (double)NAN, 5 }, x[4];
    struct tpe_trial trials[40];
    /* All equal, at a bound; then none of them has the third. */
    for (int n = 0; n < 40; n++)
        trials[n] = (struct tpe_trial){ same, 1, false, 0 };
    for (uint64_t seed = 0; seed < 50; seed++) {
        REQUIRE(tpe_suggest(x, edges, 4, trials, 40, seed, 40, &err) == 0, "%s",
                err.message);
        CHECK(x[0] == 0 && x[1] == 2 && x[3] == 5, "%g %g %g", x[0], x[1], x[3]);
        CHECK(x[2] >= 1e-12 && x[2] <= 1e12, "%g", x[2]);
    }
    for (int n = 0; n < 40; n++)
        trials[n].values = without;
    REQUIRE(tpe_suggest(x, edges, 4, trials, 40, 1, 40, &err) == 0, "%s", err.message);
    CHECK(x[2] >= 1e-12 && x[2] <= 1e12, "%g", x[2]);
    /* The ends of a kernel's draws are the bounds. */
    struct tpe_density d;
    REQUIRE(tpe_density_make(&d, &rate, (double[]){ .5 }, 1, &err) == 0, "%s",
            err.message);
    CHECK(near(tpe_draw(&d, 0, 0), 0.01, 1e-15, 0), "%g", tpe_draw(&d, 0, 0));
    CHECK(near(tpe_draw(&d, 0.999, 1 - 1e-16), 1, 1e-9, 0), "%g",
          tpe_draw(&d, 0.999, 1 - 1e-16));
    tpe_density_free(&d);
}

int main(void)
{
    test_densities();
    test_draws(&wide, (double[]){ 2.5, -0.9, 0, 0, 1 }, 5);
    test_draws(&rate, (double[]){ .02, .5, .05 }, 3);
    test_whole_draws(&layers, (double[]){ 3, 3, 7 }, 3);
    test_whole_draws(&name, (double[]){ 1, 1, 0, 2, 1 }, 5);
    test_split();
    test_function_of_arguments();
    test_edges();
    test_beats_random();
    return check_done();
}

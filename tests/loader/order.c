/* order.c -- the permutation is a bijection for every count, every order is equally
 * likely, neighbours part; the shares of ranks cover the epoch. */
#include <string.h>

#include "check.h"
#include "order.h"

static uint8_t seen[70000];

static void bijection(uint64_t count, uint64_t seed)
{
    struct sluice_permutation p;
    uint64_t bad = 0;
    sluice_permutation_init(&p, count, seed, (uint32_t)seed * 7);
    memset(seen, 0, sizeof(seen));
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t to = sluice_permutation_at(&p, i);
        bad += to >= count || seen[to]++;
    }
    CHECK(bad == 0, "%d: %d are hit twice or out of range", (int)count, (int)bad);
}

static void bijections(void)
{
    for (uint64_t n = 1; n <= 300; n++)
        for (uint64_t seed = 0; seed < 3; seed++)
            bijection(n, seed);
    for (uint64_t n = 512; n <= 65536; n *= 2)
        for (uint64_t d = 0; d < 3; d++)
            bijection(n - 1 + d, n);
    bijection(50000, 1);
    bijection(65521, 2);
}

/* Too many to list: samples of a large range stay in it and do not collide. */
static void large(uint64_t count)
{
    enum { DRAWS = 2000 };
    static uint64_t got[DRAWS];
    struct sluice_permutation p;
    sluice_permutation_init(&p, count, 9, 3);
    for (int i = 0; i < DRAWS; i++) {
        got[i] = sluice_permutation_at(&p, count / DRAWS * (uint64_t)i);
        CHECK(got[i] < count, "out of range");
        for (int k = 0; k < i; k++)
            if (got[k] == got[i])
                CHECK(0, "%d and %d meet", k, i);
    }
}

/* Chi-square of `cells` counts whose expectation is the same. With many cells it is
 * near normal: sqrt(2 chi2) - sqrt(2 df - 1). */
static double excess(const uint32_t *counts, int cells)
{
    double total = 0, chi2 = 0;
    for (int i = 0; i < cells; i++)
        total += counts[i];
    for (int i = 0; i < cells; i++)
        chi2 +=
            (counts[i] - total / cells) * (counts[i] - total / cells) / (total / cells);
    return sqrt(2 * chi2) - sqrt(2.0 * (cells - 1) - 1);
}

/* Every permutation of few things comes equally often. */
static void all_orders(int n)
{
    static uint32_t counts[720];
    int cells = 1;
    memset(counts, 0, sizeof(counts));
    for (int i = 2; i <= n; i++)
        cells *= i;
    for (uint32_t epoch = 0; epoch < (uint32_t)cells * 100; epoch++) {
        struct sluice_permutation p;
        int rank = 0, order[6];
        sluice_permutation_init(&p, (uint64_t)n, 11, epoch);
        for (int i = 0; i < n; i++)
            order[i] = (int)sluice_permutation_at(&p, (uint64_t)i);
        for (int i = 0; i < n; i++) {
            int smaller = 0;
            for (int k = i + 1; k < n; k++)
                smaller += order[k] < order[i];
            rank = rank * (n - i) + smaller;
        }
        counts[rank]++;
    }
    CHECK(excess(counts, cells) < 5, "%d things: %g sigma", n, excess(counts, cells));
}

/* Each index comes to each place equally often, over epochs and over seeds; and what
 * lay side by side lies anywhere relative to each other. */
static void places(int n, bool by_seed)
{
    enum { MAX = 64, TRIES = 4000 };
    static uint32_t place[MAX * MAX], distance[MAX];
    memset(place, 0, sizeof(place));
    memset(distance, 0, sizeof(distance));
    for (uint32_t t = 0; t < TRIES; t++) {
        struct sluice_permutation p;
        int to[MAX];
        sluice_permutation_init(&p, (uint64_t)n, by_seed ? t : 5, by_seed ? 0 : t);
        for (int i = 0; i < n; i++) {
            to[i] = (int)sluice_permutation_at(&p, (uint64_t)i);
            place[i * n + to[i]]++;
        }
        for (int i = 0; i + 1 < n; i++)
            distance[(to[i + 1] - to[i] + n) % n]++;
    }
    CHECK(excess(place, n * n) < 5, "places of %d: %g sigma", n, excess(place, n * n));
    CHECK(distance[0] == 0, "two in one place");
    CHECK(excess(distance + 1, n - 1) < 5, "distances in %d: %g sigma", n,
          excess(distance + 1, n - 1));
}

/* In one epoch of many: the correlation of index and place, and of neighbours' places,
 * is that of chance; a class-sorted file gives batches with all classes. */
static void one_epoch(uint64_t n)
{
    struct sluice_permutation p;
    double own = 0, next = 0, last = 0;
    int classes_low = 10;
    uint32_t in_batch[10] = { 0 };
    sluice_permutation_init(&p, n, 3, 0);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t to = sluice_permutation_at(&p, i);
        const double x = (double)i / (double)n - 0.5, y = (double)to / (double)n - 0.5;
        own += x * y;
        next += last * y;
        last = y;
        in_batch[to * 10 / n]++;
        if (i % 256 == 255) {
            int classes = 0;
            for (int c = 0; c < 10; c++)
                classes += in_batch[c] > 0;
            classes_low = classes < classes_low ? classes : classes_low;
            memset(in_batch, 0, sizeof(in_batch));
        }
    }
    /* x and y have variance 1/12, so 12 * sum / sqrt(n) is a standard normal. */
    CHECK(fabs(12 * own / sqrt((double)n)) < 4.5, "index and place correlate");
    CHECK(fabs(12 * next / sqrt((double)n)) < 4.5, "neighbours correlate");
    CHECK(classes_low == 10, "a batch with %d classes of 10", classes_low);
}

static void shares(uint64_t count, uint64_t batch_size, uint64_t world, bool drop_last)
{
    const struct sluice_share one = { count, batch_size, 0, world, drop_last };
    const uint64_t batches = sluice_share_batches(&one), round = batch_size * world;
    uint64_t covered = 0, repeated = 0;
    memset(seen, 0, sizeof(seen));
    for (uint64_t rank = 0; rank < world; rank++) {
        const struct sluice_share s = { count, batch_size, rank, world, drop_last };
        uint64_t samples = 0;
        for (uint64_t k = 0; k < batches; k++) {
            uint64_t first, n = sluice_share_batch(&s, k, &first);
            CHECK(n >= 1 && n <= batch_size && first + n <= count,
                  "batch out of range");
            if ((k + 1) * round <= count)
                CHECK(n == batch_size && first == (k * world + rank) * batch_size,
                      "full rounds are dealt out in turn");
            for (uint64_t i = first; i < first + n; i++)
                repeated += seen[i]++ > 0;
            samples += n;
        }
        CHECK(sluice_share_samples(&s) == samples, "samples");
        covered += samples;
    }
    const uint64_t left = count % round;
    if (drop_last)
        CHECK(batches == count / round && covered == batches * round && !repeated,
              "drop_last");
    else
        CHECK(covered - repeated == count &&
                  repeated == (left && left < world ? world - left : 0),
              "%d of %d, %d twice", (int)covered, (int)count, (int)repeated);
}

int main(void)
{
    bijections();
    large(100000000);
    large((1ull << 40) + 7);
    large(INT64_MAX);
    for (int n = 3; n <= 6; n++)
        all_orders(n);
    for (int n = 7; n <= 64; n += 19) {
        places(n, false);
        places(n, true);
    }
    one_epoch(50000);
    one_epoch(1000003);
    for (uint64_t count = 1; count < 60; count++)
        for (uint64_t batch = 1; batch < 12; batch += 3)
            for (uint64_t world = 1; world < 10; world++) {
                shares(count, batch, world, false);
                shares(count, batch, world, true);
            }
    return check_done();
}

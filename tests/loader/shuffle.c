/* shuffle.c -- QUASI_RANDOM is a permutation that keeps its promise about open blocks,
 * for any rank; and how well the orders shuffle data that are sorted by class: classes
 * in a batch and correlation of neighbours, beside what chance gives. */
#include <string.h>

#include <sluice/rng.h>

#include "order.h"
#include "pack.h"

enum { BIG = 100000, CLASSES = 100, BATCH = 256 };

static uint64_t at[BIG];
static uint8_t seen[BIG];

static struct sluice_epoch_order order(enum sluice_order kind, uint64_t count,
                                       uint64_t block, uint64_t open, uint32_t epoch)
{
    struct sluice_epoch_order o = { .kind = kind,
                                    .count = count,
                                    .seed = 4,
                                    .epoch = epoch,
                                    .block = block,
                                    .open = open };
    sluice_epoch_order_init(&o);
    return o;
}

/* Every sample once; no window has samples of more than `open` blocks; from any
 * position on the same. */
static void promise(uint64_t count, uint64_t block, uint64_t open)
{
    const struct sluice_epoch_order o =
        order(SLUICE_QUASI_RANDOM, count, block, open, (uint32_t)count);
    struct sluice_window w = { .open = false };
    uint64_t bad = 0, blocks = 0, window_begin = 0;
    static uint8_t block_seen[BIG];
    memset(seen, 0, sizeof(seen));
    memset(block_seen, 0, sizeof(block_seen));
    for (uint64_t i = 0; i < count; i++) {
        at[i] = sluice_epoch_order_at(&o, &w, i);
        bad += at[i] >= count || seen[at[i]]++;
        REQUIRE(!bad, "%d samples, blocks of %d, %d open: %d at %d", (int)count,
                (int)block, (int)open, (int)at[i], (int)i);
        if (w.first != window_begin) {
            window_begin = w.first;
            blocks = 0;
            memset(block_seen, 0, sizeof(block_seen));
        }
        blocks += !block_seen[at[i] / block];
        block_seen[at[i] / block] = 1;
        bad += blocks > open;
    }
    CHECK(bad == 0, "%d samples, blocks of %d: more than %d open", (int)count,
          (int)block, (int)open);
    for (uint64_t i = 0; i < count; i += 1 + count / 7) {
        struct sluice_window fresh = { .open = false };
        CHECK(sluice_epoch_order_at(&o, &fresh, i) == at[i], "position %d", (int)i);
    }
}

static void promises(void)
{
    for (uint64_t count = 1; count <= 60; count++)
        for (uint64_t block = 1; block <= count; block += 1 + block / 3)
            for (uint64_t open = 1; open <= (count - 1) / block + 1;
                 open += 1 + open / 2)
                promise(count, block, open);
    promise(10007, 33, 16);
    promise(99999, 1000, 7);
}

static void inverse(void)
{
    for (uint64_t count = 1; count < 3000; count += 1 + count / 9) {
        struct sluice_permutation p;
        uint64_t bad = 0;
        sluice_permutation_init(&p, count, 8, (uint32_t)count);
        for (uint64_t i = 0; i < count; i++)
            bad += sluice_permutation_find(&p, sluice_permutation_at(&p, i)) != i;
        CHECK(bad == 0, "%d of %d come from elsewhere", (int)bad, (int)count);
    }
}

/* ---- quality ---- */

struct quality {
    double classes;   /* in a batch, mean */
    double neighbour; /* correlation of the ranks of neighbours */
};

/* The epoch in `at`, of samples sorted by class. */
static void add(struct quality *q, int epochs)
{
    const double mean = (BIG - 1) / 2.0, variance = ((double)BIG * BIG - 1) / 12;
    const int batches = BIG / BATCH;
    double sum = 0;
    int classes = 0;
    for (int b = 0; b < batches; b++) {
        memset(seen, 0, CLASSES);
        for (int i = b * BATCH; i < (b + 1) * BATCH; i++) {
            const uint64_t c = at[i] * CLASSES / BIG;
            classes += !seen[c];
            seen[c] = 1;
        }
    }
    for (int i = 1; i < BIG; i++)
        sum += ((double)at[i] - mean) * ((double)at[i - 1] - mean);
    q->classes += (double)classes / batches / epochs;
    q->neighbour += sum / (BIG - 1) / variance / epochs;
}

static struct quality measure(enum sluice_order kind, uint64_t block, uint64_t open,
                              int epochs)
{
    struct quality q = { 0 };
    for (int e = 0; e < epochs; e++) {
        const struct sluice_epoch_order o = order(kind, BIG, block, open, (uint32_t)e);
        struct sluice_window w = { .open = false };
        for (uint64_t i = 0; i < BIG; i++)
            at[i] = sluice_epoch_order_at(&o, &w, i);
        add(&q, epochs);
    }
    return q;
}

/* Fisher and Yates. */
static struct quality ideal(int epochs)
{
    struct quality q = { 0 };
    for (int e = 0; e < epochs; e++) {
        struct sluice_rng rng = sluice_rng_at(99, (uint64_t)e, 0);
        for (uint64_t i = 0; i < BIG; i++)
            at[i] = i;
        for (uint32_t i = BIG - 1; i > 0; i--) {
            const uint32_t k = sluice_rng_below(&rng, i + 1);
            const uint64_t other = at[k];
            at[k] = at[i];
            at[i] = other;
        }
        add(&q, epochs);
    }
    return q;
}

static double log_choose(double n, double k)
{
    return k > n ? -1e300 : lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

/* Classes in a batch out of a window of `open` blocks, each of one class: a class has k
 * blocks there by the hypergeometric distribution, and is missed by all of the batch.
 */
static double classes_expected(double block, double open)
{
    const double blocks = BIG / block, own = blocks / CLASSES, window = block * open;
    double missed = 0;
    for (int k = 0; k <= own; k++)
        missed += exp(log_choose(own, k) + log_choose(blocks - own, open - k) -
                      log_choose(blocks, open) + log_choose(window - k * block, BATCH) -
                      log_choose(window, BATCH));
    return CLASSES * (1 - missed);
}

static void quality(void)
{
    enum { EPOCHS = 10, BLOCK = 20 };
    const double chance = classes_expected(1, BIG);
    const struct quality best = ideal(EPOCHS),
                         full = measure(SLUICE_RANDOM, 1, 1, EPOCHS);
    printf("%d samples sorted by %d classes, batches of %d\n", BIG, CLASSES, BATCH);
    printf("%-28s classes %6.2f (expected %6.2f)  neighbours %+.4f\n", "ideal",
           best.classes, chance, best.neighbour);
    printf("%-28s classes %6.2f                    neighbours %+.4f\n", "random",
           full.classes, full.neighbour);
    /* The mean of 3,900 batches of deviation 2.4, and of 10 correlations of 1e5. */
    CHECK(near(best.classes, chance, 0.2, 0), "ideal: %g, not %g", best.classes,
          chance);
    CHECK(near(full.classes, chance, 0.2, 0), "random: %g, not %g", full.classes,
          chance);
    CHECK(near(full.neighbour, 0, 0.0045, 0), "neighbours %g", full.neighbour);
    for (int open = 64; open <= 1024; open *= 4) {
        const struct quality q =
            measure(SLUICE_QUASI_RANDOM, BLOCK, (uint64_t)open, EPOCHS);
        /* Windows whose means deviate by 1 / sqrt(open), less what all blocks share. */
        const double corr = (1.0 - open / (BIG / (double)BLOCK)) / open;
        const double classes = classes_expected(BLOCK, open);
        const double windows = EPOCHS * (double)BIG / (BLOCK * open);
        printf(
            "quasi-random, %4d of %d open  classes %6.2f (expected %6.2f)  neighbours "
            "%+.4f (expected %+.4f)\n",
            open, BIG / BLOCK, q.classes, classes, q.neighbour, corr);
        CHECK(near(q.classes, classes, 0.2 + 9 / sqrt(windows), 0),
              "%d open: %g, not %g", open, q.classes, classes);
        CHECK(near(q.neighbour, corr, 0.0045 + 5 * corr * sqrt(2 / windows), 0),
              "%d open: %g, not %g", open, q.neighbour, corr);
    }
}

/* Neither windows nor epochs are shuffled alike. */
static void all_differ(void)
{
    uint64_t same = 0, again = 0;
    const struct sluice_epoch_order a = order(SLUICE_QUASI_RANDOM, 4000, 10, 40, 0),
                                    b = order(SLUICE_QUASI_RANDOM, 4000, 10, 40, 1);
    struct sluice_window w = { .open = false }, v = { .open = false }, x = v;
    for (uint64_t i = 0; i < 400; i++) {
        sluice_epoch_order_at(&a, &w, i);
        sluice_epoch_order_at(&a, &v, 400 + i);
        same += sluice_permutation_at(&w.permutation, i) ==
                sluice_permutation_at(&v.permutation, i);
        again += sluice_epoch_order_at(&a, &w, i) == sluice_epoch_order_at(&b, &x, i);
    }
    CHECK(same < 20, "windows agree in %d of 400 places", (int)same);
    CHECK(again < 20, "epochs agree in %d of 400 places", (int)again);
}

/* ---- the loader's batches ---- */

static void batches(const char *path, int world)
{
    enum { SAMPLES = 1003, SIZE = 32 };
    const struct sluice_epoch_order o = order(SLUICE_QUASI_RANDOM, SAMPLES, 20, 8, 3);
    struct sluice_error err = { 0 };
    uint64_t ids[SIZE], visited = 0;
    memset(seen, 0, sizeof(seen));
    for (int rank = 0; rank < world; rank++) {
        struct sluice_loader *ld;
        struct sluice_window w = { .open = false };
        const struct sluice_batch *b;
        int n;
        REQUIRE(sluice_loader_open(
                    &ld, path,
                    &(struct sluice_loader_options){ .batch_size = SIZE,
                                                     .seed = 4,
                                                     .order = SLUICE_QUASI_RANDOM,
                                                     .block = 20,
                                                     .open_blocks = 8,
                                                     .rank = rank,
                                                     .world = world },
                    &err) == 0 &&
                    sluice_loader_seek(ld, 3, 0, &err) == 0,
                "%s", err.message);
        while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
            CHECK(sluice_loader_ids(ld, 3, b->number, ids, SIZE, &err) == n &&
                      memcmp(ids, b->ids, (size_t)n * sizeof(*ids)) == 0,
                  "batch %d is another one: %s", (int)b->number, err.message);
            const uint64_t first =
                (b->number * (uint64_t)world + (uint64_t)rank) * SIZE;
            for (int i = 0; i < n; i++) {
                CHECK(n < SIZE ||
                          ids[i] == sluice_epoch_order_at(&o, &w, first + (uint64_t)i),
                      "place %d", (int)first + i);
                seen[ids[i]]++;
            }
            visited += (uint64_t)n;
            sluice_loader_release(ld, b);
        }
        CHECK(n == 0, "%s", err.message);
        CHECK(sluice_loader_ids(ld, 0, sluice_loader_batches(ld), ids, SIZE, &err) ==
                      SLUICE_EINVAL &&
                  sluice_loader_ids(ld, 0, 0, ids, 3, &err) == SLUICE_EINVAL,
              "out of range");
        sluice_loader_close(ld);
    }
    for (int i = 0; i < SAMPLES; i++)
        CHECK(seen[i] == 1, "sample %d came %d times to world %d", i, seen[i], world);
    CHECK(visited == SAMPLES, "%d visited", (int)visited);
}

int main(void)
{
    char path[128];
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, 1003);
    inverse();
    promises();
    all_differ();
    quality();
    for (int world = 1; world <= 8; world *= 2)
        batches(path, world);
    folder_remove(folder);
    return check_done();
}

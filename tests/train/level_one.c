/* level_one.c -- a network stacked on others: how answers of several folds become one,
 * what is held back, and that it learns what no vote of its bases would say. argv[1] is
 * the device. */
#include <stdlib.h>
#include <string.h>

#include <sluice/rng.h>

#include "check.h"
#include "run_config.h"
#include "stacking/meta.h"

enum {
    ROWS = 400,
    CLASSES = 3,
    BASES = 2,
    WIDTH = BASES * CLASSES,
};

static const char *device;

/* One image, one base of three folds with accuracies of 0.5, 0.7 and 0.6. */
static void strategies(void)
{
    static const double p[3][CLASSES] = { { 0.7, 0.2, 0.1 },
                                          { 0.1, 0.3, 0.6 },
                                          { 0.25, 0.5, 0.25 } };
    static const double share[LEVEL_STRATEGIES][3] = {
        [ALL_FOLDS] = { 1 / 3.0, 1 / 3.0, 1 / 3.0 },
        [BEST_FOLD] = { 0, 1, 0 },
        /* e^5, e^7, e^6 by their sum */
        [WEIGHTED] = { 0.09003057317038046, 0.6652409557748219, 0.24472847105479767 },
    };
    double accuracy[3] = { 0.5, 0.7, 0.6 };
    float test[3 * CLASSES], out[CLASSES];
    struct level_one l = { .bases = 1, .classes = CLASSES, .tested = 1 };
    l.base[0].folds = 3;
    l.base[0].accuracy = accuracy;
    l.base[0].test = test;
    for (int i = 0; i < 3 * CLASSES; i++)
        test[i] = (float)log(p[i / CLASSES][i % CLASSES]);
    for (int s = 0; s < LEVEL_STRATEGIES; s++) {
        double want[CLASSES], sum = 0;
        for (int c = 0; c < CLASSES; c++) {
            want[c] = 0;
            for (int k = 0; k < 3; k++)
                want[c] += share[s][k] * log(p[k][c]);
            sum += exp(want[c]);
        }
        level_one_test(out, &l, (enum level_strategy)s);
        for (int c = 0; c < CLASSES; c++)
            CHECK(near((double)out[c], want[c] - log(sum), 1e-5, 0),
                  "strategy %d, class %d: %g, not %g", s, c, (double)out[c],
                  want[c] - log(sum));
    }
}

/* Base 0 always names the class behind the right one, by very little; base
 * 1 knows nothing, in large numbers. */
static void make_rows(struct level_one *l)
{
    struct sluice_rng rng = sluice_rng_at(5, 0, 0);
    *l = (struct level_one){ .bases = BASES, .classes = CLASSES, .count = ROWS };
    l->answers = calloc(ROWS * WIDTH, sizeof *l->answers);
    l->labels = calloc(ROWS, sizeof *l->labels);
    REQUIRE(l->answers && l->labels, "memory");
    for (int i = 0; i < ROWS; i++) {
        float *row = l->answers + i * WIDTH;
        l->labels[i] = sluice_rng_below(&rng, CLASSES);
        for (int c = 0; c < CLASSES; c++) {
            row[c] = c == (int)(l->labels[i] + 1) % CLASSES ? -1.098F : -1.099F;
            row[c] -= 1e-4F * sluice_rng_unit(&rng);
            row[CLASSES + c] = -1000 * sluice_rng_unit(&rng);
        }
    }
}

struct record {
    int epochs;
    struct meta_epoch last;
};

static int take(void *ctx, const struct meta_epoch *e, struct sluice_error *err)
{
    struct record *r = ctx;
    (void)err;
    r->epochs++;
    r->last = *e;
    return 0;
}

static int go_on(void *ctx)
{
    (void)ctx;
    return 0;
}

static int stop_at_once(void *ctx)
{
    (void)ctx;
    return 1;
}

static int learn(struct meta **m, const struct level_one *l, const char *more,
                 struct record *r, struct sluice_error *err)
{
    static struct config cfg;
    char kind[32];
    snprintf(kind, sizeof kind, "device=%s", device);
    const char *args[] = { "recipe=level_one", kind, "training.batch_size=32", more };
    REQUIRE(config_from_recipe(&cfg, args, more ? 4 : 3, err) == 0, "%s", err->message);
    *r = (struct record){ 0 };
    return meta_train(m, l, &cfg, &(struct meta_watch){ r, take, go_on }, err);
}

static void learns(void)
{
    struct level_one l;
    struct meta *m, *again;
    struct record r, s;
    struct sluice_error err = { .code = SLUICE_OK };
    float scores[ROWS * CLASSES], same[ROWS * CLASSES];
    uint64_t held, others;
    int right = 0;
    make_rows(&l);
    int rc = learn(&m, &l, NULL, &r, &err);
    if (rc == SLUICE_EUNBUILT)
        SKIP("%s", err.message);
    REQUIRE(rc == 0, "%s", err.message);
    const uint64_t *rows = meta_held(m, &held);
    CHECK(held == ROWS / 10, "%d rows held back", (int)held);
    for (uint64_t i = 1; i < held; i++)
        CHECK(rows[i] > rows[i - 1] && rows[i] < ROWS, "row %d", (int)rows[i]);
    CHECK(r.epochs == 30 && r.last.epoch == 30 && r.last.held_accuracy == 1 &&
              near(r.last.held_loss, 0, 0.05, 0),
          "%d epochs; held back: loss %g, accuracy %g", r.epochs, r.last.held_loss,
          r.last.held_accuracy);
    REQUIRE(meta_apply(m, l.answers, ROWS, scores, &err) == 0, "%s", err.message);
    for (int i = 0; i < ROWS; i++) {
        const float *p = scores + i * CLASSES;
        const int label = (int)l.labels[i];
        double sum = 0;
        for (int c = 0; c < CLASSES; c++)
            sum += exp((double)p[c]);
        CHECK(near(sum, 1, 1e-5, 0), "row %d: %g together", i, sum);
        right += p[label] > p[(label + 1) % 3] && p[label] > p[(label + 2) % 3];
    }
    CHECK(right == ROWS, "%d of %d rows right", right, ROWS);

    REQUIRE(learn(&again, &l, NULL, &s, &err) == 0 &&
                meta_apply(again, l.answers, ROWS, same, &err) == 0,
            "%s", err.message);
    CHECK(memcmp(scores, same, sizeof same) == 0, "not the same network again");
    meta_close(again);
    REQUIRE(learn(&again, &l, "seed=1", &s, &err) == 0, "%s", err.message);
    const uint64_t *other = meta_held(again, &others);
    CHECK(memcmp(rows, other, (size_t)held * sizeof *rows) != 0,
          "the same rows held back by another seed");
    meta_close(again);
    meta_close(m);
    level_one_free(&l);
}

/* Rows held back are not learnt from: with labels of their own they stay wrong. */
static void held_back(void)
{
    struct level_one l;
    struct meta *m;
    struct record r;
    struct sluice_error err = { .code = SLUICE_OK };
    uint64_t held;
    make_rows(&l);
    REQUIRE(learn(&m, &l, "training.epochs=1", &r, &err) == 0, "%s", err.message);
    const uint64_t *rows = meta_held(m, &held);
    for (uint64_t i = 0; i < held; i++)
        l.labels[rows[i]] = (l.labels[rows[i]] + 1) % CLASSES;
    meta_close(m);
    REQUIRE(learn(&m, &l, NULL, &r, &err) == 0, "%s", err.message);
    CHECK(r.last.held_accuracy == 0 && r.last.loss < 0.05,
          "accuracy %g on what is held back, loss %g", r.last.held_accuracy,
          r.last.loss);
    meta_close(m);
    REQUIRE(learn(&m, &l, "stop.patience=3", &r, &err) == 0, "%s", err.message);
    CHECK(r.epochs < 30, "%d epochs, none of which was better", r.epochs);
    meta_close(m);
    level_one_free(&l);
}

static void refusals(void)
{
    static struct config cfg;
    const char *args[] = { "recipe=level_one", "device=ref" };
    struct level_one l;
    struct meta *m;
    struct record r;
    struct sluice_error err = { .code = SLUICE_OK };
    make_rows(&l);
    CHECK(learn(&m, &l, "optimizer.weight_decay=1e3", &r, &err) == SLUICE_EINVAL &&
              !m && strstr(err.message, "diverged"),
          "%s", err.message);
    CHECK(learn(&m, &l, "model=cnn", &r, &err) < 0 && !m, "convolutions of answers");
    l.count = 9;
    CHECK(learn(&m, &l, NULL, &r, &err) == SLUICE_EINVAL &&
              strstr(err.message, "expected 10 training images or more, found 9"),
          "%s", err.message);
    l.count = ROWS;
    REQUIRE(config_from_recipe(&cfg, args, 2, &err) == 0, "%s", err.message);
    CHECK(meta_train(&m, &l, &cfg, &(struct meta_watch){ &r, take, stop_at_once },
                     &err) == SLUICE_ESTOPPED,
          "not stopped");
    level_one_free(&l);
}

int main(int argc, char **argv)
{
    device = argc > 1 ? argv[1] : "ref";
    strategies();
    learns();
    held_back();
    refusals();
    return check_done();
}

/* views.c -- views of test images: a network that is linear in its pixels has, on the
 * mean of logits, the logits of the mean view, which is made here a second time. Of
 * images whose first view is answered surely enough, that view alone. Each image by one
 * of several ranks. */
#include "evaluate.h"
#include "feed.h"
#include "net_rig.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"

enum {
    IMAGES = 12,
    SIDE = 9,
    CHANNELS = 2,
    PIXELS = SIDE * SIDE * CHANNELS,
    CLASSES = 4,
};

static float images[IMAGES][PIXELS];

/* The nearest pixel of the pattern that goes back and forth over 0 ... SIDE - 1. */
static int mirrored(int i)
{
    const int period = 2 * (SIDE - 1), at = (i % period + period) % period;
    return at < SIDE ? at : period - at;
}

static double pixel(int n, int y, int x, int c)
{
    return (double)images[n][(mirrored(y) * SIDE + mirrored(x)) * CHANNELS + c];
}

/* share * the image moved by (dy, dx), then turned left to right if asked. */
static void add_view(double *sum, int n, double share, bool flip, int dy, int dx)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < CHANNELS; c++) {
                const int across = flip ? SIDE - 1 - x : x;
                const double v = pixel(n, y + dy, across + dx, c);
                sum[(y * SIDE + x) * CHANNELS + c] += share * v;
            }
}

static void mean_view(double *sum, const struct tta *tta, int n)
{
    memset(sum, 0, PIXELS * sizeof *sum);
    if (tta->kind == TTA_NONE) {
        add_view(sum, n, 1, false, 0, 0);
    } else if (tta->kind != TTA_CROPS) {
        const double still = tta->kind == TTA_FLIP ? 0.5 : 0.25;
        for (int flip = 0; flip < 2; flip++) {
            add_view(sum, n, still, flip, 0, 0);
            for (int d = -1; d <= 1 && tta->kind == TTA_FLIP_SHIFT; d += 2)
                add_view(sum, n, 0.125, flip, d, d);
        }
    } else {
        for (int k = 0; k < tta->views; k++) {
            struct sluice_rng rng =
                sluice_rng_open(tta->seed, UINT32_MAX, (uint64_t)n, (uint16_t)k);
            const int dy = sluice_rng_range(&rng, -4, 4);
            const int dx = sluice_rng_range(&rng, -4, 4);
            add_view(sum, n, 1.0 / tta->views, k == 1, k > 1 ? dy : 0, k > 1 ? dx : 0);
        }
    }
}

/* The probability of the likeliest class. */
static double expected(struct net *net, const double *view, int *best)
{
    const float *weight = net_param(net, 0)->data, *bias = net_param(net, 1)->data;
    double logits[CLASSES], all = 0;
    *best = 0;
    for (int k = 0; k < CLASSES; k++) {
        logits[k] = (double)bias[k];
        for (int i = 0; i < PIXELS; i++) /* the weight runs over (c, y, x) */
            logits[k] +=
                (double)weight[k * PIXELS + i % CHANNELS * SIDE * SIDE + i / CHANNELS] *
                view[i];
        *best = logits[k] > logits[*best] ? k : *best;
    }
    for (int k = 0; k < CLASSES; k++)
        all += exp(logits[k] - logits[*best]);
    return 1 / all;
}

static double expected_answer(struct net *net, const struct tta *tta, int n, int *best,
                              int *firsts)
{
    const struct tta first = { .kind = TTA_NONE };
    double view[PIXELS];
    mean_view(view, &first, n);
    const double p = expected(net, view, best);
    if (tta->sure > 0 && p >= tta->sure) {
        ++*firsts;
        return p;
    }
    mean_view(view, tta, n);
    return expected(net, view, best);
}

/* Returns how many images are looked at once alone. */
static int check(struct rig *r, struct feed *feed, const struct data_info *info,
                 struct tta tta)
{
    struct evaluation e;
    int best, firsts = 0;
    REQUIRE(evaluate(&e, r->net, feed->loader, info, &tta, NULL, &r->err) == 0, "%s",
            r->err.message);
    CHECK(e.count == IMAGES, "%d images", (int)e.count);
    for (int n = 0; n < IMAGES; n++) {
        const double p = expected_answer(r->net, &tta, n, &best, &firsts);
        CHECK(e.at[n].id == (uint64_t)n && e.at[n].predicted == best &&
                  near((double)e.at[n].probability, p, 2e-5, 0),
              "kind %d, image %d: class %d with %g, expected %d with %g", (int)tta.kind,
              n, e.at[n].predicted, (double)e.at[n].probability, best, p);
    }
    evaluation_free(&e);
    return firsts;
}

/* What the loader hands out, in the file's order. */
static void read_images(struct feed *feed, struct sluice_error *err)
{
    const struct sluice_batch *b;
    int n, at = 0;
    while ((n = sluice_loader_next(feed->loader, &b, err)) > 0) {
        memcpy(images[at], b->pixels, (size_t)n * sizeof images[0]);
        at += n;
        sluice_loader_release(feed->loader, b);
    }
    REQUIRE(n == 0 && at == IMAGES, "%d images: %s", at, err->message);
}

/* In the last round of 2 samples for 5 ranks, ranks 2, 3, and 4 are given samples that
 * others have. */
static void check_shares(struct rig *r, const struct data_info *info,
                         const struct config *cfg)
{
    int owners[IMAGES] = { 0 };
    for (int rank = 0; rank < 5; rank++) {
        const struct feed_options options = { .pipeline = cfg->data.augment,
                                              .dtype = SLUICE_F32,
                                              .order = SLUICE_SEQUENTIAL,
                                              .batch_size = 2,
                                              .rank = rank,
                                              .world = 5 };
        const struct tta tta = { .kind = TTA_NONE };
        struct feed feed;
        struct evaluation e;
        REQUIRE(feed_open(&feed, info, cfg, &options, &r->err) == 0, "%s",
                r->err.message);
        REQUIRE(evaluate(&e, r->net, feed.loader, info, &tta, NULL, &r->err) == 0, "%s",
                r->err.message);
        for (int i = 0; i < IMAGES; i++)
            owners[i] += e.at[i].probability > 0;
        evaluation_free(&e);
        feed_close(&feed);
    }
    for (int i = 0; i < IMAGES; i++)
        CHECK(owners[i] == 1, "sample %d has the answers of %d ranks", i, owners[i]);
}

int main(void)
{
    static const char *const args[] = { "data.augment=normalize", "data.mean=[100,90]",
                                        "data.std=[50,60]" };
    static struct config cfg;
    struct rig r;
    struct data_info info;
    struct feed feed;
    const struct model_values options = { 0 };
    const char *folder = folder_make();
    char path[128];
    snprintf(path, sizeof path, "%s/views.sluice", folder);
    tiny_set_write(path,
                   &(struct tiny_set){ IMAGES, SIDE, CHANNELS, CLASSES, 0, false, 3 });
    rig_device(&r, "ref");
    REQUIRE(config_from_recipe(&cfg, args, 3, &r.err) == 0, "%s", r.err.message);
    REQUIRE(data_info_open(&info, "data.test", path, "", &cfg, &r.err) == 0, "%s",
            r.err.message);
    const struct feed_options feed_options = {
        .pipeline = cfg.data.augment,
        .dtype = SLUICE_F32,
        .order = SLUICE_SEQUENTIAL,
        .batch_size = 5,
    };
    REQUIRE(feed_open(&feed, &info, &cfg, &feed_options, &r.err) == 0, "%s",
            r.err.message);
    read_images(&feed, &r.err);
    r.model = model_find("mlp");
    const struct model_config config = { .classes = CLASSES,
                                         .options = options.numbers,
                                         .texts = options.texts };
    const struct net_input input = { 5, SIDE, SIDE, CHANNELS };
    REQUIRE(net_create(&r.net, r.dev, &input, &r.err) == 0, "%s", r.err.message);
    r.model->build(r.net, &config);
    REQUIRE(net_finish(r.net, &r.err) == 0, "%s", r.err.message);
    r.model->init(r.net, 7);
    for (int kind = TTA_NONE; kind <= TTA_FLIP_SHIFT; kind++)
        check(&r, &feed, &info, (struct tta){ .kind = (enum tta_kind)kind });
    check(&r, &feed, &info, (struct tta){ TTA_CROPS, 2, 5 });
    check(&r, &feed, &info, (struct tta){ TTA_CROPS, 16, 5 });
    check(&r, &feed, &info, (struct tta){ TTA_CROPS, 16, 6 });
    /* Fewer than a batch of 5 are unsure, exactly one, more, all, none. */
    static const struct {
        double sure;
        int firsts;
    } sure[] = { { 0.38, 10 }, { 0.42, 7 }, { 0.46, 4 }, { 1, 0 }, { 1e-9, 12 } };
    for (size_t i = 0; i < sizeof sure / sizeof *sure; i++) {
        const struct tta tta = { TTA_FLIP_SHIFT, .sure = sure[i].sure };
        const int firsts = check(&r, &feed, &info, tta);
        CHECK(firsts == sure[i].firsts,
              "sure at %g: %d images of one view, expected %d", tta.sure, firsts,
              sure[i].firsts);
    }
    feed_close(&feed);
    check_shares(&r, &info, &cfg);
    data_info_close(&info);
    folder_remove(folder);
    rig_close(&r);
    return check_done();
}

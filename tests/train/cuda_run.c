/* cuda_run.c -- whole runs on device cuda: they end where device ref's end, whether
 * images are kept on the GPU or streamed to it, their steps are replayed graphs, and
 * what goes wrong is said. With "host" on the CPU. */
#include "check.h"
#include "gpu_on_host.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"
#include "trainer.h"
#include "whole_file.h"

enum { EPOCHS = 3, STEPS = 6 * EPOCHS };

static char train[160], test[160], dir[160];
static char said[4096];

static void message(void *ctx, const char *line)
{
    (void)ctx;
    strncat(said, line, sizeof said - strlen(said) - 2);
    strcat(said, "\n");
}

/* A run of this recipe and three more words. */
static int run(struct trainer_result *result, const char *a, const char *b,
               const char *c, struct sluice_error *err)
{
    static struct config cfg;
    const struct trainer_watch watch = { .message = message };
    const char *const args[] = {
        train,
        test,
        dir,
        "threads=1",
        "precision=f32",
        "data.threads=2",
        "model=cnn_small",
        "model.width=0.125",
        "model.dropout=0.2",
        "seed=5",
        "training.epochs=3",
        "training.batch_size=16",
        "data.drop_last=false",
        "data.augment=[flip, translate: {pad: 1}, normalize]",
        "optimizer={name: sgd, lr: 0.05, momentum: 0.9, weight_decay: 1e-4}",
        "schedule.name=cosine", /* each step has a rate of its own */
        "eval.tta=flip",
        "eval.batch_size=32",
        a,
        b,
        c,
    };
    said[0] = 0;
    int rc = config_from_recipe(&cfg, args, (int)(sizeof args / sizeof *args), err);
    return rc < 0 ? rc : trainer_run(&cfg, &watch, result, err);
}

static void must_run(struct trainer_result *result, const char *a, const char *b,
                     const char *c)
{
    struct sluice_error err = { 0 };
    REQUIRE(run(result, a, b, c, &err) == 0, "%s %s %s: %s", a, b, c, err.message);
}

static int read_rows(struct epoch_row **rows, const struct trainer_result *r)
{
    struct sluice_error err = { 0 };
    char path[RUN_PATH];
    int n;
    REQUIRE(metrics_read(rows, &n, run_file(path, &r->run, "metrics.csv"), &err) == 0,
            "%s", err.message);
    return n;
}

/* Losses of every epoch, in training and testing. */
static void compare(const struct trainer_result *a, const struct trainer_result *b,
                    double tolerance, const char *what)
{
    struct epoch_row *x, *y;
    const int n = read_rows(&x, a), m = read_rows(&y, b);
    CHECK(n == EPOCHS && m == EPOCHS, "%s: %d and %d epochs", what, n, m);
    for (int i = 0; i < n && i < m; i++) {
        CHECK(near(x[i].loss, y[i].loss, 0, tolerance), "%s: epoch %d: loss %g and %g",
              what, i, x[i].loss, y[i].loss);
        CHECK(near(x[i].test_loss, y[i].test_loss, 0, tolerance),
              "%s: epoch %d: test loss %g and %g", what, i, x[i].test_loss,
              y[i].test_loss);
    }
    free(x);
    free(y);
}

/* Of every epoch's training: shares of images, where they are mixed. */
static void compare_accuracy(const struct trainer_result *a,
                             const struct trainer_result *b)
{
    struct epoch_row *x, *y;
    const int n = read_rows(&x, a), m = read_rows(&y, b);
    for (int i = 0; i < n && i < m; i++)
        CHECK(near(x[i].accuracy, y[i].accuracy, 0, 0.03),
              "epoch %d: accuracy %g and %g", i, x[i].accuracy, y[i].accuracy);
    free(x);
    free(y);
}

/* Two sizes of batch are trained on, 16 and the last one of 5: each runs once as it is,
 * and is recorded once and replayed from then on, although tests lie between. */
static void graphs(bool on_host)
{
    struct trainer_result cuda;
    const struct gpu_on_host_count before = gpu_on_host_count();
    must_run(&cuda, "device=cuda", "precision=f32", "run.log_every=1");
    const struct gpu_on_host_count now = gpu_on_host_count();
    if (on_host)
        CHECK(now.records - before.records == 2 &&
                  now.replays - before.replays == STEPS - 2,
              "%ld recorded, %ld replays", now.records - before.records,
              now.replays - before.replays);
    CHECK(strstr(said, "all in the GPU's memory"), "it says: %s", said);
    CHECK(!strstr(said, "slow: cuDNN"), "it says: %s", said);
}

static void against_ref(void)
{
    struct trainer_result ref, resident, streamed, slow, averaged;
    must_run(&ref, "device=ref", "precision=f32", "run.log_every=1");
    must_run(&resident, "device=cuda", "precision=f32", "run.log_every=1");
    compare(&ref, &resident, 2e-3, "ref and cuda");
    CHECK(near(resident.accuracy, ref.accuracy, 0.05, 0), "accuracy %g and %g",
          resident.accuracy, ref.accuracy);
    must_run(&streamed, "device=cuda", "precision=f32", "data.on_error=substitute");
    CHECK(strstr(said, "streamed to the GPU"), "it says: %s", said);
    compare(&resident, &streamed, 0, "resident and streamed");
    must_run(&slow, "device=ref", "precision=f32", "optimizer.lookahead_every=2");
    must_run(&averaged, "device=cuda", "precision=f32", "optimizer.lookahead_every=2");
    compare(&slow, &averaged, 2e-3, "ref and cuda with lookahead");
}

/* Boxes and blends are drawn by the device; labels are shared as on the CPU. */
static void mixed(void)
{
    static const char chain[] = "data.augment=[flip, translate: {pad: 1}, normalize, "
                                "cutmix: {p: 0.5}, mixup: {per: sample, p: 0.8}]";
    struct trainer_result ref, resident, streamed;
    must_run(&ref, "device=ref", "precision=f32", chain);
    must_run(&resident, "device=cuda", "precision=f32", chain);
    compare(&ref, &resident, 2e-3, "ref and cuda with mixed images");
    compare_accuracy(&ref, &resident);
    must_run(&streamed, "device=cuda", "data.on_error=substitute", chain);
    compare(&resident, &streamed, 0, "resident and streamed, mixed");
}

static void muon(void)
{
    struct trainer_result ref, cuda;
    must_run(&ref, "device=ref", "optimizer.name=muon", "precision=f32");
    must_run(&cuda, "device=cuda", "optimizer.name=muon", "precision=f32");
    compare(&ref, &cuda, 2e-3, "ref and cuda with muon");
}

/* What else updates: moments, clipping and decay; Muon's products as fast ones; layers
 * that stay, which leaves launches out of a step. */
static void updates(void)
{
    static const char adam[] = "optimizer={name: adam, lr: 0.003, clip: 0.5}";
    static const char adamw[] = "optimizer={name: adamw, lr: 0.003, weight_decay: 0.1}";
    static const char fast[] = "optimizer={name: muon, lr: 0.005, muon_lr: 0.005}";
    static const char frozen[] = "init.freeze=conv1,bn1,conv2";
    struct trainer_result ref, cuda, half;
    must_run(&ref, "device=ref", "precision=f32", adam);
    must_run(&cuda, "device=cuda", "precision=f32", adam);
    compare(&ref, &cuda, 5e-3, "ref and cuda with adam, clipped");
    must_run(&ref, "device=ref", "precision=f32", adamw);
    must_run(&half, "device=cuda", "precision=f16", adamw);
    compare(&ref, &half, 0.1, "ref and cuda with adamw in f16");
    must_run(&ref, "device=ref", "precision=f32", fast);
    must_run(&half, "device=cuda", "precision=bf16", fast);
    compare(&ref, &half, 0.1, "ref and cuda with muon in bf16");
    must_run(&ref, "device=ref", "precision=f32", frozen);
    must_run(&cuda, "device=cuda", "precision=f32", frozen);
    compare(&ref, &cuda, 2e-3, "ref and cuda, partly frozen");
}

static void halves(void)
{
    struct trainer_result ref, half;
    must_run(&ref, "device=ref", "precision=f32", "optimizer.lr=0.005");
    /* The first step or two overflow and are left out. */
    must_run(&half, "device=cuda", "precision=f16", "optimizer.lr=0.005");
    compare(&ref, &half, 0.1, "ref and cuda in f16");
    must_run(&half, "device=cuda", "precision=bf16", "optimizer.lr=0.005");
    compare(&ref, &half, 0.1, "ref and cuda in bf16");
}

/* The number behind this key, wherever it first is. */
static double number_of(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    CHECK(at, "no %s", key);
    return at ? strtod(at + strlen(key), NULL) : 0;
}

/* Operators are timed by the device, a step's parts make up no more than the step. */
static void profile(bool on_host)
{
    struct trainer_result plain, timed;
    struct sluice_error err = { 0 };
    char path[RUN_PATH];
    void *bytes;
    size_t size;
    must_run(&plain, "device=cuda", "precision=f32", "run.log_every=1");
    const struct gpu_on_host_count before = gpu_on_host_count();
    must_run(&timed, "device=cuda", "precision=f32", "run.profile=true");
    CHECK(strstr(said, "timed, operator by operator"), "it says: %s", said);
    if (on_host)
        CHECK(gpu_on_host_count().records == before.records, "graphs were recorded");
    compare(&plain, &timed, 0, "replayed and timed");
    REQUIRE(whole_file_read(run_file(path, &timed.run, "profile.json"), &bytes, &size,
                            1 << 20, &err) == 0,
            "%s", err.message);
    char *text = calloc(1, size + 1);
    REQUIRE(text, "no memory");
    memcpy(text, bytes, size);
    free(bytes);
    const double step = number_of(text, "\"seconds_per_step\": ");
    const double optimizer = number_of(text, "\"optimizer_seconds\": ");
    const double forward = number_of(text, "\"forward\": {\"seconds\": ");
    const double backward = number_of(text, "\"backward\": {\"seconds\": ");
    CHECK(optimizer > 0 && forward > 0 && backward > 0, "%g %g %g", optimizer, forward,
          backward);
    CHECK(optimizer + forward + backward <= step, "%g + %g + %g of %g", optimizer,
          forward, backward, step);
    free(text);
}

static void divergence(void)
{
    struct trainer_result result;
    struct sluice_error err = { 0 };
    const int rc =
        run(&result, "device=cuda", "precision=f32", "optimizer.lr=1e6", &err);
    CHECK(rc == SLUICE_EINVAL && strstr(err.message, "diverged"), "%d: %s", rc,
          err.message);
}

int main(int argc, char **argv)
{
    const struct tiny_set first = { 5 * 16 + 5, 16, 3, 4, 0, true, 1 },
                          second = { 40, 16, 3, 4, 0, true, 2 };
    const bool on_host = argc > 1 && strcmp(argv[1], "host") == 0;
    struct sluice_error err = { 0 };
    struct device *dev;
    const char *folder = folder_make();
    if (on_host)
        gpu_on_host(true);
    if (device_open(&dev, "cuda", "auto", 0, &err) == SLUICE_EUNBUILT) {
        folder_remove(folder);
        SKIP("%s", err.message);
    }
    device_close(dev);
    snprintf(train, sizeof train, "%s/train.sluice", folder);
    snprintf(test, sizeof test, "%s/test.sluice", folder);
    tiny_set_write(train, &first);
    tiny_set_write(test, &second);
    snprintf(train, sizeof train, "data.train=%s/train.sluice", folder);
    snprintf(test, sizeof test, "data.test=%s/test.sluice", folder);
    snprintf(dir, sizeof dir, "run.dir=%s", folder);
    graphs(on_host);
    against_ref();
    mixed();
    muon();
    updates();
    halves();
    profile(on_host);
    divergence();
    folder_remove(folder);
    return check_done();
}

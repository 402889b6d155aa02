/* cuda_steps.c -- what the host does during an epoch on device cuda, counted on the
 * CPU: all steps of a resident set are enqueued before it waits for the first, it asks
 * for no memory, chooses no algorithm and records no graph after the second epoch; and
 * a batch can be augmented while the step before is computed. */
#include "check.h"
#include "gpu_on_host.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"
#include "trainer.h"

enum { STEPS = 6, EPOCHS = 4, STREAMED = 3 };

/* Counts at the moment that an epoch began, and its steps so far. */
static struct gpu_on_host_count begun;
static bool under_way;
static int steps;
static int ahead; /* how many steps it should enqueue before the first wait */

/* Asked before each step is pushed. */
static int is_stopped(void *ctx)
{
    (void)ctx;
    if (!under_way)
        begun = gpu_on_host_count();
    under_way = true;
    return 0;
}

/* The host's other business is done in the first epoch, and for the sizes of batches
 * that are recorded in the second. */
static void check_epoch(int epoch, const struct gpu_on_host_count *now)
{
    if (epoch < 3)
        return;
    CHECK(now->memories == begun.memories && now->layers == begun.layers,
          "epoch %d: memory asked for %ld times, %ld layers opened", epoch,
          now->memories - begun.memories, now->layers - begun.layers);
    CHECK(now->records == begun.records, "epoch %d: %ld graphs recorded", epoch,
          now->records - begun.records);
}

static void on_step(void *ctx, const struct trainer_progress *p)
{
    (void)ctx;
    const struct gpu_on_host_count now = gpu_on_host_count();
    if (steps == 0 && p->epoch > 1) {
        CHECK(now.waits - begun.waits == 1, "epoch %d: %ld waits before the first step",
              p->epoch, now.waits - begun.waits);
        CHECK(now.marks - begun.marks == ahead, "epoch %d: %ld steps enqueued, not %d",
              p->epoch, now.marks - begun.marks, ahead);
    }
    if (++steps < STEPS)
        return;
    if (p->epoch > 1)
        CHECK(now.waits - begun.waits == STEPS, "epoch %d: %ld waits", p->epoch,
              now.waits - begun.waits);
    check_epoch(p->epoch, &now);
    steps = 0;
    under_way = false;
}

static void run(const char *folder, const char *more)
{
    const long beside = gpu_on_host_count().beside;
    static struct config cfg;
    const struct trainer_watch watch = { .step = on_step, .stopped = is_stopped };
    struct trainer_result result;
    struct sluice_error err = { 0 };
    char train[160], test[160], dir[160];
    snprintf(train, sizeof train, "data.train=%s/train.sluice", folder);
    snprintf(test, sizeof test, "data.test=%s/test.sluice", folder);
    snprintf(dir, sizeof dir, "run.dir=%s", folder);
    const char *const args[] = {
        train,
        test,
        dir,
        "device=cuda",
        "precision=f16",
        "model=cnn_small",
        "model.width=0.125",
        "model.dropout=0.2",
        "data.threads=2",
        "training.epochs=4",
        "training.batch_size=16",
        "data.drop_last=false",
        "data.augment=[flip, translate: {pad: 1}, normalize, mixup]",
        "optimizer={name: sgd, lr: 0.005, momentum: 0.9, clip: 1, lookahead_every: 2}",
        "eval.every=1",
        "eval.batch_size=32",
        more,
    };
    int rc = config_from_recipe(&cfg, args, (int)(sizeof args / sizeof *args), &err);
    if (rc == 0)
        rc = trainer_run(&cfg, &watch, &result, &err);
    REQUIRE(rc == 0, "%s", err.message);
    /* The stand-in lets the data's lane go first every other time it works. */
    CHECK(gpu_on_host_count().beside - beside >= EPOCHS,
          "%ld of %d batches were augmented beside a step",
          gpu_on_host_count().beside - beside, STEPS * EPOCHS);
}

int main(void)
{
    const struct tiny_set first = { 5 * 16 + 5, 16, 3, 4, 0, true, 1 },
                          second = { 40, 16, 3, 4, 0, true, 2 };
    const char *folder = folder_make();
    char path[160];
    gpu_on_host(true);
    snprintf(path, sizeof path, "%s/train.sluice", folder);
    tiny_set_write(path, &first);
    snprintf(path, sizeof path, "%s/test.sluice", folder);
    tiny_set_write(path, &second);
    ahead = STEPS;
    run(folder, "run.log_every=1");
    /* What streams is as far ahead as the loader has batches. */
    ahead = STREAMED;
    run(folder, "data.on_error=substitute");
    folder_remove(folder);
    return check_done();
}

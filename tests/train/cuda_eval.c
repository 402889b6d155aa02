/* cuda_eval.c -- sluice eval on device cuda says what it says on device ref, for every
 * way to look at an image: on a GPU, or with "host" on the CPU. Each call of the
 * program is a process of its own. */
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "gpu_on_host.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"
#include "trainer.h"

enum { IMAGES = 40 };

int eval_main(int argc, char **argv); /* main of eval_main.c */

static const char *folder;
static bool on_host;

static void train_a_little(void)
{
    static struct config cfg;
    const struct trainer_watch watch = { 0 };
    struct trainer_result result;
    struct sluice_error err = { 0 };
    char train[160], dir[160];
    snprintf(train, sizeof train, "data.train=%s/train.sluice", folder);
    snprintf(dir, sizeof dir, "run.dir=%s", folder);
    const char *const args[] = { train,
                                 dir,
                                 "device=ref",
                                 "model=cnn_small",
                                 "model.width=0.125",
                                 "data.threads=1",
                                 "training.epochs=3",
                                 "training.batch_size=16",
                                 "eval.batch_size=16",
                                 "optimizer={name: adam, lr: 3e-3}" };
    int rc = config_from_recipe(&cfg, args, (int)(sizeof args / sizeof *args), &err);
    if (rc == 0)
        rc = trainer_run(&cfg, &watch, &result, &err);
    REQUIRE(rc == 0, "%s", err.message);
}

/* Exit status of: sluice eval RUN data.test=... out=NAME ... */
static int eval(const char *name, const char *device, const char *precision,
                const char *tta, const char *sure)
{
    char run[160], test[160], out[160], dev[32], prec[32], views[32], surely[32];
    int status;
    snprintf(run, sizeof run, "%s/latest", folder);
    snprintf(test, sizeof test, "data.test=%s/test.sluice", folder);
    snprintf(out, sizeof out, "--out=%s/%s", folder, name);
    snprintf(dev, sizeof dev, "device=%s", device);
    snprintf(prec, sizeof prec, "precision=%s", precision);
    snprintf(views, sizeof views, "eval.tta=%s", tta);
    snprintf(surely, sizeof surely, "eval.sure=%s", sure);
    char *args[] = { "eval",
                     run,
                     test,
                     out,
                     dev,
                     prec,
                     views,
                     surely,
                     "eval.views=5",
                     "eval.batch_size=16",
                     "--quiet",
                     NULL };
    fflush(NULL);
    const pid_t pid = fork();
    REQUIRE(pid >= 0, "fork");
    if (pid == 0) {
        if (on_host)
            gpu_on_host(true);
        status = eval_main((int)(sizeof args / sizeof *args) - 1, args);
        exit(status);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid, "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Asked of a process of its own. */
static bool is_there(void)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    int status;
    fflush(NULL);
    const pid_t pid = fork();
    REQUIRE(pid >= 0, "fork");
    if (pid == 0)
        exit(device_open(&dev, "cuda", "auto", 0, &err) == SLUICE_EUNBUILT);
    REQUIRE(waitpid(pid, &status, 0) == pid, "waitpid");
    return status == 0;
}

struct line {
    int id, predicted;
    double probability;
};

static void read_lines(struct line lines[IMAGES], const char *name)
{
    char path[200], text[200];
    int n = 0, label;
    snprintf(path, sizeof path, "%s/%s/predictions.csv", folder, name);
    FILE *f = fopen(path, "r");
    REQUIRE(f, "%s", path);
    REQUIRE(fgets(text, sizeof text, f), "%s: empty", path);
    while (n < IMAGES && fgets(text, sizeof text, f)) {
        struct line *l = &lines[n++];
        CHECK(sscanf(text, "%d,%d,%d,%lf", &l->id, &label, &l->predicted,
                     &l->probability) == 4,
              "%s: %s", path, text);
    }
    fclose(f);
    CHECK(n == IMAGES, "%s: %d lines", path, n);
}

static void compare(const char *tta, const char *sure, const char *precision,
                    double tolerance)
{
    struct line a[IMAGES] = { { 0 } }, b[IMAGES] = { { 0 } };
    CHECK(eval("a", "ref", "f32", tta, sure) == 0, "ref, %s", tta);
    const int status = eval("b", "cuda", precision, tta, sure);
    CHECK(status == 0, "cuda, %s, %s: status %d", precision, tta, status);
    if (status != 0)
        return;
    read_lines(a, "a");
    read_lines(b, "b");
    for (int i = 0; i < IMAGES; i++) {
        CHECK(a[i].id == b[i].id, "%s: line %d is of image %d and %d", tta, i, a[i].id,
              b[i].id);
        CHECK(near(b[i].probability, a[i].probability, 0, tolerance),
              "%s, %s: image %d: probability %g and %g", tta, precision, i,
              a[i].probability, b[i].probability);
        if (a[i].probability > 0.5 + tolerance)
            CHECK(a[i].predicted == b[i].predicted, "%s, %s: image %d is %d and %d",
                  tta, precision, i, a[i].predicted, b[i].predicted);
    }
}

int main(int argc, char **argv)
{
    static const char *const ways[] = { "none", "flip", "flip_shift", "crops" };
    const struct tiny_set first = { 64, 16, 3, 4, 0, true, 1 },
                          second = { IMAGES, 16, 3, 4, 0, true, 2 };
    char path[160];
    folder = folder_make();
    on_host = argc > 1 && strcmp(argv[1], "host") == 0;
    snprintf(path, sizeof path, "%s/train.sluice", folder);
    tiny_set_write(path, &first);
    snprintf(path, sizeof path, "%s/test.sluice", folder);
    tiny_set_write(path, &second);
    train_a_little();
    /* Not asked here: what CUDA opened does not survive a fork. */
    if (!on_host && !is_there()) {
        folder_remove(folder);
        SKIP("device cuda is not there");
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        compare(ways[i], "0", "f32", 1e-4);
    compare("flip_shift", "0.6", "f32", 1e-4);
    compare("flip_shift", "0", "bf16", 0.03);
    compare("flip_shift", "0", "f16", 0.01);
    folder_remove(folder);
    return check_done();
}

/* resume.c -- a run that was stopped or killed at any step, and continued, ends with
 * the same weights, moments, rows and predictions as one that never stopped. Each run
 * is a process of its own; argv[1] is the device,
 * argv[2] "host" if it is device cuda without a GPU, argv[3] the precision, argv[4]
 * "transfer": runs begin with the weights of another one, which is gone when they are
 * continued; "distill": they learn from its logits; "steered": tests halve the rate
 * and end the run; or "stack": a network of several losses. */
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "gpu_on_host.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"
#include "trainer.h"

enum {
    STEPS_PER_EPOCH = 6,
    EPOCHS = 3,
    STEPS = STEPS_PER_EPOCH * EPOCHS,
    STOPPED = 30, /* exit status of a run that was told to stop */
    UNSYNCED =
        31, /* of one that saved a checkpoint before its records were on the disk */
};

static const char *folder, *device, *precision;
static char train_file[128], test_file[128];
static bool steered; /* each test is no better than those before: the third ends it */
static bool stacked;
static char source[300]; /* "init.from=..."; empty: first values are the run's own */
static bool distills;    /* the source is "distill.teacher=..." */

/* What to do to a run: stop it, or kill it, after this step, or kill it when the row of
 * this epoch is written and the checkpoint is not; 0: nothing. */
struct plan {
    uint64_t stop, kill;
    int kill_epoch;
    const char *save; /* an override that says when to save */
};

static const struct plan *plan_now;
static uint64_t step_now;

static void on_step(void *ctx, const struct trainer_progress *p)
{
    (void)ctx;
    step_now = p->step;
    if (plan_now->kill && p->step == plan_now->kill)
        raise(SIGKILL);
}

static void on_epoch(void *ctx, const struct epoch_row *row, int epochs)
{
    (void)ctx;
    (void)epochs;
    if (row->epoch == plan_now->kill_epoch)
        raise(SIGKILL);
}

static int is_stopped(void *ctx)
{
    (void)ctx;
    return plan_now->stop && step_now >= plan_now->stop;
}

/* What of a run's records is on the disk. */
static struct synced {
    char path[320];
    off_t size;
} synced[8];
static int synced_count;

static void note_synced(const char *path, int fd)
{
    struct stat st;
    int i = 0;
    while (i < synced_count && strcmp(synced[i].path, path) != 0)
        i++;
    REQUIRE(i < 8 && fstat(fd, &st) == 0, "%s", path);
    snprintf(synced[i].path, sizeof(synced[i].path), "%s", path);
    synced[i].size = st.st_size;
    synced_count += i == synced_count;
}

/* A checkpoint counts on metrics.csv, steps.csv, distill.csv and the records for
 * TensorBoard and Weights & Biases. */
static void check_synced(void)
{
    struct stat st;
    bool good = synced_count == 4 + distills;
    for (int i = 0; i < synced_count; i++)
        good &= stat(synced[i].path, &st) == 0 && st.st_size == synced[i].size;
    if (!good)
        _exit(UNSYNCED);
}

/* In place of the C library's: a checkpoint's own comes behind those of the records. */
int fsync(int fd)
{
    char link[64], path[320];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, sizeof(path) - 1);
    path[n < 0 ? 0 : n] = 0;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (strstr(name, "last.safetensors"))
        check_synced();
    else if (strstr(name, "events.out.") || strstr(name, ".csv") ||
             strstr(name, ".wandb"))
        note_synced(path, fd);
    return (int)syscall(SYS_fsync, fd);
}

/* In a child: train or continue; the exit status says how it ended. */
static _Noreturn void child(const char *run_folder, const struct plan *plan)
{
    static struct config cfg;
    const struct trainer_watch watch = { .step = on_step,
                                         .epoch = on_epoch,
                                         .stopped = is_stopped };
    struct sluice_error err = { .message = "" };
    struct trainer_result result;
    char dev[32], prec[32], train[160], test[160], dir[160];
    plan_now = plan;
    snprintf(dev, sizeof(dev), "device=%s", device);
    snprintf(prec, sizeof(prec), "precision=%s", precision);
    snprintf(train, sizeof(train), "data.train=%s", train_file);
    snprintf(test, sizeof(test), "data.test=%s", test_file);
    snprintf(dir, sizeof(dir), "run.dir=%s", folder);
    const char *const augment = /* mixed images have no teacher */
        distills ? "data.augment=[flip, translate: {pad: 1}, normalize]"
                 : "data.augment=[flip, translate: {pad: 1}, normalize, "
                   "cutmix: {p: 0.3, per: sample}, mixup: {p: 0.5}]";
    const char *const model =
        stacked ? "model={name: stack, bases: [resnet18, se_resnet], features: 4}"
                : "model=cnn_small";
    const char *const args[] = {
        plan->save, dir, "run.log_every=1", "run.wandb=true", dev, prec, train, test,
        "threads=2", "data.threads=2", model,
        stacked ? "model.width=0.0625" : "model.width=0.125", "model.dropout=0.2",
        stacked ? "model.meta=[6]" : "seed=5", "seed=5",
        steered ? "training.epochs=7" : "training.epochs=3", "training.batch_size=16",
        augment, "optimizer={name: adam, lr: 3e-3}",
        steered ? "schedule={name: plateau, patience: 0, factor: 0.5, threshold: 0.9}"
                : "schedule.name=cosine",
        "eval.tta=flip",
        steered ? "stop={patience: 3, metric: accuracy, delta: 1}" : "stop.patience=0",
        "eval.steer_by=test", "eval.batch_size=32",
        /* On a GPU: streamed, so that runs stop within an
           epoch; a resident set's is enqueued as a whole. */
        strstr(dev, "cuda") ? "data.on_error=substitute" : "data.on_error=raise",
        *source ? source : "init.head=reset",
        distills  ? "distill={alpha_epochs: 2, temperature: 3, temperature_final: 2}"
        : *source ? "init.freeze=conv1,bn1"
                  : "init.freeze=none"
    };
    const int count = (int)(sizeof(args) / sizeof(*args));
    int rc = run_folder ? config_from_run(&cfg, run_folder, args, 3, true, &err)
                        : config_from_recipe(&cfg, args, count, &err);
    if (rc == 0)
        rc = run_folder ? trainer_resume(&cfg, run_folder, &watch, &result, &err)
                        : trainer_run(&cfg, &watch, &result, &err);
    if (rc < 0 && rc != SLUICE_ESTOPPED)
        fprintf(stderr, "%s\n", err.message);
    exit(rc == 0                 ? 0
         : rc == SLUICE_ESTOPPED ? STOPPED
         : rc == SLUICE_EUNBUILT ? 77
                                 : 1);
}

static void hide_source(bool hide)
{
    const char *name = strchr(source, '=') + 1;
    char hidden[310];
    snprintf(hidden, sizeof(hidden), "%s.hidden", name);
    REQUIRE(rename(hide ? name : hidden, hide ? hidden : name) == 0, "%s", name);
}

/* Returns the exit status, or minus the signal. after >= 0: kill it then. */
static int run(const char *run_folder, const struct plan *plan, double after)
{
    int status;
    fflush(NULL);
    if (run_folder && *source)
        hide_source(true);
    const pid_t pid = fork();
    REQUIRE(pid >= 0, "fork");
    if (pid == 0)
        child(run_folder, plan);
    if (after >= 0) {
        const struct timespec t = { (time_t)after, (long)(fmod(after, 1) * 1e9) };
        nanosleep(&t, NULL);
        kill(pid, SIGKILL);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid, "waitpid");
    if (run_folder && *source)
        hide_source(false);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The folder that `latest` points to. */
static void latest(char path[256])
{
    char link[160], name[64];
    snprintf(link, sizeof(link), "%s/latest", folder);
    const ssize_t n = readlink(link, name, sizeof(name) - 1);
    REQUIRE(n > 0, "%s", link);
    name[n] = 0;
    snprintf(path, 256, "%s/%s", folder, name);
}

/* The data of a safetensors file, without the header: the metadata has times in it. */
static const uint8_t *tensors(uint8_t *file, size_t *size)
{
    uint64_t header;
    memcpy(&header, file, 8);
    REQUIRE(*size >= 8 && header <= *size - 8, "header of %llu bytes",
            (unsigned long long)header);
    *size -= 8 + header;
    return file + 8 + header;
}

static void same_tensors(const char *a, const char *b, const char *what)
{
    char x[320], y[320];
    size_t n, m;
    snprintf(x, sizeof(x), "%s/checkpoints/last.safetensors", a);
    snprintf(y, sizeof(y), "%s/checkpoints/last.safetensors", b);
    uint8_t *p = file_read(x, &n), *q = file_read(y, &m);
    const uint8_t *s = tensors(p, &n), *t = tensors(q, &m);
    CHECK(n == m && n > 1000, "%s: %zu and %zu bytes", what, n, m);
    CHECK(n == m && memcmp(s, t, n) == 0, "%s: other weights", what);
    free(p);
    free(q);
}

/* Equal up to the comma-th comma of each line: the rest is time. */
static void same_text(const char *a, const char *b, const char *file, int commas,
                      const char *what)
{
    char x[320], y[320];
    size_t n, m, i = 0, k = 0;
    snprintf(x, sizeof(x), "%s/%s", a, file);
    snprintf(y, sizeof(y), "%s/%s", b, file);
    uint8_t *p = file_read(x, &n), *q = file_read(y, &m);
    while (i < n && k < m && p[i] == q[k]) {
        int left = commas;
        while (i < n && k < m && p[i] == q[k] && p[i] != '\n' && left > 0) {
            left -= p[i] == ',';
            i++;
            k++;
        }
        for (; left == 0 && i < n && p[i] != '\n'; i++)
            ;
        for (; left == 0 && k < m && q[k] != '\n'; k++)
            ;
        if (i < n && k < m && p[i] == '\n' && q[k] == '\n') {
            i++;
            k++;
        }
    }
    CHECK(n > 20 && i == n && k == m, "%s: %s differs at byte %zu of %zu", what, file,
          k, m);
    free(p);
    free(q);
}

/* The columns behind those of time: what each loss measured. */
static void same_heads(const char *a, const char *b, const char *what)
{
    const char *const runs[] = { a, b };
    char path[320], line[2][1024];
    FILE *f[2];
    int rows = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/metrics.csv", runs[i]);
        f[i] = fopen(path, "re");
        REQUIRE(f[i], "%s", path);
    }
    while (fgets(line[0], sizeof(line[0]), f[0])) {
        const char *at[2] = { line[0], line[1] };
        REQUIRE(fgets(line[1], sizeof(line[1]), f[1]), "%s: a row less", what);
        for (int i = 0; i < 2; i++)
            for (int comma = 0; comma < 12; comma++)
                at[i] = strchr(at[i], ',') + 1;
        CHECK(strcmp(at[0], at[1]) == 0 && strlen(at[0]) > 60, "%s: heads %s, not %s",
              what, at[1], at[0]);
        rows++;
    }
    CHECK(rows == EPOCHS + 1, "%s: %d rows", what, rows);
    fclose(f[0]);
    fclose(f[1]);
}

static void same_runs(const char *whole, const char *other, const char *what)
{
    same_tensors(whole, other, what);
    same_text(whole, other, "metrics.csv", 8, what);
    same_text(whole, other, "steps.csv", 99, what);
    same_text(whole, other, "predictions.csv", 99, what);
    if (distills)
        same_text(whole, other, "distill.csv", 99, what);
    if (stacked)
        same_heads(whole, other, what);
}

/* Continue until it ends; how often it took. */
static int finish(const char *path, const struct plan *plan)
{
    int status = run(path, plan, -1);
    CHECK(status == 0, "continuing ended with %d", status);
    return status;
}

/* Device cuda runs up to three steps behind: near the end there is nothing to stop. */
static bool pushed_all(uint64_t step)
{
    return strcmp(device, "cuda") == 0 && step + 3 >= STEPS;
}

static void test_stops(const char *whole)
{
    const uint64_t at[] = { 1, 4, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, STEPS - 1 };
    char path[256], what[64];
    for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
        const struct plan none = { 0, 0, 0, "run.checkpoint_every_seconds=0" };
        struct plan plan = none;
        plan.stop = at[i];
        snprintf(what, sizeof(what), "%s stopped after step %d", device, (int)at[i]);
        int status = run(NULL, &plan, -1);
        CHECK(status == STOPPED || (status == 0 && pushed_all(at[i])),
              "%s: ended with %d", what, status);
        latest(path);
        /* A second stop, in the same epoch as the first or in the next. */
        plan.stop = at[i] + 2;
        status = run(path, &plan, -1);
        CHECK(status == (at[i] + 2 < STEPS ? STOPPED : 0) ||
                  (status == 0 && pushed_all(at[i] + 2)),
              "%s: then with %d", what, status);
        finish(path, &none);
        same_runs(whole, path, what);
    }
}

static void test_kills(const char *whole)
{
    static const char *const saves[] = { "run.checkpoint_every_seconds=0",
                                         "run.checkpoint_every_seconds=1e-9" };
    static const struct plan at[] = {
        { .kill = 2 },
        { .kill = STEPS_PER_EPOCH + 3 },
        { .kill_epoch = 2 },
        { .kill = STEPS },
    };
    char path[256], what[64];
    for (int i = 0; i < 8; i++) {
        const struct plan plan = { 0, at[i / 2].kill, at[i / 2].kill_epoch,
                                   saves[i % 2] },
                          none = { 0, 0, 0, saves[i % 2] };
        snprintf(what, sizeof(what), "%s killed after step %d, %s", device,
                 (int)plan.kill, i % 2 ? "saved each step" : "saved each epoch");
        int status = run(NULL, &plan, -1);
        CHECK(status == -SIGKILL, "%s: ended with %d", what, status);
        latest(path);
        finish(path, &none);
        same_runs(whole, path, what);
    }
}

/* Killed anywhere: while opening, saving, testing, drawing. */
static void test_random_kills(const char *whole, double seconds)
{
    const struct plan plan = { 0, 0, 0, "run.checkpoint_every_seconds=1e-9" };
    char path[256], config[300], what[64];
    srand48(time(NULL));
    for (int i = 0; i < 6; i++) {
        const double after = seconds * (0.1 + 0.9 * drand48());
        snprintf(what, sizeof(what), "%s killed after %.4f s", device, after);
        run(NULL, &plan, after);
        latest(path);
        snprintf(config, sizeof(config), "%s/config.yaml", path);
        if (access(config, F_OK) < 0)
            continue; /* killed before there was a run to continue */
        finish(path, &plan);
        same_runs(whole, path, what);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* From its beginning to its end. */
static void run_whole(const struct plan *plan, const char *what)
{
    const int status = run(NULL, plan, -1);
    if (status == 77) {
        folder_remove(folder);
        SKIP("no device %s here", device);
    }
    REQUIRE(status == 0, "%s ended with %d", what, status);
}

int main(int argc, char **argv)
{
    const struct plan none = { 0, 0, 0, "run.checkpoint_every_seconds=0" };
    const struct tiny_set train = { STEPS_PER_EPOCH * 16 + 5, 16, 3, 4, 0, true, 1 },
                          test = { 40, 16, 3, 4, 0, true, 2 };
    char whole[256], again[256];
    REQUIRE(argc >= 2, "expected a device");
    device = argv[1];
    if (argc > 2 && strcmp(argv[2], "host") == 0)
        gpu_on_host(true);
    precision = argc > 3 ? argv[3] : "auto";
    stacked = argc > 4 && strcmp(argv[4], "stack") == 0;
    folder = folder_make();
    snprintf(train_file, sizeof(train_file), "%s/train.sluice", folder);
    snprintf(test_file, sizeof(test_file), "%s/test.sluice", folder);
    tiny_set_write(train_file, &train);
    tiny_set_write(test_file, &test);

    steered = argc > 4 && strcmp(argv[4], "steered") == 0;
    if (argc > 4 && !steered && !stacked) {
        run_whole(&none, "the source");
        latest(whole);
        distills = strcmp(argv[4], "distill") == 0;
        snprintf(source, sizeof(source), "%s=%.200s/checkpoints/best.safetensors",
                 distills ? "distill.teacher" : "init.from", whole);
    }
    const double start = now();
    run_whole(&none, "the whole run");
    const double seconds = now() - start;
    latest(whole);
    REQUIRE(run(NULL, &none, -1) == 0, "the second run");
    latest(again);
    CHECK(strcmp(whole, again) != 0, "two runs in one folder");
    same_runs(whole, again, "the same seed twice");
    finish(again, &none);
    same_runs(whole, again, "a complete run continued");
    test_stops(whole);
    test_kills(whole);
    if (!*source) /* it is needed until the first checkpoint stands */
        test_random_kills(whole, seconds);
    folder_remove(folder);
    return check_done();
}

/* vq_train.c -- the outer loop; see vq_train.h. Read step first. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../clock.h"
#include "../config_parts.h"
#include "../run_dir.h"
#include "../whole_file.h"
#include "vq_session.h"
#include "vq_train.h"

struct run {
    struct vq_session s;
    struct vq_config *cfg;
    const struct vq_watch *watch;
    struct run_dir dir;
    FILE *log, *metrics, *evaluations;
    struct checkpoint_meta at;
    uint8_t *latents; /* (meta.batch, stages) */
    float *looked_at; /* (meta.batch, size): thetas on test images */
    double seconds;   /* of all steps */
    double saved_at;
};

/* What the classifiers of a step came to, means over its latents. */
struct step_sums {
    double loss; /* P times the mean squared distance: |theta' - theta|^2 */
    double inner;
};

static void say(struct run *r, void (*to)(void *, const char *), const char *format,
                ...) __attribute__((format(printf, 3, 4)));

static void say(struct run *r, void (*to)(void *, const char *), const char *format,
                ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (r->log)
        fprintf(r->log, "%s\n", line);
    if (to)
        to(r->watch->ctx, line);
}

/* Each theta pulled by the next batches of `feed`. */
static int pull_all(struct run *r, const float *thetas, float *deltas,
                    struct vq_feed *feed, struct step_sums *row,
                    struct sluice_error *err)
{
    const int n = r->cfg->meta_batch;
    const size_t size = vq_inner_size(r->s.inner);
    int rc = 0;
    *row = (struct step_sums){ 0 };
    for (int b = 0; b < n && rc == 0; b++) {
        struct vq_pull pull;
        const size_t at = (size_t)b * size;
        rc = vq_inner_pull(r->s.inner, thetas + at, feed, n,
                           deltas ? deltas + at : NULL, &pull, err);
        row->loss += pull.distance / n;
        row->inner += pull.loss / n;
    }
    return rc;
}

static void draw(struct run *r, enum vq_draw what)
{
    vq_draw_latents(r->latents, r->cfg->meta_batch, r->cfg->stages, r->cfg->options,
                    r->cfg->seed, what, r->at.step, 0);
}

static int step(struct run *r, struct step_sums *row, struct sluice_error *err)
{
    struct refiner *refiner = r->s.refiner;
    struct refine_adam adam;
    draw(r, VQ_DRAW_TRAIN);
    refiner_decode(refiner, r->latents, r->cfg->meta_batch);
    int rc = pull_all(r, refiner_output(refiner), refiner_delta(refiner),
                      &r->s.data.train, row, err);
    if (rc < 0)
        return rc;
    if (!isfinite(row->loss) || !isfinite(row->inner))
        return sluice_fail(err, SLUICE_EINVAL,
                           "step %" PRIu64 ": the loss is %g: training diverged at "
                           "meta.lr=%.3g, inner.lr=%.3g; the last checkpoint is kept",
                           r->at.step, row->loss, r->cfg->meta_lr, r->cfg->inner.lr);
    refine_adam_begin(&adam, refiner, r->cfg->meta_lr, r->at.step + 1);
    refiner_gradient(refiner, refine_adam_sink, &adam);
    return 0;
}

/* The same on test images, of which nothing is learnt. */
static int look(struct run *r, struct step_sums *row, struct sluice_error *err)
{
    draw(r, VQ_DRAW_TEST);
    refiner_sample(r->s.refiner, r->latents, r->cfg->meta_batch, r->looked_at);
    return pull_all(r, r->looked_at, NULL, &r->s.data.test, row, err);
}

static int record_step(struct run *r, const struct step_sums *train,
                       const struct step_sums *test, struct sluice_error *err)
{
    char path[RUN_PATH];
    say(r, r->watch->line,
        "step: %" PRIu64 ": train=%.6f test=%.6f train_inner=%.6f test_inner=%.6f",
        r->at.step, train->loss, test->loss, train->inner, test->inner);
    fprintf(r->metrics, "%" PRIu64 ",%.9g,%.9g,%.9g,%.9g,%.3f\n", r->at.step,
            train->loss, test->loss, train->inner, test->inner, r->seconds);
    return file_flush(r->metrics, run_file(path, &r->dir, "metrics.csv"), err);
}

static int evaluate_now(struct run *r, struct sluice_error *err)
{
    struct vq_evaluation e;
    char path[RUN_PATH];
    const int rc = vq_session_evaluate(&r->s, r->at.step, &e, err);
    if (rc < 0)
        return rc;
    say(r, r->watch->line, "Evaluation accuracy (train): %.2f%% (single %.2f%%)",
        100 * e.train.ensemble, 100 * e.train.single);
    say(r, r->watch->line, "Evaluation accuracy (test): %.2f%% (single %.2f%%)",
        100 * e.test.ensemble, 100 * e.test.single);
    say(r, r->watch->line, "Output variance: %.6f", e.variance);
    fprintf(r->evaluations, "%" PRIu64 ",%.6f,%.6f,%.6f,%.6f,%.9g,%.3f\n", r->at.step,
            e.train.ensemble, e.train.single, e.test.ensemble, e.test.single,
            e.variance, r->seconds);
    return file_flush(r->evaluations, run_file(path, &r->dir, "evaluations.csv"), err);
}

/* The run's record; the caller frees it. */
static char *record(const struct vq_config *cfg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to)
        vq_config_write(to, cfg);
    if (!to || fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}

static int save(struct run *r, struct sluice_error *err)
{
    char path[RUN_PATH], *text = record(r->cfg);
    if (!text)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a checkpoint");
    snprintf(r->at.extra, sizeof r->at.extra,
             "{\"train_batches\":%" PRIu64 ",\"test_batches\":%" PRIu64
             ",\"seconds\":%.17g}",
             r->s.data.train.taken, r->s.data.test.taken, r->seconds);
    r->at.recipe = text;
    const int rc = vq_file_save(run_file(path, &r->dir, "checkpoints/last.safetensors"),
                                r->s.refiner, &r->at, err);
    r->at.recipe = NULL;
    free(text);
    r->saved_at = clock_seconds();
    return rc;
}

static bool is_due(uint64_t done, int every, uint64_t all)
{
    return done == all || (every && done % (uint64_t)every == 0);
}

static int one(struct run *r, struct sluice_error *err)
{
    const struct vq_config *cfg = r->cfg;
    struct step_sums train, test;
    const double began = clock_seconds();
    int rc = step(r, &train, err);
    r->seconds += clock_seconds() - began;
    const bool told =
        r->at.step % (uint64_t)cfg->log_every == 0 || r->at.step + 1 == cfg->steps;
    if (rc < 0 || (told && ((rc = look(r, &test, err)) < 0 ||
                            (rc = record_step(r, &train, &test, err)) < 0)))
        return rc;
    r->at.step++;
    if (is_due(r->at.step, cfg->eval_interval, cfg->steps) &&
        (rc = evaluate_now(r, err)) < 0)
        return rc;
    const double every = cfg->checkpoint_seconds;
    if (every > 0 && clock_seconds() - r->saved_at >= every)
        rc = save(r, err);
    return rc;
}

static int run_steps(struct run *r, struct sluice_error *err)
{
    int rc = 0;
    while (rc == 0 && r->at.step < r->cfg->steps) {
        if (r->watch->stopped && r->watch->stopped(r->watch->ctx)) {
            if ((rc = save(r, err)) < 0)
                return rc;
            return sluice_fail(err, SLUICE_ESTOPPED,
                               "stopped at step %" PRIu64
                               "; continue with: sluice vq train resume=%s",
                               r->at.step, r->dir.path);
        }
        rc = one(r, err);
    }
    return rc < 0 ? rc : save(r, err);
}

/* A table of the run, appended to: its rows of steps that the checkpoint does not know
 * are dropped, and so is a torn last one. */
static int open_table(struct run *r, FILE **out, const char *name, const char *heading,
                      uint64_t before, struct sluice_error *err)
{
    char path[RUN_PATH], *text = NULL;
    size_t size = 0, kept = 0;
    run_file(path, &r->dir, name);
    int rc = 0;
    if (access(path, F_OK) == 0)
        rc = text_file_read(&text, &size, path, (size_t)1 << 30, err);
    for (char *end; rc == 0 && text && (end = strchr(text + kept, '\n'));) {
        if (kept && strtoull(text + kept, NULL, 10) >= before)
            break;
        kept = (size_t)(end + 1 - text);
    }
    if (rc == 0) {
        const struct file_part part = { kept ? text : heading,
                                        kept ? kept : strlen(heading) };
        rc = whole_file_replace(path, &part, 1, err);
    }
    free(text);
    if (rc < 0)
        return rc;
    *out = fopen(path, "ae");
    return *out ? 0
                : sluice_fail(err, SLUICE_EIO, "%.300s: cannot be appended to", path);
}

static int open_log(struct run *r, struct sluice_error *err)
{
    char path[RUN_PATH];
    r->log = fopen(run_file(path, &r->dir, "log.txt"), "ae");
    if (!r->log)
        return sluice_fail(err, SLUICE_EIO, "%.300s: cannot be appended to", path);
    return run_dir_lock(fileno(r->log), r->dir.path, "training in this run", err);
}

static int open_tables(struct run *r, struct sluice_error *err)
{
    const int rc =
        open_table(r, &r->metrics, "metrics.csv",
                   "step,train,test,train_inner,test_inner,seconds\n", r->at.step, err);
    return rc < 0 ? rc
                  : open_table(r, &r->evaluations, "evaluations.csv",
                               "steps,train_ensemble,train_single,test_ensemble,"
                               "test_single,variance,seconds\n",
                               r->at.step + 1, err);
}

static int write_record(struct run *r, struct sluice_error *err)
{
    char path[RUN_PATH], *text = record(r->cfg);
    if (!text)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a record");
    const struct file_part part = { text, strlen(text) };
    const int rc =
        whole_file_replace(run_file(path, &r->dir, "config.yaml"), &part, 1, err);
    free(text);
    return rc;
}

static void start(struct run *r)
{
    r->at = (struct checkpoint_meta){ .model = VQ_MODEL,
                                      .seed = r->cfg->seed,
                                      .best_accuracy = -1 };
    refiner_init(r->s.refiner, r->cfg->seed);
}

static int begin(struct run *r, struct sluice_error *err)
{
    start(r);
    config_full_path(r->cfg->train);
    config_full_path(r->cfg->test);
    int rc = run_dir_create(&r->dir, r->cfg->dir, r->cfg->name, RUN_PLAIN, err);
    if (rc == 0)
        rc = run_dir_settle(&r->dir, write_record(r, err));
    return rc < 0 ? rc : open_log(r, err);
}

static int carry_on(struct run *r, const char *folder, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct vq_file file;
    int rc = run_dir_open(&r->dir, folder, err);
    if (rc < 0 || (rc = open_log(r, err)) < 0)
        return rc;
    run_file(path, &r->dir, "checkpoints/last.safetensors");
    if (access(path, F_OK) < 0 && errno == ENOENT) {
        start(r); /* killed before its first one */
        return 0;
    }
    if ((rc = vq_file_open(&file, path, err)) < 0)
        return rc;
    rc = vq_file_load(&file, path, r->s.refiner, err);
    r->at = file.meta;
    vq_file_close(&file);
    r->s.data.train.taken = (uint64_t)extra_number(&r->at, "train_batches", 0);
    r->s.data.test.taken = (uint64_t)extra_number(&r->at, "test_batches", 0);
    r->seconds = extra_number(&r->at, "seconds", 0);
    if (rc == 0 && r->cfg->steps < r->at.step)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "steps: expected at least the %" PRIu64
                         " that the run has done, found %" PRIu64,
                         r->at.step, (uint64_t)r->cfg->steps);
    return rc;
}

static int open_run(struct run *r, const char *resume, struct sluice_error *err)
{
    const size_t n = (size_t)r->cfg->meta_batch;
    char text[256];
    int rc = vq_session_open(&r->s, r->cfg, VQ_TO_TRAIN, err);
    if (rc < 0)
        return rc;
    say(r, r->watch->message, "memory %s", vq_session_memory(&r->s, text));
    if ((rc = vq_session_open_refiner(&r->s, err)) < 0)
        return rc;
    r->latents = malloc(n * (size_t)r->cfg->stages);
    r->looked_at = malloc(n * vq_inner_size(r->s.inner) * sizeof *r->looked_at);
    if (!r->latents || !r->looked_at)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu latents", n);
    if ((rc = resume ? carry_on(r, resume, err) : begin(r, err)) < 0 ||
        (resume && (rc = write_record(r, err)) < 0))
        return rc;
    return open_tables(r, err);
}

static void describe(struct run *r)
{
    const struct vq_config *cfg = r->cfg;
    char text[256];
    say(r, r->watch->message, "run    %s", r->dir.path);
    say(r, NULL, "memory %s", vq_session_memory(&r->s, text));
    say(r, r->watch->message,
        "train  %s: %" PRIu64 " images; test %s: %" PRIu64 " images", cfg->train,
        sluice_loader_samples(r->s.data.train.loader), cfg->test,
        sluice_loader_samples(r->s.data.test.loader));
    say(r, r->watch->message, "device %s; products %s", r->s.dev->about,
        products_choose()->isa);
    say(r, r->watch->message,
        "model  %zu numbers write %zu weights by %d stages of %d options%s",
        refine_count(&r->s.options.shape), vq_inner_size(r->s.inner), cfg->stages,
        cfg->options, cfg->bias_only ? ", biases alone" : "");
    if (r->at.step)
        say(r, r->watch->message, "continues at step %" PRIu64, r->at.step);
}

static int first_variance(struct run *r, struct sluice_error *err)
{
    const size_t size = vq_inner_size(r->s.inner);
    float *thetas = malloc(4 * size * sizeof *thetas);
    int rc = thetas ? vq_session_sample(&r->s, VQ_DRAW_VARIANCE, 0, 0, 4, thetas, err)
                    : sluice_fail(err, SLUICE_ENOMEM, "no memory");
    if (rc == 0)
        say(r, r->watch->line, "Output variance: %.6f", vq_variance(thetas, 4, size));
    free(thetas);
    return rc;
}

int vq_train(struct vq_config *cfg, const char *resume, const struct vq_watch *watch,
             struct sluice_error *err)
{
    struct run r = { .cfg = cfg, .watch = watch };
    int rc = open_run(&r, resume, err);
    if (rc == 0) {
        describe(&r);
        r.saved_at = clock_seconds();
        rc = r.at.step ? 0 : first_variance(&r, err);
    }
    if (rc == 0)
        rc = run_steps(&r, err);
    if (rc == 0)
        say(&r, watch->message, "%" PRIu64 " steps in %.1f s; sluice vq eval %s",
            r.at.step, r.seconds, r.dir.path);
    if (r.log)
        fclose(r.log);
    if (r.metrics)
        fclose(r.metrics);
    if (r.evaluations)
        fclose(r.evaluations);
    free(r.latents);
    free(r.looked_at);
    vq_session_close(&r.s);
    return rc;
}

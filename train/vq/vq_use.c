/* vq_use.c -- using a trained refiner; see vq_use.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "../checkpoint.h"
#include "../run_dir.h"
#include "../yaml_read.h"
#include "vq_session.h"
#include "vq_use.h"

enum {
    TOGETHER = 16, /* classifiers in memory */
};

static void tell(void (*to)(void *, const char *), void *ctx, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(void (*to)(void *, const char *), void *ctx, const char *format, ...)
{
    char line[2200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    to(ctx, line);
}

/* What a run that has no checkpoint yet was told. */
static int read_config(struct vq_config *cfg, const struct vq_source *source,
                       bool free_alone, struct sluice_error *err)
{
    char path[RUN_PATH], *text;
    struct run_dir run;
    size_t size;
    int rc = run_dir_open(&run, source->from, err);
    if (rc < 0 ||
        (rc = text_file_read(&text, &size, run_file(path, &run, "config.yaml"),
                             YAML_SIZE_MAX, err)) < 0)
        return rc;
    rc = vq_config_read(cfg, path, text, source->args, source->count, free_alone, err);
    free(text);
    return rc;
}

int vq_record_read(struct vq_config *cfg, const struct vq_source *source,
                   bool free_alone, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct vq_file file;
    int rc = run_checkpoint(path, "", source->from, err);
    if (rc == 0 && access(path, F_OK) < 0 && errno == ENOENT)
        return read_config(cfg, source, free_alone, err);
    if (rc < 0 || (rc = vq_file_open(&file, path, err)) < 0)
        return rc;
    rc = vq_config_read(cfg, path, vq_file_record(&file), source->args, source->count,
                        free_alone, err);
    vq_file_close(&file);
    return rc;
}

/* A session with the refiner as the checkpoint has it; *step: its steps so far. */
static int open_trained(struct vq_session *s, struct vq_config *cfg,
                        const struct vq_source *source, enum vq_needs needs,
                        uint64_t *step, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct vq_file file;
    int rc = run_checkpoint(path, "", source->from, err);
    if (rc < 0 || (rc = vq_file_open(&file, path, err)) < 0)
        return rc;
    if ((rc = vq_config_read(cfg, path, vq_file_record(&file), source->args,
                             source->count, false, err)) == 0 &&
        (rc = vq_session_open(s, cfg, needs, err)) == 0 &&
        (rc = vq_session_open_refiner(s, err)) == 0)
        rc = vq_file_load(&file, path, s->refiner, err);
    *step = file.meta.step;
    vq_file_close(&file);
    return rc;
}

int vq_eval(const struct vq_source *source, const struct vq_watch *watch,
            struct sluice_error *err)
{
    static struct vq_config cfg;
    struct vq_session s = { 0 };
    struct vq_evaluation e;
    uint64_t step;
    int rc = open_trained(&s, &cfg, source, VQ_TO_MEASURE, &step, err);
    if (rc == 0)
        rc = vq_session_evaluate(&s, step, &e, err);
    if (rc == 0) {
        tell(watch->line, watch->ctx,
             "Evaluation accuracy (train): %.2f%% (single %.2f%%)",
             100 * e.train.ensemble, 100 * e.train.single);
        tell(watch->line, watch->ctx,
             "Evaluation accuracy (test): %.2f%% (single %.2f%%)",
             100 * e.test.ensemble, 100 * e.test.single);
        tell(watch->line, watch->ctx, "Output variance: %.6f", e.variance);
        tell(watch->message, watch->ctx,
             "after %" PRIu64 " steps, %d classifiers drawn at random", step,
             cfg.eval_ensemble);
    }
    vq_session_close(&s);
    return rc;
}

/* What sluice eval needs to know of a classifier, as its recipe; the caller frees it.
 */
static int write_recipe(char **out, const struct vq_config *cfg,
                        struct sluice_error *err)
{
    static struct config inner;
    struct settings list = { 0 };
    char mean[32], std[32], seed[32];
    size_t size = 0;
    snprintf(mean, sizeof mean, "%.17g", cfg->mean);
    snprintf(std, sizeof std, "%.17g", cfg->std);
    snprintf(seed, sizeof seed, "%" PRIu64, cfg->seed);
    const char *const pairs[][2] = {
        { "model.name", "mnist_cnn" },
        { "data.train", cfg->train },
        { "data.test", cfg->test },
        { "data.augment", "normalize" },
        { "data.mean", mean },
        { "data.std", std },
        { "seed", seed },
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && rc == 0; i++)
        rc = settings_set(&list, pairs[i][0], pairs[i][1], false, "sluice vq", err);
    if (rc == 0)
        rc = config_resolve(&inner, &list, err);
    settings_free(&list);
    if (rc < 0)
        return rc;
    FILE *to = open_memstream(out, &size);
    if (to)
        config_write(to, &inner, NULL);
    if (!to || fclose(to)) {
        free(*out);
        *out = NULL;
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a recipe");
    }
    return 0;
}

/* The classifier as it stands. */
static int save_classifier(struct vq_session *s, const char *path, const char *recipe,
                           uint64_t step, struct sluice_error *err)
{
    struct checkpoint_meta meta = { .model = "mnist_cnn",
                                    .seed = s->cfg->seed,
                                    .step = step,
                                    .best_accuracy = -1,
                                    .recipe = recipe };
    snprintf(meta.extra, sizeof meta.extra,
             "{\"classes\":%d,\"class_names\":0,\"height\":28,\"width\":28,"
             "\"channels\":1}",
             VQ_CLASSES);
    return checkpoint_save(path, vq_inner_net(s->inner), NULL, &meta, err);
}

/* Classifiers first to first + n - 1, each to its file. */
static int save_samples(struct vq_session *s, const char *folder, int n, uint32_t first,
                        uint64_t step, struct sluice_error *err)
{
    const size_t size = vq_inner_size(s->inner);
    char *recipe = NULL;
    float *thetas = malloc(TOGETHER * (size + 1) * sizeof *thetas);
    int rc = thetas ? write_recipe(&recipe, s->cfg, err)
                    : sluice_fail(err, SLUICE_ENOMEM, "no memory for %d classifiers",
                                  TOGETHER);
    for (int done = 0; done < n && rc == 0; done += TOGETHER) {
        const int some = n - done < TOGETHER ? n - done : TOGETHER;
        rc = vq_session_sample(s, VQ_DRAW_SAMPLE, 0, first + (uint32_t)done, some,
                               thetas, err);
        for (int i = 0; i < some && rc == 0; i++) {
            char path[RUN_PATH];
            snprintf(path, sizeof path, "%.2000s/%04" PRIu32 ".safetensors", folder,
                     first + (uint32_t)(done + i));
            vq_inner_load(s->inner, thetas + (size_t)i * size);
            rc = save_classifier(s, path, recipe, step, err);
        }
    }
    free(recipe);
    free(thetas);
    return rc;
}

int vq_sample(const struct vq_source *source, const char *folder, int n, uint32_t first,
              const struct vq_watch *watch, struct sluice_error *err)
{
    static struct vq_config cfg;
    struct vq_session s = { 0 };
    uint64_t step;
    if ((uint32_t)(n - 1) > UINT32_MAX - first)
        return sluice_fail(err, SLUICE_EINVAL,
                           "--first: expected at most %" PRIu32
                           " before %d classifiers, found %" PRIu32,
                           UINT32_MAX - (uint32_t)(n - 1), n, first);
    int rc = open_trained(&s, &cfg, source, VQ_TO_SAMPLE, &step, err);
    if (rc == 0)
        rc = make_folder(folder, err);
    if (rc == 0)
        rc = save_samples(&s, folder, n, first, step, err);
    if (rc == 0)
        tell(watch->message, watch->ctx, "%d classifiers in %s, from %" PRIu64 " steps",
             n, folder, step);
    vq_session_close(&s);
    return rc;
}

/* The latent as digits, separated where options have several; the caller frees it. */
static char *latent_text(const uint8_t *latent, int stages, int options)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    if (to)
        fputs("latent ", to);
    for (int t = 0; to && t < stages; t++)
        fprintf(to, options > 10 && t ? ",%d" : "%d", latent[t]);
    if (!to || fclose(to)) {
        free(text);
        return NULL;
    }
    return text;
}

static int encode(struct vq_session *s, float *target, float *found,
                  const struct vq_watch *watch, struct sluice_error *err)
{
    uint8_t latent[REFINE_STAGES_MOST];
    struct vq_score before, after;
    vq_inner_read(s->inner, target);
    const double miss = refiner_encode(s->refiner, target, latent, found);
    const float *const both[] = { target, found };
    struct vq_score *scores[] = { &before, &after };
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++)
        rc = vq_session_score(s, &s->data.measured[1], both[i], 1, scores[i], err);
    if (rc < 0)
        return rc;
    char *text = latent_text(latent, s->cfg->stages, s->cfg->options);
    if (!text)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d stages",
                           s->cfg->stages);
    watch->line(watch->ctx, text);
    free(text);
    tell(watch->line, watch->ctx,
         "mean squared error %.6f  accuracy %.2f%%, of the given weights %.2f%%", miss,
         100 * after.single, 100 * before.single);
    vq_inner_load(s->inner, found);
    return 0;
}

/* Weights of the inner network, whichever program trained them. */
static int load_classifier(struct vq_session *s, const char *path,
                           struct sluice_error *err)
{
    struct net *net = vq_inner_net(s->inner);
    struct sluice_error why = { .code = SLUICE_OK };
    const int rc = checkpoint_load(path, net, NULL, NULL, &why),
              n = net_param_count(net);
    if (rc == SLUICE_EINVAL || rc == SLUICE_ECORRUPT)
        return sluice_fail(
            err, rc,
            "expected a checkpoint of model mnist_cnn: %d tensors, %s to "
            "%s; %.400s",
            n, net_param(net, 0)->name, net_param(net, n - 1)->name, why.message);
    return rc < 0 ? sluice_fail(err, rc, "%s", why.message) : 0;
}

int vq_encode(const struct vq_source *source, const char *classifier, const char *out,
              const struct vq_watch *watch, struct sluice_error *err)
{
    static struct vq_config cfg;
    struct vq_session s = { 0 };
    uint64_t step;
    float *target = NULL, *found = NULL;
    char *recipe = NULL;
    int rc = open_trained(&s, &cfg, source, VQ_TO_ENCODE, &step, err);
    if (rc < 0 || (rc = load_classifier(&s, classifier, err)) < 0)
        goto out;
    const size_t bytes = vq_inner_size(s.inner) * sizeof *target;
    target = malloc(bytes);
    found = malloc(bytes);
    rc = target && found ? encode(&s, target, found, watch, err)
                         : sluice_fail(err, SLUICE_ENOMEM, "no memory");
    if (rc == 0 && out && (rc = write_recipe(&recipe, &cfg, err)) == 0)
        rc = save_classifier(&s, out, recipe, step, err);
out:
    free(recipe);
    free(target);
    free(found);
    vq_session_close(&s);
    return rc;
}

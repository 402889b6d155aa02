/* teacher_run.c -- a trained network over the images that another one learns from; see
 * teacher.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sluice/crc32c.h>

#include "checkpoint.h"
#include "feed.h"
#include "models/model.h"
#include "ops/backends.h"
#include "run_config.h"
#include "teacher.h"

/* The teacher while it runs. */
struct master {
    const struct teacher_ask *ask;
    struct config cfg; /* its own */
    char checkpoint[RUN_PATH];
    struct checkpoint_meta meta;
    struct data_info info;
    struct feed feed;
    struct net *net;
    uint64_t seen, right;
};

/* A run's folder, or a checkpoint, which carries its recipe. */
static int find(struct master *m, struct sluice_error *err)
{
    static const char *const files[] = { "checkpoints/best.safetensors",
                                         "checkpoints/last.safetensors" };
    const struct config *student = m->ask->cfg;
    const char *name = student->distill.teacher;
    struct run_dir run;
    struct stat st;
    char *recipe = NULL;
    int rc;
    if (stat(name, &st) == 0 && S_ISREG(st.st_mode)) {
        snprintf(m->checkpoint, sizeof m->checkpoint, "%s", name);
        rc = checkpoint_read_meta(name, &m->meta, &recipe, err);
        if (rc == 0)
            rc = config_from_text(&m->cfg, name, recipe, NULL, 0, err);
        free(recipe);
        return rc;
    }
    if ((rc = run_dir_open(&run, name, err)) < 0 ||
        (rc = config_from_run(&m->cfg, run.path, NULL, 0, false, err)) < 0)
        return rc;
    run_file(m->checkpoint, &run, files[student->distill.weights]);
    return checkpoint_read_meta(m->checkpoint, &m->meta, NULL, err);
}

static int check_classes(const struct master *m, struct sluice_error *err)
{
    const double classes = extra_number(&m->meta, "classes", m->ask->classes);
    const double names = extra_number(&m->meta, "class_names", 0);
    const uint32_t own = data_info_names(m->ask->info);
    if (classes != m->ask->classes)
        return sluice_fail(err, SLUICE_EINVAL,
                           "distill.teacher: %.200s: expected %d classes as in "
                           "data.train, found %g",
                           m->checkpoint, m->ask->classes, classes);
    if (names > 0 && own && names != own)
        return sluice_fail(err, SLUICE_EINVAL,
                           "distill.teacher: %.200s: its classes are not called as "
                           "those of data.train",
                           m->checkpoint);
    return 0;
}

static int open_images(struct master *m, struct sluice_error *err)
{
    const struct config *student = m->ask->cfg;
    char pipeline[sizeof m->cfg.data.augment];
    snprintf(m->cfg.data.label, sizeof m->cfg.data.label, "%s", student->data.label);
    int rc = data_info_open(&m->info, "data.train", student->data.train,
                            student->data.train_range, &m->cfg, err);
    if (rc < 0)
        return rc;
    feed_test_pipeline(pipeline, sizeof pipeline, &m->cfg);
    const struct feed_options options = {
        .pipeline = pipeline,
        .dtype = m->ask->dev->compute,
        .order = SLUICE_SEQUENTIAL,
        .batch_size = student->training.batch_size,
        .crop = feed_test_crop(&m->cfg),
        .on_error = (enum sluice_on_error)student->data.on_error,
        .once = true
    };
    return feed_open(&m->feed, &m->info, &m->cfg, &options, err);
}

static int open_net(struct master *m, struct sluice_error *err)
{
    const struct sluice_shape s = sluice_augment_shape(m->feed.augment);
    const double h = extra_number(&m->meta, "height", s.height);
    const double w = extra_number(&m->meta, "width", s.width);
    const double c = extra_number(&m->meta, "channels", s.channels);
    const struct net_input input = { m->ask->cfg->training.batch_size, s.height,
                                     s.width, s.channels };
    const struct model_config config = { .classes = m->ask->classes,
                                         .options = m->cfg.model.values.numbers,
                                         .texts = m->cfg.model.values.texts };
    if (h != s.height || w != s.width || c != s.channels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "distill.teacher: %.200s: expected images of %gx%gx%g, as "
                           "it was trained on, found %dx%dx%d",
                           m->checkpoint, h, w, c, s.height, s.width, s.channels);
    int rc = net_create(&m->net, m->ask->dev, &input, err);
    if (rc < 0)
        return rc;
    model_find(m->cfg.model.name)->build(m->net, &config);
    if ((rc = net_finish(m->net, err)) < 0 ||
        (rc = checkpoint_load(m->checkpoint, m->net, NULL, &m->meta, err)) < 0)
        return rc;
    net_params_changed(m->net);
    return 0;
}

/* The logits of one batch, each to its sample's place. */
static void keep(struct master *m, struct teacher *t, const struct sluice_batch *b)
{
    const struct tensor *x = net_last(m->net)->in[0];
    const size_t classes = (size_t)t->classes;
    for (int i = 0; i < b->count; i++) {
        float *row = t->logits + (size_t)(b->ids[i] - t->first) * classes;
        size_t best = 0;
        for (size_t k = 0; k < classes; k++) {
            row[k] = tensor_value(x->dtype, x->data, (size_t)i * classes + k);
            best = row[k] > row[best] ? k : best;
        }
        m->seen++;
        m->right +=
            (int64_t)best == b->labels[i * b->label_columns + m->info.label_column];
    }
}

static int run_batch(struct master *m, struct teacher *t, const struct sluice_batch *b,
                     struct sluice_error *err)
{
    const struct tensor *in = net_input(m->net);
    struct pass pass = { .training = false };
    int rc = net_resize(m->net, b->count, err);
    if (rc < 0)
        return rc;
    memcpy(in->data, b->pixels, tensor_bytes(in));
    if ((rc = net_forward(m->net, &pass, err)) == 0)
        keep(m, t, b);
    return rc;
}

static int run_all(struct master *m, struct teacher *t, struct sluice_error *err)
{
    const struct sluice_batch *b;
    int n = 0, rc = 0;
    t->logits = calloc((size_t)t->count * (size_t)t->classes, sizeof *t->logits);
    if (!t->logits)
        return sluice_fail(err, SLUICE_ENOMEM,
                           "no memory for the logits of %" PRIu64 " images", t->count);
    while (rc == 0 && (n = sluice_loader_next(m->feed.loader, &b, err)) > 0) {
        rc = run_batch(m, t, b, err);
        sluice_loader_release(m->feed.loader, b);
        if (rc == 0 && m->ask->stopped(m->ask->ctx))
            rc = sluice_fail(err, SLUICE_ESTOPPED,
                             "stopped while the teacher ran: nothing was trained");
    }
    rc = n < 0 ? n : rc;
    if (rc == 0)
        t->crc = sluice_crc32c(0, t->logits,
                               (size_t)t->count * (size_t)t->classes * sizeof(float));
    return rc;
}

static void say(const struct master *m)
{
    char line[512];
    snprintf(line, sizeof line,
             "teacher %.300s: %s, %zu parameters; %.2f%% of data.train's images right",
             m->checkpoint, m->cfg.model.name, net_param_elements(m->net),
             m->seen ? 100 * (double)m->right / (double)m->seen : 0.0);
    m->ask->say(m->ask->ctx, line);
}

int teacher_run(struct teacher *out, const struct teacher_ask *ask,
                struct sluice_error *err)
{
    struct teacher t = { .first = ask->info->first,
                         .count = ask->info->count,
                         .classes = ask->classes };
    struct master *m = calloc(1, sizeof *m);
    int rc = m ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory for a teacher");
    *out = (struct teacher){ 0 };
    if (rc < 0)
        return rc;
    m->ask = ask;
    if ((rc = find(m, err)) == 0 && (rc = check_classes(m, err)) == 0 &&
        (rc = open_images(m, err)) == 0 && (rc = open_net(m, err)) == 0)
        rc = run_all(m, &t, err);
    if (rc == 0)
        say(m);
    net_free(m->net);
    feed_close(&m->feed);
    data_info_close(&m->info);
    free(m);
    if (rc < 0)
        teacher_free(&t);
    else
        *out = t;
    return rc;
}

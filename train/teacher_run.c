/* teacher_run.c -- a trained network over the images that another one learns from; see
 * teacher.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/crc32c.h>

#include "evaluator.h"
#include "models/model.h"
#include "ops/backends.h"
#include "teacher.h"

/* The teacher while it runs. */
struct master {
    const struct teacher_ask *ask;
    struct evaluator own; /* on the images and the device of the student */
    uint64_t seen, right;
};

static int find(struct master *m, struct sluice_error *err)
{
    const struct config *student = m->ask->cfg;
    const bool best = student->distill.weights == 0;
    return evaluator_load(&m->own, student->distill.teacher,
                          best ? WEIGHTS_BEST : WEIGHTS_LAST, NULL, 0, err);
}

/* Whatever operations do to an image, its channels stay. */
static int check_channels(const struct master *m, struct sluice_error *err)
{
    const int found = m->ask->info->source.channels;
    const double own = extra_number(&m->own.meta, "channels", found);
    return own == found ? 0
                        : sluice_fail(err, SLUICE_EINVAL,
                                      "%.200s: expected images of %g channels, as it "
                                      "was trained on, found %d in data.train",
                                      m->own.checkpoint, own, found);
}

static int check_classes(const struct master *m, struct sluice_error *err)
{
    const double names = extra_number(&m->own.meta, "class_names", 0);
    const uint32_t own = data_info_names(m->ask->info);
    if (m->own.classes != m->ask->classes)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: expected %d classes as in data.train, found %d",
                           m->own.checkpoint, m->ask->classes, m->own.classes);
    if (names > 0 && own && names != own)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: its classes are not called as those of data.train",
                           m->own.checkpoint);
    return 0;
}

static int open_images(struct master *m, struct sluice_error *err)
{
    const struct config *student = m->ask->cfg;
    char pipeline[sizeof m->own.cfg.data.augment];
    snprintf(m->own.cfg.data.label, sizeof m->own.cfg.data.label, "%s",
             student->data.label);
    int rc = data_info_open(&m->own.info, "data.train", student->data.train,
                            student->data.train_range, &m->own.cfg, err);
    if (rc < 0)
        return rc;
    feed_test_pipeline(pipeline, sizeof pipeline, &m->own.cfg);
    const struct feed_options options = {
        .pipeline = pipeline,
        .dtype = m->ask->dev->compute,
        .order = SLUICE_SEQUENTIAL,
        .batch_size = student->training.batch_size,
        .crop = feed_test_crop(&m->own.cfg),
        .on_error = (enum sluice_on_error)student->data.on_error,
        .once = true
    };
    return feed_open(&m->own.feed, &m->own.info, &m->own.cfg, &options, err);
}

static int open_net(struct master *m, struct sluice_error *err)
{
    const struct sluice_shape s = sluice_augment_shape(m->own.feed.augment);
    const double h = extra_number(&m->own.meta, "height", s.height);
    const double w = extra_number(&m->own.meta, "width", s.width);
    const double c = extra_number(&m->own.meta, "channels", s.channels);
    const struct net_input input = { m->ask->cfg->training.batch_size, s.height,
                                     s.width, s.channels };
    const struct model_config config = { .classes = m->ask->classes,
                                         .options = m->own.cfg.model.values.numbers,
                                         .texts = m->own.cfg.model.values.texts };
    if (h != s.height || w != s.width || c != s.channels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: expected images of %gx%gx%g, as it was trained "
                           "on, found %dx%dx%d",
                           m->own.checkpoint, h, w, c, s.height, s.width, s.channels);
    int rc = net_create(&m->own.net, m->ask->dev, &input, err);
    if (rc < 0)
        return rc;
    model_find(m->own.cfg.model.name)->build(m->own.net, &config);
    if ((rc = net_finish(m->own.net, err)) < 0 ||
        (rc = checkpoint_load(m->own.checkpoint, m->own.net, NULL, &m->own.meta, err)) <
            0)
        return rc;
    net_params_changed(m->own.net);
    return 0;
}

/* The logits of one batch, each to its sample's place. */
static void keep(struct master *m, struct teacher *t, const struct sluice_batch *b)
{
    const struct tensor *x = net_last(m->own.net)->in[0];
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
            (int64_t)best == b->labels[i * b->label_columns + m->own.info.label_column];
    }
}

static int run_batch(struct master *m, struct teacher *t, const struct sluice_batch *b,
                     struct sluice_error *err)
{
    const struct tensor *in = net_input(m->own.net);
    struct pass pass = { .training = false };
    int rc = net_resize(m->own.net, b->count, err);
    if (rc < 0)
        return rc;
    memcpy(in->data, b->pixels, tensor_bytes(in));
    if ((rc = net_forward(m->own.net, &pass, err)) == 0)
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
    while (rc == 0 && (n = sluice_loader_next(m->own.feed.loader, &b, err)) > 0) {
        rc = run_batch(m, t, b, err);
        sluice_loader_release(m->own.feed.loader, b);
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
             m->own.checkpoint, m->own.cfg.model.name, net_param_elements(m->own.net),
             m->seen ? 100 * (double)m->right / (double)m->seen : 0.0);
    m->ask->say(m->ask->ctx, line);
}

/* What is wrong with it is not the student's. */
static int name_key(int rc, struct sluice_error *err)
{
    const struct sluice_error why = *err;
    return rc < 0 && rc != SLUICE_ESTOPPED
               ? sluice_fail(err, why.code, "distill.teacher: %.440s", why.message)
               : rc;
}

static int find_fitting(struct master *m, struct sluice_error *err)
{
    int rc = find(m, err);
    if (rc == 0)
        rc = check_channels(m, err);
    return rc < 0 ? rc : check_classes(m, err);
}

int teacher_check(const struct teacher_ask *ask, struct sluice_error *err)
{
    struct master *m = calloc(1, sizeof *m);
    if (!m)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a teacher");
    m->ask = ask;
    const int rc = find_fitting(m, err);
    evaluator_close(&m->own);
    free(m);
    return name_key(rc, err);
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
    if ((rc = find_fitting(m, err)) == 0 && (rc = open_images(m, err)) == 0 &&
        (rc = open_net(m, err)) == 0)
        rc = run_all(m, &t, err);
    if (rc == 0)
        say(m);
    evaluator_close(&m->own);
    free(m);
    rc = name_key(rc, err);
    if (rc < 0)
        teacher_free(&t);
    else
        *out = t;
    return rc;
}

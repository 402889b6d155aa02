/* trainer_data.c -- the files of a run: which samples train, which are measured on
 * while it goes on, and which at the end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device_memory.h"
#include "trainer_parts.h"

/* A set to measure on: shape and classes are those of training. */
static int open_measured(const struct trainer *t, struct data_info *info,
                         const char *key, const char *path, const char *range,
                         struct sluice_error *err)
{
    int rc = data_info_open(info, key, path, range, t->cfg, err);
    if (rc < 0 || (rc = data_info_check_match(&t->train_info, info, err)) < 0)
        return rc;
    return data_info_check_labels(info, t->classes, err);
}

/* However it is spelt. */
static bool same_file(const char *a, const char *b)
{
    struct stat s, t;
    return strcmp(a, b) == 0 || (stat(a, &s) == 0 && stat(b, &t) == 0 &&
                                 s.st_dev == t.st_dev && s.st_ino == t.st_ino);
}

bool trainer_same_images(const struct data_info *train, const struct data_info *other)
{
    return other->dataset && !other->fold_test && train->count == train->all &&
           other->count == other->all && same_file(train->path, other->path);
}

/* One file for training and measuring: samples of both would be learnt by heart. That
 * all are is said instead, by who describes the run. */
static int check_apart(const struct data_info *train, const struct data_info *other,
                       const char *what, struct sluice_error *err)
{
    const uint64_t end = train->first + train->count;
    if (!other->dataset || (train->folds && other->fold_test) ||
        !same_file(train->path, other->path) || trainer_same_images(train, other) ||
        other->first >= end || train->first >= other->first + other->count)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: expected other samples in %s than in data.train_range, "
                       "found %" PRIu64 " in both",
                       other->path, what,
                       train->first > other->first ? train->first : other->first);
}

static int open_tests(struct trainer *t, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    struct data_info *test = t->validated ? &t->final_info : &t->test_info;
    int rc = 0;
    if (*cfg->data.fold) {
        rc = open_measured(t, &t->test_info, "data.train", cfg->data.train,
                           cfg->data.train_range, err);
        if (rc == 0)
            rc = data_info_fold(&t->test_info, cfg, true, err);
    } else if (t->validated) {
        rc = open_measured(t, &t->test_info, "data.validation", cfg->data.validation,
                           cfg->data.validation_range, err);
    }
    if (rc == 0 && *cfg->data.test)
        rc = open_measured(t, test, "data.test", cfg->data.test, cfg->data.test_range,
                           err);
    if (rc == 0)
        rc = check_apart(&t->train_info, &t->test_info,
                         t->validated ? "data.validation_range" : "data.test_range",
                         err);
    return rc < 0 ? rc
                  : check_apart(&t->train_info, &t->final_info, "data.test_range", err);
}

int trainer_check_test_range(const struct trainer *t, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    if (!*cfg->data.test_range || *cfg->data.test)
        return 0;
    return sluice_fail(
        err, SLUICE_EINVAL,
        "data.test_range: '%s': expected data.test beside it, found none",
        cfg->data.test_range);
}

int trainer_open_data(struct trainer *t, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    int rc;
    if (!*cfg->data.train)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.train: no file named; say data.train=FILE.sluice");
    rc = data_info_open(&t->train_info, "data.train", cfg->data.train,
                        cfg->data.train_range, cfg, err);
    if (rc < 0 ||
        (rc = data_info_check_labels(&t->train_info, t->train_info.classes, err)) < 0)
        return rc;
    t->classes = t->train_info.classes;
    if (t->classes < 2)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: expected at least 2 classes, found %d",
                           cfg->data.train, t->classes);
    t->validated = *cfg->data.validation || *cfg->data.fold;
    if (*cfg->data.validation && *cfg->data.fold)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.fold: '%s': expected no data.validation beside it, "
                           "found '%.300s'",
                           cfg->data.fold, cfg->data.validation);
    rc = data_info_fold(&t->train_info, cfg, false, err);
    return rc < 0 ? rc : open_tests(t, err);
}

/* The run's record names the statistics, so that it stands without the file. */
static void resolve_statistics(struct trainer *t)
{
    struct config *cfg = t->cfg;
    const double *mean = sluice_dataset_mean(t->train_info.dataset);
    const double *std = sluice_dataset_std(t->train_info.dataset);
    const int channels = t->train_info.source.channels;
    if (cfg->data.mean.count || !mean || !std || channels > CONFIG_NUMBERS)
        return;
    /* A channel that never changes; nothing is normalised by the file's, then. */
    for (int i = 0; i < channels; i++)
        if (!(std[i] > 0))
            return;
    cfg->data.mean.count = cfg->data.std.count = channels;
    for (int i = 0; i < channels; i++) {
        cfg->data.mean.at[i] = mean[i];
        cfg->data.std.at[i] = std[i];
    }
}

int trainer_check_view(const struct trainer *t, const struct feed *feed,
                       struct sluice_error *err)
{
    const struct sluice_shape a = sluice_augment_shape(t->train.augment);
    const struct sluice_shape b = sluice_augment_shape(feed->augment);
    if (a.height == b.height && a.width == b.width)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "data.augment_test: expected images of %dx%d as data.augment "
                       "makes them, found %dx%d",
                       a.height, a.width, b.height, b.width);
}

static int open_measured_feed(const struct trainer *t, struct feed *feed,
                              const struct data_info *info,
                              const struct feed_options *options,
                              struct sluice_error *err)
{
    if (!info->dataset)
        return 0;
    const int rc = feed_open(feed, info, t->cfg, options, err);
    return rc < 0 ? rc : trainer_check_view(t, feed, err);
}

int trainer_open_feeds(struct trainer *t, struct sluice_error *err)
{
    struct config *cfg = t->cfg;
    char pipeline[sizeof(cfg->data.augment)];
    const int batch = cfg->training.batch_size;
    /* Cropping is the loader's, and so are damaged images. */
    t->resident = device_has_memory(t->dev) && cfg->data.crop == SLUICE_CROP_NONE &&
                  cfg->data.on_error == SLUICE_RAISE &&
                  ahead_fits(t->dev, &t->train_info);
    const struct feed_options train = {
        .pipeline = cfg->data.augment,
        .dtype = t->dev->compute,
        .order = (enum sluice_order)cfg->data.order,
        .batch_size = batch,
        .drop_last = cfg->data.drop_last,
        .crop = (enum sluice_crop_kind)cfg->data.crop,
        .on_error = (enum sluice_on_error)cfg->data.on_error,
        .raw = device_has_memory(t->dev) ? t->dev : NULL,
        .mixes = true,
        .once = t->resident,
        .rank = ranks_self(t->ranks),
        .world = ranks_count(t->ranks),
    };
    feed_test_pipeline(pipeline, sizeof(pipeline), cfg);
    const struct feed_options test = {
        .pipeline = pipeline,
        .dtype = t->dev->compute,
        .order = SLUICE_SEQUENTIAL,
        .batch_size = cfg->eval.batch_size ? cfg->eval.batch_size : batch,
        .crop = feed_test_crop(cfg),
        .rank = ranks_self(t->ranks),
        .world = ranks_count(t->ranks),
    };
    resolve_statistics(t);
    int rc = feed_open(&t->train, &t->train_info, cfg, &train, err);
    if (rc < 0 ||
        (rc = open_measured_feed(t, &t->test, &t->test_info, &test, err)) < 0 ||
        (rc = open_measured_feed(t, &t->final, &t->final_info, &test, err)) < 0)
        return rc;
    if (sluice_augment_mixes(t->train.augment) &&
        !(t->mixes = calloc((size_t)batch, sizeof(*t->mixes))))
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a batch of %d", batch);
    t->steps_per_epoch = sluice_loader_batches(t->train.loader);
    if (!t->steps_per_epoch)
        return sluice_fail(err, SLUICE_EINVAL,
                           "training.batch_size: expected at most the %" PRIu64
                           " images of %.200s, found %d",
                           t->train_info.used, cfg->data.train, batch);
    return 0;
}

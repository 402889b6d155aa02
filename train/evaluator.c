/* evaluator.c -- see evaluator.h. */
#include "evaluator.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "models/model.h"
#include "run_config.h"

static int load_run(struct evaluator *e, const char *folder,
                    enum evaluator_weights weights, const char *const *list, int count,
                    struct sluice_error *err)
{
    static const char *const files[] = { "checkpoints/last.safetensors",
                                         "checkpoints/best.safetensors" };
    int rc = run_dir_open(&e->run, folder, err);
    if (rc < 0)
        return rc;
    run_file(e->checkpoint, &e->run, files[weights]);
    rc = config_from_run(&e->cfg, e->run.path, list, count, false, err);
    return rc < 0 ? rc : checkpoint_read_meta(e->checkpoint, &e->meta, NULL, err);
}

/* One of a tree's models by name, which outlive the runs in it. */
static bool is_trees(const struct evaluator *e, const char *folder)
{
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
    return e->cfg.run.layout == RUN_OUTPUTS &&
           (strcmp(name, "best_models") == 0 || strcmp(name, "final_models") == 0);
}

/* Where the results of a checkpoint alone go: to its run, or the tree that it is part
 * of, by the folder above its own; else beside it. Links are followed. */
static int find_home(struct evaluator *e, struct sluice_error *err)
{
    char full[PATH_MAX], *name, *slash;
    if (!realpath(e->checkpoint, full))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", e->checkpoint,
                           strerror(errno));
    name = strrchr(full, '/');
    *name = 0;
    slash = strrchr(full, '/');
    if (slash) {
        *slash = 0;
        if (run_dir_open(&e->run, full, NULL) == 0)
            return 0;
        *slash = '/';
    }
    e->run.layout = is_trees(e, full) ? RUN_OUTPUTS : RUN_PLAIN;
    /* As a run would, it stands two levels below the tree. */
    if (e->run.layout == RUN_OUTPUTS)
        *name = '/';
    snprintf(e->run.path, sizeof(e->run.path), "%.1380s", full);
    return 0;
}

/* A checkpoint carries its recipe: the run that stands near it may be another one. */
static int load_file(struct evaluator *e, const char *file, const char *const *list,
                     int count, struct sluice_error *err)
{
    char *recipe = NULL;
    snprintf(e->checkpoint, sizeof(e->checkpoint), "%s", file);
    int rc = checkpoint_read_meta(file, &e->meta, &recipe, err);
    if (rc == 0 && !*recipe)
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "%.300s: carries no recipe; name the folder of its run", file);
    if (rc == 0)
        rc = config_from_text(&e->cfg, file, recipe, list, count, err);
    free(recipe);
    return rc < 0 ? rc : find_home(e, err);
}

int evaluator_load(struct evaluator *e, const char *what,
                   enum evaluator_weights weights, const char *const *list, int count,
                   struct sluice_error *err)
{
    struct stat st;
    *e = (struct evaluator){ .classes = 0 };
    if (stat(what, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", what, strerror(errno));
    const int rc = S_ISDIR(st.st_mode) ? load_run(e, what, weights, list, count, err)
                                       : load_file(e, what, list, count, err);
    if (rc < 0)
        return rc;
    e->classes = (int)extra_number(&e->meta, "classes", 0);
    if (e->classes < 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: does not say how many classes it knows: not a "
                           "checkpoint of a run",
                           e->checkpoint);
    return 0;
}

static int check_shape(const struct evaluator *e, const struct sluice_shape *shape,
                       struct sluice_error *err)
{
    const double h = extra_number(&e->meta, "height", shape->height);
    const double w = extra_number(&e->meta, "width", shape->width);
    const double c = extra_number(&e->meta, "channels", shape->channels);
    if (h == shape->height && w == shape->width && c == shape->channels)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: expected images of %gx%gx%g, as the network was "
                       "trained on, found %dx%dx%d",
                       e->info.path, h, w, c, shape->height, shape->width,
                       shape->channels);
}

static int open_data(struct evaluator *e, struct sluice_error *err)
{
    const struct config *cfg = &e->cfg;
    int rc;
    const bool test = *cfg->data.test, fold = !test && *cfg->data.fold;
    if (!test && !fold && !*cfg->data.validation)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.test: no file named; say data.test=FILE.sluice");
    if (fold)
        rc = data_info_open(&e->info, "data.train", cfg->data.train,
                            cfg->data.train_range, cfg, err);
    else
        rc = data_info_open(&e->info, test ? "data.test" : "data.validation",
                            test ? cfg->data.test : cfg->data.validation,
                            test ? cfg->data.test_range : cfg->data.validation_range,
                            cfg, err);
    if (rc < 0 || (fold && (rc = data_info_fold(&e->info, cfg, true, err)) < 0))
        return rc;
    /* Whatever operations do to an image, its channels stay. */
    const double channels = extra_number(&e->meta, "channels", e->info.source.channels);
    if (channels != e->info.source.channels)
        return check_shape(e, &e->info.source, err);
    if (e->info.label_field < 0)
        return 0;
    return data_info_check_labels(&e->info, e->classes, err);
}

static int open_feed(struct evaluator *e, struct sluice_error *err)
{
    const struct config *cfg = &e->cfg;
    char pipeline[sizeof(cfg->data.augment)], kind[64], precision[64];
    config_choice(kind, "device", cfg->device);
    config_choice(precision, "precision", cfg->precision);
    feed_test_pipeline(pipeline, sizeof(pipeline), cfg);
    int rc = device_open(&e->dev, kind, precision, cfg->threads, err);
    if (rc < 0)
        return rc;
    const struct feed_options feed = {
        .pipeline = pipeline,
        .dtype = e->dev->compute,
        .order = SLUICE_SEQUENTIAL,
        .batch_size =
            cfg->eval.batch_size ? cfg->eval.batch_size : cfg->training.batch_size,
        .crop = feed_test_crop(cfg),
    };
    return feed_open(&e->feed, &e->info, cfg, &feed, err);
}

static int load_net(struct evaluator *e, struct sluice_error *err)
{
    const struct model_def *model = model_find(e->cfg.model.name);
    const struct model_config config = {
        .classes = e->classes,
        .options = e->cfg.model.values.numbers,
        .texts = e->cfg.model.values.texts,
    };
    const struct sluice_shape shape = sluice_augment_shape(e->feed.augment);
    const struct net_input input = { e->cfg.eval.batch_size
                                         ? e->feed.batch_size
                                         : e->cfg.training.batch_size,
                                     shape.height, shape.width, shape.channels };
    int rc = check_shape(e, &shape, err);
    if (rc < 0 || (rc = net_create(&e->net, e->dev, &input, err)) < 0)
        return rc;
    model->build(e->net, &config);
    if ((rc = net_finish(e->net, err)) < 0 ||
        (rc = checkpoint_load(e->checkpoint, e->net, NULL, &e->meta, err)) < 0)
        return rc;
    net_params_changed(e->net);
    return 0;
}

int evaluator_open(struct evaluator *e, struct sluice_error *err)
{
    int rc = open_data(e, err);
    if (rc == 0)
        rc = open_feed(e, err);
    return rc < 0 ? rc : load_net(e, err);
}

void evaluator_close(struct evaluator *e)
{
    net_free(e->net);
    feed_close(&e->feed);
    data_info_close(&e->info);
    device_close(e->dev);
}

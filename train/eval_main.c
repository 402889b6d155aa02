/* eval_main.c -- sluice-eval: how well a trained network does on a file. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "checkpoint.h"
#include "evaluate.h"
#include "models/model.h"
#include "options.h"
#include "outputs.h"
#include "progress.h"
#include "run_config.h"
#include "trainer_parts.h"

enum {
    ARGUMENTS = 64,
    ROWS_SHOWN = 10,
};

struct arguments {
    int checkpoint;
    const char *out;
    bool quiet;
};

static const struct cli_option options[] = {
    /* clang-format off */
    { "checkpoint", CLI_CHOICE, offsetof(struct arguments, checkpoint), 0, 0, "last|best",
      "of a run: the latest weights, or those that did best on the way [last]" },
    { "out", CLI_STRING, offsetof(struct arguments, out), 0, 0, NULL,
      "folder for predictions.csv and per_class.csv [RUN/eval, or evaluations/...]" },
    { "quiet", CLI_FLAG, offsetof(struct arguments, quiet), 0, 0, NULL,
      "the last line alone" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

struct evaluator {
    struct config cfg;
    struct run_dir run, out;
    char checkpoint[RUN_PATH];
    struct checkpoint_meta meta;
    struct device *dev;
    struct net *net;
    struct data_info info;
    struct feed feed;
    struct evaluation result;
};

static int load_run(struct evaluator *e, const char *folder, const char **list,
                    int count, const struct arguments *a, struct sluice_error *err)
{
    static const char *const files[] = { "checkpoints/last.safetensors",
                                         "checkpoints/best.safetensors" };
    int rc = run_dir_open(&e->run, folder, err);
    if (rc < 0)
        return rc;
    run_file(e->checkpoint, &e->run, files[a->checkpoint]);
    rc = config_from_run(&e->cfg, e->run.path, list, count, false, err);
    return rc < 0 ? rc : checkpoint_read_meta(e->checkpoint, &e->meta, NULL, err);
}

/* Where the results of a checkpoint alone go: to its run, or the tree that it is part
 * of, by the folder above its own; else beside it. Links are followed. */
static int find_home(struct evaluator *e, struct sluice_error *err)
{
    char full[PATH_MAX], *slash;
    if (!realpath(e->checkpoint, full))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", e->checkpoint,
                           strerror(errno));
    *strrchr(full, '/') = 0;
    slash = strrchr(full, '/');
    if (slash) {
        *slash = 0;
        if (run_dir_open(&e->run, full, NULL) == 0)
            return 0;
        *slash = '/';
    }
    snprintf(e->run.path, sizeof(e->run.path), "%.1380s", full);
    e->run.layout = RUN_PLAIN;
    return 0;
}

/* A checkpoint carries its recipe: the run that stands near it may be another one. */
static int load_file(struct evaluator *e, const char *file, const char **list,
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

/* `what` is a run, a tree of runs, or one checkpoint. */
static int load(struct evaluator *e, const char *what, const char **list, int count,
                const struct arguments *a, struct sluice_error *err)
{
    struct stat st;
    if (stat(what, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", what, strerror(errno));
    return S_ISDIR(st.st_mode) ? load_run(e, what, list, count, a, err)
                               : load_file(e, what, list, count, err);
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

static int open_data(struct evaluator *e, int classes, struct sluice_error *err)
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
    return data_info_check_labels(&e->info, classes, err);
}

/* Their numbers may still mean the same, under other names. */
static void compare_names(const struct evaluator *e)
{
    char number[32], name[64];
    const uint32_t names = data_info_names(&e->info);
    const double trained = extra_number(&e->meta, "class_names", 0);
    if (names && trained > 0 && trained != names)
        fprintf(
            stderr,
            "sluice eval: %s: its classes are not called as in training (class 0 is "
            "'%s' here): numbers alone are compared\n",
            e->info.path,
            text_name(name, sizeof(name), data_info_class(number, &e->info, 0)));
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

static int load_net(struct evaluator *e, int classes, struct sluice_error *err)
{
    const struct model_def *model = model_find(e->cfg.model.name);
    const struct model_config config = {
        .classes = classes,
        .options = e->cfg.model.values.numbers,
        .texts = e->cfg.model.values.texts,
    };
    const struct sluice_shape shape = sluice_augment_shape(e->feed.augment);
    const struct net_input input = { e->cfg.eval.batch_size
                                         ? e->cfg.eval.batch_size
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

/* The one that was named, or the layout's own. */
static int make_folder(struct evaluator *e, const struct arguments *a,
                       struct sluice_error *err)
{
    const double accuracy = extra_number(&e->meta, "accuracy", -1);
    if (!a->out && e->run.layout == RUN_OUTPUTS)
        return outputs_evaluation(&e->out, &e->run, e->cfg.run.name,
                                  accuracy < 0 ? (double)NAN : accuracy, e->checkpoint,
                                  err);
    if (a->out)
        snprintf(e->out.path, sizeof(e->out.path), "%.1380s", a->out);
    else
        snprintf(e->out.path, sizeof(e->out.path), "%.1380s/eval", e->run.path);
    if (mkdir(e->out.path, 0777) < 0 && errno != EEXIST)
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", e->out.path, strerror(errno));
    return 0;
}

static int write_results(struct evaluator *e, const struct arguments *a,
                         struct sluice_error *err)
{
    const int rc = make_folder(e, a, err);
    return rc < 0 ? rc
                  : evaluation_write(&e->result, &e->info,
                                     (enum predictions_kind)e->cfg.eval.predictions,
                                     &e->out, err);
}

/* Of a network with several losses, what each part does by itself. */
static void print_heads(const struct evaluation *r)
{
    for (int i = 1; i < r->heads && r->labelled; i++)
        printf("base %d  loss %.4f  acc %.2f%%\n", i, r->head[i].loss,
               100 * r->head[i].accuracy);
    if (r->heads > 1 && r->labelled)
        printf("meta  loss %.4f  acc %.2f%%\n", r->head[0].loss,
               100 * r->head[0].accuracy);
}

static int print_results(const struct evaluator *e, const struct arguments *a,
                         double seconds, struct sluice_error *err)
{
    char tta[64], count[32], views[32] = "";
    int rc = a->quiet ? 0 : evaluation_print(stdout, &e->result, &e->info, err);
    if (!a->quiet && e->cfg.eval.predictions == PREDICTIONS_LABELS)
        evaluation_print_first(stdout, &e->result, &e->info, ROWS_SHOWN);
    config_choice(tta, "eval.tta", e->cfg.eval.tta);
    if (e->cfg.eval.tta == TTA_CROPS)
        snprintf(views, sizeof(views), " of %d views", e->cfg.eval.views);
    if (!a->quiet)
        print_heads(&e->result);
    if (e->result.labelled)
        printf("test  loss %.4f  acc %.2f%%  images %s  tta %s%s  %.1fs\n",
               e->result.loss, 100 * e->result.accuracy,
               text_count(count, e->result.count), tta, views, seconds);
    else
        printf("test  images %s  tta %s%s  %.1fs: no labels, predictions alone\n",
               text_count(count, e->result.count), tta, views, seconds);
    return rc;
}

static int run(struct evaluator *e, const char **list, int count,
               const struct arguments *a, struct sluice_error *err)
{
    const double start = seconds_now();
    int classes, rc = load(e, list[0], list + 1, count - 1, a, err);
    if (rc < 0)
        return rc;
    const struct tta tta = evaluate_tta(&e->cfg);
    classes = (int)extra_number(&e->meta, "classes", 0);
    if (classes < 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.300s: does not say how many classes it knows: not a "
                           "checkpoint of a run",
                           e->checkpoint);
    if ((rc = open_data(e, classes, err)) < 0 || (rc = open_feed(e, err)) < 0 ||
        (rc = load_net(e, classes, err)) < 0 ||
        (rc = evaluate(&e->result, e->net, e->feed.loader, &e->info, &tta, NULL, err)) <
            0 ||
        (rc = write_results(e, a, err)) < 0)
        return rc;
    compare_names(e);
    if (!a->quiet)
        fprintf(stderr, "%s, epoch %llu; %s\nwrote %s/predictions.csv\n", e->checkpoint,
                (unsigned long long)e->meta.epoch, e->dev->about, e->out.path);
    return print_results(e, a, seconds_now() - start, err);
}

int main(int argc, char **argv)
{
    static struct evaluator e;
    static const char *list[ARGUMENTS];
    struct arguments a = { 0 };
    struct sluice_error err = { .code = SLUICE_OK };
    const struct cli_spec spec = {
        .program = "sluice eval",
        .arguments = "RUN_OR_CHECKPOINT [KEY=VALUE ...]",
        .summary = "Accuracy, per-class table and predictions of a trained network. "
                   "Keys are those of\nsluice train, such as data.test=FILE.sluice or "
                   "eval.tta=flip.\n",
        .options = options,
        .arguments_min = 1,
        .arguments_max = ARGUMENTS,
        .epilogue =
            "examples:\n"
            "  sluice eval runs/latest\n"
            "  sluice eval runs/latest --checkpoint=best eval.tta=flip\n"
            "  sluice eval outputs/best_models/cifar10_resnet_se_best.safetensors\n"
            "  sluice eval runs/latest data.test=other.sluice --out=results\n",
    };
    int count = cli_parse(&spec, argc, argv, &a, list), rc;
    rc = run(&e, list, count, &a, &err);
    evaluation_free(&e.result);
    net_free(e.net);
    feed_close(&e.feed);
    data_info_close(&e.info);
    device_close(e.dev);
    return rc < 0 ? cli_report("sluice eval", &err) : cli_finish("sluice eval", CLI_OK);
}

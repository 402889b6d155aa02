/* trainer_open.c -- data, device and network of a run, new or continued. */
#include <stdlib.h>
#include <string.h>

#include "device_memory.h"
#include "freeze.h"
#include "init.h"
#include "trainer_parts.h"

/* The device's choices, as what they turned out to be. */
static void resolve_device(struct trainer *t)
{
    static const char *const kinds[] = { "ref", "cpu", "cuda" };
    t->cfg->device = choice_index("auto|ref|cpu|cuda", kinds[t->dev->kind]);
    t->cfg->precision = choice_index("auto|f32|tf32|bf16|f16", t->dev->precision);
    t->cfg->threads = t->dev->threads;
}

/* The files are read while a GPU is opened. */
static int open_data_and_device(struct trainer *t, struct sluice_error *err)
{
    struct device_opening opening;
    char kind[64], precision[64];
    config_choice(kind, "device", t->cfg->device);
    config_choice(precision, "precision", t->cfg->precision);
    device_begin(&opening, kind, precision, t->cfg->threads, ranks_local(t->ranks));
    int rc = trainer_open_data(t, err);
    if (rc < 0)
        device_drop(&opening);
    else if ((rc = device_end(&t->dev, &opening, err)) == 0)
        resolve_device(t);
    return rc;
}

static int build_net(struct trainer *t, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    const struct sluice_shape shape = sluice_augment_shape(t->train.augment);
    const int test = t->test.batch_size > t->final.batch_size ? t->test.batch_size
                                                              : t->final.batch_size;
    const int batch = test > cfg->training.batch_size ? test : cfg->training.batch_size;
    const struct net_input input = { batch, shape.height, shape.width, shape.channels };
    const struct model_config model = {
        .classes = t->classes,
        .label_smoothing = (float)cfg->training.label_smoothing,
        .options = cfg->model.values.numbers,
        .texts = cfg->model.values.texts,
    };
    const struct optim_config optim = config_optim(cfg, t->steps_per_epoch);
    int rc = net_create(&t->net, t->dev, &input, err);
    t->model = model_find(cfg->model.name);
    if (rc < 0)
        return rc;
    t->model->build(t->net, &model);
    freeze(t->net, cfg->init.freeze, cfg->init.freeze_bn_stats);
    if ((rc = net_finish(t->net, err)) < 0 ||
        (rc = config_check_parameters(cfg, net_param_elements(t->net), err)) < 0)
        return rc;
    return optim_create(&t->opt, t->net, &optim, err);
}

/* What a model wants to see before training, such as for a whitening layer. */
static int prepare_model(struct trainer *t, struct sluice_error *err)
{
    char pipeline[sizeof(t->cfg->data.augment)];
    const struct sluice_batch *b;
    struct feed feed;
    int n, rc;
    feed_test_pipeline(pipeline, sizeof(pipeline), t->cfg);
    const struct feed_options options = {
        .pipeline = pipeline,
        .dtype = SLUICE_F32,
        .order = SLUICE_SEQUENTIAL,
        .batch_size = t->model->prepare_images,
        .crop = feed_test_crop(t->cfg),
        .on_error = (enum sluice_on_error)t->cfg->data.on_error,
        .once = true,
    };
    if ((rc = feed_open(&feed, &t->train_info, t->cfg, &options, err)) < 0)
        return rc;
    if ((n = trainer_check_view(t, &feed, err)) == 0 &&
        (n = sluice_loader_next(feed.loader, &b, err)) > 0) {
        rc = t->model->prepare(t->net, b->pixels, n, err);
        sluice_loader_release(feed.loader, b);
    }
    feed_close(&feed);
    return n < 0 ? n : rc;
}

int trainer_init_weights(struct trainer *t, struct sluice_error *err)
{
    struct host_view view;
    int rc = host_view_begin(&view, t->net, err);
    if (rc < 0)
        return rc;
    t->model->init(t->net, t->cfg->seed);
    init_by_scheme(t->net, init_scheme_at(t->cfg->init.weights), t->cfg->seed);
    if (t->model->prepare)
        rc = prepare_model(t, err);
    if (rc == 0 && *t->cfg->init.from)
        rc = pretrained_load(t->net, t->cfg->init.from,
                             (enum pretrained_head)t->cfg->init.head, &t->pretrained,
                             err);
    const int ended = host_view_end(&view, rc < 0 ? NULL : err);
    rc = rc < 0 ? rc : ended;
    net_params_changed(t->net);
    t->at = (struct checkpoint_meta){ .seed = t->cfg->seed, .best_accuracy = -1 };
    snprintf(t->at.model, sizeof(t->at.model), "%.31s", t->model->name);
    snprintf(t->at.config_crc, sizeof(t->at.config_crc), "%s", t->crc);
    return rc;
}

/* What rank 0 begins with: another CPU may have rounded otherwise. */
static int spread_weights(struct trainer *t, struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < net_param_count(t->net) && rc == 0; i++)
        rc = trainer_spread(t, net_param(t->net, i), err);
    net_params_changed(t->net);
    return rc;
}

/* What computes otherwise than the others would wait for them in vain, or spoil what
 * they compute. */
static int check_devices(struct trainer *t, struct sluice_error *err)
{
    double sums[] = { t->dev->kind == DEVICE_CUDA };
    ranks_sum(t->ranks, sums, 1);
    const int count = ranks_count(t->ranks), with = (int)sums[0];
    if (with == 0 || with == count)
        return 0;
    ranks_found_by_all(t->ranks);
    return sluice_fail(err, SLUICE_EINVAL,
                       "several processes: expected a GPU for each, found %d for %d "
                       "(here %.150s); or say device=cpu",
                       with, count, t->dev->about);
}

int trainer_open_parts(struct trainer *t, struct sluice_error *err)
{
    int rc = open_data_and_device(t, err);
    if (rc == 0)
        rc = trainer_check_steering(t, err);
    if (rc == 0 && t->ranks)
        rc = check_devices(t, err);
    if (rc < 0 || (rc = trainer_open_feeds(t, err)) < 0 || (rc = build_net(t, err)) < 0)
        return rc;
    return trainer_open_ahead(t, err);
}

int trainer_open(struct trainer *t, const char *folder, struct sluice_error *err)
{
    int rc = folder ? 0 : trainer_check_test_range(t, err);
    if (rc < 0 || (rc = trainer_open_parts(t, err)) < 0 ||
        (rc = trainer_gradients_check(t, err)) < 0 ||
        (rc = trainer_distill_begin(t, !folder, err)) < 0 ||
        (rc = trainer_place(t, folder, err)) < 0 ||
        (rc = trainer_distill_keep(t, err)) < 0)
        return rc;
    if (t->ranks && (rc = spread_weights(t, err)) < 0)
        return rc;
    if (t->cfg->run.profile && (rc = profile_open(&t->profile, t->net, err)) < 0)
        return rc;
    t->schedule = config_schedule(t->cfg, t->steps_per_epoch);
    t->total_steps = t->schedule.steps;
    t->total_epochs =
        (int)((t->total_steps + t->steps_per_epoch - 1) / t->steps_per_epoch);
    t->evaluated_step = UINT64_MAX;
    trainer_begin_steering(t);
    if ((rc = schedule_check(&t->schedule, err)) < 0 ||
        (rc = trainer_open_records(t, err)) < 0)
        return rc;
    trainer_describe(t);
    /* From here on the run needs no file of another run's. */
    if (t->pretrained.copied && (rc = trainer_save_last(t, err)) < 0)
        return rc;
    return trainer_flush_log(t, err);
}

void trainer_close(struct trainer *t)
{
    free(t->mixes);
    evaluation_free(&t->evaluation);
    tfevents_close(t->events);
    trainer_distill_close(t);
    table_close(t->gradients);
    wandb_close(t->wandb);
    table_close(t->steps);
    table_close(t->epochs);
    if (t->log)
        fclose(t->log);
    profile_close(&t->profile);
    ahead_close(t->ahead);
    optim_free(t->opt);
    net_free(t->net);
    feed_close(&t->train);
    feed_close(&t->test);
    feed_close(&t->final);
    data_info_close(&t->train_info);
    data_info_close(&t->test_info);
    data_info_close(&t->final_info);
    device_close(t->dev);
}

/* feed.c -- see feed.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "device_memory.h"
#include "feed.h"

enum sluice_crop_kind feed_test_crop(const struct config *cfg)
{
    return cfg->data.crop == SLUICE_CROP_NONE ? SLUICE_CROP_NONE : SLUICE_CROP_CENTER;
}

void feed_test_pipeline(char *buf, size_t size, const struct config *cfg)
{
    size_t used = 0;
    *buf = 0;
    if (strcmp(cfg->data.augment_test, "auto") != 0) {
        snprintf(buf, size, "%s", cfg->data.augment_test);
        return;
    }
    for (const char *p = cfg->data.augment; *p;) {
        size_t n = strcspn(p, ","), name = strcspn(p, ":,");
        if ((name == 9 && strncmp(p, "normalize", 9) == 0) ||
            (name == 11 && strncmp(p, "center_crop", 11) == 0))
            used += (size_t)snprintf(buf + used, size - used, "%s%.*s", used ? "," : "",
                                     (int)n, p);
        p += n + (p[n] == ',');
    }
}

/* The samples in use, for the loader; the caller frees them. NULL with *rc 0: all. */
static uint64_t *list_samples(const struct data_info *info, int *rc,
                              struct sluice_error *err)
{
    uint64_t *list;
    *rc = 0;
    if (info->count == info->all)
        return NULL;
    if (!(list = calloc(info->count, sizeof(*list))))
        *rc = sluice_fail(err, SLUICE_ENOMEM,
                          "%.300s: no memory for a list of %" PRIu64 " samples",
                          info->path, info->count);
    for (uint64_t i = 0; list && i < info->count; i++)
        list[i] = info->first + i;
    return list;
}

/* No more than there are images, where they all come as they stand. */
static int batch_size(const struct data_info *info, const struct feed_options *o)
{
    const bool all = o->order == SLUICE_SEQUENTIAL && !o->drop_last;
    return all && info->used < (uint64_t)o->batch_size ? (int)info->used
                                                       : o->batch_size;
}

/* Of the loader, but for the list of samples. */
static struct sluice_loader_options loader_options(const struct data_info *info,
                                                   const struct config *cfg,
                                                   const struct feed_options *o)
{
    struct sluice_loader_options loader = {
        .batch_size = batch_size(info, o),
        .batches = cfg->data.batches,
        .threads = cfg->data.threads,
        .seed = cfg->seed,
        .folds = info->folds,
        .fold = info->fold,
        .fold_test = info->fold_test,
        .fold_seed = info->folds ? cfg->data.fold_seed : 0,
        .stratified = info->folds && cfg->data.fold_stratified,
        .class_field = info->folds && *cfg->data.label ? cfg->data.label : NULL,
        .order = o->order,
        .io = (enum sluice_io)cfg->data.io,
        .memory_budget = cfg->data.memory,
        .drop_last = o->drop_last,
        .rank = o->rank,
        .world = o->world,
        .on_error = o->on_error,
        .crop = { .kind = o->crop,
                  .size = o->crop == SLUICE_CROP_NONE ? 0 : cfg->data.size },
        .channels = o->crop == SLUICE_CROP_NONE ? 0 : 3,
    };
    if (o->once) {
        loader.batches = 1;
        loader.io = cfg->data.io ? loader.io : SLUICE_IO_PREAD;
    } else if (o->raw) {
        loader.allocator = device_pinned(o->raw);
        /* Some are with the device while others are filled. */
        loader.batches = (loader.batches ? loader.batches : 4) + 3;
    }
    return loader;
}

static int open_augment(struct feed *feed, const struct data_info *info,
                        const struct config *cfg, const struct feed_options *o,
                        struct sluice_error *err)
{
    const int channels = info->source.channels;
    const bool own = cfg->data.mean.count > 0;
    if (own && cfg->data.mean.count != channels)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.mean has %d numbers, images of %.200s %d channels",
                           cfg->data.mean.count, info->path, channels);
    const struct sluice_augment_options augment = {
        .source = info->source,
        .seed = cfg->seed,
        .dtype = o->dtype,
        .layout = SLUICE_NHWC,
        .mixes = o->mixes,
        .mean = own ? cfg->data.mean.at : sluice_dataset_mean(info->dataset),
        .std = own ? cfg->data.std.at : sluice_dataset_std(info->dataset),
    };
    return sluice_augment_create(&feed->augment, o->pipeline, &augment, err);
}

int feed_open(struct feed *feed, const struct data_info *info, const struct config *cfg,
              const struct feed_options *options, struct sluice_error *err)
{
    struct sluice_loader_options loader = loader_options(info, cfg, options);
    *feed = (struct feed){ .batch_size = loader.batch_size };
    int rc = open_augment(feed, info, cfg, options, err);
    if (rc < 0)
        return rc;
    if (!options->raw)
        loader.transform = sluice_augment_transform(feed->augment);
    uint64_t *list = list_samples(info, &rc, err);
    loader.subset = list;
    loader.subset_count = list ? info->count : 0;
    if (rc == 0)
        rc = sluice_loader_open(&feed->loader, info->path, &loader, err);
    free(list);
    if (rc < 0)
        feed_close(feed);
    return rc;
}

void feed_close(struct feed *feed)
{
    sluice_loader_close(feed->loader);
    sluice_augment_free(feed->augment);
    *feed = (struct feed){ 0 };
}

/* vq_data.c -- images for the classifiers; see vq_data.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/rng.h>

#include "vq_data.h"
#include "vq_draws.h"

/* data.limit samples, without repetition, by the first steps of a shuffle; in the
 * file's order. */
static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int draw_limited(struct vq_data *data, const struct vq_config *cfg,
                        struct sluice_error *err)
{
    const uint64_t all = data->train_info.count;
    struct sluice_rng rng = vq_draws(cfg->seed, VQ_DRAW_LIMIT, 0, 0);
    if (!cfg->limit || cfg->limit >= all)
        return 0;
    if (all > UINT32_MAX || !(data->limited = calloc(all, sizeof *data->limited)))
        return sluice_fail(err, SLUICE_ENOMEM,
                           "data.limit: no memory to choose from %" PRIu64 " samples",
                           all);
    for (uint64_t i = 0; i < all; i++)
        data->limited[i] = i;
    for (uint64_t i = 0; i < cfg->limit; i++) {
        const uint64_t other = i + sluice_rng_below(&rng, (uint32_t)(all - i));
        const uint64_t kept = data->limited[i];
        data->limited[i] = data->limited[other];
        data->limited[other] = kept;
    }
    qsort(data->limited, cfg->limit, sizeof *data->limited, by_number);
    return 0;
}

static int open_info(struct data_info *info, const char *key, const char *path,
                     const struct config *names, struct sluice_error *err)
{
    if (!*path)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no file named; say %s=FILE.sluice",
                           key, key);
    int rc = data_info_open(info, key, path, "", names, err);
    if (rc < 0)
        return rc;
    const struct sluice_shape *s = &info->source;
    if (s->height != 28 || s->width != 28 || s->channels != 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: %.300s: expected images of 28x28x1, found %dx%dx%d",
                           key, path, s->height, s->width, s->channels);
    return data_info_check_labels(info, VQ_CLASSES, err);
}

static int open_feed(struct vq_feed *feed, const struct data_info *info,
                     const struct vq_config *cfg, enum sluice_order order,
                     const uint64_t *limited, struct sluice_error *err)
{
    const struct sluice_augment_options augment = {
        .source = info->source,
        .seed = cfg->seed,
        .dtype = SLUICE_F32,
        .layout = SLUICE_NHWC,
        .mean = &cfg->mean,
        .std = &cfg->std,
    };
    *feed = (struct vq_feed){ .label_column = info->label_column };
    int rc = sluice_augment_create(&feed->augment, "normalize", &augment, err);
    if (rc < 0)
        return rc;
    const struct sluice_loader_options loader = {
        .batch_size = cfg->batch_size,
        .batches = 4,
        .threads = 1,
        .seed = cfg->seed,
        .subset = limited,
        .subset_count = limited ? cfg->limit : 0,
        .order = order,
        .transform = sluice_augment_transform(feed->augment),
    };
    return sluice_loader_open(&feed->loader, info->path, &loader, err);
}

int vq_data_open(struct vq_data *data, const struct vq_config *cfg, bool test_alone,
                 struct sluice_error *err)
{
    int rc = open_info(&data->test_info, "data.test", cfg->test, &data->names, err);
    if (rc < 0 || (rc = open_feed(&data->measured[1], &data->test_info, cfg,
                                  SLUICE_SEQUENTIAL, NULL, err)) < 0)
        return rc;
    if (test_alone)
        return 0;
    if ((rc = open_info(&data->train_info, "data.train", cfg->train, &data->names,
                        err)) < 0 ||
        (rc = draw_limited(data, cfg, err)) < 0 ||
        (rc = open_feed(&data->train, &data->train_info, cfg, SLUICE_RANDOM,
                        data->limited, err)) < 0 ||
        (rc = open_feed(&data->test, &data->test_info, cfg, SLUICE_RANDOM, NULL, err)) <
            0)
        return rc;
    return open_feed(&data->measured[0], &data->train_info, cfg, SLUICE_SEQUENTIAL,
                     data->limited, err);
}

static void close_feed(struct vq_feed *feed)
{
    sluice_loader_close(feed->loader);
    sluice_augment_free(feed->augment);
}

void vq_data_close(struct vq_data *data)
{
    close_feed(&data->train);
    close_feed(&data->test);
    close_feed(&data->measured[0]);
    close_feed(&data->measured[1]);
    data_info_close(&data->train_info);
    data_info_close(&data->test_info);
    free(data->limited);
    memset(data, 0, sizeof *data);
}

int vq_feed_next(struct vq_feed *feed, const struct sluice_batch **out,
                 struct sluice_error *err)
{
    const uint64_t each = sluice_loader_batches(feed->loader);
    const uint64_t epoch = feed->taken / each, batch = feed->taken % each;
    int rc = 0;
    if (!feed->placed || batch == 0)
        rc = sluice_loader_seek(feed->loader, (uint32_t)epoch, batch, err);
    feed->placed = rc == 0;
    if (rc < 0 || (rc = sluice_loader_next(feed->loader, out, err)) < 0)
        return rc;
    if (rc == 0)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "epoch %" PRIu64 " ended at batch %" PRIu64 " of %" PRIu64,
                           epoch, batch, each);
    feed->taken++;
    return 0;
}

void vq_feed_release(struct vq_feed *feed, const struct sluice_batch *batch)
{
    sluice_loader_release(feed->loader, batch);
}

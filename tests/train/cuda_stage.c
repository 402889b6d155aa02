/* cuda_stage.c -- a set that is copied to the GPU arrives there whole and in order,
 * also where it takes many pieces of pinned memory and where only some samples are
 * used. On the CPU, whose copies are done as late as the waiting allows. */
#include "check.h"
#include "cuda/stage.h"
#include "gpu_on_host.h"
#include "run_config.h"
#include "support/files.h"
#include "tiny_set.h"

enum { SIDE = 64, IMAGES = 1500, EACH = 3 * SIDE * SIDE };

static struct config cfg;

/* The number of images in error. */
static int count_wrong(struct stage *s)
{
    unsigned char *there = malloc((size_t)s->info->count * EACH), one[EACH];
    struct sluice_error err;
    int wrong = 0;
    REQUIRE(there &&
                gpu_read(s->gpu, there, s->pixels, s->info->count * EACH, &err) == 0,
            "no copy");
    for (uint64_t i = 0; i < s->info->count; i++) {
        REQUIRE(sluice_loader_read(s->feed->loader, s->info->first + i, one, EACH, NULL,
                                   &err) == 0,
                "%s", err.message);
        wrong += memcmp(one, there + i * EACH, EACH) != 0;
    }
    free(there);
    return wrong;
}

static void check_set(struct device *dev, const char *path, const char *range)
{
    const struct feed_options options = { .pipeline = "normalize",
                                          .dtype = dev->compute,
                                          .batch_size = 16,
                                          .on_error = SLUICE_RAISE,
                                          .raw = dev,
                                          .once = true };
    struct sluice_error err = { 0 };
    struct data_info info;
    struct feed feed;
    int rc = data_info_open(&info, "data.train", path, range, &cfg, &err);
    if (rc == 0)
        rc = feed_open(&feed, &info, &cfg, &options, &err);
    REQUIRE(rc == 0, "%s", err.message);
    struct stage s = {
        .gpu = gpu_of(dev), .feed = &feed, .info = &info, .batch_size = 16
    };
    REQUIRE(stage_open(&s, true, &err) == 0 && s.resident, "%s", err.message);
    struct sluice_loader_stats stats;
    sluice_loader_stats(feed.loader, &stats);
    CHECK(stats.io == SLUICE_IO_PREAD && stats.memory < (size_t)IMAGES * EACH / 8,
          "%s: io %s, %zu bytes held", range, sluice_io_name(stats.io), stats.memory);
    const int wrong = count_wrong(&s);
    CHECK(wrong == 0, "%s: %d images of %llu differ", range, wrong,
          (unsigned long long)info.count);
    stage_close(&s);
    feed_close(&feed);
    data_info_close(&info);
}

int main(void)
{
    const struct tiny_set set = { IMAGES, SIDE, 3, 4, 0, true, 1 };
    const char *folder = folder_make();
    struct sluice_error err = { 0 };
    struct device *dev;
    char path[160];
    snprintf(path, sizeof path, "%s/train.sluice", folder);
    tiny_set_write(path, &set);
    const char *const args[] = { "recipe=quickstart" };
    REQUIRE(config_from_recipe(&cfg, args, 1, &err) == 0, "%s", err.message);
    gpu_on_host(true);
    REQUIRE(device_open(&dev, "cuda", "auto", 0, &err) == 0, "%s", err.message);
    check_set(dev, path, "");
    check_set(dev, path, "100-1399");
    check_set(dev, path, "7-7");
    device_close(dev);
    folder_remove(folder);
    return check_done();
}

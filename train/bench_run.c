/* bench_run.c -- loading a file without training on it, against the clock. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/crc32c.h>

#include "bench.h"
#include "options.h"
#include "progress.h"

/* Drop the file from the page cache, as far as the kernel will. */
int bench_drop_cache(const char *path, struct sluice_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: cannot open", path);
    fdatasync(fd); /* dirty pages would stay */
    int rc = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return rc ? sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(rc)) : 0;
}

static struct sluice_crop crop_of(const struct bench_options *opt)
{
    return (struct sluice_crop){ .kind = (enum sluice_crop_kind)opt->crop,
                                 .size = opt->crop && !opt->size ? 224 : opt->size };
}

/* A loader for a short look at the file. */
static int look(struct sluice_loader **out, const char *path,
                const struct bench_options *opt, struct sluice_error *err)
{
    const struct sluice_loader_options o = { .threads = 1,
                                             .batches = 1,
                                             .batch_size = 1,
                                             .io = SLUICE_IO_PREAD,
                                             .on_error =
                                                 (enum sluice_on_error)opt->on_error,
                                             .crop = crop_of(opt) };
    return sluice_loader_open(out, path, &o, err);
}

int bench_check(const char *path, const struct bench_options *opt,
                struct sluice_error *err)
{
    struct sluice_loader *ld;
    int rc = look(&ld, path, opt, err);
    if (rc < 0)
        return rc;
    cli_warn_slot("sluice bench", sluice_loader_dataset(ld));
    sluice_loader_close(ld);
    return 0;
}

/* The augmentation needs the file's shape and statistics: a short look at it. */
int bench_make_augment(struct sluice_augment **out, const char *path,
                       const struct bench_options *opt, struct sluice_error *err)
{
    static const enum sluice_dtype dtypes[] = { SLUICE_F32, SLUICE_BF16, SLUICE_F16,
                                                SLUICE_U8 };
    struct sluice_loader *ld;
    int rc = look(&ld, path, opt, err);
    if (rc < 0)
        return rc;
    const struct sluice_augment_options o = {
        .source = sluice_loader_source(ld),
        .seed = opt->seed,
        .dtype = dtypes[opt->dtype],
        .layout = opt->layout ? SLUICE_NCHW : SLUICE_NHWC,
        .mean = sluice_dataset_mean(sluice_loader_dataset(ld)),
        .std = sluice_dataset_std(sluice_loader_dataset(ld)),
        .mixes = 1,
    };
    rc = sluice_augment_create(out, opt->augment, &o, err);
    sluice_loader_close(ld);
    return rc;
}

/* Where batches are mixed to; `pixels` NULL: nothing mixes. */
struct mixer {
    const struct sluice_augment *aug;
    struct sluice_mix *mixes;
    void *pixels;
};

static int make_mixer(struct mixer *m, const struct sluice_augment *aug, int batch_size,
                      struct sluice_error *err)
{
    *m = (struct mixer){ .aug = aug };
    if (!aug || !sluice_augment_mixes(aug))
        return 0;
    const struct sluice_shape shape = sluice_augment_shape(aug);
    m->mixes = calloc((size_t)batch_size, sizeof(*m->mixes));
    m->pixels = malloc((size_t)batch_size * sluice_shape_bytes(&shape));
    return m->mixes && m->pixels
               ? 0
               : sluice_fail(err, SLUICE_ENOMEM, "no memory for a batch of %d",
                             batch_size);
}

static void free_mixer(struct mixer *m)
{
    free(m->mixes);
    free(m->pixels);
}

static int take(struct bench_result *r, const struct sluice_batch *b,
                const struct mixer *m, bool hash, struct sluice_error *err)
{
    const int rc =
        m->pixels ? sluice_augment_mix(m->aug, b, m->pixels, m->mixes, err) : 0;
    const size_t bytes = (size_t)b->count * sluice_shape_bytes(&b->shape);
    r->samples += (uint64_t)b->count;
    r->bytes += bytes;
    if (rc < 0 || !hash)
        return rc;
    r->hash = sluice_crc32c(r->hash, b->ids, (size_t)b->count * sizeof(*b->ids));
    r->hash = sluice_crc32c(r->hash, b->labels,
                            (size_t)(b->count * b->label_columns) * sizeof(*b->labels));
    r->hash = sluice_crc32c(r->hash, m->pixels ? m->pixels : b->pixels, bytes);
    if (m->pixels)
        r->hash =
            sluice_crc32c(r->hash, m->mixes, (size_t)b->count * sizeof(*m->mixes));
    return 0;
}

static int run_epoch(struct sluice_loader *ld, const struct bench_options *opt,
                     const struct mixer *m, double opened, struct progress *progress,
                     struct bench_result *r, struct sluice_error *err)
{
    const struct sluice_batch *b;
    int n;
    const double begin = seconds_now();
    const uint64_t before = r->samples;
    while ((n = sluice_loader_next(ld, &b, err)) > 0) {
        if (!r->samples)
            r->first_seconds = seconds_now() - opened;
        const int rc = take(r, b, m, opt->hash, err);
        sluice_loader_release(ld, b);
        if (rc < 0)
            return rc;
        progress_update(progress, r->samples, NULL);
        if (cli_interrupted())
            return sluice_fail(err, SLUICE_ESTOPPED, "interrupted");
    }
    const double speed = (double)(r->samples - before) / (seconds_now() - begin);
    if (r->epochs++ && speed > r->steady)
        r->steady = speed;
    return n;
}

static int keep_damage(struct sluice_loader *ld, struct bench_result *r,
                       struct sluice_error *err)
{
    const int n = r->stats.damaged_samples;
    r->damaged = calloc((size_t)n + 1, sizeof(*r->damaged));
    if (!r->damaged)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d names", n);
    for (int i = 0; i < n; i++)
        sluice_loader_damage(ld, i, &r->damaged[i]);
    return 0;
}

struct sluice_loader_options bench_loader_options(const struct bench_options *opt)
{
    /* --against and --shuffle give other orders the same options. */
    const bool blocks = opt->order == SLUICE_QUASI_RANDOM;
    return (struct sluice_loader_options){
        .batch_size = opt->batch_size,
        .batches = opt->batches,
        .threads = opt->threads,
        .seed = opt->seed,
        .order = (enum sluice_order)opt->order,
        .block = blocks ? opt->block : 0,
        .open_blocks = blocks ? opt->open_blocks : 0,
        .io = (enum sluice_io)opt->io,
        .on_error = (enum sluice_on_error)opt->on_error,
        .queue_depth = opt->queue_depth,
        .memory_budget = opt->memory_budget,
        .memory_limit = opt->memory_limit,
        .subset_file = opt->subset,
        .folds = opt->folds,
        .fold = opt->fold,
        .fold_test = opt->fold_test,
        .stratified = opt->folds > 0,
        .balanced = opt->balanced,
        .epoch_samples = opt->epoch_samples,
        .rank = opt->rank,
        .world = opt->world,
        .crop = crop_of(opt),
        .jpeg = (enum sluice_jpeg_path)opt->jpeg,
    };
}

int bench_run(const char *path, const struct bench_options *opt,
              const struct sluice_augment *aug, struct bench_result *r,
              struct sluice_error *err)
{
    struct sluice_loader *ld;
    struct progress progress;
    struct mixer mixer;
    struct sluice_loader_options o = bench_loader_options(opt);
    if (aug)
        o.transform = sluice_augment_transform(aug);
    const double start = seconds_now();
    int rc = sluice_loader_open(&ld, path, &o, err);
    if (rc < 0)
        return rc;
    r->open_seconds = seconds_now() - start;
    r->order = o.order;
    r->augmented = aug != NULL;
    rc = make_mixer(&mixer, aug, opt->batch_size, err);
    progress_begin(&progress, "loading", "samples",
                   opt->epochs ? sluice_loader_samples(ld) * (uint64_t)opt->epochs : 0,
                   opt->quiet);
    bool more = rc == 0;
    while (more) {
        rc = sluice_loader_seek(ld, (uint32_t)r->epochs,
                                r->epochs ? 0 : opt->start_batch, err);
        if (rc == 0)
            rc = run_epoch(ld, opt, &mixer, start, &progress, r, err);
        more = rc == 0 && (opt->epochs ? r->epochs < opt->epochs
                                       : seconds_now() - start < opt->seconds);
    }
    /* From the beginning of open: workers are ahead of whatever comes after it. */
    r->seconds = seconds_now() - start;
    progress_end(&progress);
    sluice_loader_stats(ld, &r->stats);
    const double asked = seconds_now();
    if (rc == 0)
        rc = sluice_loader_seek(ld, 1000000, sluice_loader_batches(ld) / 2, err);
    r->seek_seconds = seconds_now() - asked;
    if (rc == 0)
        rc = keep_damage(ld, r, err);
    free_mixer(&mixer);
    sluice_loader_close(ld);
    return rc;
}

double bench_speed(const struct bench_options *opt, const struct bench_result *r)
{
    return r->steady > 0 && !opt->cold ? r->steady : (double)r->samples / r->seconds;
}

/* The yardstick: one thread copies images of the same size, in a scattered order, from
 * one block of memory to a batch. */
static double plain_gather(const struct sluice_shape *source, int batch_size)
{
    enum { BLOCK = 128 << 20 };
    const size_t image =
        (size_t)source->height * (size_t)source->width * (size_t)source->channels;
    const size_t count = BLOCK / image ? BLOCK / image : 1;
    uint8_t *from = malloc(count * image), *to = malloc((size_t)batch_size * image);
    uint64_t copied = 0, at = 0;
    double begin = 0, passed = 0;
    if (from && to) {
        memset(from, 1, count * image);
        memset(to, 1, (size_t)batch_size * image);
        begin = seconds_now();
        do {
            for (int i = 0; i < batch_size; i++, copied++) {
                at = (at + 7919 * 31) % count;
                memcpy(to + (size_t)i * image, from + at * image, image);
            }
            passed = seconds_now() - begin;
        } while (passed < 0.3);
    }
    free(from);
    free(to);
    return passed > 0 ? (double)copied / passed : 0;
}

int bench_gather(const char *path, const struct bench_options *opt,
                 struct bench_result *r, struct sluice_error *err)
{
    struct sluice_loader *ld;
    int rc = look(&ld, path, opt, err);
    if (rc < 0)
        return rc;
    const struct sluice_shape source = sluice_loader_source(ld);
    r->gather = plain_gather(&source, opt->batch_size);
    sluice_loader_close(ld);
    return 0;
}

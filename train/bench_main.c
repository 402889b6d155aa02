/* bench_main.c -- `sluice bench`: how fast a file loads, and what limits it. The only
 * program that joins loader and augmentation without a network. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/augment.h>
#include <sluice/crc32c.h>
#include <sluice/loader.h>

#include "options.h"
#include "progress.h"

static const char program[] = "sluice bench";

struct options {
    int batch_size, batches, threads, io, order, on_error, queue_depth, epochs, rank,
        world;
    double seconds;
    uint64_t seed, start_batch, memory_budget;
    const char *augment;
    int crop, size;
    int dtype, layout;
    bool cold, hash, json, quiet;
};

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "batch-size", CLI_INT, offsetof(struct options, batch_size), 1, 1e6, NULL, "images per batch: 512" },
    { "batches", CLI_INT, offsetof(struct options, batches), 1, 1e4, NULL, "batches in existence: 4" },
    { "threads", CLI_INT, offsetof(struct options, threads), 1, 1024, NULL, "worker threads: one per CPU" },
    { "io", CLI_CHOICE, offsetof(struct options, io), 0, 0, "auto|resident|uring|direct|pread", "backend: auto" },
    { "memory-budget", CLI_SIZE, offsetof(struct options, memory_budget), 0, 1e15, NULL, "what `resident` may hold: a quarter of free memory" },
    { "order", CLI_CHOICE, offsetof(struct options, order), 0, 0, "random|sequential", "order: random" },
    { "queue-depth", CLI_INT, offsetof(struct options, queue_depth), 1, 4096, NULL, "reads in flight a thread: 64" },
    { "on-error", CLI_CHOICE, offsetof(struct options, on_error), 0, 0, "raise|skip|substitute", "damaged samples: raise" },
    { "seed", CLI_UINT64, offsetof(struct options, seed), 0, 0, NULL, "of order and draws: 0" },
    { "epochs", CLI_INT, offsetof(struct options, epochs), 1, 1e6, NULL, "exactly so many: as --seconds allow" },
    { "seconds", CLI_DOUBLE, offsetof(struct options, seconds), 0.01, 1e5, NULL, "whole epochs for about this long: 5" },
    { "start-batch", CLI_UINT64, offsetof(struct options, start_batch), 0, 0, NULL, "of the first epoch: 0" },
    { "rank", CLI_INT, offsetof(struct options, rank), 0, 1e6, NULL, "of this consumer: 0" },
    { "world", CLI_INT, offsetof(struct options, world), 1, 1e6, NULL, "consumers: 1" },
    { "crop", CLI_CHOICE, offsetof(struct options, crop), 0, 0, "none|random|center",
      "part of each image that is taken and scaled to --size: none" },
    { "size", CLI_INT, offsetof(struct options, size), 1, 16384, NULL, "height and width behind a crop: 224" },
    { "augment", CLI_STRING, offsetof(struct options, augment), 0, 0, NULL, "a pipeline, as in flip,translate:pad=2,cutout:size=4,normalize: none" },
    { "dtype", CLI_CHOICE, offsetof(struct options, dtype), 0, 0, "f32|bf16|f16|u8", "of augmented images: f32" },
    { "layout", CLI_CHOICE, offsetof(struct options, layout), 0, 0, "nhwc|nchw", "of augmented images: nhwc" },
    { "cold", CLI_FLAG, offsetof(struct options, cold), 0, 0, NULL, "drop the file from the page cache first" },
    { "hash", CLI_FLAG, offsetof(struct options, hash), 0, 0, NULL, "print a checksum of ids, labels and pixels" },
    { "json", CLI_FLAG, offsetof(struct options, json), 0, 0, NULL, "results as JSON" },
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

struct result {
    double open_seconds, first_seconds; /* opening; opening until the first batch */
    double seconds;                     /* of the epochs */
    double steady;           /* samples/s of the fastest epoch behind the first */
    uint64_t samples, bytes; /* delivered */
    int epochs;
    uint32_t hash;
    struct sluice_damage *damaged; /* (stats.damaged_samples) */
    double gather;                 /* samples/s of a plain copy of the same bytes */
    struct sluice_loader_stats stats;
};

/* Drop the file from the page cache, as far as the kernel will. */
static int drop_cache(const char *path, struct sluice_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: cannot open", path);
    fdatasync(fd); /* dirty pages would stay */
    int rc = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return rc ? sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(rc)) : 0;
}

static uint64_t peak_memory(void)
{
    unsigned long long kib = 0;
    char line[128];
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "VmHWM: %llu kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static struct sluice_crop crop_of(const struct options *opt)
{
    return (struct sluice_crop){ .kind = (enum sluice_crop_kind)opt->crop,
                                 .size = opt->crop ? opt->size : 0 };
}

/* The augmentation needs the file's shape and statistics: a short look at it. */
static int make_augment(struct sluice_augment **out, const char *path,
                        const struct options *opt, struct sluice_error *err)
{
    static const enum sluice_dtype dtypes[] = { SLUICE_F32, SLUICE_BF16, SLUICE_F16,
                                                SLUICE_U8 };
    struct sluice_loader *ld;
    int rc = sluice_loader_open(&ld, path,
                                &(struct sluice_loader_options){ .threads = 1,
                                                                 .batches = 1,
                                                                 .batch_size = 1,
                                                                 .io = SLUICE_IO_PREAD,
                                                                 .crop = crop_of(opt) },
                                err);
    if (rc < 0)
        return rc;
    const struct sluice_augment_options o = {
        .source = sluice_loader_source(ld),
        .seed = opt->seed,
        .dtype = dtypes[opt->dtype],
        .layout = opt->layout ? SLUICE_NCHW : SLUICE_NHWC,
        .mean = sluice_dataset_mean(sluice_loader_dataset(ld)),
        .std = sluice_dataset_std(sluice_loader_dataset(ld)),
    };
    rc = sluice_augment_create(out, opt->augment, &o, err);
    sluice_loader_close(ld);
    return rc;
}

static void take(struct result *r, const struct sluice_batch *b, bool hash)
{
    const size_t bytes = (size_t)b->count * sluice_shape_bytes(&b->shape);
    r->samples += (uint64_t)b->count;
    r->bytes += bytes;
    if (!hash)
        return;
    r->hash = sluice_crc32c(r->hash, b->ids, (size_t)b->count * sizeof(*b->ids));
    r->hash = sluice_crc32c(r->hash, b->labels,
                            (size_t)(b->count * b->label_columns) * sizeof(*b->labels));
    r->hash = sluice_crc32c(r->hash, b->pixels, bytes);
}

static int run_epoch(struct sluice_loader *ld, const struct options *opt, double opened,
                     struct progress *progress, struct result *r,
                     struct sluice_error *err)
{
    const struct sluice_batch *b;
    int n;
    const double begin = seconds_now();
    const uint64_t before = r->samples;
    while ((n = sluice_loader_next(ld, &b, err)) > 0) {
        if (!r->samples)
            r->first_seconds = seconds_now() - opened;
        take(r, b, opt->hash);
        sluice_loader_release(ld, b);
        progress_update(progress, r->samples, NULL);
        if (cli_interrupted())
            return sluice_fail(err, SLUICE_ESTOPPED, "interrupted");
    }
    const double speed = (double)(r->samples - before) / (seconds_now() - begin);
    if (r->epochs++ && speed > r->steady)
        r->steady = speed;
    return n;
}

static int keep_damage(struct sluice_loader *ld, struct result *r,
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

static int run(const char *path, const struct options *opt,
               const struct sluice_augment *aug, struct result *r,
               struct sluice_error *err)
{
    struct sluice_loader *ld;
    struct progress progress;
    struct sluice_loader_options o = {
        .batch_size = opt->batch_size,
        .batches = opt->batches,
        .threads = opt->threads,
        .seed = opt->seed,
        .order = opt->order ? SLUICE_SEQUENTIAL : SLUICE_RANDOM,
        .io = (enum sluice_io)opt->io,
        .on_error = (enum sluice_on_error)opt->on_error,
        .queue_depth = opt->queue_depth,
        .memory_budget = opt->memory_budget,
        .rank = opt->rank,
        .world = opt->world,
        .crop = crop_of(opt),
    };
    if (aug)
        o.transform = sluice_augment_transform(aug);
    const double start = seconds_now();
    int rc = sluice_loader_open(&ld, path, &o, err);
    if (rc < 0)
        return rc;
    r->open_seconds = seconds_now() - start;
    progress_begin(&progress, "loading", "samples",
                   opt->epochs ? sluice_loader_samples(ld) * (uint64_t)opt->epochs : 0,
                   opt->quiet);
    const double begin = seconds_now();
    do {
        rc = sluice_loader_seek(ld, (uint32_t)r->epochs,
                                r->epochs ? 0 : opt->start_batch, err);
        if (rc == 0)
            rc = run_epoch(ld, opt, start, &progress, r, err);
    } while (rc == 0 && (opt->epochs ? r->epochs < opt->epochs
                                     : seconds_now() - begin < opt->seconds));
    r->seconds = seconds_now() - begin;
    progress_end(&progress);
    sluice_loader_stats(ld, &r->stats);
    if (rc == 0)
        rc = keep_damage(ld, r, err);
    sluice_loader_close(ld);
    return rc;
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

/* What stood in the way, and what to change. */
static const char *verdict(const struct result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    const double threads = s->threads * r->seconds;
    if (s->idle_seconds > 0.5 * threads)
        return "the consumer: the loader waited for it; nothing to change here";
    if (s->decode_seconds > s->transform_seconds && s->decode_seconds > s->read_seconds)
        return "decoding: more --threads if there are idle CPUs, smaller pictures "
               "(sluice write --max-side), or pixels (--mode=raw)";
    if (s->read_seconds > s->transform_seconds)
        return s->io == SLUICE_IO_RESIDENT
                   ? "memory: the first pass over the file"
                   : "reading: a faster disk, or memory for --io=resident";
    if (s->transform_seconds > 0.5 * threads)
        return "the transform: more --threads if there are idle CPUs, a shorter "
               "pipeline, or bf16";
    return "waiting between threads: larger batches, or more --batches";
}

static void print_text(const char *path, const struct options *opt,
                       const struct result *r, const struct sluice_augment *aug)
{
    char a[32], b[32], c[32];
    const struct sluice_loader_stats *s = &r->stats;
    const double threads = s->threads * r->seconds;
    printf("%s\n", path);
    printf("backend     %s: %s%s\n", sluice_io_name(s->io), s->io_reason,
           opt->cold ? " (dropped from the page cache first)" : "");
    if (aug)
        printf("augment     %s (%s)\n", sluice_augment_describe(aug),
               sluice_augment_path(aug));
    printf("speed       %s samples/s, %s/s over %d epochs in %.2f s, %d threads\n",
           text_count(a, (uint64_t)((double)r->samples / r->seconds)),
           text_bytes(b, (uint64_t)((double)r->bytes / r->seconds)), r->epochs,
           r->seconds, s->threads);
    if (r->steady > 0)
        printf("            %s samples/s in the fastest epoch behind the first\n",
               text_count(a, (uint64_t)r->steady));
    printf(
        "yardstick   %s samples/s: one thread copying the stored bytes, nothing else\n",
        text_count(a, (uint64_t)r->gather));
    printf("latency     open %.1f ms, first batch %.1f ms after that call began\n",
           r->open_seconds * 1e3, r->first_seconds * 1e3);
    printf("memory      %s held by the loader, %s peak of the process; %s read\n",
           text_bytes(a, s->memory), text_bytes(b, peak_memory()),
           text_bytes(c, s->bytes_read));
    printf(
        "threads     read %.0f %%, decode %.0f %%, transform %.0f %%, waiting for the "
        "consumer %.0f %%\n",
        100 * s->read_seconds / threads, 100 * s->decode_seconds / threads,
        100 * s->transform_seconds / threads, 100 * s->idle_seconds / threads);
    if (opt->hash)
        printf("hash        %08" PRIx32 "\n", r->hash);
    if (s->damaged)
        printf("damaged     %d samples, %s %s times\n", s->damaged_samples,
               opt->on_error == SLUICE_SKIP ? "skipped" : "substituted",
               text_count(a, s->damaged));
    for (int i = 0; i < s->damaged_samples; i++)
        printf("            %s\n", r->damaged[i].message);
    printf("bottleneck  %s\n", verdict(r));
}

static void print_json(const struct options *opt, const struct result *r)
{
    const struct sluice_loader_stats *s = &r->stats;
    printf("{\"samples_per_s\": %.0f, \"bytes_per_s\": %.0f, \"steady_samples_per_s\": "
           "%.0f, "
           "\"gather_samples_per_s\": %.0f, \"samples\": %" PRIu64 ", \"epochs\": %d, "
           "\"seconds\": %.4f, \"io\": \"%s\", \"io_reason\": \"%s\", \"threads\": %d, "
           "\"open_ms\": %.3f, \"first_batch_ms\": %.3f, \"memory\": %zu, "
           "\"peak_memory\": %" PRIu64 ", \"bytes_read\": %" PRIu64
           ", \"read_s\": %.4f, "
           "\"transform_s\": %.4f, \"idle_s\": %.4f, \"wait_s\": %.4f, ",
           (double)r->samples / r->seconds, (double)r->bytes / r->seconds, r->steady,
           r->gather, r->samples, r->epochs, r->seconds, sluice_io_name(s->io),
           s->io_reason, s->threads, r->open_seconds * 1e3, r->first_seconds * 1e3,
           s->memory, peak_memory(), s->bytes_read, s->read_seconds,
           s->transform_seconds, s->idle_seconds, s->wait_seconds);
    if (opt->hash)
        printf("\"hash\": \"%08" PRIx32 "\", ", r->hash);
    printf("\"damaged\": %" PRIu64 ", \"damaged_samples\": [", s->damaged);
    for (int i = 0; i < s->damaged_samples; i++)
        printf("%s%" PRIu64, i ? ", " : "", r->damaged[i].sample);
    printf("], \"bottleneck\": \"%s\"}\n", verdict(r));
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE",
        .summary =
            "Load a file without training on it: how fast, by which way, and what "
            "limits it.\n",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
        .epilogue = "  sluice bench train.sluice --augment=flip,translate:pad=2,"
                    "cutout:size=4,normalize\n",
    };
    struct options opt = { .size = 224,
                           .batch_size = 512,
                           .batches = 4,
                           .queue_depth = 64,
                           .world = 1,
                           .seconds = 5 };
    struct result r = { 0 };
    struct sluice_error err;
    struct sluice_augment *aug = NULL;
    const char *path;
    cli_parse(&spec, argc, argv, &opt, &path);
    cli_catch_signals();
    int rc = opt.augment ? make_augment(&aug, path, &opt, &err) : 0;
    if (rc == 0 && opt.cold)
        rc = drop_cache(path, &err);
    if (rc == 0)
        rc = run(path, &opt, aug, &r, &err);
    if (rc < 0) {
        sluice_augment_free(aug);
        return cli_report(program, &err);
    }
    struct sluice_loader *ld;
    if (sluice_loader_open(&ld, path,
                           &(struct sluice_loader_options){ .threads = 1,
                                                            .batches = 1,
                                                            .batch_size = 1,
                                                            .io = SLUICE_IO_PREAD,
                                                            .crop = crop_of(&opt) },
                           &err) == 0) {
        const struct sluice_shape source = sluice_loader_source(ld);
        r.gather = plain_gather(&source, opt.batch_size);
        sluice_loader_close(ld);
    }
    if (opt.json)
        print_json(&opt, &r);
    else
        print_text(path, &opt, &r, aug);
    free(r.damaged);
    sluice_augment_free(aug);
    return fflush(stdout) ? CLI_IO : CLI_OK;
}

/* bench.h -- the parts of `sluice bench`: options, runs, what is measured, how it is
 * told. */
#ifndef SLUICE_BENCH_H
#define SLUICE_BENCH_H

#include <sluice/augment.h>
#include <sluice/loader.h>

struct bench_options {
    int batch_size, batches, threads, io, order, on_error, queue_depth, epochs, rank,
        world;
    double seconds;
    uint64_t seed, start_batch, memory_budget, memory_limit, block, open_blocks,
        epoch_samples;
    const char *augment, *subset;
    int folds, fold;
    bool fold_test, balanced;
    int crop, size;
    int jpeg;
    int dtype, layout;
    bool cold, hash, json, quiet, shuffle;
    const char *against; /* more options: compare with a run that has them too */
    int pairs;
};

struct bench_result {
    double open_seconds, first_seconds; /* opening; opening until the first batch */
    double seconds;                     /* of it all */
    double seek_seconds;                /* to the middle of a distant epoch */
    double steady;           /* samples/s of the fastest epoch behind the first */
    uint64_t samples, bytes; /* delivered */
    int epochs;
    enum sluice_order order; /* as in the options */
    bool augmented;
    uint32_t hash;
    struct sluice_damage *damaged; /* (stats.damaged_samples) */
    double gather;                 /* samples/s of a plain copy of the same bytes */
    struct sluice_loader_stats stats;
};

/* bench_run.c: whether the file opens; warns of a damaged commit slot. */
int bench_check(const char *path, const struct bench_options *opt,
                struct sluice_error *err);
/* One run by `opt`, with the pipeline of opt->augment if there is one. */
int bench_make_augment(struct sluice_augment **out, const char *path,
                       const struct bench_options *opt, struct sluice_error *err);
int bench_drop_cache(const char *path, struct sluice_error *err);
int bench_run(const char *path, const struct bench_options *opt,
              const struct sluice_augment *aug, struct bench_result *r,
              struct sluice_error *err);
/* The loader's options that `opt` means. */
struct sluice_loader_options bench_loader_options(const struct bench_options *opt);
/* The yardstick, into r->gather. */
int bench_gather(const char *path, const struct bench_options *opt,
                 struct bench_result *r, struct sluice_error *err);

/* Samples/s: of the fastest epoch behind the first where there is one and the cache is
 * left alone, else of all. */
double bench_speed(const struct bench_options *opt, const struct bench_result *r);

/* bench_pairs.c: runs of `opt` and of `other` in turn, opt->pairs of each. 1: samples
 * were damaged. */
int bench_pairs(const char *path, const struct bench_options *opt,
                const struct bench_options *other, struct sluice_error *err);

/* bench_report.c */
void bench_print_text(const char *path, const struct bench_options *opt,
                      const struct bench_result *r, const struct sluice_augment *aug);
/* One object, without a newline. */
void bench_print_json(const struct bench_options *opt, const struct bench_result *r);
const char *bench_verdict(const struct bench_result *r);

/* bench_shuffle.c: how well the orders mix the file's classes. */
int bench_shuffle(const char *path, const struct bench_options *opt,
                  struct sluice_error *err);

#endif

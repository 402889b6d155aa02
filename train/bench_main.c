/* bench_main.c -- `sluice bench`: how fast a file loads, and what limits it. The only
 * program that joins loader and augmentation without a network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "options.h"

static const char program[] = "sluice bench";

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "batch-size", CLI_INT, offsetof(struct bench_options, batch_size), 1, 1e6, NULL, "images per batch: 512" },
    { "batches", CLI_INT, offsetof(struct bench_options, batches), 1, 1e4, NULL, "batches in existence: 4" },
    { "threads", CLI_INT, offsetof(struct bench_options, threads), 1, 1024, NULL, "worker threads: one per CPU" },
    { "io", CLI_CHOICE, offsetof(struct bench_options, io), 0, 0, "auto|resident|uring|direct|pread", "backend: auto" },
    { "memory-budget", CLI_SIZE, offsetof(struct bench_options, memory_budget), 0, 1e15, NULL, "what `resident` may hold: a quarter of free memory, divided by --world" },
    { "memory-limit", CLI_SIZE, offsetof(struct bench_options, memory_limit), 0, 1e15, NULL, "what the loader may hold in all: no limit" },
    { "order", CLI_CHOICE, offsetof(struct bench_options, order), 0, 0, "random|sequential|quasi_random", "order: random" },
    { "block", CLI_UINT64, offsetof(struct bench_options, block), 1, 1e12, NULL, "quasi_random: samples of a block: about 1 MiB" },
    { "open-blocks", CLI_UINT64, offsetof(struct bench_options, open_blocks), 1, 1e12, NULL, "quasi_random: blocks shuffled among each other: 256" },
    { "shuffle", CLI_FLAG, offsetof(struct bench_options, shuffle), 0, 0, NULL, "how well the orders mix the file's classes; loads nothing" },
    { "queue-depth", CLI_INT, offsetof(struct bench_options, queue_depth), 1, 4096, NULL, "reads in flight, of all threads together: 64" },
    { "on-error", CLI_CHOICE, offsetof(struct bench_options, on_error), 0, 0, "raise|skip|substitute", "damaged samples: raise" },
    { "seed", CLI_UINT64, offsetof(struct bench_options, seed), 0, 0, NULL, "of order and draws: 0" },
    { "epochs", CLI_INT, offsetof(struct bench_options, epochs), 1, 1e6, NULL, "exactly so many: as --seconds allow" },
    { "seconds", CLI_DOUBLE, offsetof(struct bench_options, seconds), 0.01, 1e5, NULL, "whole epochs for about this long: 5" },
    { "start-batch", CLI_UINT64, offsetof(struct bench_options, start_batch), 0, 0, NULL, "of the first epoch: 0" },
    { "rank", CLI_INT, offsetof(struct bench_options, rank), 0, 1e6, NULL, "of this consumer: 0" },
    { "world", CLI_INT, offsetof(struct bench_options, world), 1, 1e6, NULL, "consumers: 1" },
    { "subset", CLI_STRING, offsetof(struct bench_options, subset), 0, 0, NULL, "a text file of the sample numbers to use: all" },
    { "folds", CLI_INT, offsetof(struct bench_options, folds), 2, 1e6, NULL, "leave out one fold of so many, equal in classes: none" },
    { "fold", CLI_INT, offsetof(struct bench_options, fold), 0, 1e6, NULL, "which: 0" },
    { "fold-test", CLI_FLAG, offsetof(struct bench_options, fold_test), 0, 0, NULL, "use that fold, not the others" },
    { "balanced", CLI_FLAG, offsetof(struct bench_options, balanced), 0, 0, NULL, "draw with replacement, classes equally likely" },
    { "epoch-samples", CLI_UINT64, offsetof(struct bench_options, epoch_samples), 1, 1e15, NULL, "draws of an epoch: as many as there are samples" },
    { "crop", CLI_CHOICE, offsetof(struct bench_options, crop), 0, 0, "none|random|center",
      "part of each image that is taken and scaled to --size: none" },
    { "size", CLI_INT, offsetof(struct bench_options, size), 1, 16384, NULL, "height and width behind a crop: 224" },
    { "jpeg", CLI_CHOICE, offsetof(struct bench_options, jpeg), 0, 0, "auto|libjpeg|plain|avx2|avx512", "what decodes JPEGs: auto" },
    { "augment", CLI_STRING, offsetof(struct bench_options, augment), 0, 0, NULL, "a pipeline, as in flip,translate:pad=2,cutout:size=4,normalize: none" },
    { "dtype", CLI_CHOICE, offsetof(struct bench_options, dtype), 0, 0, "f32|bf16|f16|u8", "of images: f32 behind a pipeline, else u8" },
    { "layout", CLI_CHOICE, offsetof(struct bench_options, layout), 0, 0, "nhwc|nchw", "of images: nhwc" },
    { "against", CLI_STRING, offsetof(struct bench_options, against), 0, 0, NULL, "more options, as in '--io=pread --threads=1': compare with them, in turn" },
    { "pairs", CLI_INT, offsetof(struct bench_options, pairs), 1, 1000, NULL, "of runs, with --against: 5" },
    { "cold", CLI_FLAG, offsetof(struct bench_options, cold), 0, 0, NULL, "drop the file from the page cache first" },
    { "hash", CLI_FLAG, offsetof(struct bench_options, hash), 0, 0, NULL, "print a checksum of ids, labels and pixels; loads one epoch unless --epochs says more" },
    { "json", CLI_FLAG, offsetof(struct bench_options, json), 0, 0, NULL, "results as JSON" },
    { "quiet", CLI_FLAG, offsetof(struct bench_options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

/* A type or a layout alone is a pipeline that only converts. */
static void complete(struct bench_options *opt)
{
    if (!opt->augment && (opt->dtype >= 0 || opt->layout >= 0))
        opt->augment = "";
    opt->dtype = opt->dtype < 0 ? 0 : opt->dtype;
    opt->layout = opt->layout < 0 ? 0 : opt->layout;
    if (opt->hash && !opt->epochs) /* as many as there is time for have any hash */
        opt->epochs = 1;
}

/* The same options, and those that --against names. */
static struct bench_options parse_against(const struct cli_spec *spec,
                                          const struct bench_options *opt,
                                          const char *path)
{
    enum { WORDS = 32 };
    static char text[1024];
    char *words[WORDS + 3] = { (char *)program }, *at = text, *word;
    struct bench_options other = *opt;
    const char *file;
    int n = 1;
    snprintf(text, sizeof(text), "%s", opt->against);
    while (n <= WORDS && (word = strtok_r(at, " ", &at)))
        words[n++] = word;
    words[n++] = (char *)path;
    cli_parse(spec, n, words, &other, &file);
    complete(&other);
    return other;
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
        .epilogue = "examples:\n"
                    "  sluice bench train.sluice --augment=flip,translate:pad=2,"
                    "cutout:size=4,normalize\n"
                    "  sluice bench train.sluice --seconds=1 --against=\"--io=pread "
                    "--threads=1\"\n",
    };
    struct bench_options opt = { .dtype = -1,
                                 .layout = -1,
                                 .batch_size = 512,
                                 .batches = 4,
                                 .queue_depth = 64,
                                 .world = 1,
                                 .seconds = 5 };
    struct bench_result r = { 0 };
    struct sluice_error err;
    struct sluice_augment *aug = NULL;
    const char *path;
    cli_parse(&spec, argc, argv, &opt, &path);
    if (opt.pairs && !opt.against) {
        fprintf(stderr, "%s: --pairs=%d: expected --against too\n", program, opt.pairs);
        return CLI_USAGE;
    }
    opt.pairs = opt.pairs ? opt.pairs : 5;
    cli_catch_signals();
    if (bench_check(path, &opt, &err) < 0)
        return cli_report(program, &err);
    if (opt.shuffle)
        return bench_shuffle(path, &opt, &err) < 0 ? cli_report(program, &err) : CLI_OK;
    if (opt.against) {
        const struct bench_options other = parse_against(&spec, &opt, path);
        complete(&opt);
        const int n = bench_pairs(path, &opt, &other, &err);
        return n < 0 ? cli_report(program, &err)
                     : cli_finish(program, n ? CLI_FAILED : CLI_OK);
    }
    complete(&opt);
    int rc = opt.augment ? bench_make_augment(&aug, path, &opt, &err) : 0;
    if (rc == 0 && opt.cold)
        rc = bench_drop_cache(path, &err);
    if (rc == 0)
        rc = bench_run(path, &opt, aug, &r, &err);
    if (rc == 0)
        rc = bench_gather(path, &opt, &r, &err);
    if (rc == 0 && opt.json) {
        bench_print_json(&opt, &r);
        putchar('\n');
    } else if (rc == 0)
        bench_print_text(path, &opt, &r, aug);
    free(r.damaged);
    sluice_augment_free(aug);
    if (rc < 0)
        return cli_report(program, &err);
    return cli_finish(program, r.stats.damaged ? CLI_FAILED : CLI_OK);
}

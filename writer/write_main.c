/* write_main.c -- `sluice write`: convert a dataset into a .sluice file. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/loader.h>

#include "arrange.h"
#include "options.h"
#include "progress.h"
#include "sources/source.h"
#include "stale.h"

static const char program[] = "sluice write";

struct options {
    int split; /* 0 train, 1 test */
    uint64_t limit;
    const char *class_names, *root, *variant;
    int mode, quality, threads, on_error, mean_std, compress;
    uint64_t max_side, smart, seed, dictionary;
    double probability;
    bool transposed, trust, orient, shuffle, append, quiet, json;
    bool given[32]; /* options, in the order of the table */
};

enum { ON_ERROR_RAISE = 0, ON_ERROR_SKIP = 1 };
enum { MEAN_STD_ON = 0, MEAN_STD_OFF = 1 };

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "split", CLI_CHOICE, offsetof(struct options, split), 0, 0, "train|test", "which part: train" },
    { "limit", CLI_UINT64, offsetof(struct options, limit), 1, 1e15, NULL, "only the first N samples: all" },
    { "class-names", CLI_STRING, offsetof(struct options, class_names), 0, 0, NULL,
      "names of the classes, joined by commas: the source's own, if it has any" },
    { "variant", CLI_STRING, offsetof(struct options, variant), 0, 0, NULL,
      "mnist: which of EMNIST's sets, as in the names of its files: the only one" },
    { "transposed", CLI_FLAG, offsetof(struct options, transposed), 0, 0, NULL,
      "mnist: leave EMNIST's pictures as they lie in its files: they are turned upright" },
    { "root", CLI_STRING, offsetof(struct options, root), 0, 0, NULL,
      "folder: where the paths of a list begin: the folder that the list is in" },
    { "mode", CLI_CHOICE, offsetof(struct options, mode), 0, 0, "keep|raw|jpg|smart|proportion",
      "folder, beton: how pictures are stored: keep (JPEGs as they are, others as pixels)" },
    { "quality", CLI_INT, offsetof(struct options, quality), 1, 100, NULL, "folder: of JPEGs that are made: 90" },
    { "max-side", CLI_UINT64, offsetof(struct options, max_side), 1, 65500, NULL,
      "folder: scale larger pictures down to this, by area averages: never" },
    { "smart-threshold", CLI_SIZE, offsetof(struct options, smart), 0, 1e12, NULL,
      "folder: bytes of pixels from which mode smart takes JPEG: 256K" },
    { "jpeg-probability", CLI_DOUBLE, offsetof(struct options, probability), 0, 1, NULL,
      "folder: of JPEG in mode proportion: 0.5" },
    { "trust", CLI_FLAG, offsetof(struct options, trust), 0, 0, NULL,
      "folder, beton: do not decode JPEGs that are kept to see that they are whole" },
    { "orient", CLI_FLAG, offsetof(struct options, orient), 0, 0, NULL,
      "folder: turn pictures upright as their EXIF says; JPEGs are then made anew" },
    { "seed", CLI_UINT64, offsetof(struct options, seed), 0, 0, NULL, "of mode proportion and of --shuffle: 0" },
    { "shuffle", CLI_FLAG, offsetof(struct options, shuffle), 0, 0, NULL,
      "write the samples in random order; takes the space twice for a while" },
    { "append", CLI_FLAG, offsetof(struct options, append), 0, 0, NULL,
      "put the samples behind those that OUTPUT has already" },
    { "compress", CLI_INT, offsetof(struct options, compress), 1, 22, NULL,
      "payloads that are not JPEGs become zstd frames of this level: none" },
    { "dictionary", CLI_SIZE, offsetof(struct options, dictionary), 256, 1 << 20, NULL,
      "with --compress: of this size for all frames, learnt from the pictures: none" },
    { "mean-std", CLI_CHOICE, offsetof(struct options, mean_std), 0, 0, "on|off",
      "mean and deviation of each channel: on" },
    { "threads", CLI_INT, offsetof(struct options, threads), 1, 256, NULL, "folder: that prepare pictures: one per CPU" },
    { "on-error", CLI_CHOICE, offsetof(struct options, on_error), 0, 0, "raise|skip",
      "samples that cannot be converted: raise (then nothing is written); skip ends with 1" },
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress, no summary" },
    { "json", CLI_FLAG, offsetof(struct options, json), 0, 0, NULL, "the summary as JSON" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};
_Static_assert(sizeof(option_table) / sizeof(*option_table) <= 33,
               "given is too short");

enum { CLASSES_MAX = 1000 };

/* Cut "a,b,c" up in place. */
static int split_names(char *text, const char **names, struct sluice_error *err)
{
    int n = 0;
    for (char *name; (name = strsep(&text, ","));) {
        if (n == CLASSES_MAX)
            return sluice_fail(err, SLUICE_EINVAL, "--class-names: more than %d",
                               CLASSES_MAX);
        if (!*name)
            return sluice_fail(err, SLUICE_EINVAL, "--class-names: name %d is empty",
                               n + 1);
        for (int i = 0; i < n; i++)
            if (strcmp(names[i], name) == 0)
                return sluice_fail(err, SLUICE_EINVAL,
                                   "--class-names: %.80s is named twice", name);
        names[n++] = name;
    }
    return n;
}

static bool has_word(const char *words, const char *word)
{
    const size_t n = strlen(word);
    for (const char *at = strstr(words, word); at; at = strstr(at + n, word))
        if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' '))
            return true;
    return false;
}

/* An option that means nothing here is a mistake: nothing would come of it. */
static int refuse_foreign(const struct source_def *def, const bool *given,
                          struct sluice_error *err)
{
    for (int k = 0; option_table[k].name; k++) {
        char owners[128] = "";
        size_t at = 0;
        const char *name = option_table[k].name;
        if (!given[k] || has_word(def->options, name))
            continue;
        for (int i = 0; source_registry[i]; i++)
            if (has_word(source_registry[i]->options, name))
                at += (size_t)snprintf(owners + at, sizeof(owners) - at, "%s%s",
                                       at ? ", " : "", source_registry[i]->name);
        if (at)
            return sluice_fail(err, SLUICE_EINVAL,
                               "--%s does not concern %s; it is an option of %s", name,
                               def->name, owners);
    }
    return 0;
}

static const struct source_def *find_source(const char *name, struct sluice_error *err)
{
    char known[256] = "";
    size_t at = 0;
    for (int i = 0; source_registry[i]; i++) {
        if (strcmp(source_registry[i]->name, name) == 0)
            return source_registry[i];
        at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
                               source_registry[i]->name);
    }
    sluice_fail(err, SLUICE_EINVAL, "no format '%s'; there are %s", name, known);
    return NULL;
}

/* Whether it says something of this sample alone. */
static bool skippable(int rc)
{
    return rc == SLUICE_ECORRUPT || rc == SLUICE_EUNBUILT || rc == SLUICE_EIO ||
           rc == SLUICE_EINVAL;
}

/* A label beyond the names that were given is a mistake in them. */
static int check_label(const struct sluice_schema *s, const char *input,
                       const struct sluice_value *values, uint64_t sample,
                       struct sluice_error *err)
{
    int i = 0;
    while (i < s->field_count &&
           (s->fields[i].kind != SLUICE_KIND_SCALAR ||
            s->fields[i].dtype > SLUICE_I64 ||
            (s->class_field && strcmp(s->class_field, s->fields[i].name) != 0)))
        i++;
    if (!s->class_count || i == s->field_count || values[i].integer < s->class_count)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: sample %" PRIu64 ": label %" PRId64
                       ", names for %d classes",
                       input, sample, values[i].integer, s->class_count);
}

/* Samples that --on-error=skip left out are told one by one, and counted. A failure to
 * write is none of theirs. */
static int copy_samples(struct source *src, const char *input, struct sluice_writer *w,
                        uint64_t count, bool skip, uint64_t *skipped,
                        struct progress *progress, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    char line[sizeof(err->message)];
    for (uint64_t i = 0; i < count; i++) {
        memset(values, 0, sizeof(*values) * (size_t)src->schema.field_count);
        int rc = src->def->read(src, i, values, err);
        if (rc == 0)
            rc = check_label(&src->schema, input, values, i, err);
        if (rc < 0 && !(skip && skippable(rc)))
            return rc;
        if (rc < 0) {
            progress_end(progress);
            fprintf(stderr, "%s: skipped: %s\n", program,
                    text_name(line, sizeof(line), err->message));
            ++*skipped;
        } else if ((rc = sluice_writer_append(w, values, err)) < 0) {
            return rc;
        }
        if (cli_interrupted())
            return sluice_fail(err, SLUICE_ESTOPPED,
                               "interrupted; nothing was written");
        if (i % 64 == 0)
            progress_update(progress, i, NULL);
    }
    return *skipped < count
               ? 0
               : sluice_fail(err, SLUICE_ECORRUPT,
                             "none of %" PRIu64 " samples could be converted", count);
}

static void print_summary(const struct options *opt, const char *path, uint64_t count,
                          uint64_t skipped, double seconds)
{
    char samples[32], size[32], rate[32];
    struct stat st = { 0 };
    stat(path, &st);
    if (opt->json) {
        printf("{\"samples\": %" PRIu64 ", \"skipped\": %" PRIu64
               ", \"bytes\": %lld, \"seconds\": %.3f}\n",
               count, skipped, (long long)st.st_size, seconds);
        return;
    }
    printf("%s: %s samples, %s, in %.2f s (%s samples/s)\n", path,
           text_count(samples, count), text_bytes(size, (uint64_t)st.st_size), seconds,
           text_count(rate, (uint64_t)((double)count / (seconds > 0 ? seconds : 1))));
    if (skipped)
        printf("%s: %s samples skipped\n", path, text_count(samples, skipped));
}

static int write_file(struct source *src, const char *input, const char *path,
                      const struct options *opt, uint64_t count, uint64_t *skipped,
                      struct sluice_error *err)
{
    struct sluice_writer *w = NULL;
    struct progress progress;
    progress_begin(&progress, "writing", "samples", count, opt->quiet);
    int rc = sluice_writer_begin(&w, path, &src->schema, err);
    if (rc == 0)
        rc = copy_samples(src, input, w, count, opt->on_error == ON_ERROR_SKIP, skipped,
                          &progress, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    progress_end(&progress);
    sluice_writer_abandon(w);
    return rc;
}

/* paths: INPUT and OUTPUT. */
static int write_all(struct source *src, const char *const *paths,
                     const struct options *opt, uint64_t count, uint64_t *skipped,
                     struct sluice_error *err)
{
    const char *path = paths[1];
    char between[4096];
    src->schema.without_statistics = opt->mean_std == MEAN_STD_OFF;
    if (opt->dictionary && !opt->compress)
        return sluice_fail(err, SLUICE_EINVAL, "--dictionary: expected --compress too");
    if (opt->append && opt->compress)
        return sluice_fail(err, SLUICE_EINVAL,
                           "--compress: a file that is appended to keeps its own way");
    if (!opt->shuffle && !opt->append && !opt->dictionary) {
        src->schema.zstd_level = opt->compress;
        return write_file(src, paths[0], path, opt, count, skipped, err);
    }
    /* A name that no other process has, on another machine either; of one that is
     * killed no more is left than a temporary of it. */
    snprintf(between, sizeof(between), "%.4000s.unordered-XXXXXX", path);
    const int fd = mkstemp(between);
    if (fd < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: cannot create: %s", between,
                           strerror(errno));
    close(fd);
    unlink(between);
    sluice_stale_remove(path);
    int rc = write_file(src, paths[0], between, opt, count, skipped, err);
    if (rc == 0)
        rc = rearrange(between, path,
                       &(struct arrangement){ .source = paths[0],
                                              .append = opt->append,
                                              .shuffle = opt->shuffle,
                                              .seed = opt->seed,
                                              .level = opt->compress,
                                              .dictionary = opt->dictionary,
                                              .quiet = opt->quiet },
                       err);
    return rc;
}

/* Inputs are read more than once. */
static int check_input(const char *path, struct sluice_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)
               ? 0
               : sluice_fail(err, SLUICE_EINVAL, "%s: expected a file or a folder",
                             path);
}

static int convert(const struct options *opt, const char *const *arguments,
                   uint64_t *skipped, struct sluice_error *err)
{
    static const char *names[CLASSES_MAX];
    struct source_options where = {
        .input = arguments[1],
        .test = opt->split == 1,
        .variant = opt->variant,
        .transposed = opt->transposed,
        .root = opt->root,
        .picture = { .mode = (enum picture_mode)opt->mode,
                     .quality = opt->quality,
                     .max_side = (uint32_t)opt->max_side,
                     .smart = opt->smart,
                     .proportion = opt->probability,
                     .seed = opt->seed,
                     .trust = opt->trust,
                     .orient = opt->orient,
                     .sums = opt->mean_std == MEAN_STD_ON },
        .limit = opt->limit,
        .threads = opt->threads ? opt->threads : sluice_cpus(),
    };
    struct source src = { .def = find_source(arguments[0], err) };
    const double start = seconds_now();
    char *name_text = NULL;
    int rc;
    if (!src.def || refuse_foreign(src.def, opt->given, err) < 0)
        return SLUICE_EINVAL;
    if ((rc = check_input(arguments[1], err)) < 0)
        return rc;
    if (opt->class_names) {
        name_text = strdup(opt->class_names);
        if (!name_text)
            return sluice_fail(err, SLUICE_ENOMEM, "no memory");
        if ((rc = split_names(name_text, names, err)) < 0) {
            free(name_text);
            return rc;
        }
        where.class_count = rc;
        where.class_names = names;
    }
    if ((rc = src.def->open(&src, &where, err)) < 0) {
        free(name_text);
        return rc;
    }
    const uint64_t count =
        opt->limit && opt->limit < src.count ? opt->limit : src.count;
    rc = write_all(&src, arguments + 1, opt, count, skipped, err);
    src.def->close(&src);
    free(name_text);
    if (rc == 0 && src.note[0]) /* of what is not in the file: quiet or not */
        fprintf(stderr, "%s: %s: %s\n", program, arguments[1], src.note);
    if (rc == 0 && !opt->quiet)
        print_summary(opt, arguments[2], count - *skipped, *skipped,
                      seconds_now() - start);
    return rc;
}

int main(int argc, char **argv)
{
    char summary[1024] =
        "Convert a dataset into one .sluice file. FORMAT is one of:\n\n";
    struct options opt = { .quality = 90, .smart = 256 << 10, .probability = 0.5 };
    uint64_t skipped = 0;
    struct sluice_error err = { 0 };
    const char *arguments[3];
    size_t at = strlen(summary);
    for (int i = 0; source_registry[i]; i++)
        at += (size_t)snprintf(summary + at, sizeof(summary) - at, "  %-10s %s\n",
                               source_registry[i]->name, source_registry[i]->help);
    const struct cli_spec spec = {
        .program = program,
        .arguments = "FORMAT INPUT OUTPUT",
        .summary = summary,
        .options = option_table,
        .given = opt.given,
        .arguments_min = 3,
        .arguments_max = 3,
        .epilogue =
            "examples:\n"
            "  sluice write cifar10 cifar-10-binary.tar.gz train.sluice\n"
            "  sluice write cifar10 cifar-10-binary.tar.gz test.sluice --split=test\n"
            "  sluice write folder photos/ photos.sluice --max-side=500\n",
    };
    cli_parse(&spec, argc, argv, &opt, arguments);
    cli_catch_signals();
    if (convert(&opt, arguments, &skipped, &err) < 0)
        return cli_report(program, &err);
    return cli_finish(program, skipped ? CLI_FAILED : CLI_OK);
}

/* subset_main.c -- `sluice subset`: some samples of a file, as a file of their own.
 * With one seed, --fraction and the same with --complement make the two parts of a
 * split. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "options.h"
#include "packed.h"
#include "progress.h"
#include "select.h"

static const char program[] = "sluice subset";

struct options {
    const char *range, *indices, *class;
    double fraction;
    uint64_t seed;
    bool stratified, complement, quiet;
};

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "range", CLI_STRING, offsetof(struct options, range), 0, 0, NULL, "samples FIRST:END, END left out" },
    { "indices", CLI_STRING, offsetof(struct options, indices), 0, 0, NULL, "samples whose numbers stand in this text file" },
    { "class", CLI_STRING, offsetof(struct options, class), 0, 0, NULL, "samples of this class: its name or number" },
    { "fraction", CLI_DOUBLE, offsetof(struct options, fraction), 0, 1, NULL, "this share of what is left, at random: 1" },
    { "stratified", CLI_FLAG, offsetof(struct options, stratified), 0, 0, NULL, "the share of each class by itself" },
    { "seed", CLI_UINT64, offsetof(struct options, seed), 0, 0, NULL, "of --fraction: 0" },
    { "complement", CLI_FLAG, offsetof(struct options, complement), 0, 0, NULL, "all samples but those" },
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

/* ---- which samples: one flag each ---- */

static int number(const char **text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(*text, &end, 10);
    const bool good = **text >= '0' && **text <= '9' && !errno;
    *text = end;
    return good ? 0 : -1;
}

static int take_range(uint8_t *chosen, uint64_t count, const char *range,
                      struct sluice_error *err)
{
    const char *at = range;
    uint64_t first, end;
    if (number(&at, &first) < 0 || *at++ != ':' || number(&at, &end) < 0 || *at ||
        first > end || end > count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "--range: expected FIRST:END of at most %" PRIu64
                           " samples, found %.60s",
                           count, range);
    for (uint64_t i = 0; i < count; i++)
        chosen[i] = chosen[i] && i >= first && i < end;
    return 0;
}

/* The next word between blanks and commas; # begins a comment, as in the lists that a
 * loader reads. Returns its bytes: 0 at the end of the file, `room` where it is longer
 * than what is kept of it. */
static int next_word(FILE *f, char *word, int room)
{
    bool comment = false;
    int c, n = 0;
    while (n < room && (c = getc(f)) != EOF && !cli_interrupted()) {
        comment = c == '#' || (comment && c != '\n');
        const bool between = comment || (c && strchr(" ,\t\r\n", c));
        if (between && n) {
            ungetc(c, f);
            break;
        }
        if (!between)
            word[n++] = c ? (char)c : '?'; /* a zero byte is part of no number */
    }
    word[n < room ? n : room - 1] = 0;
    return n;
}

static int take_indices(uint8_t *chosen, uint64_t count, const char *path,
                        struct sluice_error *err)
{
    FILE *f = fopen(path, "re");
    uint8_t *named = calloc(count + 1, 1);
    char word[64], *end;
    int rc = 0, n;
    if (!f || !named)
        rc = sluice_fail(err, f ? SLUICE_ENOMEM : SLUICE_EIO, "%s: %s", path,
                         f ? "no memory" : strerror(errno));
    while (rc == 0 && (n = next_word(f, word, sizeof(word))) > 0) {
        const unsigned long long i = strtoull(word, &end, 10);
        if (*word < '0' || *word > '9' || end != word + n || i >= count)
            rc = sluice_fail(err, SLUICE_EINVAL,
                             "%s: sample %s: expected numbers below %" PRIu64, path,
                             word, count);
        else
            named[i] = 1;
    }
    if (rc == 0 && cli_interrupted())
        rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
    if (rc == 0 && ferror(f))
        rc = sluice_fail(err, SLUICE_EIO, "%s: %s", path, strerror(errno));
    for (uint64_t k = 0; rc == 0 && k < count; k++)
        chosen[k] = chosen[k] && named[k];
    free(named);
    if (f)
        fclose(f);
    return rc;
}

/* The class of that name or, where none has it, of that number; -1: there is none. */
static int64_t find_class(const struct sluice_dataset *ds, int field, const char *name)
{
    const int classes = sluice_dataset_classes(ds, field);
    for (int i = 0; i < classes; i++)
        if (strcmp(sluice_dataset_class_name(ds, field, i), name) == 0)
            return i;
    char *end;
    const long long number = strtoll(name, &end, 10);
    return *name >= '0' && *name <= '9' && !*end && (!classes || number < classes)
               ? number
               : -1;
}

static int take_class(uint8_t *chosen, const struct sluice_dataset *ds,
                      const char *name, struct sluice_error *err)
{
    const int field = sluice_dataset_find_label(ds);
    const int64_t label = field < 0 ? -1 : find_class(ds, field, name);
    if (label < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no class '%.100s'",
                           sluice_dataset_name(ds), name);
    for (uint64_t i = 0; i < sluice_dataset_count(ds); i++)
        chosen[i] = chosen[i] && sluice_dataset_integer(ds, field, i) == label;
    return 0;
}

/* Of each stratum the share with the smallest keys, rounded to the nearest. */
static int take_fraction(uint8_t *chosen, const struct sluice_dataset *ds,
                         const struct options *opt, struct sluice_error *err)
{
    struct candidate *c;
    size_t n;
    int rc = select_order(&c, &n, chosen, ds, opt->seed, opt->stratified, err);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin; end < n && c[end].stratum == c[begin].stratum; end++)
            continue;
        const size_t keep = (size_t)llround(opt->fraction * (double)(end - begin));
        for (size_t i = begin + keep; i < end; i++)
            chosen[c[i].sample] = 0;
    }
    free(c);
    return rc;
}

static int choose(uint8_t *chosen, const struct sluice_dataset *ds,
                  const struct options *opt, struct sluice_error *err)
{
    const uint64_t count = sluice_dataset_count(ds);
    int rc = 0;
    memset(chosen, 1, count);
    if (opt->range)
        rc = take_range(chosen, count, opt->range, err);
    if (rc == 0 && opt->indices)
        rc = take_indices(chosen, count, opt->indices, err);
    if (rc == 0 && opt->class)
        rc = take_class(chosen, ds, opt->class, err);
    if (rc == 0 && opt->fraction < 1)
        rc = take_fraction(chosen, ds, opt, err);
    for (uint64_t i = 0; i < count; i++)
        chosen[i] ^= opt->complement;
    if (rc == 0 && !memchr(chosen, 1, count))
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: no sample is left",
                         sluice_dataset_name(ds));
    return rc;
}

/* ---- the file ---- */

/* What was not chosen would be lost. */
static int check_apart(const struct packed *in, const char *out,
                       struct sluice_error *err)
{
    struct stat a, b;
    if (fstat(in->fd, &a) < 0 || stat(out, &b) < 0 || a.st_dev != b.st_dev ||
        a.st_ino != b.st_ino)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%s: expected another OUTPUT than FILE, whose other samples "
                       "would be lost",
                       out);
}

static int copy(struct packed *p, struct sluice_writer *w, const uint8_t *chosen,
                bool quiet, uint64_t *kept, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    struct progress progress;
    const uint64_t count = sluice_dataset_count(p->dataset);
    int rc = 0;
    progress_begin(&progress, "copying", "samples", count, quiet);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        progress_update(&progress, i, NULL);
        if (cli_interrupted())
            rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
        else if (chosen[i] && (rc = packed_read(p, i, values, err)) == 0)
            rc = sluice_writer_append(w, values, err);
        *kept += chosen[i];
    }
    progress_end(&progress);
    return rc;
}

static int subset(const char *const *paths, const struct options *opt, uint64_t *kept,
                  struct sluice_error *err)
{
    struct packed p;
    struct sluice_writer *w = NULL;
    int rc = packed_open(&p, paths[0], err);
    if (rc < 0)
        return rc;
    cli_warn_slot(program, p.dataset);
    uint8_t *chosen = malloc(sluice_dataset_count(p.dataset) + 1);
    rc = check_apart(&p, paths[1], err);
    if (rc == 0 && !chosen)
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", paths[0]);
    if (rc == 0)
        rc = choose(chosen, p.dataset, opt, err);
    if (rc == 0)
        rc = packed_begin(&w, paths[1], &p, err);
    if (rc == 0)
        rc = copy(&p, w, chosen, opt->quiet, kept, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    sluice_writer_abandon(w);
    packed_close(&p);
    free(chosen);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE OUTPUT",
        .summary =
            "Put some samples of a .sluice file into one of their own, in their\n"
            "order. No picture is encoded anew.\n",
        .options = option_table,
        .arguments_min = 2,
        .arguments_max = 2,
        .epilogue =
            "examples:\n"
            "  sluice subset all.sluice train.sluice --fraction=0.9 --stratified\n"
            "  sluice subset all.sluice val.sluice --fraction=0.9 --stratified "
            "--complement\n",
    };
    struct options opt = { .fraction = 1 };
    struct sluice_error err;
    const char *paths[2];
    uint64_t kept = 0;
    char count[32];
    cli_parse(&spec, argc, argv, &opt, paths);
    cli_catch_signals();
    if (subset(paths, &opt, &kept, &err) < 0)
        return cli_report(program, &err);
    if (!opt.quiet)
        printf("%s: %s samples\n", paths[1], text_count(count, kept));
    return cli_finish(program, CLI_OK);
}

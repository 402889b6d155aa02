/* split_main.c -- `sluice split`: a file into parts by shares, or into folds. One pass;
 * payloads go over as they are stored. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "packed.h"
#include "progress.h"
#include "select.h"

static const char program[] = "sluice split";

enum { PARTS_MAX = 64, PATH_BYTES = 4096 };

struct options {
    const char *parts, *output;
    int folds;
    uint64_t seed;
    bool stratified, quiet;
};

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "parts", CLI_STRING, offsetof(struct options, parts), 0, 0, NULL, "NAME:SHARE,NAME:SHARE,...; the shares' sum is 1" },
    { "folds", CLI_INT, offsetof(struct options, folds), 2, PARTS_MAX, NULL, "that many parts of the same size, fold1, fold2, ..." },
    { "stratified", CLI_FLAG, offsetof(struct options, stratified), 0, 0, NULL, "each class by itself" },
    { "seed", CLI_UINT64, offsetof(struct options, seed), 0, 0, NULL, "which sample goes where: 0" },
    { "output", CLI_STRING, offsetof(struct options, output), 0, 0, NULL, "start of the parts' names: FILE without .sluice" },
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

struct part {
    char name[64], path[PATH_BYTES];
    double share;
    uint64_t samples;
    struct sluice_writer *writer;
};

/* "train:0.9,val:0.1" */
static int parse_parts(struct part *parts, const char *text, struct sluice_error *err)
{
    double sum = 0;
    int count = 0;
    for (const char *at = text; *at;) {
        const size_t name = strcspn(at, ":,");
        char *end;
        const double share = at[name] == ':' ? strtod(at + name + 1, &end) : 0;
        if (!name || name >= sizeof(parts->name) || memchr(at, '/', name) ||
            !(share > 0) || (*end && *end != ',') || count == PARTS_MAX)
            return sluice_fail(
                err, SLUICE_EINVAL,
                "--parts: expected NAME:SHARE, at most %d of them, found "
                "%.60s",
                PARTS_MAX, at);
        parts[count] = (struct part){ .share = share };
        memcpy(parts[count].name, at, name);
        for (int i = 0; i < count; i++)
            if (strcmp(parts[i].name, parts[count].name) == 0)
                return sluice_fail(err, SLUICE_EINVAL, "--parts: two are called %s",
                                   parts[i].name);
        count++;
        sum += share;
        at = *end ? end + 1 : end;
    }
    if (!(fabs(sum - 1) <= 1e-9))
        return sluice_fail(err, SLUICE_EINVAL,
                           "--parts: the shares' sum is %g, expected 1", sum);
    return count;
}

static int make_parts(struct part *parts, const char *file, const struct options *opt,
                      struct sluice_error *err)
{
    const char *stem = opt->output ? opt->output : file;
    size_t length = strlen(stem);
    int count = opt->folds;
    if (!opt->parts == !opt->folds)
        return sluice_fail(err, SLUICE_EINVAL, "expected one of --parts and --folds");
    if (opt->parts && (count = parse_parts(parts, opt->parts, err)) < 0)
        return count;
    if (!opt->output && length > 7 && strcmp(stem + length - 7, ".sluice") == 0)
        length -= 7;
    for (int i = 0; i < count; i++) {
        if (opt->folds)
            snprintf(parts[i].name, sizeof(parts[i].name), "fold%d", i + 1);
        if (snprintf(parts[i].path, sizeof(parts[i].path), "%.*s-%s.sluice",
                     (int)length, stem, parts[i].name) >= PATH_BYTES)
            return sluice_fail(err, SLUICE_EINVAL, "%.100s...: too long a name", stem);
    }
    return count;
}

/* part_of[sample]: in each stratum by shares of the random order, or in turn, going on
 * from stratum to stratum so that folds differ by one sample at most. */
static int assign(uint8_t *part_of, const struct part *parts, int count,
                  const struct sluice_dataset *ds, const struct options *opt,
                  struct sluice_error *err)
{
    struct candidate *c;
    size_t n;
    memset(part_of, 1, sluice_dataset_count(ds));
    int rc = select_order(&c, &n, part_of, ds, opt->seed, opt->stratified, err);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin; end < n && c[end].stratum == c[begin].stratum; end++)
            continue;
        double share = 0;
        size_t at = begin;
        for (int p = 0; p < count && !opt->folds; p++) {
            share += parts[p].share;
            const size_t stop =
                p == count - 1 ? end
                               : begin + (size_t)llround(share * (double)(end - begin));
            for (; at < stop; at++)
                part_of[c[at].sample] = (uint8_t)p;
        }
        for (; opt->folds && at < end; at++)
            part_of[c[at].sample] = (uint8_t)(at % (size_t)opt->folds);
    }
    free(c);
    return rc;
}

static int copy(struct packed *in, struct part *parts, const uint8_t *part_of,
                bool quiet, struct sluice_error *err)
{
    struct sluice_value values[SLUICE_FIELDS_MAX];
    struct progress progress;
    const uint64_t count = sluice_dataset_count(in->dataset);
    int rc = 0;
    progress_begin(&progress, "splitting", "samples", count, quiet);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        struct part *p = &parts[part_of[i]];
        progress_update(&progress, i, NULL);
        if (cli_interrupted())
            rc = sluice_fail(err, SLUICE_ESTOPPED, "interrupted; nothing was written");
        else if ((rc = packed_read(in, i, values, err)) == 0)
            rc = sluice_writer_append(p->writer, values, err);
        p->samples++;
    }
    progress_end(&progress);
    return rc;
}

/* Old parts and new ones may have samples in common, so none gets its name before all
 * are written. */
static int finish(struct part *parts, int count, struct sluice_error *err)
{
    struct sluice_error why;
    char names[200] = "";
    size_t at = 0;
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = sluice_writer_prepare(parts[i].writer, err);
    for (int i = 0; i < count && rc == 0; i++) {
        rc = sluice_writer_finish(parts[i].writer, &why);
        if (rc < 0)
            return sluice_fail(err, (enum sluice_code)rc, "%.250s%s%s", why.message,
                               i ? "; new already, unlike the others: " : "", names);
        if (at < sizeof(names))
            at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
                                   i ? ", " : "", parts[i].name);
    }
    return rc;
}

static int split(const char *path, struct part *parts, int count,
                 const struct options *opt, struct sluice_error *err)
{
    struct packed in;
    int rc = packed_open(&in, path, err);
    if (rc < 0)
        return rc;
    cli_warn_slot(program, in.dataset);
    uint8_t *part_of = malloc(sluice_dataset_count(in.dataset) + 1);
    rc = part_of ? assign(part_of, parts, count, in.dataset, opt, err)
                 : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    for (int i = 0; i < count && rc == 0; i++)
        rc = packed_begin(&parts[i].writer, parts[i].path, &in, err);
    if (rc == 0)
        rc = copy(&in, parts, part_of, opt->quiet, err);
    for (int i = 0; i < count && rc == 0; i++)
        if (!parts[i].samples)
            rc = sluice_fail(err, SLUICE_EINVAL, "%s: no sample is left for %s", path,
                             parts[i].name);
    if (rc == 0)
        rc = finish(parts, count, err);
    for (int i = 0; i < count; i++)
        sluice_writer_abandon(parts[i].writer);
    packed_close(&in);
    free(part_of);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE",
        .summary = "Split a .sluice file into parts, FILE-NAME.sluice each: every "
                   "sample goes\n"
                   "into one of them. No picture is encoded anew.\n",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
        .epilogue = "examples:\n"
                    "  sluice split all.sluice --parts=train:0.8,val:0.1,test:0.1 "
                    "--stratified\n"
                    "  sluice split all.sluice --folds=5\n",
    };
    static struct part parts[PARTS_MAX];
    struct options opt = { .quiet = false };
    struct sluice_error err;
    const char *path;
    char samples[32];
    cli_parse(&spec, argc, argv, &opt, &path);
    cli_catch_signals();
    const int count = make_parts(parts, path, &opt, &err);
    if (count < 0 || split(path, parts, count, &opt, &err) < 0)
        return cli_report(program, &err);
    for (int i = 0; i < count && !opt.quiet; i++)
        printf("%s: %s samples\n", parts[i].path,
               text_count(samples, parts[i].samples));
    return cli_finish(program, CLI_OK);
}

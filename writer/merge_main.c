/* merge_main.c -- `sluice merge`: the samples of several files, one after the other. */
#include <stdio.h>
#include <string.h>

#include "copy.h"
#include "options.h"

static const char program[] = "sluice merge";

enum { FILES_MAX = 1000 };

struct options {
    bool quiet;
};

static const struct cli_option option_table[] = {
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

/* The first file says what the others must be like. */
static int merge(const char *const *paths, int count, bool quiet, uint64_t *samples,
                 struct sluice_error *err)
{
    struct packed first;
    struct sluice_writer *w = NULL;
    struct progress progress;
    int rc = packed_open(&first, paths[1], err);
    if (rc < 0)
        return rc;
    progress_begin(&progress, "merging", "samples", 0, quiet);
    rc = packed_begin(&w, paths[0], &first, err);
    if (rc == 0)
        rc = copy_files(paths + 1, count - 1, &first, w, &progress, samples, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    progress_end(&progress);
    sluice_writer_abandon(w);
    packed_close(&first);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "OUTPUT FILE...",
        .summary =
            "Put the samples of several .sluice files into one. Nothing is encoded\n"
            "anew; the files must have the same fields and classes.\n",
        .options = option_table,
        .arguments_min = 2,
        .arguments_max = FILES_MAX,
    };
    static const char *paths[FILES_MAX];
    struct options opt = { .quiet = false };
    struct sluice_error err;
    uint64_t samples = 0;
    char count[32];
    const int n = cli_parse(&spec, argc, argv, &opt, paths);
    cli_catch_signals();
    if (merge(paths, n, opt.quiet, &samples, &err) < 0)
        return cli_report(program, &err);
    if (!opt.quiet)
        printf("%s: %s samples of %d files\n", paths[0], text_count(count, samples),
               n - 1);
    return cli_finish(program, CLI_OK);
}

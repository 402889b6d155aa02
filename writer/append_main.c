/* append_main.c -- `sluice append`: the samples of other files behind those of a file.
 */
#include <stdio.h>

#include "copy.h"
#include "options.h"

static const char program[] = "sluice append";

enum { FILES_MAX = 1000 };

struct options {
    bool quiet;
};

static const struct cli_option option_table[] = {
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

/* All files or none: the writer shows nothing before it finishes. */
static int append(const char *const *paths, int count, bool quiet, uint64_t *samples,
                  struct sluice_error *err)
{
    struct packed target;
    struct sluice_writer *w = NULL;
    struct progress progress;
    int rc = packed_open(&target, paths[0], err);
    if (rc < 0)
        return rc;
    progress_begin(&progress, "appending", "samples", 0, quiet);
    rc = sluice_writer_reopen(&w, paths[0], err);
    if (rc == 0)
        rc = copy_files(paths + 1, count - 1, &target, w, &progress, samples, err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    progress_end(&progress);
    sluice_writer_abandon(w);
    packed_close(&target);
    return rc;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE OTHER...",
        .summary =
            "Put the samples of other .sluice files behind those of FILE, at the cost "
            "of\n"
            "the new samples alone. The files must have the same fields and classes. "
            "A\n"
            "crash at any moment leaves FILE as it was, or with all new samples.\n",
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
    if (append(paths, n, opt.quiet, &samples, &err) < 0)
        return cli_report(program, &err);
    if (!opt.quiet)
        printf("%s: %s samples more\n", paths[0], text_count(count, samples));
    return cli_finish(program, CLI_OK);
}

/* join.c -- see join.h. */
#include <stdio.h>

#include "copy.h"
#include "join.h"

enum { FILES_MAX = 1000 };

struct options {
    bool quiet;
};

static const struct cli_option option_table[] = {
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

/* Each must have the fields and classes of `like`. */
static int copy_files(const char *program, const char *const *paths, int count,
                      const struct packed *like, struct sluice_writer *w,
                      struct progress *progress, uint64_t *done,
                      struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++) {
        struct packed next;
        if ((rc = packed_open(&next, paths[i], err)) < 0)
            break;
        cli_warn_slot(program, next.dataset);
        if ((rc = packed_match(like, &next, err)) == 0 &&
            (rc = sluice_writer_add_provenance(
                 w, sluice_dataset_provenance(next.dataset), err)) == 0)
            rc = copy_all(&next, w, NULL, progress, done, err);
        packed_close(&next);
    }
    return rc;
}

/* All files or none: the writer shows nothing before it finishes. */
static int join(const char *program, const char *const *paths, int count, bool append,
                bool quiet, uint64_t *samples, struct sluice_error *err)
{
    struct packed like;
    struct sluice_writer *w = NULL;
    struct progress progress;
    int rc = packed_open(&like, paths[append ? 0 : 1], err);
    if (rc < 0)
        return rc;
    progress_begin(&progress, append ? "appending" : "merging", "samples", 0, quiet);
    rc = append ? sluice_writer_reopen(&w, paths[0], err)
                : packed_begin(&w, paths[0], &like, err);
    if (rc == 0)
        rc = copy_files(program, paths + 1, count - 1, &like, w, &progress, samples,
                        err);
    if (rc == 0)
        rc = sluice_writer_finish(w, err);
    progress_end(&progress);
    sluice_writer_abandon(w);
    packed_close(&like);
    return rc;
}

int join_main(struct cli_spec spec, bool append, int argc, char **argv)
{
    static const char *paths[FILES_MAX];
    struct options opt = { .quiet = false };
    struct sluice_error err;
    uint64_t samples = 0;
    char text[32];
    spec.options = option_table;
    spec.arguments_min = 2;
    spec.arguments_max = FILES_MAX;
    const int count = cli_parse(&spec, argc, argv, &opt, paths);
    cli_catch_signals();
    if (join(spec.program, paths, count, append, opt.quiet, &samples, &err) < 0)
        return cli_report(spec.program, &err);
    text_count(text, samples);
    if (!opt.quiet && append)
        printf("%s: %s samples more\n", paths[0], text);
    else if (!opt.quiet)
        printf("%s: %s samples of %d files\n", paths[0], text, count - 1);
    return cli_finish(spec.program, CLI_OK);
}

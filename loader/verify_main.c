/* verify_main.c -- `sluice verify`: read and check everything. Exit status 0: all good;
 * 1: damage, each bad sample named; 5: not readable at all. */
#include <inttypes.h>
#include <stdio.h>

#include "options.h"
#include "progress.h"
#include "verify.h"

static const char program[] = "sluice verify";

struct options {
    bool quiet;
};

static const struct cli_option option_table[] = {
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

static void say(void *ctx, const char *line)
{
    (void)ctx;
    printf("bad: %s\n", line);
}

static bool show_progress(void *ctx, uint64_t done)
{
    progress_update(ctx, done, NULL);
    return !cli_interrupted();
}

static int64_t verify(const struct sluice_file *f, bool quiet, struct sluice_error *err)
{
    struct progress progress;
    const struct verify_listener listener = { say, show_progress, &progress };
    progress_begin(&progress, "verifying", "samples", sluice_dataset_count(f->dataset),
                   quiet);
    const int64_t bad = sluice_verify(f, &listener, err);
    progress_end(&progress);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE",
        .summary = "Check every checksum and all padding of a file, and decode every "
                   "JPEG; each\n"
                   "bad sample is named.\n"
                   "Exit status: 0 good, 1 damage found, 3 or 5 not readable.\n",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    struct options opt = { 0 };
    struct sluice_error err;
    struct sluice_file file;
    const char *path;
    char count[32];
    cli_parse(&spec, argc, argv, &opt, &path);
    cli_catch_signals();
    if (sluice_file_open(&file, path, &sluice_sys_real, &err) < 0)
        return cli_report(program, &err);
    const int64_t bad = verify(&file, opt.quiet, &err);
    const uint64_t samples = sluice_dataset_count(file.dataset);
    sluice_file_close(&file);
    if (bad < 0)
        return cli_report(program, &err);
    if (bad)
        printf("%s: %" PRId64 " damaged place%s in %s samples\n", path, bad,
               bad == 1 ? "" : "s", text_count(count, samples));
    else
        printf("%s: %s samples good\n", path, text_count(count, samples));
    return cli_finish(program, bad ? CLI_FAILED : CLI_OK);
}

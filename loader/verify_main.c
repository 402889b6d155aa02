/* verify_main.c -- `sluice verify`: read everything and check every checksum. Exit
 * status 0: all good; 1: damage, each bad sample named; 5: not readable at all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "file.h"
#include "options.h"
#include "progress.h"

static const char program[] = "sluice verify";

struct options {
    bool quiet;
};

static const struct cli_option option_table[] = {
    { "quiet", CLI_FLAG, offsetof(struct options, quiet), 0, 0, NULL, "no progress" },
    { NULL, 0, 0, 0, 0, NULL, NULL },
};

/* Check one payload; returns 0, 1 if it is bad (and says so), or an error. */
static int verify_payload(const struct sluice_file *f, int field, uint64_t sample,
                          uint8_t **buf, size_t *room, struct sluice_error *err)
{
    struct sluice_extent x;
    size_t done;
    int rc = sluice_dataset_locate(f->dataset, field, sample, &x, err);
    if (rc < 0)
        return rc;
    if (x.size > *room) {
        free(*buf);
        *buf = malloc(x.size);
        *room = *buf ? x.size : 0;
        if (!*buf)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %u bytes",
                               f->path, x.size);
    }
    rc = sluice_file_pread(f, *buf, x.size, x.offset, &done);
    rc = rc < 0 || done < x.size ? sluice_file_fail(f, sample, &x, rc, err)
                                 : sluice_file_check(f, sample, &x, *buf, err);
    if (rc == 0)
        return 0;
    printf("bad: %s (field %s)\n", err->message,
           sluice_dataset_field(f->dataset, field)->name);
    return 1;
}

/* Bad payloads, or an error. */
static int64_t verify(const struct sluice_file *f, bool quiet, struct sluice_error *err)
{
    const uint64_t count = sluice_dataset_count(f->dataset);
    struct progress progress;
    uint8_t *buf = NULL;
    size_t room = 0;
    int64_t bad = 0;
    progress_begin(&progress, "verifying", "samples", count, quiet);
    for (uint64_t i = 0; i < count && bad >= 0; i++) {
        for (int k = 0; k < sluice_dataset_field_count(f->dataset) && bad >= 0; k++) {
            if (sluice_dataset_field(f->dataset, k)->kind == SLUICE_KIND_SCALAR)
                continue; /* columns were checked on opening */
            int rc = verify_payload(f, k, i, &buf, &room, err);
            bad = rc < 0 ? rc : bad + rc;
        }
        if (i % 256 == 0) {
            progress_update(&progress, i, NULL);
            if (cli_interrupted())
                bad = sluice_fail(err, SLUICE_ESTOPPED, "interrupted");
        }
    }
    progress_end(&progress);
    free(buf);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE",
        .summary = "Check every checksum of a file; each bad sample is named.\n"
                   "Exit status: 0 good, 1 damage found, 5 not readable.\n",
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
        printf("%s: %" PRId64 " of %s samples damaged\n", path, bad,
               text_count(count, samples));
    else
        printf("%s: %s samples good\n", path, text_count(count, samples));
    return fflush(stdout) ? CLI_IO : bad ? CLI_FAILED : CLI_OK;
}

/* verify_main.c -- `sluice verify`: read everything, check every checksum, decode every
 * JPEG. Exit status 0: all good; 1: damage, each bad sample named; 5: not readable at
 * all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <sluice/jpeg.h>

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

/* Room that is reused from payload to payload. */
struct work {
    uint8_t *bytes, *pixels;
    size_t room, pixel_room;
    struct sluice_jpeg *jpeg;
};

static int grow(uint8_t **data, size_t *room, size_t need, const char *path,
                struct sluice_error *err)
{
    if (*room >= need)
        return 0;
    free(*data);
    *data = malloc(need);
    *room = *data ? need : 0;
    return *data ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %zu bytes", path,
                               need);
}

/* SLUICE_ECORRUPT unless the picture is whole, and of the size that the index says. */
static int check_picture(struct work *w, const struct sluice_file *f, uint64_t sample,
                         const struct sluice_extent *x, struct sluice_error *err)
{
    struct sluice_jpeg_info info;
    struct sluice_error why;
    const size_t need = (size_t)x->height * x->width * 3;
    int rc = grow(&w->pixels, &w->pixel_room, need, f->path, err);
    if (rc == 0 && !w->jpeg)
        rc = sluice_jpeg_create(&w->jpeg, NULL, err);
    if (rc < 0)
        return rc;
    rc = sluice_jpeg_begin(w->jpeg, w->bytes, x->size, &info, &why);
    if (rc == 0 && (info.height != x->height || info.width != x->width))
        rc = sluice_fail(&why, SLUICE_ECORRUPT, "a picture of %ux%u, expected %ux%u",
                         info.height, info.width, x->height, x->width);
    if (rc == 0)
        rc = sluice_jpeg_decode(w->jpeg, NULL, 3, w->pixels, &why);
    return rc < 0 ? sluice_fail(err, SLUICE_ECORRUPT, "%s: sample %" PRIu64 ": %.300s",
                                f->path, sample, why.message)
                  : 0;
}

/* Check one payload; returns 0, 1 if it is bad (and says so), or an error. */
static int verify_payload(const struct sluice_file *f, int field, uint64_t sample,
                          struct work *w, struct sluice_error *err)
{
    struct sluice_extent x;
    size_t done;
    int rc = sluice_dataset_locate(f->dataset, field, sample, &x, err);
    if (rc < 0)
        return rc;
    if ((rc = grow(&w->bytes, &w->room, x.size, f->path, err)) < 0)
        return rc;
    rc = sluice_file_pread(f, w->bytes, x.size, x.offset, &done);
    rc = rc < 0 || done < x.size ? sluice_file_fail(f, sample, &x, rc, err)
                                 : sluice_file_check(f, sample, &x, w->bytes, err);
    if (rc == 0 && x.codec == SLUICE_CODEC_JPEG)
        rc = check_picture(w, f, sample, &x, err);
    if (rc == 0 || rc == SLUICE_ENOMEM)
        return rc;
    printf("bad: %s (field %s)\n", err->message,
           sluice_dataset_field(f->dataset, field)->name);
    return 1;
}

/* Bad payloads, or an error. */
static int64_t verify(const struct sluice_file *f, bool quiet, struct sluice_error *err)
{
    const uint64_t count = sluice_dataset_count(f->dataset);
    struct progress progress;
    struct work work = { .bytes = NULL };
    int64_t bad = 0;
    progress_begin(&progress, "verifying", "samples", count, quiet);
    for (uint64_t i = 0; i < count && bad >= 0; i++) {
        for (int k = 0; k < sluice_dataset_field_count(f->dataset) && bad >= 0; k++) {
            if (sluice_dataset_field(f->dataset, k)->kind == SLUICE_KIND_SCALAR)
                continue; /* columns were checked on opening */
            int rc = verify_payload(f, k, i, &work, err);
            bad = rc < 0 ? rc : bad + rc;
        }
        if (i % 256 == 0) {
            progress_update(&progress, i, NULL);
            if (cli_interrupted())
                bad = sluice_fail(err, SLUICE_ESTOPPED, "interrupted");
        }
    }
    progress_end(&progress);
    sluice_jpeg_free(work.jpeg);
    free(work.bytes);
    free(work.pixels);
    return bad;
}

int main(int argc, char **argv)
{
    static const struct cli_spec spec = {
        .program = program,
        .arguments = "FILE",
        .summary =
            "Check every checksum of a file and decode every JPEG; each bad sample is\n"
            "named.\n"
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

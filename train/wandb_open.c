/* wandb_open.c -- the folder and the file of a run for Weights & Biases, new or
 * continued; see wandb.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sluice/rng.h>

#include "wandb_parts.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0"
#endif

static void config_item(FILE *to, const char *key, size_t key_size, const char *value,
                        size_t value_size)
{
    proto_item(to, 1, 1, key, key_size, value, value_size);
}

static void config_line(FILE *to, const char *key, size_t key_size, const char *value,
                        size_t value_size)
{
    fprintf(to, "%.*s:\n  value: ", (int)key_size, key);
    for (size_t i = 0; i < value_size; i++)
        fputc(value[i] == '\n' ? ' ' : value[i], to);
    fputc('\n', to);
}

static void put_header(struct wandb *w)
{
    struct proto m, version;
    if (!proto_begin(&m))
        return;
    if (proto_begin(&version)) {
        proto_text(version.to, 1, "sluice " SLUICE_VERSION);
        proto_end(&version, m.to, 1);
    }
    wandb_record(w, HEADER, &m);
}

static void put_tags(FILE *to, const char *tags)
{
    while (*tags) {
        const size_t n = strcspn(tags, ",");
        const size_t blanks = strspn(tags, " ");
        if (n > blanks)
            proto_bytes(to, 10, tags + blanks, n - blanks);
        tags += n + (tags[n] == ',');
    }
}

static void put_run(struct wandb *w, const struct wandb_about *about)
{
    char host[64] = "";
    struct proto m, config, start;
    gethostname(host, sizeof(host) - 1);
    if (!proto_begin(&m))
        return;
    proto_text(m.to, 1, w->id);
    proto_text(m.to, 3, about->project);
    if (proto_begin(&config)) {
        json_each_member(about->config, config_item, config.to);
        proto_end(&config, m.to, 4);
    }
    proto_text(m.to, 8, about->name);
    proto_text(m.to, 9, about->notes);
    put_tags(m.to, about->tags);
    proto_text(m.to, 13, host);
    if (proto_begin(&start)) {
        proto_number(start.to, 1, (uint64_t)w->start);
        proto_number(start.to, 2, (uint64_t)((w->start - floor(w->start)) * 1e9));
        proto_end(&start, m.to, 17);
    }
    wandb_record(w, RUN, &m);
}

/* Eight letters and digits that no other run has. */
static void make_id(char id[9])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct sluice_rng rng = sluice_rng_at((uint64_t)t.tv_sec << 20 ^ (uint64_t)getpid(),
                                          (uint64_t)t.tv_nsec, 0);
    for (int i = 0; i < 8; i++)
        id[i] = letters[sluice_rng_below(&rng, 36)];
    id[8] = 0;
}

static int write_config(const struct wandb *w, const struct wandb_about *about,
                        struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    snprintf(path, sizeof(path), "%.1900s/files", w->folder);
    int rc = make_folder(path, err);
    snprintf(path, sizeof(path), "%.1900s/files/config.yaml", w->folder);
    if (rc < 0 || (rc = file_begin(&f, path, err)) < 0)
        return rc;
    json_each_member(about->config, config_line, f.to);
    return file_commit(&f, err);
}

/* The files in a folder that is there. */
static int begin(struct wandb *w, const struct wandb_about *about,
                 struct sluice_error *err)
{
    const int rc = write_config(w, about, err);
    if (rc < 0)
        return rc;
    if (!(w->file = fopen(w->path, "we")))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", w->path, strerror(errno));
    wandb_log_begin(w->file, &w->offset);
    w->number = 0;
    put_header(w);
    put_run(w, about);
    return file_flush(w->file, w->path, err);
}

static int create(struct wandb *w, const char *parent, const struct wandb_about *about,
                  struct sluice_error *err)
{
    char stamp[32];
    struct tm tm;
    int rc;
    w->start = wandb_now();
    const time_t seconds = (time_t)w->start;
    localtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", &tm);
    make_id(w->id);
    snprintf(w->folder, sizeof(w->folder), "%.1700s/offline-run-%s-%s", parent, stamp,
             w->id);
    snprintf(w->path, sizeof(w->path), "%.1900s/run-%s.wandb", w->folder, w->id);
    if ((rc = make_folder(parent, err)) < 0 || (rc = make_folder(w->folder, err)) < 0)
        return rc;
    return begin(w, about, err);
}

/* The folder offline-run-<15 letters>-<id> in `parent`; false: none is there. */
static bool find_folder(struct wandb *w, const char *parent)
{
    DIR *dir = opendir(parent);
    bool found = false;
    for (struct dirent *e; dir && !found && (e = readdir(dir));) {
        found = strncmp(e->d_name, "offline-run-", 12) == 0 && strlen(e->d_name) == 36;
        if (!found)
            continue;
        snprintf(w->folder, sizeof(w->folder), "%.1700s/%.36s", parent, e->d_name);
        snprintf(w->id, sizeof(w->id), "%.8s", e->d_name + 28);
        snprintf(w->path, sizeof(w->path), "%.1900s/run-%s.wandb", w->folder, w->id);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* When the run began, by its folder's name. */
static double start_of(const char *folder)
{
    struct tm tm = { .tm_isdst = -1 };
    const char *name = strrchr(folder, '/');
    return name && strptime(name + 13, "%Y%m%d_%H%M%S", &tm) ? (double)mktime(&tm)
                                                             : wandb_now();
}

/* A run that was killed before its header and configuration were written has no more
 * than the file's first bytes. */
static int go_on(struct wandb *w, const struct wandb_about *about, uint64_t step,
                 struct sluice_error *err)
{
    char *bytes;
    size_t size;
    bool damaged;
    struct stat st;
    w->start = start_of(w->folder);
    if (stat(w->path, &st) < 0 ? errno == ENOENT : st.st_size < BEGINNING)
        return begin(w, about, err);
    int rc = text_file_read(&bytes, &size, w->path, (size_t)1 << 31, err);
    if (rc < 0)
        return rc;
    w->offset = wandb_kept(w, bytes, size, step, &damaged);
    free(bytes);
    if (!w->offset)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: expected a record for Weights & Biases, found "
                           "another file; with its folder elsewhere a new one begins",
                           w->path);
    if (damaged)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%.300s: damaged behind byte %" PRIu64
                           ", with whole records further on; with its folder elsewhere "
                           "a new one begins",
                           w->path, w->offset);
    if (w->number < 2)
        return begin(w, about, err);
    if (truncate(w->path, (off_t)w->offset) < 0 || !(w->file = fopen(w->path, "ae")))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", w->path, strerror(errno));
    return 0;
}

int wandb_open(struct wandb **out, const char *folder, const struct wandb_about *about,
               uint64_t step, struct sluice_error *err)
{
    struct wandb *w = calloc(1, sizeof(*w));
    char parent[RUN_PATH];
    int rc;
    *out = NULL;
    if (!w)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", folder);
    snprintf(parent, sizeof(parent), "%.1600s/wandb", folder);
    rc = find_folder(w, parent) ? go_on(w, about, step, err)
                                : create(w, parent, about, err);
    if (rc < 0)
        wandb_close(w);
    else
        *out = w;
    return rc;
}

/* wandb.c -- records of a run for Weights & Biases; see wandb.h. */
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

#include "run_dir.h"
#include "wandb.h"
#include "wandb_log.h"
#include "wandb_put.h"

#ifndef SLUICE_VERSION
#define SLUICE_VERSION "0"
#endif

enum {
    TAGS_MAX = 128, /* different ones */
    TAG_MAX = 100,
    /* Numbers of Record's fields. */
    HISTORY = 2,
    SUMMARY = 3,
    RUN = 17,
    EXIT = 18,
    HEADER = 21,
};

struct wandb {
    FILE *file;
    char folder[RUN_PATH]; /* offline-run-... */
    char path[RUN_PATH];
    char id[9];
    uint64_t offset, number; /* the file's end; of the last record */
    double start;            /* of the run, seconds since 1970 */
    struct {
        char tag[TAG_MAX];
        double value;
        bool fresh; /* of the row that is being filled */
    } last[TAGS_MAX];
    int tags;
    uint64_t step; /* of that row */
    bool row;
};

/* Record { 1 number; field { message } } */
static void put_record(struct wandb *w, unsigned field, struct proto *m)
{
    struct proto record;
    if (!proto_begin(&record)) {
        fclose(m->to);
        free(m->bytes);
        return;
    }
    proto_number(record.to, 1, ++w->number);
    proto_end(m, record.to, field);
    fclose(record.to);
    wandb_log_append(w->file, &w->offset, record.bytes, record.size);
    free(record.bytes);
}

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

/* ---- records ---- */

static void put_header(struct wandb *w)
{
    struct proto m, version;
    if (!proto_begin(&m))
        return;
    if (proto_begin(&version)) {
        proto_text(version.to, 1, "sluice " SLUICE_VERSION);
        proto_end(&version, m.to, 1);
    }
    put_record(w, HEADER, &m);
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
    put_record(w, RUN, &m);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void put_value(FILE *to, const char *key, double value)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    proto_item(to, 1, 2, key, strlen(key), text, strlen(text));
}

static void put_values(struct wandb *w, FILE *to)
{
    const double at = now();
    for (int i = 0; i < w->tags; i++)
        if (w->last[i].fresh)
            put_value(to, w->last[i].tag, w->last[i].value);
    put_value(to, "_timestamp", at);
    put_value(to, "_runtime", at - w->start);
    put_value(to, "_step", (double)w->step);
}

/* The row's history and what the summary becomes by it. The step stands first: see
 * step_of. */
static void put_row(struct wandb *w)
{
    struct proto m, step;
    if (!w->row)
        return;
    w->row = false;
    if (proto_begin(&m)) {
        if (proto_begin(&step)) {
            proto_number(step.to, 1, w->step);
            proto_end(&step, m.to, 2);
        }
        put_values(w, m.to);
        put_record(w, HISTORY, &m);
    }
    if (proto_begin(&m)) {
        put_values(w, m.to);
        put_record(w, SUMMARY, &m);
    }
    for (int i = 0; i < w->tags; i++)
        w->last[i].fresh = false;
}

static void set_value(struct wandb *w, const char *tag, double value, bool fresh)
{
    int i = 0;
    while (i < w->tags && strncmp(w->last[i].tag, tag, TAG_MAX - 1) != 0)
        i++;
    if (i == TAGS_MAX)
        return;
    if (i == w->tags)
        snprintf(w->last[w->tags++].tag, TAG_MAX, "%s", tag);
    w->last[i].value = value;
    w->last[i].fresh = fresh;
}

void wandb_value(struct wandb *w, const char *tag, uint64_t step, double value)
{
    if (!isfinite(value))
        return;
    if (w->row && w->step != step)
        put_row(w);
    set_value(w, tag, value, true);
    w->step = step;
    w->row = true;
}

void wandb_summary(struct wandb *w, const char *tag, double value)
{
    struct proto m;
    put_row(w);
    if (!isfinite(value) || !proto_begin(&m))
        return;
    set_value(w, tag, value, false);
    put_value(m.to, tag, value);
    put_record(w, SUMMARY, &m);
}

int wandb_flush(struct wandb *w, struct sluice_error *err)
{
    put_row(w);
    return file_flush(w->file, w->path, err);
}

static int write_summary(const struct wandb *w, struct sluice_error *err)
{
    char path[RUN_PATH];
    struct new_file f;
    snprintf(path, sizeof(path), "%.1900s/files/wandb-summary.json", w->folder);
    const int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    fprintf(f.to, "{\"_step\": %" PRIu64, w->step);
    for (int i = 0; i < w->tags; i++)
        fprintf(f.to, ", \"%s\": %.17g", w->last[i].tag, w->last[i].value);
    fputs("}\n", f.to);
    return file_commit(&f, err);
}

int wandb_finish(struct wandb *w, struct sluice_error *err)
{
    struct proto m;
    put_row(w);
    if (proto_begin(&m))
        put_record(w, EXIT, &m);
    const int rc = file_flush(w->file, w->path, err);
    return rc < 0 || !w->tags ? rc : write_summary(w, err);
}

void wandb_close(struct wandb *w)
{
    if (w && w->file) {
        put_row(w);
        fclose(w->file);
    }
    free(w);
}

/* ---- folders ---- */

static int make_folder(const char *path, struct sluice_error *err)
{
    if (mkdir(path, 0777) == 0 || errno == EEXIST)
        return 0;
    return sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
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

static int create(struct wandb *w, const char *parent, const struct wandb_about *about,
                  struct sluice_error *err)
{
    char stamp[32];
    struct tm tm;
    int rc;
    w->start = now();
    const time_t seconds = (time_t)w->start;
    localtime_r(&seconds, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", &tm);
    make_id(w->id);
    snprintf(w->folder, sizeof(w->folder), "%.1700s/offline-run-%s-%s", parent, stamp,
             w->id);
    snprintf(w->path, sizeof(w->path), "%.1900s/run-%s.wandb", w->folder, w->id);
    if ((rc = make_folder(parent, err)) < 0 || (rc = make_folder(w->folder, err)) < 0 ||
        (rc = write_config(w, about, err)) < 0)
        return rc;
    if (!(w->file = fopen(w->path, "wxe")))
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s", w->path, strerror(errno));
    wandb_log_begin(w->file, &w->offset);
    put_header(w);
    put_run(w, about);
    return file_flush(w->file, w->path, err);
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

struct scan {
    struct wandb *w;
    uint64_t step;
};

static uint64_t get_varint(const unsigned char **p, const unsigned char *end)
{
    uint64_t value = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        const unsigned char byte = *(*p)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* One of our own records: its number, then its field; a history begins with its step.
 */
static bool keep_record(void *ctx, const unsigned char *record, size_t size)
{
    struct scan *s = ctx;
    const unsigned char *p = record, *end = record + size;
    if (get_varint(&p, end) != 1 << 3)
        return false;
    const uint64_t number = get_varint(&p, end), key = get_varint(&p, end);
    if (key == (EXIT << 3 | 2))
        return false;
    if (key == (HISTORY << 3 | 2)) {
        get_varint(&p, end);
        if (get_varint(&p, end) != (2 << 3 | 2))
            return false;
        get_varint(&p, end);
        if (get_varint(&p, end) != 1 << 3 || get_varint(&p, end) > s->step)
            return false;
    }
    s->w->number = number;
    return true;
}

/* When the run began, by its folder's name. */
static double start_of(const char *folder)
{
    struct tm tm = { .tm_isdst = -1 };
    const char *name = strrchr(folder, '/');
    return name && strptime(name + 13, "%Y%m%d_%H%M%S", &tm) ? (double)mktime(&tm)
                                                             : now();
}

static int go_on(struct wandb *w, uint64_t step, struct sluice_error *err)
{
    struct scan scan = { w, step };
    char *bytes;
    size_t size;
    int rc = text_file_read(&bytes, &size, w->path, (size_t)1 << 31, err);
    if (rc < 0)
        return rc;
    w->offset = wandb_log_scan(bytes, size, keep_record, &scan);
    free(bytes);
    w->start = start_of(w->folder);
    if (!w->offset)
        return sluice_fail(err, SLUICE_ECORRUPT, "%.300s: no W&B file", w->path);
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
    rc = find_folder(w, parent) ? go_on(w, step, err) : create(w, parent, about, err);
    if (rc < 0)
        wandb_close(w);
    else
        *out = w;
    return rc;
}

/* metrics.c -- metrics.csv and steps.csv; see metrics.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics.h"
#include "run_dir.h"

static const char *const headings[] = {
    [TABLE_EPOCHS] = ("epoch,step,loss,accuracy,test_loss,test_accuracy,lr,momentum,"
                      "seconds,images_per_second,wait,memory_mib"),
    [TABLE_STEPS] = "step,epoch,loss,accuracy,lr,momentum",
    [TABLE_GRADIENTS] = "step,epoch,parameter,quartile1,median,quartile3,norm",
    [TABLE_DISTILL] = "epoch,step,loss,student_loss,distill_loss,alpha,temperature",
};

struct table {
    FILE *file;
    char path[RUN_PATH];
};

enum {
    HEADING = 256 + HEAD_NUMBERS * 32,
};

/* The first line of a table. */
static const char *heading_of(char buf[HEADING], enum table_kind kind, int heads)
{
    const struct epoch_row row = { .heads = kind == TABLE_EPOCHS ? heads : 1 };
    struct head_number all[HEAD_NUMBERS];
    const int count = metrics_head_numbers(all, &row);
    int at = snprintf(buf, HEADING, "%s", headings[kind]);
    for (int i = 0; i < count; i++)
        at += snprintf(buf + at, (size_t)(HEADING - at), ",%s%s",
                       all[i].test ? "test_" : "", all[i].name);
    snprintf(buf + at, (size_t)(HEADING - at), "\n");
    return buf;
}

/* Bytes of the heading and of the whole rows whose first number is at most `last`; 0:
 * not even the heading is whole. */
static size_t good_bytes(const char *text, const char *heading, uint64_t last)
{
    size_t at = strlen(heading);
    if (strlen(text) < at)
        return 0;
    for (const char *end; (end = strchr(text + at, '\n'));
         at = (size_t)(end - text) + 1)
        if (strtoull(text + at, NULL, 10) > last)
            break;
    return at;
}

/* Or with a part of it, where writing was cut off. */
static bool begins_with(const char *text, const char *heading)
{
    const size_t n = strlen(text), whole = strlen(heading);
    return strncmp(text, heading, n < whole ? n : whole) == 0;
}

static int cut(const char *path, const char *heading, uint64_t last, size_t *kept,
               struct sluice_error *err)
{
    char *text = NULL;
    size_t size;
    int rc = 0;
    *kept = 0;
    if (last == 0 || access(path, F_OK) < 0)
        return 0;
    if ((rc = text_file_read(&text, &size, path, (size_t)1 << 30, err)) < 0)
        return rc;
    if (!begins_with(text, heading)) {
        text[strcspn(text, "\r\n")] = 0;
        rc = sluice_fail(err, SLUICE_EINVAL,
                         "%.300s: expected the columns of this run in its first line, "
                         "found '%.80s'; move the file away to go on without its rows",
                         path, text);
    } else {
        *kept = good_bytes(text, heading, last);
    }
    free(text);
    if (rc == 0 && truncate(path, (off_t)*kept) < 0)
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    return rc;
}

static int open_table(struct table **out, const char *path, enum table_kind kind,
                      int heads, uint64_t last, struct sluice_error *err)
{
    char heading[HEADING];
    struct table *t;
    size_t kept;
    int rc = cut(path, heading_of(heading, kind, heads), last, &kept, err);
    *out = NULL;
    if (rc < 0)
        return rc;
    if (!(t = calloc(1, sizeof(*t))))
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    snprintf(t->path, sizeof(t->path), "%s", path);
    if (!(t->file = fopen(path, kept ? "ae" : "we")))
        rc = sluice_fail(err, SLUICE_EIO, "%.300s: %s", path, strerror(errno));
    if (rc == 0 && !kept) {
        fputs(heading, t->file);
        rc = file_flush(t->file, t->path, err);
    }
    if (rc < 0) {
        table_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

int table_open(struct table **out, const char *path, enum table_kind kind,
               uint64_t last, struct sluice_error *err)
{
    return open_table(out, path, kind, 1, last, err);
}

int table_open_heads(struct table **out, const char *path, int heads, uint64_t last,
                     struct sluice_error *err)
{
    return open_table(out, path, TABLE_EPOCHS, heads, last, err);
}

int table_sync(struct table *t, struct sluice_error *err)
{
    return t ? file_sync(t->file, t->path, err) : 0;
}

void table_close(struct table *t)
{
    if (t && t->file)
        fclose(t->file);
    free(t);
}

/* Nothing between the commas where nothing was measured. */
static void put(FILE *to, double x, char end)
{
    if (isfinite(x))
        fprintf(to, "%.9g", x);
    fputc(end, to);
}

int table_epoch(struct table *t, const struct epoch_row *r, struct sluice_error *err)
{
    struct head_number all[HEAD_NUMBERS];
    const int count = metrics_head_numbers(all, r);
    fprintf(t->file, "%d,%" PRIu64 ",", r->epoch, r->step);
    put(t->file, r->loss, ',');
    put(t->file, r->accuracy, ',');
    put(t->file, r->test_loss, ',');
    put(t->file, r->test_accuracy, ',');
    put(t->file, r->lr, ',');
    put(t->file, r->momentum, ',');
    put(t->file, r->seconds, ',');
    put(t->file, r->images_per_second, ',');
    put(t->file, r->wait, ',');
    put(t->file, r->memory_mib, count ? ',' : '\n');
    for (int i = 0; i < count; i++)
        put(t->file, all[i].value, i + 1 < count ? ',' : '\n');
    return file_flush(t->file, t->path, err);
}

int table_step(struct table *t, const struct step_row *r, struct sluice_error *err)
{
    fprintf(t->file, "%" PRIu64 ",%d,", r->step, r->epoch);
    put(t->file, r->loss, ',');
    put(t->file, r->accuracy, ',');
    put(t->file, r->lr, ',');
    put(t->file, r->momentum, '\n');
    return file_flush(t->file, t->path, err);
}

int table_distill(struct table *t, const struct distill_row *r,
                  struct sluice_error *err)
{
    fprintf(t->file, "%d,%" PRIu64 ",", r->epoch, r->step);
    put(t->file, r->loss, ',');
    put(t->file, r->student, ',');
    put(t->file, r->soft, ',');
    put(t->file, r->alpha, ',');
    put(t->file, r->temperature, '\n');
    return file_flush(t->file, t->path, err);
}

int table_gradient(struct table *t, const struct gradient_row *r,
                   struct sluice_error *err)
{
    fprintf(t->file, "%" PRIu64 ",%d,%s,", r->step, r->epoch, r->name);
    for (int i = 0; i < 3; i++)
        put(t->file, r->quartile[i], ',');
    put(t->file, r->norm, '\n');
    return file_flush(t->file, t->path, err);
}

/* The next number of a row, NaN if there is none. */
static double take(char **at)
{
    char *field = strsep(at, ",");
    return field && *field ? strtod(field, NULL) : (double)NAN;
}

static struct epoch_row parse_row(char *line)
{
    struct epoch_row r = { .epoch = (int)take(&line) };
    r.step = line ? strtoull(strsep(&line, ","), NULL, 10) : 0;
    r.loss = take(&line);
    r.accuracy = take(&line);
    r.test_loss = take(&line);
    r.test_accuracy = take(&line);
    r.lr = take(&line);
    r.momentum = take(&line);
    r.seconds = take(&line);
    r.images_per_second = take(&line);
    r.wait = take(&line);
    r.memory_mib = take(&line);
    return r;
}

int metrics_read(struct epoch_row **rows, int *count, const char *path,
                 struct sluice_error *err)
{
    char *text, *rest, *line;
    size_t size, lines = 0;
    int rc = text_file_read(&text, &size, path, (size_t)1 << 30, err);
    *rows = NULL;
    *count = 0;
    if (rc < 0)
        return rc;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    if (!(*rows = calloc(lines + 1, sizeof(**rows))))
        rc = sluice_fail(err, SLUICE_ENOMEM, "%.300s: out of memory", path);
    rest = text;
    for (size_t i = 0; rc == 0 && i < lines && (line = strsep(&rest, "\n")); i++)
        if (i)
            (*rows)[(*count)++] = parse_row(line);
    free(text);
    return rc;
}

/* 41234 -> "41,234" */
static const char *grouped(char buf[32], double x)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%.0f", isfinite(x) ? x : 0.0), at = 0;
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = 0;
    return buf;
}

const char *epoch_line(char buf[256], const struct epoch_row *r, int epochs)
{
    char rate[32], total[16], test[16] = "-";
    const int width = snprintf(total, sizeof(total), "%d", epochs);
    if (isfinite(r->test_accuracy))
        snprintf(test, sizeof(test), "%.2f%%", 100 * r->test_accuracy);
    snprintf(buf, 256,
             "epoch  %*d/%s  loss %.4f  acc %5.2f%%  %s %6s  lr %-9.3g  img/s %7s  "
             "wait %4.1f%%  %.1fs",
             width, r->epoch, total, r->loss, 100 * r->accuracy,
             r->validated ? "val" : "test", test, r->lr,
             grouped(rate, r->images_per_second), 100 * r->wait, r->seconds);
    return buf;
}

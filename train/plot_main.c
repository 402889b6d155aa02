/* plot_main.c -- `sluice plot`: what several runs measured, as one chart. */
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options.h"
#include "plot.h"
#include "run_dir.h"
#include "table_read.h"

static const char program[] = "sluice plot";

enum {
    LINES_MOST = 6, /* of a plot */
    NAME = 80,
};

struct arguments {
    const char *what, *table, *only, *labels, *title, *out;
};

static const struct cli_option option_table[] = {
    /* clang-format off */
    { "what", CLI_STRING, offsetof(struct arguments, what), 0, 0, NULL,
      "columns, as in loss,test_loss: test_accuracy, or loss where nothing was tested" },
    { "table", CLI_STRING, offsetof(struct arguments, table), 0, 0, NULL,
      "the file of each run that has them: metrics.csv; steps.csv has every step" },
    { "only", CLI_STRING, offsetof(struct arguments, only), 0, 0, NULL,
      "rows of it, as in parameter=fc3.weight of gradients.csv; a list has one each run" },
    { "labels", CLI_STRING, offsetof(struct arguments, labels), 0, 0, NULL,
      "names of the runs, as in teacher,student: those of their folders" },
    { "title", CLI_STRING, offsetof(struct arguments, title), 0, 0, NULL,
      "above the chart: the columns' names" },
    { "out", CLI_STRING, offsetof(struct arguments, out), 0, 0, NULL,
      "the SVG file: plot.svg" },
    { NULL, CLI_FLAG, 0, 0, 0, NULL, NULL },
    /* clang-format on */
};

struct run {
    char name[NAME];
    struct number_table table;
};

struct chart {
    struct run runs[LINES_MOST];
    int run_count;
    char columns[LINES_MOST][NAME];
    int column_count;
    double *x; /* (points) what stands in any run's first column, upward */
    int points;
    double *y; /* (lines, points) */
    char names[LINES_MOST][2 * NAME + 8];
};

/* "20261122-080442-name" without the date. */
static void name_run(char name[NAME], const char *path)
{
    char full[PATH_MAX];
    const char *last = realpath(path, full) ? basename(full) : path;
    int dated = 0;
    if (sscanf(last, "%*8[0-9]-%*6[0-9]-%n", &dated) == 0 && dated == 16 && last[16])
        last += 16;
    snprintf(name, NAME, "%.*s", NAME - 1, last);
}

/* "a,b,c" into names, at most `most`; how many, or what there are too many of. */
static int split(char out[][NAME], int most, const char *list)
{
    int n = 0;
    for (const char *at = list; *at; n++) {
        const size_t length = strcspn(at, ",");
        if (n < most)
            snprintf(out[n], NAME, "%.*s", (int)(length < NAME ? length : NAME - 1),
                     at);
        at += length + (at[length] == ',');
    }
    return n;
}

static int upward(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A line has one point in a place. */
static int check_places(const struct number_table *t, const char *path,
                        struct sluice_error *err)
{
    double *x = calloc((size_t)t->rows + 1, sizeof *x);
    int n = 0, same = 1;
    if (!x)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d rows", t->rows);
    for (int row = 0; row < t->rows; row++)
        if (isfinite(t->at[row * t->columns]))
            x[n++] = t->at[row * t->columns];
    qsort(x, (size_t)n, sizeof *x, upward);
    int at = 1;
    while (at < n && x[at] != x[at - 1])
        at++;
    const double where = at < n ? x[at] : 0;
    for (; at < n && x[at] == where; at++)
        same++;
    free(x);
    if (same == 1)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: expected one row of %s %g, found %d; say --only=%s",
                       path, number_table_name(t, 0), where, same,
                       number_table_find(t, "parameter") < 0 ? "COLUMN=TEXT"
                                                             : "parameter=NAME");
}

static int open_run(struct run *r, const char *path, const char *table,
                    const char *only, struct sluice_error *err)
{
    struct run_dir dir;
    char file[RUN_PATH];
    int rc = run_dir_open(&dir, path, err);
    if (rc < 0)
        return rc;
    name_run(r->name, dir.path);
    rc = number_table_read(&r->table, run_file(file, &dir, table), only, err);
    return rc < 0 ? rc : check_places(&r->table, file, err);
}

static int open_runs(struct chart *c, const struct arguments *a, const char **paths,
                     struct sluice_error *err)
{
    char only[LINES_MOST][NAME];
    const int n = a->only ? split(only, LINES_MOST, a->only) : 0;
    int rc = 0;
    if (n > 1 && n != c->run_count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "--only: expected one for all runs or %d, found %d",
                           c->run_count, n);
    for (int i = 0; i < c->run_count && rc == 0; i++)
        rc = open_run(&c->runs[i], paths[i], a->table,
                      n ? only[n > 1 ? i : 0] : a->only, err);
    return rc;
}

static bool all_have(const struct chart *c, const char *column)
{
    for (int r = 0; r < c->run_count; r++) {
        const struct number_table *t = &c->runs[r].table;
        const int i = number_table_find(t, column);
        bool any = false;
        for (int row = 0; i >= 0 && row < t->rows; row++)
            any |= isfinite(t->at[row * t->columns + i]);
        if (!any)
            return false;
    }
    return true;
}

static int choose_columns(struct chart *c, const struct arguments *a,
                          struct sluice_error *err)
{
    const char *what = a->what                        ? a->what
                       : all_have(c, "test_accuracy") ? "test_accuracy"
                                                      : "loss";
    c->column_count = split(c->columns, LINES_MOST, what);
    if (c->column_count < 1 || c->column_count * c->run_count > LINES_MOST)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected 1 to %d lines, found %d columns of %d runs",
                           LINES_MOST, c->column_count, c->run_count);
    for (int i = 0; i < c->column_count; i++)
        for (int r = 0; r < c->run_count; r++) {
            const struct number_table *t = &c->runs[r].table;
            if (number_table_find(t, c->columns[i]) < 0)
                return sluice_fail(
                    err, SLUICE_EINVAL, "%s: no column '%s'; the first are %s, %s, %s",
                    c->runs[r].name, c->columns[i], number_table_name(t, 0),
                    t->columns > 1 ? number_table_name(t, 1) : "-",
                    t->columns > 2 ? number_table_name(t, 2) : "-");
        }
    return 0;
}

static int gather(struct chart *c, struct sluice_error *err)
{
    int rows = 0;
    for (int r = 0; r < c->run_count; r++)
        rows += c->runs[r].table.rows;
    if (!rows)
        return sluice_fail(err, SLUICE_EINVAL, "%s: no rows yet: nothing to draw",
                           c->runs[0].name);
    c->x = calloc((size_t)rows + 1, sizeof *c->x);
    c->y = calloc(LINES_MOST * ((size_t)rows + 1), sizeof *c->y);
    if (!c->x || !c->y)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d points", rows);
    int n = 0;
    for (int r = 0; r < c->run_count; r++)
        for (int row = 0; row < c->runs[r].table.rows; row++) {
            const double x = c->runs[r].table.at[row * c->runs[r].table.columns];
            if (isfinite(x))
                c->x[n++] = x;
        }
    qsort(c->x, (size_t)n, sizeof *c->x, upward);
    for (int i = 0; i < n; i++)
        if (!c->points || c->x[i] != c->x[c->points - 1])
            c->x[c->points++] = c->x[i];
    return 0;
}

/* One column of a run, where its rows stand on the chart's axis. */
static void lay_line(struct chart *c, double *y, const struct number_table *t,
                     int column)
{
    for (int i = 0; i < c->points; i++)
        y[i] = (double)NAN;
    for (int row = 0; row < t->rows; row++) {
        const double *at = &t->at[row * t->columns];
        const double *x =
            isfinite(*at) ? bsearch(at, c->x, (size_t)c->points, sizeof *c->x, upward)
                          : NULL;
        if (x)
            y[x - c->x] = t->at[row * t->columns + column];
    }
}

static int draw(struct chart *c, const struct arguments *a, struct sluice_error *err)
{
    struct series series[LINES_MOST];
    char title[LINES_MOST * NAME] = "";
    int lines = 0;
    for (int i = 0; i < c->column_count; i++)
        for (int r = 0; r < c->run_count; r++, lines++) {
            const struct number_table *t = &c->runs[r].table;
            double *y = c->y + (size_t)lines * (size_t)c->points;
            lay_line(c, y, t, number_table_find(t, c->columns[i]));
            snprintf(c->names[lines], sizeof c->names[lines],
                     c->column_count > 1 ? "%s: %s" : "%s", c->runs[r].name,
                     c->columns[i]);
            series[lines] = (struct series){ c->names[lines], y };
        }
    for (int i = 0; i < c->column_count; i++)
        snprintf(title + strlen(title), sizeof title - strlen(title), "%s%s",
                 i ? ", " : "", c->columns[i]);
    const struct plot plot = {
        .title = a->title ? a->title : title,
        .x_label = number_table_name(&c->runs[0].table, 0),
        .y_label = title,
        .x = c->x,
        .count = c->points,
        .series = series,
        .series_count = lines,
    };
    return plot_write(a->out, &plot, err);
}

static int label_runs(struct chart *c, const char *labels, struct sluice_error *err)
{
    char names[LINES_MOST][NAME];
    const int n = labels ? split(names, LINES_MOST, labels) : 0;
    if (labels && n != c->run_count)
        return sluice_fail(err, SLUICE_EINVAL, "--labels: expected %d names, found %d",
                           c->run_count, n);
    for (int i = 0; i < n; i++)
        memcpy(c->runs[i].name, names[i], NAME);
    return 0;
}

/* A name that promises another format is a mistake. */
static int check_name(const char *path, struct sluice_error *err)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    if (!dot || strcasecmp(dot, ".svg") == 0)
        return 0;
    return sluice_fail(
        err, SLUICE_EINVAL,
        "--out=%.300s: charts are SVG: expected a name that ends in .svg", path);
}

int main(int argc, char **argv)
{
    static struct chart c;
    struct arguments a = { .table = "metrics.csv", .out = "plot.svg" };
    struct sluice_error err = { .code = SLUICE_OK };
    const char *paths[LINES_MOST];
    const struct cli_spec spec = {
        .program = program,
        .arguments = "RUN...",
        .summary = "Draw what runs measured, one line each, as an SVG file.\n",
        .options = option_table,
        .arguments_min = 1,
        .arguments_max = LINES_MOST,
    };
    c.run_count = cli_parse(&spec, argc, argv, &a, paths);
    int rc = check_name(a.out, &err);
    if (rc == 0 && (rc = open_runs(&c, &a, paths, &err)) == 0 &&
        (rc = label_runs(&c, a.labels, &err)) == 0 &&
        (rc = choose_columns(&c, &a, &err)) == 0 && (rc = gather(&c, &err)) == 0)
        rc = draw(&c, &a, &err);
    for (int i = 0; i < c.run_count; i++)
        number_table_free(&c.runs[i].table);
    free(c.x);
    free(c.y);
    return rc < 0 ? cli_report(program, &err) : cli_finish(program, CLI_OK);
}

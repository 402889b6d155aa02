/* table_read.c -- see table_read.h. */
#include "table_read.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "run_dir.h"

static int count_of(const char *text, char c)
{
    int n = 0;
    for (; (text = strchr(text, c)); text++)
        n++;
    return n;
}

static double number_of(const char *field)
{
    char *end;
    const double x = strtod(field, &end);
    return end == field || *end ? (double)NAN : x;
}

/* Which rows: those whose field of column `column` is the text; all, if it is -1. */
struct choice {
    int column;
    const char *text;
};

/* One line's numbers into a row, if it is chosen. */
static bool take_line(double *row, int columns, char *line, const struct choice *chosen)
{
    bool is = chosen->column < 0;
    for (int i = 0; i < columns; i++) {
        const char *field = strsep(&line, ",");
        row[i] = field ? number_of(field) : (double)NAN;
        is |= i == chosen->column && field && strcmp(field, chosen->text) == 0;
    }
    return is;
}

static int choose(struct choice *out, const struct number_table *t, const char *path,
                  const char *only, struct sluice_error *err)
{
    const char *equals = only ? strchr(only, '=') : NULL;
    char name[80];
    *out = (struct choice){ .column = -1 };
    if (!only)
        return 0;
    snprintf(name, sizeof name, "%.*s", (int)(equals ? equals - only : 0), only);
    if (equals)
        out->column = number_table_find(t, name);
    if (out->column < 0)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "%.300s: expected COLUMN=TEXT with one of its columns, found "
            "'%.80s'",
            path, only);
    out->text = equals + 1;
    return 0;
}

/* Every line of text has as many fields as the heading. What a table takes in memory is
 * bounded by its file by that. */
static int check_lines(const char *path, const char *text, int columns,
                       struct sluice_error *err)
{
    for (int line = 2; text && *text; line++) {
        const char *end = strchr(text, '\n');
        int fields = 1;
        for (const char *c = text; end && c < end; c++)
            fields += *c == ',';
        if (end && fields != columns)
            return sluice_fail(err, SLUICE_ECORRUPT,
                               "%.300s: line %d: expected %d numbers, as in the first "
                               "line, found %d",
                               path, line, columns, fields);
        text = end ? end + 1 : NULL;
    }
    return 0;
}

static int fill(struct number_table *t, const char *path, char *text, const char *only,
                struct sluice_error *err)
{
    char *rest = text, *heading = strsep(&rest, "\n");
    const int lines = rest ? count_of(rest, '\n') : 0;
    struct choice chosen;
    t->columns = count_of(heading, ',') + 1;
    int rc = check_lines(path, rest, t->columns, err);
    if (rc < 0)
        return rc;
    t->heading = strdup(heading);
    t->at = calloc((size_t)lines * (size_t)t->columns + 1, sizeof *t->at);
    if (!t->heading || !t->at)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: no memory for %d rows", path,
                           lines);
    for (char *c = t->heading; *c; c++)
        *c = *c == ',' ? 0 : *c;
    rc = choose(&chosen, t, path, only, err);
    for (int i = 0; i < lines && rc == 0; i++)
        t->rows += take_line(t->at + (size_t)t->rows * (size_t)t->columns, t->columns,
                             strsep(&rest, "\n"), &chosen);
    if (rc == 0 && only && !t->rows)
        return sluice_fail(err, SLUICE_EINVAL, "%.300s: no row has %.80s", path, only);
    return rc;
}

int number_table_read(struct number_table *t, const char *path, const char *only,
                      struct sluice_error *err)
{
    char *text;
    size_t size;
    int rc = text_file_read(&text, &size, path, (size_t)1 << 30, err);
    *t = (struct number_table){ 0 };
    if (rc < 0)
        return rc;
    rc = fill(t, path, text, only, err);
    free(text);
    if (rc < 0)
        number_table_free(t);
    return rc;
}

void number_table_free(struct number_table *t)
{
    free(t->heading);
    free(t->at);
    *t = (struct number_table){ 0 };
}

const char *number_table_name(const struct number_table *t, int column)
{
    const char *name = t->heading;
    while (column-- > 0)
        name += strlen(name) + 1;
    return name;
}

int number_table_find(const struct number_table *t, const char *name)
{
    for (int i = 0; i < t->columns; i++)
        if (strcmp(number_table_name(t, i), name) == 0)
            return i;
    return -1;
}

/* table_read.c -- see table_read.h. */
#include "table_read.h"

#include <math.h>
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

static int fill(struct number_table *t, const char *path, char *text,
                struct sluice_error *err)
{
    char *rest = text, *heading = strsep(&rest, "\n");
    t->columns = count_of(heading, ',') + 1;
    t->rows = rest ? count_of(rest, '\n') : 0;
    t->heading = strdup(heading);
    t->at = calloc((size_t)t->rows * (size_t)t->columns + 1, sizeof *t->at);
    if (!t->heading || !t->at)
        return sluice_fail(err, SLUICE_ENOMEM, "%.300s: no memory for %d rows", path,
                           t->rows);
    for (char *c = t->heading; *c; c++)
        *c = *c == ',' ? 0 : *c;
    for (int row = 0; row < t->rows; row++) {
        char *line = strsep(&rest, "\n"), *field;
        for (int i = 0; i < t->columns; i++) {
            field = strsep(&line, ",");
            t->at[(size_t)row * (size_t)t->columns + (size_t)i] =
                field ? number_of(field) : (double)NAN;
        }
    }
    return 0;
}

int number_table_read(struct number_table *t, const char *path,
                      struct sluice_error *err)
{
    char *text;
    size_t size;
    int rc = text_file_read(&text, &size, path, (size_t)1 << 30, err);
    *t = (struct number_table){ 0 };
    if (rc < 0)
        return rc;
    rc = fill(t, path, text, err);
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

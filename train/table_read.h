/* table_read.h -- columns of the tables that runs write: a heading of names, rows of
 * numbers, commas between them, nothing between two commas where nothing was measured.
 */
#ifndef SLUICE_TABLE_READ_H
#define SLUICE_TABLE_READ_H

#include <sluice/error.h>

struct number_table {
    int rows, columns;
    char *heading; /* names, with zeros between them */
    double *at;    /* (rows, columns); NaN: nothing, or no number */
};

/* The whole rows of the file at `path`; a torn last one is left out. `only` is
 * "COLUMN=TEXT", for the rows that have this text there, or NULL, for all. Without such
 * a column, or such a row: SLUICE_EINVAL. A row of more or fewer fields than the
 * heading: SLUICE_ECORRUPT. */
int number_table_read(struct number_table *t, const char *path, const char *only,
                      struct sluice_error *err);
void number_table_free(struct number_table *t);
/* The place of a column, or -1. */
int number_table_find(const struct number_table *t, const char *name);
/* The column's name. */
const char *number_table_name(const struct number_table *t, int column);

#endif

/* csv.h -- records of comma-separated text, as RFC 4180 has them: fields may be quoted,
 * quotes are doubled within, lines end with LF or CRLF. Empty lines are left out. */
#ifndef SLUICE_CSV_H
#define SLUICE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

enum { CSV_FIELDS_MAX = 64 };

struct csv {
    const char *path; /* for messages */
    char *text;       /* which is cut up in place */
    size_t size, at;
    uint64_t line;         /* where the record read last begins, from 1; 0: none yet */
    uint64_t lines_before; /* ends of lines before `at` */
};

/* `text` has room for a zero after its `size` bytes, and is borrowed. */
void csv_begin(struct csv *c, const char *path, char *text, size_t size);

/* The fields of the next record, ended by zeros; returns their number, 0 at the end. */
int csv_next(struct csv *c, char *fields[CSV_FIELDS_MAX], struct sluice_error *err);

#endif

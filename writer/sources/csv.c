/* csv.c -- see csv.h. A field is unquoted where it lies: it only gets shorter. */
#include <inttypes.h>
#include <string.h>

#include "csv.h"

void csv_begin(struct csv *c, const char *path, char *text, size_t size)
{
    *c = (struct csv){ .path = path, .text = text, .size = size };
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        c->at = 3; /* the mark that some programs put before UTF-8 */
}

static int bad_record(const struct csv *c, const char *what, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ECORRUPT, "%.300s: line %" PRIu64 ": %s", c->path,
                       c->line, what);
}

/* The bytes of a line's end at `at`, 0 if there is none. The end of the text is one of
 * no bytes: see csv_next. */
static size_t line_end(const struct csv *c, size_t at)
{
    if (at < c->size && c->text[at] == '\n')
        return 1;
    return at + 1 < c->size && c->text[at] == '\r' && c->text[at + 1] == '\n' ? 2 : 0;
}

/* Stops behind the closing quote. */
static int quoted(struct csv *c, char **end, struct sluice_error *err)
{
    char *to = c->text + c->at++;
    for (; c->at < c->size; c->at++) {
        const char ch = c->text[c->at];
        if (ch == '"' && c->at + 1 < c->size && c->text[c->at + 1] == '"') {
            c->at++;
        } else if (ch == '"') {
            c->at++;
            *end = to;
            return 0;
        }
        c->lines_before += ch == '\n';
        *to++ = ch;
    }
    return bad_record(c, "a quote is not closed", err);
}

/* One field; *last: a line ends behind it. */
static int next_field(struct csv *c, char **field, bool *last, struct sluice_error *err)
{
    char *end = NULL;
    size_t skip;
    int rc = 0;
    *field = c->text + c->at;
    if (c->at < c->size && c->text[c->at] == '"') {
        rc = quoted(c, &end, err);
    } else {
        while (c->at < c->size && c->text[c->at] != ',' && !line_end(c, c->at)) {
            if (c->text[c->at] == '"')
                return bad_record(c, "a quote within a field that is not quoted", err);
            c->at++;
        }
        end = c->text + c->at;
    }
    if (rc < 0)
        return rc;
    skip = line_end(c, c->at);
    *last = skip > 0 || c->at >= c->size;
    if (!*last && c->text[c->at] != ',')
        return bad_record(c, "expected a comma behind a closing quote", err);
    c->lines_before += skip > 0;
    c->at += *last ? skip : 1;
    *end = 0;
    return strlen(*field) == (size_t)(end - *field)
               ? 0
               : bad_record(c, "a byte that is zero", err);
}

int csv_next(struct csv *c, char *fields[CSV_FIELDS_MAX], struct sluice_error *err)
{
    bool last = false;
    int n = 0;
    for (size_t skip; (skip = line_end(c, c->at)) > 0; c->at += skip)
        c->lines_before++;
    c->line = c->lines_before + 1;
    if (c->at >= c->size)
        return 0;
    while (!last) {
        if (n == CSV_FIELDS_MAX)
            return bad_record(c, "more than 64 fields", err);
        const int rc = next_field(c, &fields[n++], &last, err);
        if (rc < 0)
            return rc;
    }
    return n;
}

/* provenance.c -- several files' provenance as one JSON array; each text is a JSON
 * value of one conversion, or an array of such values. */
#include <stdlib.h>
#include <string.h>

#include "writer_parts.h"

static const char blanks[] = " \t\r\n";

/* Bytes of the value at `text`: up to the comma or bracket behind it. */
static size_t value_size(const char *text)
{
    int depth = 0;
    bool quoted = false;
    size_t n = 0;
    for (; text[n]; n++) {
        const char c = text[n];
        if (quoted && c == '\\' && text[n + 1])
            n++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (!depth && (c == ',' || c == ']'))
            break;
        else if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
    }
    while (n && strchr(blanks, text[n - 1]))
        n--;
    return n;
}

/* Where the first value is. */
static const char *first_value(const char *text)
{
    text += strspn(text, blanks);
    return *text == '[' ? text + 1 + strspn(text + 1, blanks) : text;
}

static const char *next_value(const char *value, size_t size)
{
    value += size;
    value += strspn(value, blanks);
    return *value == ',' ? value + 1 + strspn(value + 1, blanks) : "";
}

static bool has_value(const char *text, const char *value, size_t size)
{
    const char *at = first_value(text);
    for (size_t n; (n = value_size(at)); at = next_value(at, n))
        if (n == size && memcmp(at, value, n) == 0)
            return true;
    return false;
}

/* Add the values of `text` that are not yet in `out`, which has room for them. */
static void add_values(char *out, const char *text)
{
    const char *at = first_value(text);
    for (size_t n; (n = value_size(at)); at = next_value(at, n)) {
        const size_t length = strlen(out);
        if (has_value(out, at, n))
            continue;
        if (length > 1)
            out[length - 1] = ','; /* it was the bracket */
        memcpy(out + length, at, n);
        memcpy(out + length + n, "]", 2);
    }
}

int sluice_writer_add_provenance(struct sluice_writer *w, const char *provenance,
                                 struct sluice_error *err)
{
    const char *old = w->dir.provenance;
    if (strcmp(old, provenance) == 0)
        return 0;
    char *all = malloc(strlen(old) + strlen(provenance) + sizeof("[,]"));
    if (!all)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", w->path);
    memcpy(all, "[", 2);
    add_values(all, old);
    const size_t before = strlen(all);
    add_values(all, provenance);
    if (strlen(all) == before) { /* nothing new: an object stays one */
        free(all);
        return 0;
    }
    free(w->dir.provenance);
    w->dir.provenance = all;
    return 0;
}

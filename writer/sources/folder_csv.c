/* folder_csv.c -- pictures and their labels from a list; see folder_list.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "csv.h"
#include "folder_list.h"
#include "input.h"

enum { LIST_MAX_BYTES = 1 << 30 };

struct list {
    struct csv csv;
    struct folder_list *out;
    const char *root;        /* where relative paths begin; "": where we are */
    int fields, path, label; /* of a record, and which two count; label -1: none */
    char **labels;           /* (out->count), text within the file */
    size_t room;
    uint64_t numbers; /* labels that are whole numbers, of any size */
    uint64_t reals;   /* that are other ones */
};

static int bad_line(const struct list *l, uint64_t line, const char *what,
                    const char *found, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_ECORRUPT, "%.200s: line %" PRIu64 ": %s%.80s",
                       l->csv.path, line, what, found);
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0)
            return true;
    return false;
}

/* A first record that names the columns is no picture: it says which columns count. */
static bool take_header(struct list *l, char *const *fields, int n)
{
    static const char *const paths[] = { "path", "file", "filename", "image", NULL };
    static const char *const labels[] = { "label", "class", NULL };
    int path = -1, label = -1;
    for (int i = n - 1; i >= 0; i--) {
        if (is_one_of(fields[i], paths))
            path = i;
        if (is_one_of(fields[i], labels))
            label = i;
    }
    if (path < 0)
        return false;
    l->path = path;
    l->label = label;
    return true;
}

/* Whether it is a number as programs write those that are not whole: 0.5, 1e-3, 2.0. */
static bool is_real(const char *label)
{
    char *end;
    int32_t whole;
    if (label[strspn(label, "+-.0123456789eE")] || folder_label_number(label, &whole))
        return false;
    (void)strtod(label, &end);
    return end != label && !*end;
}

static int add_record(struct list *l, char *const *fields, int n,
                      struct sluice_error *err)
{
    char *path = fields[l->path], *full = NULL, text[64];
    int32_t number = -1;
    if (n != l->fields) {
        snprintf(text, sizeof(text), "expected %d fields, found %d", l->fields, n);
        return bad_line(l, l->csv.line, text, "", err);
    }
    if (!*path)
        return bad_line(l, l->csv.line, "the path is empty", "", err);
    if (l->label >= 0 && !*fields[l->label])
        return bad_line(l, l->csv.line, "no label for ", path, err);
    if (l->label >= 0 && l->out->count == l->room) {
        const size_t room = l->room ? 2 * l->room : 1024;
        char **more = realloc(l->labels, room * sizeof(*more));
        if (!more)
            return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", l->csv.path);
        l->labels = more;
        l->room = room;
    }
    if (l->label >= 0) {
        l->labels[l->out->count] = fields[l->label];
        l->numbers += folder_label_number(fields[l->label], &number);
        l->reals += is_real(fields[l->label]);
    }
    if (*path != '/' && asprintf(&full, "%s%s", l->root, path) < 0)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", l->csv.path);
    const int rc = folder_list_add(l->out, full ? full : path, number, err);
    free(full);
    if (rc == 0)
        l->out->files[l->out->count - 1].line = l->csv.line;
    return rc;
}

static int read_records(struct list *l, struct sluice_error *err)
{
    char *fields[CSV_FIELDS_MAX];
    int n, rc = 0;
    while (rc == 0 && (n = csv_next(&l->csv, fields, err)) != 0) {
        if (n < 0)
            return n;
        const bool first = !l->fields;
        if (first) {
            l->fields = n;
            l->path = 0;
            l->label = n > 1 ? 1 : -1;
        }
        if (first && take_header(l, fields, n))
            continue;
        if (first && n > 2)
            return bad_line(l, l->csv.line,
                            "expected a path and a label, or the names of columns, "
                            "found more fields",
                            "", err);
        rc = add_record(l, fields, n, err);
    }
    if (rc == 0 && !l->out->count)
        rc = sluice_fail(err, SLUICE_ECORRUPT, "%.300s: no pictures are listed",
                         l->csv.path);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names that occur become classes, sorted by their bytes as folders are. */
static int find_classes(struct list *l, struct sluice_error *err)
{
    const size_t n = l->out->count;
    char **sorted = malloc((n + 1) * sizeof(*sorted));
    int rc = 0;
    if (!sorted)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", l->csv.path);
    memcpy(sorted, l->labels, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_text);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0)
            rc = folder_list_add_class(l->out, sorted[i], err);
    free(sorted);
    for (size_t i = 0; i < n && rc == 0; i++) {
        char **const class =
            bsearch(&l->labels[i], l->out->classes, (size_t)l->out->class_count,
                    sizeof(*l->out->classes), by_text);
        l->out->files[i].label = (int32_t)(class - l->out->classes);
    }
    return rc;
}

static int match_names(struct list *l, const char *const *names, int count,
                       struct sluice_error *err)
{
    for (size_t i = 0; i < l->out->count; i++) {
        struct folder_file *f = &l->out->files[i];
        f->label = folder_label_match(l->labels[i], names, count);
        if (f->label < 0)
            return bad_line(l, f->line, "not one of the class names: ", l->labels[i],
                            err);
    }
    return 0;
}

/* Why label `i` is none from 0 to INT32_MAX, where others are numbers. */
static int bad_number(const struct list *l, size_t i, struct sluice_error *err)
{
    const uint64_t line = l->out->files[i].line;
    char text[128];
    int32_t number;
    if (!folder_label_number(l->labels[i], &number))
        return bad_line(l, line,
                        "a name among labels that are numbers (--class-names would "
                        "say which names there are): ",
                        l->labels[i], err);
    snprintf(text, sizeof(text), "label %.60s: expected 0 to %d", l->labels[i],
             INT32_MAX);
    return bad_line(l, line, text, "", err);
}

/* Numbers that are not all whole are values to learn, which a label cannot hold: as
 * names each would be a class of its own. */
static int refuse_reals(const struct list *l, struct sluice_error *err)
{
    size_t i = 0;
    while (!is_real(l->labels[i]))
        i++;
    return bad_line(l, l->out->files[i].line,
                    "expected a label that is a whole number or a name "
                    "(--class-names would say that numbers are names), found ",
                    l->labels[i], err);
}

static int number_labels(struct list *l, const char *const *names, int count,
                         struct sluice_error *err)
{
    if (l->label < 0)
        return 0;
    l->out->labelled = true;
    if (count)
        return match_names(l, names, count, err);
    if (l->reals && l->numbers + l->reals == l->out->count)
        return refuse_reals(l, err);
    if (l->numbers == 0)
        return find_classes(l, err);
    for (size_t i = 0; i < l->out->count; i++)
        if (l->out->files[i].label < 0)
            return bad_number(l, i, err);
    return 0;
}

/* The folder that the list is in, with a slash; "" if it is ours. */
static char *folder_of(const char *path, const char *root)
{
    char *out;
    const char *slash = strrchr(path, '/');
    const int n =
        root ? asprintf(&out, "%s/", root)
             : asprintf(&out, "%.*s", slash ? (int)(slash - path) + 1 : 0, path);
    return n < 0 ? NULL : out;
}

int folder_list_csv(struct folder_list *out, const char *path, const char *root,
                    const char *const *names, int name_count, struct sluice_error *err)
{
    struct input_file f = { .name = path };
    char *base = folder_of(path, root);
    struct list l = { .out = out, .root = base };
    *out = (struct folder_list){ 0 };
    int rc = base ? input_load(path, &f, 1, LIST_MAX_BYTES, err)
                  : sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    uint8_t *more = rc < 0 ? NULL : realloc(f.data, f.size + 1);
    if (rc == 0 && !more)
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", path);
    if (more)
        f.data = more;
    csv_begin(&l.csv, path, (char *)f.data, f.size);
    if (rc == 0 && (rc = read_records(&l, err)) == 0)
        rc = number_labels(&l, names, name_count, err);
    free(l.labels);
    free(base);
    input_free(&f, 1);
    if (rc < 0)
        folder_list_free(out);
    return rc;
}

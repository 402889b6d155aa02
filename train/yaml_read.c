/* yaml_read.c -- YAML into settings, event by event; see yaml_read.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "yaml_read.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one being looked at */
    bool have;
    const char *name; /* of the file, for messages */
    bool one_line;    /* an override: its line number says nothing */
    bool names;       /* an empty mapping of the document's own counts */
    struct settings *out;
    struct settings seen; /* keys of this document */
    struct sluice_error *err;
};

/* A text under construction that refuses to grow past its bound. */
struct text {
    char at[SETTING_VALUE_MAX + 1];
    size_t size;
};

static const char *place(const struct reader *r, size_t line, char buf[256])
{
    if (r->one_line)
        snprintf(buf, 256, "%.240s", r->name);
    else
        snprintf(buf, 256, "%.220s:%zu", r->name, line + 1);
    return buf;
}

__attribute__((format(printf, 3, 4))) static int
refuse(struct reader *r, const char *key, const char *format, ...)
{
    char what[160], where[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return sluice_fail(r->err, SLUICE_EINVAL, "%s: %.80s%s%s",
                       place(r, r->event.start_mark.line, where), key, *key ? ": " : "",
                       what);
}

/* The next event into r->event. */
static int next(struct reader *r)
{
    if (r->have)
        yaml_event_delete(&r->event);
    r->have = false;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        const yaml_parser_t *p = &r->parser;
        char line[24] = "";
        if (p->error == YAML_MEMORY_ERROR)
            return sluice_fail(r->err, SLUICE_ENOMEM, "%.200s: out of memory", r->name);
        if (!r->one_line)
            snprintf(line, sizeof(line), ":%zu", p->problem_mark.line + 1);
        return sluice_fail(r->err, SLUICE_EINVAL, "%.200s%s: not YAML: %s", r->name,
                           line, p->problem ? p->problem : "cannot be read");
    }
    r->have = true;
    return 0;
}

static const char *scalar(const struct reader *r)
{
    return (const char *)r->event.data.scalar.value;
}

/* What no recipe may use, whichever node it stands on. */
static int check_node(struct reader *r, const char *key)
{
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (e->type) {
    case YAML_ALIAS_EVENT:
        return refuse(r, key, "aliases (*name) are not allowed in recipes");
    case YAML_SCALAR_EVENT:
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        if (strlen(scalar(r)) != e->data.scalar.length)
            return refuse(r, key, "a zero byte inside the text");
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
        break;
    default:
        return refuse(r, key, "expected a value");
    }
    if (anchor)
        return refuse(r, key, "anchors (&name) are not allowed in recipes");
    if (tag)
        return refuse(r, key, "tags (!name) are not allowed in recipes");
    return 0;
}

/* `null` and nothing at all are the empty text. */
static const char *scalar_text(const struct reader *r)
{
    const char *s = scalar(r);
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (strcmp(s, "~") == 0 || strcmp(s, "null") == 0) ? "" : s;
}

static int append(struct reader *r, const char *key, struct text *t, const char *more)
{
    size_t n = strlen(more);
    if (t->size + n > SETTING_VALUE_MAX)
        return refuse(r, key, "longer than %d bytes", SETTING_VALUE_MAX);
    memcpy(t->at + t->size, more, n + 1);
    t->size += n;
    return 0;
}

/* A scalar inside a list: it may not contain what the text form joins with. */
static int append_part(struct reader *r, const char *key, struct text *t)
{
    int rc = check_node(r, key);
    if (rc < 0)
        return rc;
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, key, "nested too deeply for a list");
    if (strpbrk(scalar(r), ",:=/\n"))
        return refuse(r, key, "'%.40s': none of , : = / may stand here", scalar(r));
    return append(r, key, t, scalar_text(r));
}

/* The value of one argument: a scalar, or a list of them joined by '/'. */
static int read_argument(struct reader *r, const char *key, struct text *t)
{
    int rc = next(r);
    if (rc < 0)
        return rc;
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return append_part(r, key, t);
    if ((rc = check_node(r, key)) < 0)
        return rc;
    for (int i = 0; (rc = next(r)) == 0; i++) {
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return i ? 0 : refuse(r, key, "an empty list");
        if ((i && (rc = append(r, key, t, "/")) < 0) ||
            (rc = append_part(r, key, t)) < 0)
            return rc;
    }
    return rc;
}

/* {pad: 2, fill: reflect} behind the name of an operation. */
static int read_arguments(struct reader *r, const char *key, struct text *t)
{
    int rc;
    while ((rc = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT)
        if ((rc = append(r, key, t, ":")) < 0 || (rc = append_part(r, key, t)) < 0 ||
            (rc = append(r, key, t, "=")) < 0 || (rc = read_argument(r, key, t)) < 0)
            return rc;
    return rc;
}

/* `name: value` or `name: {key: value}` as an item of a list; the mapping has begun. */
static int read_operation(struct reader *r, const char *key, struct text *t)
{
    int rc = next(r);
    if (rc < 0)
        return rc;
    if (r->event.type == YAML_MAPPING_END_EVENT)
        return refuse(r, key, "an empty item");
    if ((rc = append_part(r, key, t)) < 0 || (rc = next(r)) < 0 ||
        (rc = check_node(r, key)) < 0)
        return rc;
    if (r->event.type == YAML_MAPPING_START_EVENT) {
        rc = read_arguments(r, key, t);
    } else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        return refuse(r, key, "expected a name or {key: value}, found a list");
    } else if (*scalar_text(r)) {
        if ((rc = append(r, key, t, "=")) == 0)
            rc = append_part(r, key, t);
    }
    if (rc < 0 || (rc = next(r)) < 0)
        return rc;
    if (r->event.type != YAML_MAPPING_END_EVENT)
        return refuse(r, key, "each item of a list has one name; begin it with '-'");
    return 0;
}

static int read_list(struct reader *r, const char *key, struct text *t)
{
    int rc;
    for (int i = 0; (rc = next(r)) == 0; i++) {
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        if (i && (rc = append(r, key, t, ",")) < 0)
            return rc;
        if (r->event.type == YAML_MAPPING_START_EVENT) {
            if ((rc = check_node(r, key)) == 0)
                rc = read_operation(r, key, t);
        } else if (r->event.type == YAML_SCALAR_EVENT && strchr(scalar(r), ':') &&
                   (rc = check_node(r, key)) == 0) {
            rc = append(r, key, t, scalar(r)); /* "translate:pad=2", as on a command
                                                  line */
        } else if (rc == 0) {
            rc = append_part(r, key, t);
        }
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int store(struct reader *r, const char *key, const char *value, bool list,
                 size_t line)
{
    char where[256];
    int rc;
    if (settings_find(&r->seen, key))
        return refuse(r, key, "written twice");
    place(r, line, where);
    if ((rc = settings_set(&r->seen, key, "", list, where, r->err)) < 0)
        return rc;
    return settings_set(r->out, key, value, list, where, r->err);
}

static int read_node(struct reader *r, const char *key, int depth);

static int read_mapping(struct reader *r, const char *prefix, int depth)
{
    const size_t line = r->event.start_mark.line;
    bool empty = true;
    int rc;
    for (; (rc = next(r)) == 0 && r->event.type != YAML_MAPPING_END_EVENT;
         empty = false) {
        char key[128];
        if ((rc = check_node(r, prefix)) < 0)
            return rc;
        if (r->event.type != YAML_SCALAR_EVENT)
            return refuse(r, prefix, "a key must be a name");
        const int length =
            snprintf(key, sizeof(key), "%s%s%s", prefix, *prefix ? "." : "", scalar(r));
        if (!*scalar(r) || length >= (int)sizeof(key))
            return refuse(r, prefix, "a key of %zu bytes", strlen(scalar(r)));
        if ((rc = next(r)) < 0 || (rc = read_node(r, key, depth + 1)) < 0)
            return rc;
    }
    return rc == 0 && empty && r->names && depth == 1
               ? store(r, prefix, "", false, line)
               : rc;
}

/* The node that r->event begins. */
static int read_node(struct reader *r, const char *key, int depth)
{
    const size_t line = r->event.start_mark.line;
    struct text t = { .size = 0 };
    int rc = check_node(r, key);
    if (rc < 0)
        return rc;
    if (!*key && r->event.type != YAML_MAPPING_START_EVENT)
        return refuse(r, "", "expected `key: value`");
    if (depth > YAML_DEPTH_MAX)
        return refuse(r, key, "nested deeper than %d", YAML_DEPTH_MAX);
    if (r->event.type == YAML_MAPPING_START_EVENT)
        return read_mapping(r, key, depth);
    if (r->event.type == YAML_SCALAR_EVENT)
        return store(r, key, scalar_text(r), false, line);
    rc = read_list(r, key, &t);
    return rc < 0 ? rc : store(r, key, t.at, true, line);
}

static int read_document(struct reader *r, const char *key)
{
    int rc = next(r); /* the stream begins */
    if (rc < 0 || (rc = next(r)) < 0)
        return rc;
    if (r->event.type == YAML_STREAM_END_EVENT)
        return 0; /* an empty file sets nothing */
    if ((rc = next(r)) < 0)
        return rc;
    if (!*key && r->event.type == YAML_SCALAR_EVENT && !*scalar_text(r))
        rc = 0; /* a document with comments alone */
    else
        rc = read_node(r, key, 0);
    if (rc < 0 || (rc = next(r)) < 0 || (rc = next(r)) < 0)
        return rc;
    if (r->event.type != YAML_STREAM_END_EVENT)
        return refuse(r, "", "a second document (---) is not allowed");
    return 0;
}

static int read_text(struct settings *s, const char *name, const char *key, bool names,
                     const char *text, size_t size, struct sluice_error *err)
{
    struct reader r = {
        .name = name, .one_line = *key, .names = names, .out = s, .err = err
    };
    int rc;
    if (size > YAML_SIZE_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: %zu bytes; a recipe has at most %d", name, size,
                           YAML_SIZE_MAX);
    if (!yaml_parser_initialize(&r.parser))
        return sluice_fail(err, SLUICE_ENOMEM, "%.200s: out of memory", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    rc = read_document(&r, key);
    if (r.have)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    settings_free(&r.seen);
    return rc;
}

int yaml_read(struct settings *s, const char *name, const char *text, size_t size,
              struct sluice_error *err)
{
    return read_text(s, name, "", false, text, size, err);
}

int yaml_read_value(struct settings *s, const char *where, const char *key,
                    const char *text, struct sluice_error *err)
{
    return read_text(s, where, key, false, text, strlen(text), err);
}

static int read_file(struct settings *s, const char *path, bool names,
                     struct sluice_error *err)
{
    char *text = malloc(YAML_SIZE_MAX + 1);
    FILE *f = fopen(path, "re");
    size_t size = 0;
    int rc = 0;
    if (!text)
        rc = sluice_fail(err, SLUICE_ENOMEM, "%.200s: out of memory", path);
    else if (!f)
        rc = sluice_fail(err, SLUICE_EIO, "%.200s: %s", path, strerror(errno));
    if (rc == 0) {
        size = fread(text, 1, YAML_SIZE_MAX + 1, f);
        rc = ferror(f)
                 ? sluice_fail(err, SLUICE_EIO, "%.200s: %s", path, strerror(errno))
                 : read_text(s, path, "", names, text, size, err);
    }
    if (f)
        fclose(f);
    free(text);
    return rc;
}

int yaml_read_file(struct settings *s, const char *path, struct sluice_error *err)
{
    return read_file(s, path, false, err);
}

int yaml_read_names(struct settings *s, const char *path, struct sluice_error *err)
{
    return read_file(s, path, true, err);
}

/* safetensors.c -- parse the header of a safetensors file that anyone may have made. */
#include <stdlib.h>
#include <string.h>

#include "json_cursor.h"
#include "safetensors.h"

/* What is being parsed, and where a failure is put. */
struct parse {
    struct json_cursor j;
    const char *start; /* of the file */
    const char *path;
    struct safetensors *out;
    struct sluice_error *err;
};

static int damaged(const struct parse *p, const char *what)
{
    return sluice_fail(p->err, SLUICE_ECORRUPT, "%s: %s at byte %zu of its header",
                       p->path, what, (size_t)(p->j.at - p->start));
}

size_t safetensors_dtype_size(const char *dtype)
{
    static const struct {
        char name[8];
        size_t size;
    } types[] = {
        { "F64", 8 }, { "F32", 4 }, { "F16", 2 },  { "BF16", 2 },    { "I64", 8 },
        { "I32", 4 }, { "I16", 2 }, { "I8", 1 },   { "U64", 8 },     { "U32", 4 },
        { "U16", 2 }, { "U8", 1 },  { "BOOL", 1 }, { "F8_E4M3", 1 }, { "F8_E5M2", 1 },
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strncmp(types[i].name, dtype, sizeof types[i].name) == 0)
            return types[i].size;
    return 0;
}

/* Room for one more of `size` bytes in an array of `count`, which grows by doubling at
 * powers of two. */
static void *grow(void *array, int count, size_t size)
{
    if (count & (count - 1))
        return array;
    return realloc(array, (count ? 2 * (size_t)count : 1) * size);
}

static bool u64_list(struct json_cursor *j, uint64_t *list, int room, int *count)
{
    *count = 0;
    if (!json_take(j, '['))
        return false;
    if (json_take(j, ']'))
        return true;
    do {
        if (*count == room || !json_u64(j, &list[(*count)++]))
            return false;
    } while (json_take(j, ','));
    return json_take(j, ']');
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...} in any order, each once. */
static int parse_entry(struct parse *p, struct safetensors_entry *e)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    uint64_t offsets[2];
    char key[16];
    int seen = 0, count = 0;
    if (!json_take(&p->j, '{'))
        return damaged(p, "an object was expected");
    do {
        if (!json_string(&p->j, key, sizeof key) || !json_take(&p->j, ':'))
            return damaged(p, "a key was expected");
        const int which = strcmp(key, "dtype") == 0          ? DTYPE
                          : strcmp(key, "shape") == 0        ? SHAPE
                          : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                                             : 0;
        if (!which || (seen & which))
            return damaged(p, "an unknown or repeated key stands");
        seen |= which;
        const bool good = which == DTYPE ? json_string(&p->j, e->dtype, sizeof e->dtype)
                          : which == SHAPE
                              ? u64_list(&p->j, e->shape, SAFETENSORS_RANK, &e->rank)
                              : u64_list(&p->j, offsets, 2, &count) && count == 2;
        if (!good)
            return damaged(p, "an unreadable value stands");
    } while (json_take(&p->j, ','));
    if (!json_take(&p->j, '}') || seen != ALL)
        return damaged(p, "a tensor is described incompletely");
    e->begin = offsets[0];
    e->end = offsets[1];
    return 0;
}

/* Elements times their size is what the offsets span. */
static int check_entry(const struct parse *p, const struct safetensors_entry *e)
{
    const uint64_t size = safetensors_dtype_size(e->dtype);
    uint64_t bytes = size;
    bool fits = size > 0;
    for (int i = 0; i < e->rank; i++)
        fits = fits && !__builtin_mul_overflow(bytes, e->shape[i], &bytes);
    if (!fits || e->begin > e->end || e->end - e->begin != bytes)
        return sluice_fail(
            p->err, SLUICE_ECORRUPT,
            "%s: tensor '%s' has other bytes than its type and shape say", p->path,
            e->name);
    if (e->end > p->out->data_size)
        return sluice_fail(p->err, SLUICE_ECORRUPT,
                           "%s: truncated: tensor '%s' ends at byte %llu of the data, "
                           "the file has %llu",
                           p->path, e->name, (unsigned long long)e->end,
                           (unsigned long long)p->out->data_size);
    return 0;
}

static int add_entry(struct parse *p, const char *name)
{
    struct safetensors *st = p->out;
    struct safetensors_entry *grown = grow(st->entry, st->entries, sizeof *st->entry);
    if (!grown)
        return sluice_fail(p->err, SLUICE_ENOMEM, "%s: no memory", p->path);
    st->entry = grown;
    struct safetensors_entry *e = &st->entry[st->entries++];
    memset(e, 0, sizeof *e);
    memcpy(e->name, name, strlen(name) + 1);
    const int rc = parse_entry(p, e);
    return rc < 0 ? rc : check_entry(p, e);
}

static int add_text(struct parse *p)
{
    struct safetensors *st = p->out;
    const char *raw;
    if (st->texts == SAFETENSORS_TEXTS_MAX)
        return damaged(p, "one text too many stands");
    struct safetensors_text *grown = grow(st->text, st->texts, sizeof *st->text);
    if (!grown)
        return sluice_fail(p->err, SLUICE_ENOMEM, "%s: no memory", p->path);
    st->text = grown;
    struct safetensors_text *t = &st->text[st->texts];
    memset(t, 0, sizeof *t);
    if (!json_string(&p->j, t->key, sizeof t->key) || !json_take(&p->j, ':') ||
        safetensors_text(st, t->key))
        return damaged(p, "an unreadable or repeated key stands");
    struct json_cursor value = p->j;
    if (!json_skip_string(&p->j, &raw, &t->size))
        return damaged(p, "a text was expected");
    t->raw = (size_t)(raw - p->start);
    t->value = malloc(t->size + 1);
    if (!t->value)
        return sluice_fail(p->err, SLUICE_ENOMEM, "%s: no memory", p->path);
    st->texts++;
    return json_string(&value, t->value, t->size + 1)
               ? 0
               : damaged(p, "a malformed text stands");
}

static int parse_texts(struct parse *p)
{
    int rc = 0;
    if (p->out->texts || !json_take(&p->j, '{'))
        return damaged(p, "one object of texts was expected");
    if (json_take(&p->j, '}'))
        return 0;
    do
        rc = add_text(p);
    while (rc == 0 && json_take(&p->j, ','));
    if (rc == 0 && !json_take(&p->j, '}'))
        rc = damaged(p, "the end of the texts was expected");
    return rc;
}

static int parse_object(struct parse *p)
{
    char name[SAFETENSORS_NAME];
    int rc = 0;
    if (!json_take(&p->j, '{'))
        return damaged(p, "an object was expected");
    if (!json_take(&p->j, '}')) {
        do {
            if (!json_string(&p->j, name, sizeof name) || !json_take(&p->j, ':'))
                return damaged(p, "a name was expected");
            rc =
                strcmp(name, "__metadata__") == 0 ? parse_texts(p) : add_entry(p, name);
        } while (rc == 0 && json_take(&p->j, ','));
        if (rc == 0 && !json_take(&p->j, '}'))
            rc = damaged(p, "the end of the object was expected");
    }
    if (rc == 0 && !json_at_end(&p->j))
        rc = damaged(p, "something stands behind the object");
    return rc;
}

static int by_place(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* One behind the other without gaps, and no name twice. Leaves the entries by name. */
static int check_cover(const struct parse *p)
{
    const struct safetensors *st = p->out;
    struct safetensors_entry *e = st->entry;
    uint64_t end = 0;
    if (st->entries)
        qsort(e, (size_t)st->entries, sizeof *e, by_place);
    for (int i = 0; i < st->entries; end = e[i++].end)
        if (e[i].begin != end)
            return sluice_fail(p->err, SLUICE_ECORRUPT,
                               "%s: tensor '%s' does not follow the one before it",
                               p->path, e[i].name);
    if (end != st->data_size)
        return sluice_fail(p->err, SLUICE_ECORRUPT,
                           "%s: %llu data bytes, its tensors need %llu", p->path,
                           (unsigned long long)st->data_size, (unsigned long long)end);
    if (st->entries)
        qsort(e, (size_t)st->entries, sizeof *e, by_name);
    for (int i = 1; i < st->entries; i++)
        if (strcmp(e[i - 1].name, e[i].name) == 0)
            return sluice_fail(p->err, SLUICE_ECORRUPT, "%s: two tensors '%s'", p->path,
                               e[i].name);
    return 0;
}

int safetensors_parse(struct safetensors *out, const char *path, const void *bytes,
                      size_t size, struct sluice_error *err)
{
    const unsigned char *b = bytes;
    uint64_t length = 0;
    *out = (struct safetensors){ 0 };
    if (size < 8)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: no safetensors file: %zu bytes, the shortest has 8",
                           path, size);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | b[i];
    if (length > size - 8 || length > SAFETENSORS_HEADER_MAX)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "%s: no safetensors file: %zu bytes, its header would have "
                           "%llu",
                           path, size, (unsigned long long)length);
    out->data_at = 8 + length;
    out->data_size = size - out->data_at;
    struct parse p = { .j = { (const char *)b + 8, (const char *)b + 8 + length },
                       .start = (const char *)b,
                       .path = path,
                       .out = out,
                       .err = err };
    int rc = parse_object(&p);
    if (rc == 0)
        rc = check_cover(&p);
    if (rc < 0)
        safetensors_free(out);
    return rc;
}

void safetensors_free(struct safetensors *st)
{
    for (int i = 0; i < st->texts; i++)
        free(st->text[i].value);
    free(st->text);
    free(st->entry);
    *st = (struct safetensors){ 0 };
}

const struct safetensors_entry *safetensors_find(const struct safetensors *st,
                                                 const char *name)
{
    struct safetensors_entry key = { 0 };
    if (strlen(name) >= sizeof key.name || !st->entries)
        return NULL;
    memcpy(key.name, name, strlen(name) + 1);
    return bsearch(&key, st->entry, (size_t)st->entries, sizeof key, by_name);
}

const struct safetensors_text *safetensors_text(const struct safetensors *st,
                                                const char *key)
{
    for (int i = 0; i < st->texts; i++)
        if (strcmp(st->text[i].key, key) == 0)
            return &st->text[i];
    return NULL;
}

/* pickle.c -- the stack machine that a pickle is written for; see pickle.h. The opcodes
 * are those of Python's pickletools. A mark is a value on the stack that only the
 * opcodes which look for one may take off it. */
#include <stdlib.h>
#include <string.h>

#include "pickle_parts.h"

/* Values that grow; the stack, and the memo by number. */
struct row {
    struct pickle_value **items;
    size_t count, room;
};

struct machine {
    struct pickle *doc;
    const uint8_t *bytes;
    size_t size, at;
    struct row stack, memo;
    struct sluice_error *err;
};

static int add(struct pickle_value ***items, size_t *count, size_t *room,
               struct pickle_value *v, struct sluice_error *err)
{
    if (*count == *room) {
        const size_t more = *room ? 2 * *room : 8;
        struct pickle_value **new =
            realloc(*items, more * sizeof(struct pickle_value *));
        if (!new)
            return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu items", more);
        *items = new;
        *room = more;
    }
    (*items)[(*count)++] = v;
    return 0;
}

/* ---- the machine's parts ---- */

static int truncated(struct machine *m)
{
    return sluice_fail(m->err, SLUICE_ECORRUPT, "ends at byte %zu, within the pickle",
                       m->size);
}

/* `n` bytes as a little-endian number. */
static int number(struct machine *m, int n, uint64_t *out)
{
    *out = 0;
    if (m->size - m->at < (size_t)n)
        return truncated(m);
    for (int i = n - 1; i >= 0; i--)
        *out = *out << 8 | m->bytes[m->at + (size_t)i];
    m->at += (size_t)n;
    return 0;
}

static int push(struct machine *m, struct pickle_value *v)
{
    return v ? add(&m->stack.items, &m->stack.count, &m->stack.room, v, m->err)
             : SLUICE_ECORRUPT;
}

static int push_new(struct machine *m, enum pickle_kind kind, int64_t integer)
{
    struct pickle_value *v = pickle_new(m->doc, kind, m->err);
    if (v)
        v->integer = integer;
    return push(m, v);
}

/* The value `down` places below the top; NULL: there is none, or a mark. */
static struct pickle_value *top(struct machine *m, size_t down)
{
    struct pickle_value *v =
        down < m->stack.count ? m->stack.items[m->stack.count - 1 - down] : NULL;
    if (v && v->kind != PICKLE_MARK)
        return v;
    sluice_fail(m->err, SLUICE_ECORRUPT, "byte %zu: too few values", m->at - 1);
    return NULL;
}

/* Values above the last mark; -1: there is none. */
static int64_t above_mark(struct machine *m)
{
    for (size_t n = 0; n < m->stack.count; n++)
        if (m->stack.items[m->stack.count - 1 - n]->kind == PICKLE_MARK)
            return (int64_t)n;
    sluice_fail(m->err, SLUICE_ECORRUPT, "byte %zu: no mark", m->at - 1);
    return -1;
}

/* The top `n` values become the last items of `into`. */
static int move_items(struct machine *m, struct pickle_value *into, size_t n)
{
    const size_t first = m->stack.count - n;
    for (size_t i = first; i < m->stack.count; i++) {
        const int rc =
            add(&into->items, &into->count, &into->room, m->stack.items[i], m->err);
        if (rc < 0)
            return rc;
    }
    m->stack.count = first;
    return 0;
}

/* ---- opcodes ---- */

static int op_string(struct machine *m, int bytes_of_size)
{
    uint64_t size;
    struct pickle_value *v;
    int rc = number(m, bytes_of_size, &size);
    if (rc < 0)
        return rc;
    if (size > m->size - m->at)
        return truncated(m);
    if (!(v = pickle_new(m->doc, PICKLE_STRING, m->err)))
        return SLUICE_ECORRUPT;
    v->bytes = m->bytes + m->at;
    v->size = (size_t)size;
    m->at += (size_t)size;
    return push(m, v);
}

static int op_integer(struct machine *m, int bytes, bool negative)
{
    uint64_t u;
    int rc = number(m, bytes, &u);
    if (rc < 0)
        return rc;
    if (negative && bytes && bytes < 8 && u >> (8 * bytes - 1))
        u |= ~(uint64_t)0 << 8 * bytes;
    return push_new(m, PICKLE_INTEGER, (int64_t)u);
}

/* A byte with the number of bytes, then those. */
static int op_long(struct machine *m)
{
    uint64_t bytes;
    int rc = number(m, 1, &bytes);
    if (rc == 0 && bytes > 8)
        return sluice_fail(m->err, SLUICE_ECORRUPT,
                           "byte %zu: an integer of %d bytes, expected at most 8",
                           m->at - 2, (int)bytes);
    return rc < 0 ? rc : op_integer(m, (int)bytes, true);
}

static int op_real(struct machine *m)
{
    uint64_t u = 0;
    struct pickle_value *v;
    if (m->size - m->at < 8)
        return truncated(m);
    for (int i = 0; i < 8; i++) /* big-endian */
        u = u << 8 | m->bytes[m->at++];
    if (!(v = pickle_new(m->doc, PICKLE_REAL, m->err)))
        return SLUICE_ECORRUPT;
    memcpy(&v->real, &u, sizeof(u));
    return push(m, v);
}

static int op_tuple(struct machine *m, int64_t n, bool marked)
{
    for (int64_t i = 0; i < n && !marked; i++)
        if (!top(m, (size_t)i))
            return SLUICE_ECORRUPT;
    struct pickle_value *v = pickle_new(m->doc, PICKLE_TUPLE, m->err);
    if (!v)
        return SLUICE_ECORRUPT;
    const int rc = move_items(m, v, (size_t)n);
    if (rc < 0)
        return rc;
    m->stack.count -= marked;
    return push(m, v);
}

/* Items into the list or dictionary below them; `step` is 2 for dictionaries. */
static int op_extend(struct machine *m, enum pickle_kind kind, int64_t n, bool marked)
{
    const int step = kind == PICKLE_DICT ? 2 : 1;
    for (int64_t i = 0; i < n && !marked; i++)
        if (!top(m, (size_t)i))
            return SLUICE_ECORRUPT;
    struct pickle_value *into = top(m, (size_t)n + marked);
    if (!into)
        return SLUICE_ECORRUPT;
    if (into->kind != kind || n % step != 0)
        return sluice_fail(m->err, SLUICE_ECORRUPT,
                           "byte %zu: items for something that is not a %s", m->at - 1,
                           step == 2 ? "dictionary" : "list");
    const int rc = move_items(m, into, (size_t)n);
    m->stack.count -= rc == 0 && marked;
    return rc;
}

static int op_put(struct machine *m, uint64_t number_in_memo)
{
    struct pickle_value *v = top(m, 0);
    int rc = v ? 0 : SLUICE_ECORRUPT;
    if (rc == 0 && number_in_memo > PICKLE_VALUES_MAX)
        return sluice_fail(m->err, SLUICE_ECORRUPT, "byte %zu: memo %llu", m->at,
                           (unsigned long long)number_in_memo);
    while (rc == 0 && m->memo.count <= number_in_memo)
        rc = add(&m->memo.items, &m->memo.count, &m->memo.room, NULL, m->err);
    if (rc == 0)
        m->memo.items[number_in_memo] = v;
    return rc;
}

static int op_get(struct machine *m, uint64_t number_in_memo)
{
    if (number_in_memo >= m->memo.count || !m->memo.items[number_in_memo])
        return sluice_fail(m->err, SLUICE_ECORRUPT, "byte %zu: memo %llu is empty",
                           m->at, (unsigned long long)number_in_memo);
    return push(m, m->memo.items[number_in_memo]);
}

/* A line without its end. */
static int line(struct machine *m, const uint8_t **text, size_t *size)
{
    const uint8_t *end = memchr(m->bytes + m->at, '\n', m->size - m->at);
    if (!end)
        return truncated(m);
    *text = m->bytes + m->at;
    *size = (size_t)(end - *text);
    m->at += *size + 1;
    return 0;
}

static int op_global(struct machine *m)
{
    const uint8_t *module = NULL, *name = NULL;
    size_t module_size = 0, name_size = 0;
    int rc = line(m, &module, &module_size);
    if (rc < 0 || (rc = line(m, &name, &name_size)) < 0)
        return rc;
    return push(m, pickle_global(m->doc, module, module_size, name, name_size, m->err));
}

static int op_stack_global(struct machine *m)
{
    const struct pickle_value *name = top(m, 0), *module = name ? top(m, 1) : NULL;
    if (!module)
        return SLUICE_ECORRUPT;
    if (module->kind != PICKLE_STRING || name->kind != PICKLE_STRING)
        return sluice_fail(m->err, SLUICE_ECORRUPT, "byte %zu: a name that is no text",
                           m->at - 1);
    m->stack.count -= 2;
    return push(m, pickle_global(m->doc, module->bytes, module->size, name->bytes,
                                 name->size, m->err));
}

static int op_reduce(struct machine *m)
{
    const struct pickle_value *arguments = top(m, 0);
    const struct pickle_value *global = arguments ? top(m, 1) : NULL;
    if (!global)
        return SLUICE_ECORRUPT;
    m->stack.count -= 2;
    return push(m, pickle_reduce(m->doc, global, arguments, m->err));
}

static int op_build(struct machine *m)
{
    const struct pickle_value *state = top(m, 0);
    struct pickle_value *object = state ? top(m, 1) : NULL;
    if (!object)
        return SLUICE_ECORRUPT;
    m->stack.count--;
    return pickle_build(object, state, m->err);
}

static int op_protocol(struct machine *m)
{
    uint64_t v;
    const int rc = number(m, 1, &v);
    return rc == 0 && (v < 2 || v > 5)
               ? sluice_fail(m->err, SLUICE_ECORRUPT,
                             "a pickle of protocol %d, expected 2 to 5", (int)v)
               : rc;
}

/* An opcode and the number after it, in so many bytes. */
static int numbered(struct machine *m, int bytes, int (*op)(struct machine *, uint64_t))
{
    uint64_t n = m->memo.count;
    const int rc = number(m, bytes, &n);
    return rc < 0 ? rc : op(m, n);
}

static int marked(struct machine *m, enum pickle_kind kind)
{
    const int64_t n = above_mark(m);
    return n < 0                  ? SLUICE_ECORRUPT
           : kind == PICKLE_TUPLE ? op_tuple(m, n, true)
                                  : op_extend(m, kind, n, true);
}

static int skip_frame(struct machine *m)
{
    uint64_t size;
    return number(m, 8, &size); /* the opcodes in it follow as if there were none */
}

static int step(struct machine *m, uint8_t opcode)
{
    switch (opcode) {
        /* clang-format off */
    case 0x80: return op_protocol(m);
    case 0x95: return skip_frame(m);
    case '(':  return push_new(m, PICKLE_MARK, 0);
    case '}':  return push_new(m, PICKLE_DICT, 0);
    case ']':  return push_new(m, PICKLE_LIST, 0);
    case ')':  return push_new(m, PICKLE_TUPLE, 0);
    case 'N':  return push_new(m, PICKLE_NONE, 0);
    case 0x88: return push_new(m, PICKLE_BOOL, 1);
    case 0x89: return push_new(m, PICKLE_BOOL, 0);
    case 'K':  return op_integer(m, 1, false);
    case 'M':  return op_integer(m, 2, false);
    case 'J':  return op_integer(m, 4, true);
    case 0x8a: return op_long(m);
    case 'G':  return op_real(m);
    case 'U': case 'C': case 0x8c: return op_string(m, 1);
    case 'T': case 'B': case 'X':  return op_string(m, 4);
    case 0x8d: case 0x8e: case 0x96: return op_string(m, 8);
    case 'a':  return op_extend(m, PICKLE_LIST, 1, false);
    case 's':  return op_extend(m, PICKLE_DICT, 2, false);
    case 'e':  return marked(m, PICKLE_LIST);
    case 'u':  return marked(m, PICKLE_DICT);
    case 't':  return marked(m, PICKLE_TUPLE);
    case 0x85: return op_tuple(m, 1, false);
    case 0x86: return op_tuple(m, 2, false);
    case 0x87: return op_tuple(m, 3, false);
    case 'q':  return numbered(m, 1, op_put);
    case 'r':  return numbered(m, 4, op_put);
    case 0x94: return op_put(m, m->memo.count);
    case 'h':  return numbered(m, 1, op_get);
    case 'j':  return numbered(m, 4, op_get);
    case 'c':  return op_global(m);
    case 0x93: return op_stack_global(m);
    case 'R':  return op_reduce(m);
    case 'b':  return op_build(m);
        /* clang-format on */
    default:
        return sluice_fail(m->err, SLUICE_ECORRUPT,
                           "byte %zu: opcode 0x%02x is none that arrays, lists and "
                           "dictionaries are written with",
                           m->at - 1, opcode);
    }
}

static int run(struct machine *m)
{
    while (m->at < m->size) {
        const uint8_t opcode = m->bytes[m->at++];
        if (opcode == '.') {
            m->doc->root = top(m, 0);
            return m->doc->root ? 0 : SLUICE_ECORRUPT;
        }
        const int rc = step(m, opcode);
        if (rc < 0)
            return m->err->code;
    }
    return truncated(m);
}

bool pickle_recognise(const uint8_t *bytes, size_t size)
{
    return size > 2 && bytes[0] == 0x80 && bytes[1] <= 5;
}

int pickle_parse(struct pickle **out, const uint8_t *bytes, size_t size,
                 struct sluice_error *err)
{
    struct sluice_error own = { 0 };
    struct pickle *p = calloc(1, sizeof(*p));
    *out = NULL;
    if (!p)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    p->size = size;
    struct machine m = { .doc = p, .bytes = bytes, .size = size, .err = &own };
    const int rc = run(&m);
    free(m.stack.items);
    free(m.memo.items);
    if (rc < 0) {
        pickle_free(p);
        if (err)
            *err = own;
        return rc;
    }
    *out = p;
    return 0;
}

/* pickle_numpy.c -- the names that a pickle may refer to, and what they make: numpy's
 * arrays, their types, and bytes as Python 3 writes them for Python 2. */
#include <stdlib.h>
#include <string.h>

#include "pickle_parts.h"

enum global { RECONSTRUCT, NDARRAY, DTYPE, FROM_BUFFER, ENCODE, BYTES };

/* numpy moved its parts to numpy._core in version 2. */
static const struct {
    const char *module, *name;
    enum global what;
} globals[] = {
    { "numpy.core.multiarray", "_reconstruct", RECONSTRUCT },
    { "numpy._core.multiarray", "_reconstruct", RECONSTRUCT },
    { "numpy", "ndarray", NDARRAY },
    { "numpy", "dtype", DTYPE },
    { "numpy.core.numeric", "_frombuffer", FROM_BUFFER },
    { "numpy._core.numeric", "_frombuffer", FROM_BUFFER },
    { "_codecs", "encode", ENCODE },
    { "__builtin__", "bytes", BYTES },
};

static bool equal(const uint8_t *bytes, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(bytes, text, size) == 0;
}

struct pickle_value *pickle_global(struct pickle *p, const uint8_t *module,
                                   size_t module_size, const uint8_t *name,
                                   size_t name_size, struct sluice_error *err)
{
    for (size_t i = 0; i < sizeof(globals) / sizeof(*globals); i++)
        if (equal(module, module_size, globals[i].module) &&
            equal(name, name_size, globals[i].name)) {
            struct pickle_value *v = pickle_new(p, PICKLE_GLOBAL, err);
            if (v)
                v->integer = globals[i].what;
            return v;
        }
    char text[64];
    int n = 0;
    for (size_t i = 0; i < module_size + 1 + name_size && n < 60; i++) {
        const uint8_t c = i < module_size    ? module[i]
                          : i == module_size ? '.'
                                             : name[i - module_size - 1];
        text[n++] = (char)(c > 32 && c < 127 ? c : '?');
    }
    sluice_fail(err, SLUICE_ECORRUPT,
                "it refers to %.*s: expected numpy arrays, lists and dictionaries, of "
                "which nothing has to be run",
                n, text);
    return NULL;
}

/* ---- calls ---- */

static bool is_string(const struct pickle_value *v)
{
    return v->kind == PICKLE_STRING;
}

static bool is_integer(const struct pickle_value *v)
{
    return v->kind == PICKLE_INTEGER || v->kind == PICKLE_BOOL;
}

/* numpy.dtype("u1", ...): the rest of the arguments are always the same. */
static struct pickle_value *make_dtype(struct pickle *p,
                                       const struct pickle_value *arguments,
                                       struct sluice_error *err)
{
    const struct pickle_value *type = arguments->count ? arguments->items[0] : NULL;
    if (!type || !is_string(type) || type->size != 2 ||
        !memchr("uifb", type->bytes[0], 4) || !memchr("1248", type->bytes[1], 4)) {
        sluice_fail(err, SLUICE_ECORRUPT,
                    "an array of elements that are not plain numbers");
        return NULL;
    }
    struct pickle_value *v = pickle_new_array(p, PICKLE_DTYPE, err);
    if (v) {
        v->array->dtype.letter = (char)type->bytes[0];
        v->array->dtype.size = type->bytes[1] - '0';
    }
    return v;
}

/* _codecs.encode(text, "latin1"): bytes, written as the characters of these numbers. */
static struct pickle_value *
encode(struct pickle *p, const struct pickle_value *arguments, struct sluice_error *err)
{
    const struct pickle_value *text =
        arguments->count == 2 ? arguments->items[0] : NULL;
    const struct pickle_value *name = text ? arguments->items[1] : NULL;
    if (!text || !is_string(text) || !is_string(name) ||
        !equal(name->bytes, name->size, "latin1") || text->size > p->size - p->owned) {
        sluice_fail(err, SLUICE_ECORRUPT, "bytes that are not encoded as latin1");
        return NULL;
    }
    struct pickle_value *v = pickle_new(p, PICKLE_STRING, err);
    uint8_t *out = v ? malloc(text->size + 1) : NULL;
    if (!out) {
        if (v)
            sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", text->size);
        return NULL;
    }
    p->owned += text->size;
    v->bytes = out;
    v->owned = true;
    for (size_t i = 0; i < text->size; i++) {
        const uint8_t c = text->bytes[i];
        const uint8_t next = i + 1 < text->size ? text->bytes[i + 1] : 0;
        if (c < 0x80) {
            out[v->size++] = c;
        } else if ((c == 0xc2 || c == 0xc3) && (next & 0xc0) == 0x80) {
            out[v->size++] = (uint8_t)(c << 6 | (next & 0x3f));
            i++;
        } else {
            sluice_fail(err, SLUICE_ECORRUPT, "a character that is not of latin1");
            return NULL;
        }
    }
    return v;
}

/* Shape, type and elements, which must have just the bytes that those say. */
static int set_array(struct pickle_value *v, const struct pickle_value *shape,
                     const struct pickle_value *dtype, bool columns_first,
                     const struct pickle_value *bytes, struct sluice_error *err)
{
    struct pickle_array *a = v->array;
    if (shape->kind != PICKLE_TUPLE || shape->count > PICKLE_RANK_MAX ||
        dtype->kind != PICKLE_DTYPE || !is_string(bytes))
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "an array without a shape, type and elements");
    uint64_t size = (uint64_t)dtype->array->dtype.size;
    for (size_t i = 0; i < shape->count; i++) {
        const struct pickle_value *n = shape->items[i];
        if (!is_integer(n) || n->integer < 0 ||
            (n->integer && size > UINT64_MAX / (uint64_t)n->integer))
            return sluice_fail(err, SLUICE_ECORRUPT, "an array of an impossible shape");
        a->shape[i] = (uint64_t)n->integer;
        size *= a->shape[i];
    }
    if (size != bytes->size)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "an array with %zu bytes of elements, expected %llu",
                           bytes->size, (unsigned long long)size);
    a->rank = (int)shape->count;
    a->dtype = dtype->array->dtype;
    a->columns_first = columns_first;
    v->bytes = bytes->bytes;
    v->size = bytes->size;
    return 0;
}

/* _frombuffer(elements, type, shape, order): arrays in protocol 5. */
static struct pickle_value *from_buffer(struct pickle *p,
                                        const struct pickle_value *arguments,
                                        struct sluice_error *err)
{
    struct pickle_value *const *item = arguments->items;
    if (arguments->count != 4 || !is_string(item[3]) || item[3]->size != 1) {
        sluice_fail(err, SLUICE_ECORRUPT, "an array from a buffer of unknown order");
        return NULL;
    }
    struct pickle_value *v = pickle_new_array(p, PICKLE_ARRAY, err);
    return v && set_array(v, item[2], item[1], item[3]->bytes[0] == 'F', item[0],
                          err) == 0
               ? v
               : NULL;
}

struct pickle_value *pickle_reduce(struct pickle *p, const struct pickle_value *global,
                                   const struct pickle_value *arguments,
                                   struct sluice_error *err)
{
    if (global->kind == PICKLE_GLOBAL && arguments->kind == PICKLE_TUPLE) {
        switch (global->integer) {
        case RECONSTRUCT: /* an empty array, which BUILD fills */
            return pickle_new_array(p, PICKLE_ARRAY, err);
        case DTYPE:
            return make_dtype(p, arguments, err);
        case FROM_BUFFER:
            return from_buffer(p, arguments, err);
        case ENCODE:
            return encode(p, arguments, err);
        case BYTES: /* so are bytes written of which there are none */
            if (arguments->count == 0)
                return pickle_new(p, PICKLE_STRING, err);
            break;
        default:
            break;
        }
    }
    sluice_fail(err, SLUICE_ECORRUPT, "a call of something that cannot be called");
    return NULL;
}

/* ---- states ---- */

/* (version, byte order, None, None, None, ...): the three are those of records. */
static int build_dtype(struct pickle_value *v, const struct pickle_value *state,
                       struct sluice_error *err)
{
    struct pickle_value *const *item = state->items;
    if (state->count < 5 || !is_string(item[1]) || item[1]->size != 1 ||
        !memchr("|<>=", item[1]->bytes[0], 4) || item[2]->kind != PICKLE_NONE ||
        item[3]->kind != PICKLE_NONE || item[4]->kind != PICKLE_NONE)
        return sluice_fail(err, SLUICE_ECORRUPT,
                           "an array of elements that are not plain numbers");
    v->array->dtype.big_endian = item[1]->bytes[0] == '>';
    return 0;
}

int pickle_build(struct pickle_value *object, const struct pickle_value *state,
                 struct sluice_error *err)
{
    if (state->kind == PICKLE_TUPLE && object->kind == PICKLE_DTYPE)
        return build_dtype(object, state, err);
    if (state->kind == PICKLE_TUPLE && object->kind == PICKLE_ARRAY &&
        state->count == 5 && is_integer(state->items[3]))
        return set_array(object, state->items[1], state->items[2],
                         state->items[3]->integer != 0, state->items[4], err);
    return sluice_fail(err, SLUICE_ECORRUPT, "a state for something that has none");
}

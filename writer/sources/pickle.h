/* pickle.h -- what a Python pickle says, as data: numbers, strings, lists, dictionaries
 * and numpy arrays, in the opcodes of protocols 2 to 5 that those are written with.
 *
 * A pickle is a program. Here nothing of it is ever run: the only names that it may
 * refer to are those with which numpy's arrays and Python's bytes are written, each of
 * which has one meaning, in pickle_numpy.c; any other name, and any other opcode, is an
 * error. A pickle may hold PICKLE_VALUES_MAX values (CIFAR's have 150,000); all other
 * memory is a small multiple of its own size.
 *
 * Errors:    SLUICE_ECORRUPT with the byte where it happened; messages do not name the
 *            file. */
#ifndef SLUICE_PICKLE_H
#define SLUICE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

enum { PICKLE_VALUES_MAX = 1 << 20, PICKLE_RANK_MAX = 8 };

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL, /* integer: 0 or 1 */
    PICKLE_INTEGER,
    PICKLE_REAL,
    PICKLE_STRING, /* bytes, or text as UTF-8: Python 2 did not tell them apart */
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT, /* items: key, value, key, value, ... */
    PICKLE_ARRAY,
    /* Only while parsing. */
    PICKLE_DTYPE,
    PICKLE_GLOBAL, /* integer: which name; see pickle_numpy.c */
    PICKLE_MARK,
};

/* Elements of a numpy array: letter and size as in its type strings ("u1", "<f4"). */
struct pickle_dtype {
    char letter; /* u, i, f or b; 0: none yet */
    int size;    /* bytes */
    bool big_endian;
};

struct pickle_array {
    struct pickle_dtype dtype;
    int rank;
    bool columns_first; /* "Fortran order": the first axis is the fastest */
    uint64_t shape[PICKLE_RANK_MAX];
};

/* Strings and elements lie in the bytes that were parsed, or belong to the pickle. */
struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t integer;
        double real;
        struct pickle_array *array; /* ARRAY, DTYPE */
    };
    const uint8_t *bytes; /* STRING; ARRAY: the elements */
    size_t size;          /* of bytes */
    bool owned;           /* the bytes were made, and are to be freed */
    struct pickle_value **items;
    size_t count, room; /* of items */
};

struct pickle;

/* Whether they can be one: no CIFAR, IDX or text file begins so. */
bool pickle_recognise(const uint8_t *bytes, size_t size);

/* `bytes` must stay until pickle_free. On failure *out is NULL. */
int pickle_parse(struct pickle **out, const uint8_t *bytes, size_t size,
                 struct sluice_error *err);
void pickle_free(struct pickle *p); /* NULL is fine */
const struct pickle_value *pickle_root(const struct pickle *p);

/* The value of a dictionary's key; NULL: it has none, or is no dictionary. */
const struct pickle_value *pickle_find(const struct pickle_value *dict,
                                       const char *key);
/* Of a list, a tuple, or an array of one axis; 0 for all others. */
size_t pickle_length(const struct pickle_value *v);
/* Its element `i`, below its length; false: that is no integer. */
bool pickle_integer(const struct pickle_value *v, size_t i, int64_t *out);

#endif

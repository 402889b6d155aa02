/* pickle_value.c -- the values of a pickle: making, freeing and reading them. */
#include <stdlib.h>
#include <string.h>

#include "pickle_parts.h"

struct pickle_value *pickle_new(struct pickle *p, enum pickle_kind kind,
                                struct sluice_error *err)
{
    struct pickle_block *b = p->blocks;
    if (p->values == PICKLE_VALUES_MAX) {
        sluice_fail(err, SLUICE_ECORRUPT, "more than %d values", PICKLE_VALUES_MAX);
        return NULL;
    }
    if (!b || b->used == PICKLE_BLOCK) {
        if (!(b = calloc(1, sizeof(*b)))) {
            sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu values", p->values);
            return NULL;
        }
        b->next = p->blocks;
        p->blocks = b;
    }
    p->values++;
    struct pickle_value *v = &b->values[b->used++];
    v->kind = kind;
    return v;
}

static void free_value(struct pickle_value *v)
{
    free(v->items);
    if (v->kind == PICKLE_ARRAY || v->kind == PICKLE_DTYPE)
        free(v->array);
    if (v->owned)
        free((uint8_t *)v->bytes);
}

void pickle_free(struct pickle *p)
{
    if (!p)
        return;
    while (p->blocks) {
        struct pickle_block *b = p->blocks;
        p->blocks = b->next;
        for (int i = 0; i < b->used; i++)
            free_value(&b->values[i]);
        free(b);
    }
    free(p);
}

const struct pickle_value *pickle_root(const struct pickle *p)
{
    return p->root;
}

struct pickle_value *pickle_new_array(struct pickle *p, enum pickle_kind kind,
                                      struct sluice_error *err)
{
    struct pickle_value *v = pickle_new(p, PICKLE_NONE, err);
    if (!v)
        return NULL;
    if (!(v->array = calloc(1, sizeof(*v->array)))) {
        sluice_fail(err, SLUICE_ENOMEM, "no memory for an array");
        return NULL;
    }
    v->kind = kind;
    return v;
}

const struct pickle_value *pickle_find(const struct pickle_value *dict, const char *key)
{
    const struct pickle_value *found = NULL;
    for (size_t i = 0; dict->kind == PICKLE_DICT && i + 1 < dict->count; i += 2)
        if (dict->items[i]->kind == PICKLE_STRING &&
            dict->items[i]->size == strlen(key) &&
            memcmp(dict->items[i]->bytes, key, strlen(key)) == 0)
            found = dict->items[i + 1]; /* the last one counts, as in Python */
    return found;
}

size_t pickle_length(const struct pickle_value *v)
{
    if (v->kind == PICKLE_LIST || v->kind == PICKLE_TUPLE)
        return v->count;
    return v->kind == PICKLE_ARRAY && v->array->rank == 1 ? v->array->shape[0] : 0;
}

bool pickle_integer(const struct pickle_value *v, size_t i, int64_t *out)
{
    if (v->kind != PICKLE_ARRAY) {
        *out = v->items[i]->integer;
        return v->items[i]->kind == PICKLE_INTEGER || v->items[i]->kind == PICKLE_BOOL;
    }
    const struct pickle_dtype *t = &v->array->dtype;
    const uint8_t *element = v->bytes + i * (size_t)t->size;
    uint64_t u = 0;
    for (int k = 0; k < t->size; k++)
        u = u << 8 | element[t->big_endian ? k : t->size - 1 - k];
    if (t->letter == 'i' && t->size < 8 && u >> (8 * t->size - 1))
        u |= ~(uint64_t)0 << 8 * t->size;
    *out = (int64_t)u;
    return t->letter == 'i' || t->letter == 'u';
}

/* pickle_parts.h -- what the two halves of the pickle reader know of each other. */
#ifndef SLUICE_PICKLE_PARTS_H
#define SLUICE_PICKLE_PARTS_H

#include "pickle.h"

enum { PICKLE_BLOCK = 512 };

struct pickle_block {
    struct pickle_block *next;
    int used;
    struct pickle_value values[PICKLE_BLOCK];
};

struct pickle {
    struct pickle_block *blocks;
    const struct pickle_value *root;
    size_t values, owned; /* owned: bytes of the strings that had to be made */
    size_t size;          /* of the pickle */
};

/* A new value, zeroed; NULL: too many, or no memory, and *err says so. */
struct pickle_value *pickle_new(struct pickle *p, enum pickle_kind kind,
                                struct sluice_error *err);
/* A new array or type of elements. */
struct pickle_value *pickle_new_array(struct pickle *p, enum pickle_kind kind,
                                      struct sluice_error *err);

/* The value of a name that a pickle may refer to: NULL otherwise. */
struct pickle_value *pickle_global(struct pickle *p, const uint8_t *module,
                                   size_t module_size, const uint8_t *name,
                                   size_t name_size, struct sluice_error *err);
/* What a call of it would make, with a tuple of arguments. */
struct pickle_value *pickle_reduce(struct pickle *p, const struct pickle_value *global,
                                   const struct pickle_value *arguments,
                                   struct sluice_error *err);
/* Give an array or a type its state. */
int pickle_build(struct pickle_value *object, const struct pickle_value *state,
                 struct sluice_error *err);

#endif

/* safetensors.h -- the header of a safetensors file: bytes in, structs out.
 *
 *     u64 little-endian length | JSON of that length | data
 *     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
 *      "__metadata__": {"text": "text", ...}}
 *
 * Parsing is strict: known keys only, no duplicates, offsets that fit their shapes and
 * cover the data without gaps, nothing behind the object but spaces. */
#ifndef SLUICE_SAFETENSORS_H
#define SLUICE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

enum {
    SAFETENSORS_RANK = 8,
    SAFETENSORS_NAME = 128,
    SAFETENSORS_HEADER_MAX = 16 << 20,
    SAFETENSORS_TEXTS_MAX = 256,
};

struct safetensors_entry {
    char name[SAFETENSORS_NAME];
    char dtype[8];
    int rank;
    uint64_t shape[SAFETENSORS_RANK];
    uint64_t begin, end; /* within the data */
};

struct safetensors_text {
    char key[SAFETENSORS_NAME];
    char *value;      /* decoded */
    size_t raw, size; /* where its bytes lie in the file, as they stand there */
};

struct safetensors {
    struct safetensors_entry *entry; /* by name */
    struct safetensors_text *text;
    int entries, texts;
    uint64_t data_at, data_size; /* within the file */
};

/* The whole file in memory; `path` is for messages only. On failure *out is empty. */
int safetensors_parse(struct safetensors *out, const char *path, const void *bytes,
                      size_t size, struct sluice_error *err);
void safetensors_free(struct safetensors *st);

/* NULL: not there. */
const struct safetensors_entry *safetensors_find(const struct safetensors *st,
                                                 const char *name);
const struct safetensors_text *safetensors_text(const struct safetensors *st,
                                                const char *key);

/* Bytes of one element; 0: no such type. */
size_t safetensors_dtype_size(const char *dtype);

#endif

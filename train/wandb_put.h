/* wandb_put.h -- what the records of wandb.h are made of: fields of protocol buffers
 * and the members of a JSON object. Failures of memory leave a part out. */
#ifndef SLUICE_WANDB_PUT_H
#define SLUICE_WANDB_PUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* A field: a varint, counted bytes, a text (nothing if it is empty). */
void proto_number(FILE *to, unsigned field, uint64_t value);
void proto_bytes(FILE *to, unsigned field, const void *data, size_t size);
void proto_text(FILE *to, unsigned field, const char *text);

/* A message within a message: written into memory first, its length comes before it. */
struct proto {
    FILE *to;
    char *bytes;
    size_t size;
};

bool proto_begin(struct proto *m); /* false: no memory, and nothing to end */
void proto_end(struct proto *m, FILE *outer, unsigned field);

/* field { key_field key; 16 value_json }: an item of a configuration (its key is field
 * 1), of a history or a summary (2). */
void proto_item(FILE *to, unsigned field, unsigned key_field, const char *key,
                size_t key_size, const char *json, size_t json_size);

/* Each member of a well-formed JSON object: the texts of its key, without quotes, and
 * of its value. */
void json_each_member(const char *json,
                      void (*take)(FILE *to, const char *key, size_t key_size,
                                   const char *value, size_t value_size),
                      FILE *to);

#endif

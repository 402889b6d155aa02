/* wandb_put.c -- protocol buffers and JSON objects by parts; see wandb_put.h. */
#include <stdlib.h>
#include <string.h>

#include "wandb_put.h"

static void put_varint(FILE *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        fputc((int)(value & 0x7f) | 0x80, to);
    fputc((int)value, to);
}

void proto_number(FILE *to, unsigned field, uint64_t value)
{
    put_varint(to, field << 3);
    put_varint(to, value);
}

void proto_bytes(FILE *to, unsigned field, const void *data, size_t size)
{
    put_varint(to, field << 3 | 2);
    put_varint(to, size);
    fwrite(data, 1, size, to);
}

void proto_text(FILE *to, unsigned field, const char *text)
{
    if (*text)
        proto_bytes(to, field, text, strlen(text));
}

bool proto_begin(struct proto *m)
{
    m->bytes = NULL;
    m->size = 0;
    m->to = open_memstream(&m->bytes, &m->size);
    return m->to;
}

void proto_end(struct proto *m, FILE *outer, unsigned field)
{
    fclose(m->to);
    if (m->bytes)
        proto_bytes(outer, field, m->bytes, m->size);
    free(m->bytes);
}

void proto_item(FILE *to, unsigned field, unsigned key_field, const char *key,
                size_t key_size, const char *json, size_t json_size)
{
    struct proto item;
    if (!proto_begin(&item))
        return;
    proto_bytes(item.to, key_field, key, key_size);
    proto_bytes(item.to, 16, json, json_size);
    proto_end(&item, to, field);
}

/* Behind the JSON value at p, which is well formed. */
static const char *skip_value(const char *p)
{
    int depth = 0;
    bool text = false;
    for (; *p; p++) {
        if (text) {
            if (*p == '\\' && p[1])
                p++;
            else
                text = *p != '"';
        } else if (*p == '"') {
            text = true;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']' || *p == ',') {
            if (depth == 0)
                return p;
            depth -= *p != ',';
        }
    }
    return p;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \n\t");
}

void json_each_member(const char *json,
                      void (*take)(FILE *to, const char *key, size_t key_size,
                                   const char *value, size_t value_size),
                      FILE *to)
{
    const char *p = skip_blanks(json);
    if (*p != '{')
        return;
    for (p = skip_blanks(p + 1); *p == '"';) {
        const char *key = p + 1;
        const size_t n = strcspn(key, "\"");
        p = skip_blanks(key + n + 1);
        p = skip_blanks(p + (*p == ':'));
        const char *end = skip_value(p);
        size_t size = (size_t)(end - p);
        while (size && strchr(" \n\t", p[size - 1]))
            size--;
        take(to, key, n, p, size);
        p = skip_blanks(end + (*end == ','));
    }
}

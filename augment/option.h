/* option.h -- the value of one option: from text, and back into the text that spells it
 * out. */
#ifndef SLUICE_AUGMENT_OPTION_H
#define SLUICE_AUGMENT_OPTION_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "registry.h"

/* A stretch of the pipeline's text. */
struct text {
    const char *at;
    size_t size;
};

/* What is being parsed: for messages, and for values that depend on the images. */
struct parser {
    const struct sluice_augment_options *options;
    struct plan *plan;
    const struct op_def *def;
    struct parsed now;
    struct sluice_error *err;
};

static inline bool same(struct text t, const char *word)
{
    return strlen(word) == t.size && memcmp(t.at, word, t.size) == 0;
}

/* Cut the part before the next `stop` off *rest. */
static inline struct text cut(struct text *rest, char stop)
{
    const char *end = memchr(rest->at, stop, rest->size);
    struct text part = { rest->at, end ? (size_t)(end - rest->at) : rest->size };
    const size_t used = part.size + (end != NULL);
    rest->at += used;
    rest->size -= used;
    return part;
}

/* Spaces around a part mean nothing. */
static inline struct text trim(struct text t)
{
    while (t.size && strchr(" \t\r\n", *t.at)) {
        t.at++;
        t.size--;
    }
    while (t.size && strchr(" \t\r\n", t.at[t.size - 1]))
        t.size--;
    return t;
}

/* Into its place in ps->now. */
int sluice_option_parse(struct parser *ps, const struct op_option *o,
                        struct text value);
/* From there: the fewest digits that give the same numbers again. */
void sluice_option_put(FILE *to, const struct parser *ps, const struct op_option *o);

#endif

/* settings.h -- a recipe as a flat list: dotted key, text, and where it stood.
 *
 * YAML files, groups and command lines all become such lists; what a key means and
 * whether its text is sensible is decided later, by the option table of config.h. */
#ifndef SLUICE_SETTINGS_H
#define SLUICE_SETTINGS_H

#include <stdbool.h>

#include <sluice/error.h>

struct setting {
    char *key;   /* "optimizer.lr" */
    char *value; /* as typed; a list is its items joined by commas */
    char *where; /* "mnist_cnn.yaml:12" or "command line": for messages */
    bool list;   /* it was written as a list */
};

struct settings {
    struct setting *at;
    int count, room;
};

enum {
    SETTINGS_MAX = 512,      /* entries of one list */
    SETTING_VALUE_MAX = 4096 /* bytes of one value */
};

/* Add an entry, or change the one with this key in its place. */
int settings_set(struct settings *s, const char *key, const char *value, bool list,
                 const char *where, struct sluice_error *err);
/* Everything of `from`, in order. */
int settings_merge(struct settings *s, const struct settings *from,
                   struct sluice_error *err);
const struct setting *settings_find(const struct settings *s, const char *key);
void settings_remove(struct settings *s, const char *key);
void settings_free(struct settings *s); /* leaves an empty list */

#endif

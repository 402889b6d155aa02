/* settings.c -- the flat list of a recipe; see settings.h. */
#include <stdlib.h>
#include <string.h>

#include "settings.h"

static void clear(struct setting *e)
{
    free(e->key);
    free(e->value);
    free(e->where);
}

static struct setting *find(const struct settings *s, const char *key)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->at[i].key, key) == 0)
            return &s->at[i];
    return NULL;
}

const struct setting *settings_find(const struct settings *s, const char *key)
{
    return find(s, key);
}

/* Room for one more entry, which is not counted yet. */
static struct setting *grow(struct settings *s)
{
    if (s->count == s->room) {
        int room = s->room ? 2 * s->room : 32;
        struct setting *at = realloc(s->at, (size_t)room * sizeof(*at));
        if (!at)
            return NULL;
        s->at = at;
        s->room = room;
    }
    return &s->at[s->count];
}

int settings_set(struct settings *s, const char *key, const char *value, bool list,
                 const char *where, struct sluice_error *err)
{
    struct setting *old = find(s, key), *slot = old;
    struct setting e = { strdup(key), strdup(value), strdup(where), list };
    int rc = 0;
    if (strlen(value) > SETTING_VALUE_MAX)
        rc = sluice_fail(err, SLUICE_EINVAL, "%.200s: %.60s: longer than %d bytes",
                         where, key, SETTING_VALUE_MAX);
    else if (!old && s->count == SETTINGS_MAX)
        rc = sluice_fail(err, SLUICE_EINVAL, "%.200s: more than %d settings", where,
                         SETTINGS_MAX);
    else if (!e.key || !e.value || !e.where || (!old && !(slot = grow(s))))
        rc = sluice_fail(err, SLUICE_ENOMEM, "%.200s: out of memory", where);
    if (rc < 0) {
        clear(&e);
        return rc;
    }
    if (old)
        clear(old);
    else
        s->count++;
    *slot = e;
    return 0;
}

int settings_merge(struct settings *s, const struct settings *from,
                   struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < from->count && rc == 0; i++)
        rc = settings_set(s, from->at[i].key, from->at[i].value, from->at[i].list,
                          from->at[i].where, err);
    return rc;
}

void settings_remove(struct settings *s, const char *key)
{
    struct setting *e = find(s, key);
    if (!e)
        return;
    clear(e);
    s->count--;
    memmove(e, e + 1, (size_t)(s->at + s->count - e) * sizeof(*e));
}

void settings_free(struct settings *s)
{
    for (int i = 0; i < s->count; i++)
        clear(&s->at[i]);
    free(s->at);
    *s = (struct settings){ 0 };
}

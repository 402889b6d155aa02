/* recipe.c -- laying the parts of recipes over each other; see recipe.h. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "recipe.h"
#include "recipe_find.h"
#include "yaml_read.h"

enum {
    INCLUDES_MAX = 8, /* recipes that include recipes */
    GROUPS_MAX = 16,
};

/* Groups chosen on the command line. */
struct choices {
    struct {
        char group[64];
        const char *choice; /* borrowed */
        bool used;
    } at[GROUPS_MAX];
    int count;
};

static bool is_of_every_model(const char *key)
{
    for (const struct config_option *o = config_options; o->name; o++)
        if (strcmp(o->name, key) == 0)
            return true;
    return false;
}

/* What is asked of any network stays: its name is overwritten, its largest size not. */
static void drop_model_options(struct settings *s)
{
    for (int i = s->count - 1; i >= 0; i--)
        if (strncmp(s->at[i].key, "model.", 6) == 0 && !is_of_every_model(s->at[i].key))
            settings_remove(s, s->at[i].key);
}

/* Lay `from` over `s`. Another network's options mean nothing to this one. */
static int overlay(struct settings *s, const struct settings *from,
                   struct sluice_error *err)
{
    const struct setting *old = settings_find(s, "model.name"), *new = NULL;
    int rc = 0;
    for (int i = 0; i < from->count; i++)
        if (strcmp(config_real_name(from->at[i].key), "model.name") == 0)
            new = &from->at[i];
    if (old && new &&strcmp(old->value, new->value) != 0)
        drop_model_options(s);
    for (int i = 0; i < from->count && rc == 0; i++) {
        const struct setting *e = &from->at[i];
        rc =
            settings_set(s, config_real_name(e->key), e->value, e->list, e->where, err);
    }
    return rc;
}

static int load_file(struct settings *out, const char *path, struct choices *choices,
                     int depth, struct sluice_error *err);

static int load_group(struct settings *out, const char *where, const char *group,
                      const char *choice, struct sluice_error *err)
{
    char path[PATH_MAX];
    struct settings own = { 0 };
    int rc = recipe_find_choice(path, where, group, choice, err);
    if (rc == 0)
        rc = yaml_read_file(&own, path, err);
    if (rc == 0 && settings_find(&own, "defaults"))
        rc = sluice_fail(err, SLUICE_EINVAL, "%.200s: a group has no defaults", path);
    if (rc == 0)
        rc = overlay(out, &own, err);
    settings_free(&own);
    return rc;
}

/* One item of a defaults list: "group=choice" or another recipe's name. */
static int load_default(struct settings *out, const struct setting *list, char *item,
                        struct choices *choices, int depth, struct sluice_error *err)
{
    char path[PATH_MAX], *choice = strchr(item, '=');
    const char *where = list->where, *chosen;
    if (!choice) {
        if (strchr(item, '/') || !recipe_find(item, path))
            return recipe_not_found(list->where, "recipe", item, ".", err);
        return load_file(out, path, choices, depth + 1, err);
    }
    *choice++ = 0;
    chosen = choice;
    for (int i = 0; i < choices->count; i++)
        if (strcmp(choices->at[i].group, item) == 0 &&
            !recipe_is_path(choices->at[i].choice)) {
            choices->at[i].used = true;
            chosen = choices->at[i].choice;
            where = "command line";
        }
    return load_group(out, where, item, chosen, err);
}

static int load_defaults(struct settings *out, const struct settings *own,
                         struct choices *choices, int depth, struct sluice_error *err)
{
    const struct setting *list = settings_find(own, "defaults");
    struct settings body = { 0 };
    char *copy = list ? strdup(list->value) : NULL, *rest = copy, *item;
    bool self = false;
    int rc = list && !copy
                 ? sluice_fail(err, SLUICE_ENOMEM, "%s: out of memory", list->where)
                 : settings_merge(&body, own, err);
    settings_remove(&body, "defaults");
    if (rc == 0 && list && !list->list)
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: defaults: expected a list",
                         list->where);
    while (rc == 0 && copy && *copy && (item = strsep(&rest, ","))) {
        if (strcmp(item, "_self_") == 0) {
            self = true;
            rc = overlay(out, &body, err);
        } else {
            rc = load_default(out, list, item, choices, depth, err);
        }
    }
    if (rc == 0 && !self)
        rc = overlay(out, &body, err);
    settings_free(&body);
    free(copy);
    return rc;
}

static int load_file(struct settings *out, const char *path, struct choices *choices,
                     int depth, struct sluice_error *err)
{
    struct settings own = { 0 };
    int rc;
    if (depth > INCLUDES_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%.200s: recipes that include each other, %d deep", path,
                           INCLUDES_MAX);
    rc = yaml_read_file(&own, path, err);
    if (rc == 0)
        rc = load_defaults(out, &own, choices, depth, err);
    settings_free(&own);
    return rc;
}

static int load_recipe(struct settings *out, char name[64], const char *typed,
                       struct choices *choices, struct sluice_error *err)
{
    char path[PATH_MAX];
    const char *base = strrchr(typed, '/');
    base = base ? base + 1 : typed;
    size_t n = strcspn(base, ".");
    if (n > 63)
        for (n = 63; n && ((unsigned char)base[n] & 0xc0) == 0x80;)
            n--; /* no letter is cut in two */
    snprintf(name, 64, "%.*s", (int)n, base);
    if (recipe_is_file(typed))
        snprintf(path, sizeof(path), "%s", typed);
    else if (strchr(typed, '/') || !recipe_find(typed, path))
        return recipe_not_found("", "recipe", typed, ".", err);
    return load_file(out, path, choices, 0, err);
}

/* "group=choice", where that group's folder exists and the key is no option; a mapping
 * of keys names no choice. */
static bool is_group(const char *arg, char group[64])
{
    char path[PATH_MAX], name[160];
    const char *equals = strchr(arg, '=');
    snprintf(group, 64, "%.*s", (int)(equals - arg), arg);
    if (strchr(group, '.') || strchr(group, '/') || !*group || equals[1] == '{')
        return false;
    for (const struct config_option *o = config_options; o->name; o++)
        if (strcmp(o->name, group) == 0)
            return false;
    snprintf(name, sizeof(name), "%s/%.64s", group, equals + 1);
    if (strcmp(config_real_name(group), group) != 0)
        return recipe_is_path(equals + 1) ||
               recipe_find(name, path); /* model=NAME needs no file */
    return recipe_has_group(group);
}

int recipe_override(struct settings *s, const char *arg, struct sluice_error *err)
{
    const char *plain = arg + strspn(arg, "+"), *equals = strchr(plain, '=');
    struct settings one = { 0 };
    char key[128], where[160];
    int rc;
    if (!equals || equals == plain || (size_t)(equals - plain) >= sizeof(key))
        return sluice_fail(err, SLUICE_EINVAL, "'%.100s': expected key=value", arg);
    snprintf(key, sizeof(key), "%.*s", (int)(equals - plain), plain);
    snprintf(where, sizeof(where), "command line");
    if (equals[1] == '[' || equals[1] == '{')
        rc = yaml_read_value(&one, where, key, equals + 1, err);
    else
        rc = settings_set(&one, key, equals + 1, false, where, err);
    if (rc == 0)
        rc = overlay(s, &one, err);
    settings_free(&one);
    return rc;
}

static int collect_choices(struct choices *c, const char *const *args, int count,
                           struct sluice_error *err)
{
    char group[64];
    for (int i = 0; i < count; i++) {
        const char *equals = strchr(args[i], '=');
        if (!equals || !is_group(args[i], group))
            continue;
        if (c->count == GROUPS_MAX)
            return sluice_fail(err, SLUICE_EINVAL, "'%.100s': one group too many",
                               args[i]);
        snprintf(c->at[c->count].group, 64, "%s", group);
        c->at[c->count++].choice = equals + 1;
    }
    return 0;
}

int recipe_load(struct settings *out, char name[64], const char *const *args, int count,
                struct sluice_error *err)
{
    struct choices choices = { .count = 0 };
    const char *recipe = NULL;
    char group[64];
    int rc = collect_choices(&choices, args, count, err);
    snprintf(name, 64, "run");
    for (int i = 0; i < count; i++)
        if (strncmp(args[i], "recipe=", 7) == 0)
            recipe = args[i] + 7;
    if (rc == 0 && recipe)
        rc = load_recipe(out, name, recipe, &choices, err);
    for (int i = 0; i < choices.count && rc == 0; i++)
        if (!choices.at[i].used)
            rc = load_group(out, "command line", choices.at[i].group,
                            choices.at[i].choice, err);
    for (int i = 0; i < count && rc == 0; i++)
        if (strncmp(args[i], "recipe=", 7) != 0 &&
            !(strchr(args[i], '=') && is_group(args[i], group)))
            rc = recipe_override(out, args[i], err);
    return rc;
}

/* run_config.c -- a configuration from a recipe or a run; see run_config.h. */
#include <string.h>

#include <sluice/loader.h>

#include "config_parts.h"
#include "recipe.h"
#include "run_config.h"
#include "run_dir.h"
#include "yaml_read.h"

/* Messages repeat what was typed, which may hold anything; they stay one line. */
static int one_line(int rc, struct sluice_error *err)
{
    for (char *c = err ? err->message : ""; rc < 0 && *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = '?';
    return rc;
}

/* A size that nothing is scaled to. Records of runs have the default one. */
static int check_size(const struct config *cfg, const struct settings *s,
                      struct sluice_error *err)
{
    const struct config_option *o = config_find(config_options, "data.size");
    const struct setting *size = settings_find(s, "data.size");
    if (!size || cfg->data.crop != SLUICE_CROP_NONE ||
        (strcmp(size->value, o->initial) == 0 &&
         strcmp(size->where, "command line") != 0))
        return 0;
    return sluice_fail(
        err, SLUICE_EINVAL,
        "%s: data.size: expected data.crop=random or center, which scale "
        "images to it, found none",
        size->where);
}

/* A range of no file, asked for just now. */
static int check_range(const struct config *cfg, const struct settings *s,
                       struct sluice_error *err)
{
    const struct setting *range = settings_find(s, "data.validation_range");
    if (!range || !*range->value || *cfg->data.validation ||
        strcmp(range->where, "command line") != 0)
        return 0;
    return sluice_fail(
        err, SLUICE_EINVAL,
        "command line: data.validation_range: expected "
        "data.validation=FILE.sluice, which it is a part of, found none");
}

int config_from_recipe(struct config *cfg, const char *const *args, int count,
                       struct sluice_error *err)
{
    struct settings s = { 0 };
    char name[64];
    int rc = recipe_load(&s, name, args, count, err);
    if (rc == 0)
        rc = config_resolve(cfg, &s, err);
    if (rc == 0)
        rc = check_size(cfg, &s, err);
    if (rc == 0)
        rc = check_range(cfg, &s, err);
    if (rc == 0 && !*cfg->run.name)
        snprintf(cfg->run.name, sizeof(cfg->run.name), "%s", name);
    settings_free(&s);
    return one_line(rc, err);
}

/* "data.train|test, run.dir|name": what of each section may change. */
static void list_free(char *all, size_t size)
{
    size_t at = 0, before = 0; /* bytes of the section in front, with its dot */
    const char *last = "";
    *all = 0;
    for (const struct config_option *o = config_options; o->name && at < size; o++) {
        const bool same = before && strncmp(o->name, last, before) == 0;
        if (!o->free)
            continue;
        const char *between = same ? "|" : ", ";
        at += (size_t)snprintf(all + at, size - at, "%s%s", at ? between : "",
                               o->name + (same ? before : 0));
        before = strcspn(o->name, ".") + 1;
        last = o->name;
    }
}

static int check_free(const char *arg, struct sluice_error *err)
{
    char key[128], all[380];
    snprintf(key, sizeof(key), "%.*s", (int)strcspn(arg, "="), arg);
    for (const struct config_option *o = config_options; o->name; o++)
        if (o->free && strcmp(o->name, config_real_name(key)) == 0)
            return 0;
    list_free(all, sizeof(all));
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.80s: cannot change when a run continues; these can: %s", key,
                       all);
}

static int resolve(struct config *cfg, struct settings *s, const char *const *args,
                   int count, bool free_alone, struct sluice_error *err)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        if (!free_alone || (rc = check_free(args[i], err)) == 0)
            rc = recipe_override(s, args[i], err);
    return rc < 0 ? rc : config_resolve(cfg, s, err);
}

int config_from_run(struct config *cfg, const char *folder, const char *const *args,
                    int count, bool free_alone, struct sluice_error *err)
{
    struct settings s = { 0 };
    struct run_dir run;
    char path[RUN_PATH];
    int rc = run_dir_open(&run, folder, err);
    if (rc == 0)
        rc = yaml_read_file(&s, run_file(path, &run, "config.yaml"), err);
    if (rc == 0 && !settings_find(&s, "model.name")) /* one of sluice vq, say */
        rc =
            sluice_fail(err, SLUICE_EINVAL,
                        "%.300s: names no model: expected a run of sluice train", path);
    if (rc == 0)
        rc = resolve(cfg, &s, args, count, free_alone, err);
    settings_free(&s);
    return one_line(rc, err);
}

int config_from_text(struct config *cfg, const char *name, const char *yaml,
                     const char *const *args, int count, struct sluice_error *err)
{
    struct settings s = { 0 };
    int rc = yaml_read(&s, name, yaml, strlen(yaml), err);
    if (rc == 0)
        rc = resolve(cfg, &s, args, count, false, err);
    settings_free(&s);
    return one_line(rc, err);
}

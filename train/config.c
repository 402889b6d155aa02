/* config.c -- text into values of the options. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config_parts.h"
#include "models/model.h"

const struct config_option *config_find(const struct config_option *options,
                                        const char *name)
{
    for (const struct config_option *o = options; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

bool config_parse_real(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out);
}

bool config_parse_bool(const char *text, bool *out)
{
    static const char *const words = "false|true|no|yes|off|on";
    int i = choice_index(words, text);
    *out = i > 0 && i % 2;
    return i >= 0;
}

static bool parse_vector(const char *text, struct config_numbers *out,
                         const struct config_option *o)
{
    struct config_numbers v = { 0 };
    char copy[SETTING_VALUE_MAX + 1], *rest = copy, *item;
    snprintf(copy, sizeof(copy), "%s", strcmp(text, "[]") == 0 ? "" : text);
    while (*copy && (item = strsep(&rest, ","))) {
        double x;
        if (v.count == CONFIG_NUMBERS || !config_parse_real(item, &x) ||
            !(x >= o->min && x <= o->max))
            return false;
        v.at[v.count++] = x;
    }
    *out = v;
    return true;
}

/* The next code point of UTF-8; -1: it is none. */
static int32_t next_code(const unsigned char **p)
{
    const unsigned char first = *(*p)++;
    const int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    int32_t code = more ? first & (0x3f >> more) : first;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4)
        return -1;
    for (int i = 0; i < more; i++) {
        if ((**p & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (*(*p)++ & 0x3f);
    }
    return (more == 2 && code < 0x800) || (more == 3 && code < 0x10000) ? -1 : code;
}

bool config_plain_text(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        const int32_t c = next_code(&p);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
            (c >= 0xd800 && c < 0xe000) || c == 0xfeff || (c & 0xfffe) == 0xfffe ||
            c > 0x10ffff)
            return false;
    }
    return true;
}

static size_t name_length(const char *text)
{
    const size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_");
    return n && (*text < '0' || *text > '9') ? n : 0;
}

/* "name:key=value:key=1/2/3,name": what augmentations are written in. */
static bool parse_list(const struct config_option *o, char *slot, const char *text)
{
    static const char *const in_value = "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    const char *p = text;
    size_t n;
    for (bool more = *p; more; more = *p == ',', p += more) {
        if (!(n = name_length(p)))
            return false;
        p += n;
        while (*p == ':') {
            if (!(n = name_length(++p)) || p[n] != '=')
                return false;
            p += n;
            do {
                if (!(n = strspn(++p, in_value)))
                    return false;
                p += n;
            } while (*p == '/');
        }
    }
    if (*p || strlen(text) >= o->size)
        return false;
    snprintf(slot, o->size, "%s", text);
    return true;
}

bool config_parse_text(const char *text, char *out, size_t size)
{
    if (strlen(text) >= size || !config_plain_text(text))
        return false;
    snprintf(out, size, "%s", text);
    return true;
}

void config_full_path(char *path)
{
    char *full = *path ? realpath(path, NULL) : NULL;
    if (full)
        config_parse_text(full, path, CONFIG_TEXT);
    free(full);
}

/* false: the text is no value of this option. */
static bool parse(const struct config_option *o, void *values, const char *text)
{
    char *slot = (char *)values + o->offset, *end;
    double real;
    switch (o->kind) {
    case CONFIG_BOOL:
        return config_parse_bool(text, (bool *)slot);
    case CONFIG_INT:
        if (!config_parse_real(text, &real) || real != rint(real) ||
            !(real >= o->min && real <= o->max))
            return false;
        *(int *)slot = (int)real;
        return true;
    case CONFIG_UINT64: {
        errno = 0;
        uint64_t n = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || errno ||
            !((double)n >= o->min && (double)n <= o->max))
            return false;
        *(uint64_t *)slot = n;
        return true;
    }
    case CONFIG_REAL:
        if (!config_parse_real(text, &real) || !(real >= o->min && real <= o->max))
            return false;
        *(double *)slot = real;
        return true;
    case CONFIG_CHOICE: {
        int i = choice_index(o->choices, text);
        if (i >= 0)
            *(int *)slot = i;
        return i >= 0;
    }
    case CONFIG_VECTOR:
        return parse_vector(text, (struct config_numbers *)slot, o);
    case CONFIG_LIST:
        return parse_list(o, slot, strcmp(text, "[]") == 0 ? "" : text);
    case CONFIG_STRING:
        return config_parse_text(text, slot, o->size);
    }
    return false;
}

static int wrong_value(const struct config_option *o, const struct setting *s,
                       struct sluice_error *err)
{
    char wanted[160];
    if (o->kind == CONFIG_CHOICE)
        snprintf(wanted, sizeof(wanted), "one of %s", o->choices);
    else if (o->kind == CONFIG_BOOL)
        snprintf(wanted, sizeof(wanted), "true or false");
    else if (o->kind == CONFIG_LIST)
        snprintf(wanted, sizeof(wanted), "a list such as [flip, translate: {pad: 2}]");
    else if (o->kind == CONFIG_STRING)
        snprintf(wanted, sizeof(wanted), "at most %zu bytes of UTF-8 on one line",
                 o->size - 1);
    else
        snprintf(wanted, sizeof(wanted), "%s from %.15g to %.15g",
                 o->kind == CONFIG_REAL     ? "a number"
                 : o->kind == CONFIG_VECTOR ? "a list of numbers"
                                            : "a whole number",
                 o->min, o->max);
    return sluice_fail(err, SLUICE_EINVAL, "%s: %s: expected %s, found '%.80s'",
                       s->where, s->key, wanted, s->value);
}

int config_set(void *values, const struct config_option *o, const struct setting *s,
               struct sluice_error *err)
{
    if (s->list && o->kind != CONFIG_LIST && o->kind != CONFIG_VECTOR)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: %s: expected one value, found a list", s->where,
                           s->key);
    return parse(o, values, s->value) ? 0 : wrong_value(o, s, err);
}

int config_set_defaults(void *values, const struct config_option *options,
                        struct sluice_error *err)
{
    for (const struct config_option *o = options; o->name; o++)
        if (!parse(o, values, o->initial))
            return sluice_fail(err, SLUICE_EINVAL, "%s: default '%s' is no value",
                               o->name, o->initial);
    return 0;
}

static int unknown_key(const struct setting *s, const struct model_def *model,
                       struct sluice_error *err)
{
    const char *all[256];
    char own[MODEL_OPTIONS][64], near[240];
    int n = 0;
    for (const struct config_option *o = config_options; o->name; o++)
        all[n++] = o->name;
    for (int i = 0; model->options && model->options[i].name; i++) {
        snprintf(own[i], sizeof(own[i]), "model.%s", model->options[i].name);
        all[n++] = own[i];
    }
    all[n] = NULL;
    names_near(near, sizeof(near), s->key, all);
    return sluice_fail(err, SLUICE_EINVAL, "%s: %.80s: no such key%s%s%s", s->where,
                       s->key, *near ? "; near: " : "", near,
                       strncmp(s->key, "model.", 6) == 0 && !*near ? " in this model"
                                                                   : "");
}

static int find_model(const struct config *cfg, const struct settings *settings,
                      const struct model_def **out, struct sluice_error *err)
{
    const struct setting *s = settings_find(settings, "model.name");
    const char *all[64];
    char names[240];
    int n = 0;
    *out = model_find(cfg->model.name);
    if (*out)
        return 0;
    for (; model_registry[n] && n < 63; n++)
        all[n] = model_registry[n]->name;
    all[n] = NULL;
    names_near(names, sizeof(names), "", all);
    return sluice_fail(err, SLUICE_EINVAL,
                       "%s: model.name: no model '%s'; there are: %s",
                       s ? s->where : "default", cfg->model.name, names);
}

static int apply(struct config *cfg, const struct model_def *model,
                 const struct setting *s, struct sluice_error *err)
{
    const struct config_option *o = config_find(config_options, s->key);
    if (o)
        return config_set(cfg, o, s, err);
    const int rc = config_model_set(cfg, model, s, err);
    return rc > 0 ? unknown_key(s, model, err) : rc;
}

/* The schedule's own check, with numbers of steps that any run could have. */
static int check_together(const struct config *cfg, struct sluice_error *err)
{
    const struct schedule_config schedule = config_schedule(cfg, 100);
    if (cfg->data.mean.count != cfg->data.std.count)
        return sluice_fail(err, SLUICE_EINVAL,
                           "data.mean has %d numbers, data.std %d: expected as many",
                           cfg->data.mean.count, cfg->data.std.count);
    return schedule_check(&schedule, err);
}

int config_resolve(struct config *cfg, const struct settings *settings,
                   struct sluice_error *err)
{
    const struct model_def *model = NULL;
    const struct setting *name = settings_find(settings, "model.name");
    memset(cfg, 0, sizeof(*cfg));
    int rc = config_set_defaults(cfg, config_options, err);
    if (rc < 0)
        return rc;
    if (name && (rc = apply(cfg, NULL, name, err)) < 0)
        return rc;
    if ((rc = find_model(cfg, settings, &model, err)) < 0)
        return rc;
    model_defaults(model, &cfg->model.values);
    for (int i = 0; i < settings->count && rc == 0; i++)
        rc = apply(cfg, model, &settings->at[i], err);
    return rc < 0 ? rc : check_together(cfg, err);
}

/* config_text.c -- a configuration as text: the record of a run, help, near names. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/augment.h>
#include <sluice/crc32c.h>

#include "config_parts.h"
#include "near.h"
#include "text_write.h"

enum { LEFT = 28 }; /* width of the help's left column */

int choice_index(const char *choices, const char *text)
{
    int i = 0;
    for (const char *c = choices; c;
         c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL, i++) {
        size_t n = strcspn(c, "|");
        if (n == strlen(text) && strncmp(c, text, n) == 0)
            return i;
    }
    return -1;
}

const char *choice_name(char buf[64], const char *choices, int value)
{
    for (int i = 0; i < value && strchr(choices, '|'); i++)
        choices = strchr(choices, '|') + 1;
    snprintf(buf, 64, "%.*s", (int)strcspn(choices, "|"), choices);
    return buf;
}

const char *config_choice(char buf[64], const char *name, int value)
{
    const struct config_option *o = config_find(config_options, name);
    return choice_name(buf, o && o->choices ? o->choices : "", value);
}

static const char *last_part(const char *key)
{
    const char *dot = strrchr(key, '.');
    return dot ? dot + 1 : key;
}

void names_near(char *buf, size_t size, const char *name, const char *const *all)
{
    size_t at = 0;
    *buf = 0;
    for (int i = 0, shown = 0; all[i]; i++) {
        bool near = !*name || text_distance(name, all[i]) <= 3 ||
                    strcmp(last_part(name), last_part(all[i])) == 0;
        if (!near || (*name && shown == 5) || at + strlen(all[i]) + 3 > size)
            continue;
        at += (size_t)snprintf(buf + at, size - at, "%s%s", shown ? ", " : "", all[i]);
        shown++;
    }
}

void config_write_text(FILE *to, const char *text)
{
    static const char *const words = "null|true|false|yes|no|on|off|y|n";
    const size_t plain = strspn(
        text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-");
    if (*text && !text[plain] && (isalpha((unsigned char)*text) || *text == '/') &&
        choice_index(words, text) < 0)
        fputs(text, to);
    else
        write_quoted(to, text);
}

/* A part of a list's text form. Two that YAML would take for something else. */
static void write_part(FILE *to, const char *text)
{
    const bool special = strcmp(text, "null") == 0 || strcmp(text, "-") == 0;
    fprintf(to, special ? "\"%s\"" : "%s", text);
}

/* "normalize:mean=1/2/3:std=4/5/6" as `normalize: {mean: [1, 2, 3], std: [4, 5, 6]}`.
 */
static void write_operation(FILE *to, char *text)
{
    char *rest = text, *argument, *item;
    fputs("    - ", to);
    write_part(to, strsep(&rest, ":"));
    fputs(rest ? ": {" : "\n", to);
    for (int i = 0; rest && (argument = strsep(&rest, ":")); i++) {
        char *value = argument, *key = strsep(&value, "=");
        bool list = value && strchr(value, '/');
        fputs(i ? ", " : "", to);
        write_part(to, key);
        fputs(list ? ": [" : ": ", to);
        for (int k = 0; value && (item = strsep(&value, "/")); k++) {
            fputs(k ? ", " : "", to);
            write_part(to, item);
        }
        fputs(list ? "]" : "", to);
        if (!rest)
            fputs("}\n", to);
    }
}

static void write_list(FILE *to, const char *text)
{
    char *copy = strdup(text), *rest = copy, *item;
    if (!copy || !*text || strcmp(text, "auto") == 0) {
        fputs(!*text ? " []\n" : " auto\n", to);
        free(copy);
        return;
    }
    fputc('\n', to);
    while ((item = strsep(&rest, ",")))
        write_operation(to, item);
    free(copy);
}

static void write_vector(FILE *to, const struct config_numbers *v)
{
    char number[NUMBER_TEXT];
    fputc('[', to);
    for (int i = 0; i < v->count; i++)
        fprintf(to, "%s%s", i ? ", " : "", number_text(number, v->at[i]));
    fputc(']', to);
}

bool config_write_plain(FILE *to, enum config_kind kind, const void *slot)
{
    char number[NUMBER_TEXT];
    switch (kind) {
    case CONFIG_BOOL:
        fputs(*(const bool *)slot ? "true" : "false", to);
        return true;
    case CONFIG_INT:
        fprintf(to, "%d", *(const int *)slot);
        return true;
    case CONFIG_UINT64:
        fprintf(to, "%llu", *(const unsigned long long *)slot);
        return true;
    case CONFIG_REAL:
        fputs(number_text(number, *(const double *)slot), to);
        return true;
    case CONFIG_VECTOR:
        write_vector(to, slot);
        return true;
    case CONFIG_CHOICE:
    case CONFIG_STRING:
    case CONFIG_LIST:
        return false;
    }
    return false;
}

void config_write_value(FILE *to, const struct config_option *o, const void *values)
{
    const char *slot = (const char *)values + o->offset;
    char buf[64];
    if (o->kind == CONFIG_LIST) {
        write_list(to, slot);
        return;
    }
    fputc(' ', to);
    if (o->kind == CONFIG_CHOICE)
        fputs(choice_name(buf, o->choices, *(const int *)slot), to);
    else if (!config_write_plain(to, o->kind, slot))
        config_write_text(to, slot);
    fputc('\n', to);
}

static bool first_value(const struct config_option *o, const struct config *cfg)
{
    char *text = NULL;
    size_t size = 0, length = strlen(o->initial);
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return false;
    config_write_value(to, o, cfg);
    fclose(to);
    const bool same = size == length + 2 && memcmp(text + 1, o->initial, length) == 0;
    free(text);
    return same;
}

/* All options, or those alone that are summed: what stays when a run is continued. */
static void write_options(FILE *to, const struct config *cfg, bool summed)
{
    char group[32] = "";
    for (const struct config_option *o = config_options; o->name; o++) {
        const char *dot = strchr(o->name, '.');
        const int n = dot ? (int)(dot - o->name) : 0;
        if (summed && (o->free || (o->later && first_value(o, cfg))))
            continue;
        if (dot && (strncmp(group, o->name, (size_t)n) != 0 || group[n])) {
            snprintf(group, sizeof(group), "%.*s", n, o->name);
            fprintf(to, "%s:\n", group);
        }
        fprintf(to, "%s%s:", dot ? "  " : "", dot ? dot + 1 : o->name);
        config_write_value(to, o, cfg);
        if (strcmp(o->name, "model.name") == 0)
            config_model_write(to, cfg, summed);
    }
}

void config_write(FILE *to, const struct config *cfg, const char *heading)
{
    if (heading)
        fprintf(to, "# %s\n", heading);
    write_options(to, cfg, false);
}

/* Numbers as they were before exponents had a point in front of them: older checkpoints
 * carry sums of such texts. */
static size_t without_points(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++)
        if (strncmp(p, ".0e", 3) == 0)
            p++;
        else
            *to++ = *p;
    return (size_t)(to - text);
}

void config_crc(char text[16], const struct config *cfg)
{
    char *fixed = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&fixed, &size);
    if (to) {
        write_options(to, cfg, true);
        fclose(to);
        size = without_points(fixed);
    }
    snprintf(text, 16, "%08x", sluice_crc32c(0, fixed, size));
    free(fixed);
}

void config_help_left(FILE *to, int indent, int left, const char *name,
                      const char *choices)
{
    const int width = fprintf(to, "%*s%s%s%s", indent, "", name, choices ? "=" : "",
                              choices ? choices : "");
    if (width > indent + left)
        fprintf(to, "\n%*s ", indent + left, "");
    else
        fprintf(to, "%*s ", indent + left - width, "");
}

static void help_option(FILE *to, const struct config_option *o)
{
    config_help_left(to, 2, LEFT, o->name,
                     o->kind == CONFIG_CHOICE ? o->choices : NULL);
    fputs(o->help, to);
    if (*o->initial && strcmp(o->initial, "[]") != 0)
        fprintf(to, " [%s]", o->initial);
    fputc('\n', to);
}

void config_help_options(FILE *to, const struct config_option *options)
{
    fputs("keys, with their defaults:\n", to);
    for (const struct config_option *o = options; o->name; o++)
        help_option(to, o);
}

void config_help(FILE *to)
{
    config_help_options(to, config_options);
    fputs("\nmodels and their options (model.<option>):\n", to);
    for (int i = 0; model_registry[i]; i++)
        config_model_help(to, model_registry[i]);
    fputs("\noperations for data.augment:\n", to);
    for (int i = 0; sluice_augment_op_name(i); i++)
        fprintf(to, "  %-*s %s\n", LEFT, sluice_augment_op_name(i),
                sluice_augment_op_help(i));
}

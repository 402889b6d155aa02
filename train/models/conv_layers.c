/* conv_layers.c -- see conv_layers.h. */
#include "conv_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = { "conv", "max", "avg", "res" };

/* What an argument may be, and where it goes. */
static const struct argument {
    const char *name;
    bool pools; /* of poolings, too */
    double least, most;
    bool whole;
    const char *expected;
} arguments[] = {
    { "channels", false, 1, 65536, true, "1 to 65536" },
    { "kernel", true, 1, 64, true, "1 to 64" },
    { "stride", true, 1, 64, true, "1 to 64" },
    { "pad", true, 0, 32, true, "0 to 32" },
    { "bn", false, 0, 1, true, "true or false" },
    { "dropout", false, 0, 0.95, false, "0 to 0.95" },
    { "activation", false, 0, 0, false, LIST_ACTIVATIONS },
    { "skips", false, 0, 0, false, "layer-source, as in 1-0/2-in" },
    { 0 },
};

static void set(struct conv_layer *l, const char *name, double x)
{
    if (strcmp(name, "channels") == 0)
        l->channels = (int)x;
    else if (strcmp(name, "kernel") == 0)
        l->kernel = (int)x;
    else if (strcmp(name, "stride") == 0)
        l->stride = (int)x;
    else if (strcmp(name, "pad") == 0)
        l->pad = (int)x;
    else if (strcmp(name, "bn") == 0)
        l->bn = x > 0;
    else
        l->dropout = (float)x;
}

static bool parse_number(const struct argument *a, const char *text, double *x)
{
    char *end;
    if (a->whole && a->most == 1 && strcmp(text, "true") == 0)
        *x = 1;
    else if (a->whole && a->most == 1 && strcmp(text, "false") == 0)
        *x = 0;
    else if (*x = strtod(text, &end), end == text || *end)
        return false;
    return *x >= a->least && *x <= a->most && (!a->whole || *x == rint(*x));
}

/* One part of a value, for one layer. */
static bool set_part(const struct argument *a, const char *part, struct conv_layer *l)
{
    double x;
    if (strcmp(a->name, "activation") == 0)
        return list_activation(part, &l->act);
    if (!parse_number(a, part, &x))
        return false;
    set(l, a->name, x);
    return true;
}

/* "1-0" or "2-in". */
static bool set_skip(struct conv_item *item, const char *part)
{
    char *end;
    if (*part < '0' || *part > '9')
        return false;
    const long layer = strtol(part, &end, 10);
    if (*end != '-' || layer >= item->count || item->at[layer].source != NO_SOURCE)
        return false;
    if (strcmp(end + 1, "in") == 0) {
        item->at[layer].source = BLOCK_INPUT;
        return true;
    }
    if (end[1] < '0' || end[1] > '9')
        return false;
    const long source = strtol(end + 1, &end, 10);
    if (*end || source >= layer)
        return false;
    item->at[layer].source = (int)source;
    return true;
}

/* `text` is one value for all layers, or a list with one for each. */
static bool set_argument(const struct argument *a, const char *text,
                         struct conv_item *item)
{
    char copy[LIST_VALUE], *rest = copy, *part;
    const bool is_skips = strcmp(a->name, "skips") == 0;
    const bool alone = !strchr(text, '/') && !is_skips;
    int i = 0;
    memcpy(copy, text, strlen(text) + 1);
    while ((part = strsep(&rest, "/"))) {
        if (is_skips ? !set_skip(item, part)
                     : i == item->count || !set_part(a, part, &item->at[i]))
            return false;
        i++;
    }
    for (int k = 1; alone && k < item->count; k++)
        (void)set_part(a, text, &item->at[k]);
    return is_skips || alone || i == item->count;
}

static bool apply(struct net *net, const struct list_item *from, const char *name,
                  const char *value, struct conv_item *item)
{
    const bool pool = item->kind == KIND_MAX || item->kind == KIND_AVG;
    const struct argument *a = arguments;
    while (a->name && (strcmp(a->name, name) != 0 || (pool && !a->pools) ||
                       (strcmp(name, "skips") == 0 && item->kind != KIND_RES)))
        a++;
    if (!a->name)
        net_fail(net, "model.layers: %s has no '%s'", from->word, name);
    else if (!set_argument(a, value, item))
        net_fail(net, "model.layers: %s: %s: expected %s%s, found '%s'", from->word,
                 name, a->expected,
                 item->kind == KIND_RES && strcmp(name, "skips") != 0
                     ? ", once or for each layer"
                     : "",
                 value);
    else
        return true;
    return false;
}

static const char *argument(const struct list_item *from, const char *name)
{
    for (int i = 0; i < from->count; i++)
        if (strcmp(from->at[i].name, name) == 0)
            return from->at[i].value;
    return NULL;
}

/* The item's own value, as written behind its word or by its name. */
static const char *main_value(struct net *net, const struct list_item *from,
                              const char *name)
{
    const char *named = argument(from, name);
    if (*from->value && named)
        net_fail(net, "model.layers: %s: %s stands there twice", from->word, name);
    else if (*from->value || named)
        return named ? named : from->value;
    else
        net_fail(net, "model.layers: %s: expected its %s, as in %s:%s", from->word,
                 name, from->word, strcmp(name, "kernel") == 0 ? "2" : "32");
    return NULL;
}

static int count_parts(const char *text)
{
    int n = 1;
    for (; *text; text++)
        n += *text == '/';
    return n;
}

static bool find_kind(struct net *net, const char *word, enum conv_kind *kind)
{
    for (int i = 0; i <= KIND_RES; i++)
        if (strcmp(kinds[i], word) == 0) {
            *kind = (enum conv_kind)i;
            return true;
        }
    net_fail(net, "model.layers: expected conv, max, avg or res, found '%s'", word);
    return false;
}

/* As many layers as there are channels. */
static bool begin(struct net *net, const char *value, const struct conv_layer *usual,
                  struct conv_item *item)
{
    const bool pool = item->kind == KIND_MAX || item->kind == KIND_AVG;
    item->count = item->kind == KIND_RES ? count_parts(value) : 1;
    if (item->count > BLOCK_LAYERS) {
        net_fail(net, "model.layers: expected at most %d layers in a block, found %d",
                 BLOCK_LAYERS, item->count);
        return false;
    }
    for (int i = 0; i < item->count; i++) {
        item->at[i] = *usual;
        item->at[i].kernel = 3;
        item->at[i].stride = pool ? 0 : 1;
        item->at[i].pad = pool ? 0 : -1;
        item->at[i].source = NO_SOURCE;
    }
    return true;
}

bool conv_layers_next(struct net *net, const char **text,
                      const struct conv_layer *usual, struct conv_item *item)
{
    struct list_item from;
    if (!list_next(net, "layers", text, &from) ||
        !find_kind(net, from.word, &item->kind))
        return false;
    const bool pool = item->kind == KIND_MAX || item->kind == KIND_AVG;
    const char *name = pool ? "kernel" : "channels";
    const char *value = main_value(net, &from, name);
    if (!value || !begin(net, value, usual, item) ||
        !apply(net, &from, name, value, item))
        return false;
    for (int i = 0; i < from.count; i++)
        if (strcmp(from.at[i].name, name) != 0 &&
            !apply(net, &from, from.at[i].name, from.at[i].value, item))
            return false;
    for (int i = 0; i < item->count; i++)
        if (item->at[i].pad < 0)
            item->at[i].pad = item->at[i].kernel / 2;
    return true;
}

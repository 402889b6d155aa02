/* lists.c -- see lists.h. */
#include "lists.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    enum activation act;
} activations[] = {
    { "relu", ACT_RELU },     { "gelu", ACT_GELU }, { "sigmoid", ACT_SIGMOID },
    { "identity", ACT_NONE }, { "silu", ACT_SILU },
};

enum {
    ACTIVATIONS = sizeof activations / sizeof *activations,
};

bool list_activation(const char *word, enum activation *out)
{
    for (int i = 0; i < ACTIVATIONS; i++)
        if (strcmp(activations[i].word, word) == 0) {
            *out = activations[i].act;
            return true;
        }
    return false;
}

enum activation list_choice(double number)
{
    return activations[(int)number].act;
}

/* The part of *text before a comma into word[size], and *text behind it; false: it does
 * not fit, is empty, or a comma ends the text. */
static bool next_part(const char **text, char *word, size_t size)
{
    const size_t n = strcspn(*text, ",");
    if (n == 0 || n >= size || ((*text)[n] && !(*text)[n + 1]))
        return false;
    memcpy(word, *text, n);
    word[n] = 0;
    *text += n + ((*text)[n] != 0);
    return true;
}

int list_numbers(struct net *net, const char *option, const char *text, double least,
                 double most, int room, double *out)
{
    const char *at = text;
    char part[LIST_VALUE], *end;
    int count = 0;
    while (*at) {
        const bool is_part = next_part(&at, part, sizeof part) && count < room;
        const double x = is_part ? strtod(part, &end) : (double)NAN;
        if (!(x >= least && x <= most) || end == part || *end) {
            net_fail(net,
                     "model.%s: expected at most %d numbers from %g to %g, found "
                     "'%.80s'",
                     option, room, least, most, text);
            return -1;
        }
        out[count++] = x;
    }
    return count;
}

int list_activations(struct net *net, const char *option, const char *text, int room,
                     enum activation *out)
{
    const char *at = text;
    char part[LIST_VALUE];
    int count = 0;
    while (*at) {
        if (!next_part(&at, part, sizeof part) || count == room ||
            !list_activation(part, &out[count++])) {
            net_fail(net,
                     "model.%s: expected at most %d of " LIST_ACTIVATIONS
                     ", found '%.80s'",
                     option, room, text);
            return -1;
        }
    }
    return count;
}

struct tensor *list_softmax(struct net *net, struct tensor *x, double wanted)
{
    return wanted > 0 ? net_softmax(net, x) : x;
}

/* "2:1" or "2=1". */
static bool parse_pair(const char *part, int *from, int *to)
{
    char *end;
    if (*part < '0' || *part > '9')
        return false;
    const long a = strtol(part, &end, 10);
    if ((*end != ':' && *end != '=') || end[1] < '0' || end[1] > '9')
        return false;
    const long b = strtol(end + 1, &end, 10);
    *from = a > 9999 ? 9999 : (int)a;
    *to = b > 9999 ? 9999 : (int)b;
    return !*end;
}

bool list_skips(struct net *net, const char *option, const char *text, int count,
                int *out)
{
    const char *at = text;
    char part[LIST_VALUE];
    int layer, source;
    for (int i = 0; i < count; i++)
        out[i] = -1;
    while (*at) {
        if (!next_part(&at, part, sizeof part) || !parse_pair(part, &layer, &source) ||
            layer >= count || source > layer || out[layer] >= 0) {
            net_fail(net,
                     "model.%s: expected pairs layer:source, each layer once, from 0 "
                     "to %d, with a source from 0 to the layer's number, found '%.80s'",
                     option, count - 1, text);
            return false;
        }
        out[layer] = source;
    }
    return true;
}

/* Up to one of `stops`. */
static bool take(const char **at, const char *stops, char *out, size_t size)
{
    const size_t n = strcspn(*at, stops);
    if (n == 0 || n >= size)
        return false;
    memcpy(out, *at, n);
    out[n] = 0;
    *at += n;
    return true;
}

static bool read_item(const char **at, struct list_item *item)
{
    memset(item, 0, sizeof *item);
    if (!take(at, ":=,", item->word, sizeof item->word))
        return false;
    while (**at && **at != ',') {
        const char *part = ++*at;
        const size_t n = strcspn(part, ":=,");
        const bool named = part[n] == '=';
        if (!named && (item->count || *item->value))
            return false;
        if (!named) {
            if (!take(at, ":=,", item->value, sizeof item->value))
                return false;
            continue;
        }
        if (item->count == LIST_ARGUMENTS ||
            !take(at, "=", item->at[item->count].name, LIST_WORD))
            return false;
        ++*at;
        if (!take(at, ":=,", item->at[item->count++].value, LIST_VALUE))
            return false;
    }
    return **at == 0 || *++*at != 0;
}

bool list_next(struct net *net, const char *option, const char **text,
               struct list_item *item)
{
    const char *begin = *text;
    if (!*begin)
        return false;
    if (read_item(text, item))
        return true;
    net_fail(net,
             "model.%s: expected items such as conv:32:stride=2, separated by commas, "
             "found '%.80s'",
             option, begin);
    return false;
}

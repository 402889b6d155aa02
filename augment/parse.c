/* parse.c -- "flip,translate:pad=2:fill=reflect,normalize" into steps, and back into
 * the text that spells every value out. */
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

enum { NAMES_TEXT = 700 };

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

static bool same(struct text t, const char *word)
{
    return strlen(word) == t.size && memcmp(t.at, word, t.size) == 0;
}

/* Cut the part before the next `stop` off *rest. */
static struct text cut(struct text *rest, char stop)
{
    const char *end = memchr(rest->at, stop, rest->size);
    struct text part = { rest->at, end ? (size_t)(end - rest->at) : rest->size };
    const size_t used = part.size + (end != NULL);
    rest->at += used;
    rest->size -= used;
    return part;
}

/* Spaces around a part mean nothing. */
static struct text trim(struct text t)
{
    while (t.size && strchr(" \t\r\n", *t.at)) {
        t.at++;
        t.size--;
    }
    while (t.size && strchr(" \t\r\n", t.at[t.size - 1]))
        t.size--;
    return t;
}

static int refuse(const struct parser *ps, const struct op_option *o, struct text value,
                  const char *expected)
{
    return sluice_fail(ps->err, SLUICE_EINVAL, "augment: %s: %s=%.*s: expected %s",
                       ps->def->name, o->key, (int)(value.size < 40 ? value.size : 40),
                       value.at, expected);
}

static int refuse_range(const struct parser *ps, const struct op_option *o,
                        struct text value, const char *what)
{
    char expected[160];
    snprintf(expected, sizeof(expected), "%.80s from %.10g to %.10g", what, o->low,
             o->high);
    return refuse(ps, o, value, expected);
}

static bool number(double *out, struct text t)
{
    char digits[64], *end;
    if (!t.size || t.size >= sizeof(digits) || strchr(" \t\r\n", *t.at))
        return false;
    memcpy(digits, t.at, t.size);
    digits[t.size] = 0;
    *out = strtod(digits, &end);
    return !*end;
}

/* A list of `count` numbers, or one that stands for all. */
static bool number_list(double *out, int count, struct text t, double low, double high)
{
    struct text rest = t;
    int n = 0;
    if (!t.size || t.at[t.size - 1] == '/')
        return false;
    for (; rest.size; n++)
        if (n == count || !number(&out[n], cut(&rest, '/')) ||
            !(out[n] >= low && out[n] <= high))
            return false;
    for (int i = 1; n == 1 && i < count; i++)
        out[i] = out[0];
    return n == 1 || n == count;
}

static int file_numbers(const struct parser *ps, const struct op_option *o, double *out,
                        const double *from)
{
    if (!from)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: %s: the file does not say the %s of its pixels: "
                           "give numbers",
                           ps->def->name, o->kind == OPTION_STD ? "std" : "mean");
    for (int c = 0; c < ps->plan->channels; c++) {
        if (!isfinite(from[c]) || (o->kind == OPTION_STD && !(from[c] > 0)))
            return sluice_fail(ps->err, SLUICE_EINVAL,
                               "augment: %s: %s of channel %d is %g", ps->def->name,
                               o->key, c, from[c]);
        out[c] = from[c];
    }
    return 0;
}

static int parse_fill(struct parser *ps, const struct op_option *o, struct text value)
{
    struct step *s = &ps->now.step;
    double colour[CHANNELS_MAX] = { 0 };
    int rc;
    s->fill_mode = FILL_COLOUR;
    if (same(value, "zero")) {
        /* colour is that already */
    } else if (o->kind == OPTION_FILL && same(value, "reflect")) {
        s->fill_mode = FILL_REFLECT;
    } else if (o->kind == OPTION_FILL && same(value, "edge")) {
        s->fill_mode = FILL_EDGE;
    } else if (o->kind == OPTION_NOISE && same(value, "random")) {
        s->fill_mode = FILL_NOISE;
    } else if (same(value, "mean")) {
        if ((rc = file_numbers(ps, o, colour, ps->options->mean)) < 0)
            return rc;
    } else if (!number_list(colour, ps->plan->channels, value, 0, 255)) {
        char expected[120];
        snprintf(expected, sizeof(expected),
                 "zero, mean%s or %d numbers from 0 to 255 joined by /",
                 o->kind == OPTION_FILL    ? ", reflect, edge"
                 : o->kind == OPTION_NOISE ? ", random"
                                           : "",
                 ps->plan->channels);
        return refuse(ps, o, value, expected);
    }
    for (int c = 0; c < CHANNELS_MAX; c++)
        s->fill[c] = (uint8_t)fmin(fmax(floor(colour[c]), 0), 255);
    return 0;
}

static int parse_statistic(struct parser *ps, const struct op_option *o, double *out,
                           struct text value)
{
    if (same(value, "file"))
        return file_numbers(
            ps, o, out, o->kind == OPTION_STD ? ps->options->std : ps->options->mean);
    if (!number_list(out, ps->plan->channels, value, o->low, o->high)) {
        char what[80];
        snprintf(what, sizeof(what), "1 or %d numbers joined by /", ps->plan->channels);
        return refuse_range(ps, o, value, what);
    }
    return 0;
}

static int parse_value(struct parser *ps, const struct op_option *o, struct text value)
{
    char *at = (char *)&ps->now + o->at;
    double v, pair[2];
    switch (o->kind) {
    case OPTION_INT:
        if (!number(&v, value) || !(v >= o->low && v <= o->high) || v != floor(v))
            return refuse_range(ps, o, value, "a whole number");
        *(int *)(void *)at = (int)v;
        return 0;
    case OPTION_REAL:
        if (!number(&v, value) || !(v >= o->low && v <= o->high))
            return refuse_range(ps, o, value, "a number");
        *(float *)(void *)at = (float)v;
        return 0;
    case OPTION_PAIR:
        if (!number_list(pair, 2, value, o->low, o->high) || pair[0] > pair[1])
            return refuse_range(ps, o, value, "FROM/TO, numbers in order,");
        memcpy(at, pair, sizeof(pair));
        return 0;
    case OPTION_TWO:
        if (!number_list(pair, 2, value, o->low, o->high))
            return refuse_range(ps, o, value, "ACROSS/DOWN, one or two numbers,");
        ((float *)(void *)at)[0] = (float)pair[0];
        ((float *)(void *)at)[1] = (float)pair[1];
        return 0;
    case OPTION_FLAG:
        if (!same(value, o->low_word) && !same(value, o->high_word)) {
            char expected[80];
            snprintf(expected, sizeof(expected), "%s or %s", o->low_word, o->high_word);
            return refuse(ps, o, value, expected);
        }
        *(int *)(void *)at = same(value, o->high_word);
        return 0;
    case OPTION_COLOUR:
    case OPTION_FILL:
    case OPTION_NOISE:
        return parse_fill(ps, o, value);
    case OPTION_MEAN:
    case OPTION_STD:
        return parse_statistic(ps, o, (double *)(void *)at, value);
    }
    return 0;
}

static int unknown_option(const struct parser *ps, struct text key)
{
    char names[NAMES_TEXT] = "none";
    size_t used = 0;
    for (const struct op_option *o = ps->def->options; o && o->key; o++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 used ? ", " : "", o->key);
    return sluice_fail(ps->err, SLUICE_EINVAL,
                       "augment: %s has no option '%.*s'; there are: %s", ps->def->name,
                       (int)(key.size < 40 ? key.size : 40), key.at, names);
}

/* The options in `args`, each at most once. `given` has a bit per option. */
static int parse_args(struct parser *ps, struct text args, unsigned *given)
{
    while (args.size) {
        struct text value = cut(&args, ':'), key = trim(cut(&value, '='));
        const struct op_option *o = ps->def->options;
        while (o && o->key && !same(key, o->key))
            o++;
        if (!o || !o->key)
            return unknown_option(ps, key);
        const unsigned bit = 1u << (o - ps->def->options);
        if (*given & bit)
            return sluice_fail(ps->err, SLUICE_EINVAL, "augment: %s: %s is given twice",
                               ps->def->name, o->key);
        *given |= bit;
        int rc = parse_value(ps, o, trim(value));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int fill_in(struct parser *ps, unsigned given)
{
    for (const struct op_option *o = ps->def->options; o && o->key; o++) {
        if (given >> (o - ps->def->options) & 1)
            continue;
        if (!o->fallback)
            return sluice_fail(ps->err, SLUICE_EINVAL, "augment: %s: %s must be given",
                               ps->def->name, o->key);
        int rc = parse_value(ps, o, (struct text){ o->fallback, strlen(o->fallback) });
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int find(struct parser *ps, struct text name, const struct op_alias **alias)
{
    char names[NAMES_TEXT];
    size_t used = 0;
    *alias = NULL;
    ps->def = NULL;
    for (const struct op_alias *a = sluice_augment_aliases; a->name; a++)
        if (same(name, a->name))
            *alias = a;
    for (int i = 0; i < OP_COUNT; i++)
        if (*alias ? strcmp(sluice_augment_def(i)->name, (*alias)->op) == 0
                   : same(name, sluice_augment_def(i)->name))
            ps->def = sluice_augment_def(i);
    if (ps->def)
        return 0;
    for (int i = 0; sluice_augment_op_name(i) && used < sizeof(names); i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
                                 i ? ", " : "", sluice_augment_op_name(i));
    return sluice_fail(ps->err, SLUICE_EINVAL,
                       "augment: no operation '%.*s'; there are: %s",
                       (int)(name.size < 40 ? name.size : 40), name.at, names);
}

/* The fewest digits that give the same number again. */
static void put_number(FILE *to, double v, bool single)
{
    char digits[40];
    if (v == floor(v) && fabs(v) < 1e6) {
        fprintf(to, "%.0f", v);
        return;
    }
    for (int n = 1; n <= 17; n++) {
        snprintf(digits, sizeof(digits), "%.*g", n, v);
        const double back = strtod(digits, NULL);
        if (single ? (float)back == (float)v : back == v)
            break;
    }
    fputs(digits, to);
}

static void put_value(FILE *to, const struct parser *ps, const struct op_option *o)
{
    const char *at = (const char *)&ps->now + o->at;
    const struct step *s = &ps->now.step;
    switch (o->kind) {
    case OPTION_INT:
        fprintf(to, "%d", *(const int *)(const void *)at);
        break;
    case OPTION_REAL:
        put_number(to, (double)*(const float *)(const void *)at, true);
        break;
    case OPTION_PAIR:
        put_number(to, ((const double *)(const void *)at)[0], false);
        fputc('/', to);
        put_number(to, ((const double *)(const void *)at)[1], false);
        break;
    case OPTION_TWO:
        put_number(to, (double)((const float *)(const void *)at)[0], true);
        fputc('/', to);
        put_number(to, (double)((const float *)(const void *)at)[1], true);
        break;
    case OPTION_FLAG:
        fputs(*(const int *)(const void *)at ? o->high_word : o->low_word, to);
        break;
    case OPTION_COLOUR:
    case OPTION_FILL:
    case OPTION_NOISE:
        if (s->fill_mode != FILL_COLOUR) {
            fputs(s->fill_mode == FILL_REFLECT ? "reflect"
                  : s->fill_mode == FILL_EDGE  ? "edge"
                                               : "random",
                  to);
            break;
        }
        for (int c = 0; c < ps->plan->channels; c++)
            fprintf(to, "%s%d", c ? "/" : "", s->fill[c]);
        break;
    case OPTION_MEAN:
    case OPTION_STD:
        for (int c = 0; c < ps->plan->channels; c++) {
            fputs(c ? "/" : "", to);
            put_number(to, ((const double *)(const void *)at)[c], false);
        }
        break;
    }
}

static int set_conversion(const struct parser *ps)
{
    struct plan *plan = ps->plan;
    if (plan->dtype == SLUICE_U8)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: normalize: a result of type u8 cannot hold it");
    for (int c = 0; c < plan->channels; c++) {
        plan->gain[c] = (float)(1 / ps->now.std[c]);
        plan->bias[c] = (float)(-ps->now.mean[c] / ps->now.std[c]);
    }
    return 0;
}

/* Which operations may stand behind which. */
static int check_place(const struct parser *ps, bool first, bool final)
{
    const struct plan *plan = ps->plan;
    const bool mixes = ps->def->id == OP_cutmix || ps->def->id == OP_mixup;
    if (mixes && !ps->options->mixes)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: %s mixes images of a batch and their labels: "
                           "only training can use it",
                           ps->def->name);
    if (!mixes && plan->mixes)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: %s stands after an operation that mixes images: "
                           "only cutmix and mixup may",
                           ps->def->name);
    if (ps->def->id == OP_geometry && !first)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: geometry says how others are done: expected at "
                           "the beginning");
    if (final && !mixes && ps->def->id != OP_erase)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: %s stands after normalize: only erase, cutmix and "
                           "mixup may",
                           ps->def->name);
    for (int c = 0; final && !mixes && c < plan->channels; c++)
        if (ps->now.step.fill[c])
            return sluice_fail(ps->err, SLUICE_EINVAL,
                               "augment: erase after normalize: fill: expected zero "
                               "or random");
    return 0;
}

/* Put the parsed operation into the plan, and into the description. */
static int settle(struct parser *ps, int number, bool *final, FILE *text)
{
    struct plan *plan = ps->plan;
    const bool first = ftell(text) <= 0;
    int rc = check_place(ps, first, *final);
    if (rc < 0)
        return rc;
    rc = ps->def->check ? ps->def->check(&ps->now, plan, ps->err) : 0;
    if (rc < 0)
        return rc;
    const int turns = ps->now.turns ? ps->now.turns : 1;
    const int used = plan->steps + plan->posts + plan->mixes;
    if (used + turns > STEPS_MAX)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: more than %d operations in a pipeline", STEPS_MAX);
    ps->now.step.op = ps->def->id;
    ps->now.step.number = (uint16_t)number;
    ps->now.step.height = plan->height;
    ps->now.step.width = plan->width;
    if (ps->def->id == OP_geometry) {
        plan->fused = ps->now.step.members;
    } else if (ps->def->id == OP_normalize) {
        *final = true;
        if ((rc = set_conversion(ps)) < 0)
            return rc;
    } else {
        const bool mixes = ps->def->id == OP_cutmix || ps->def->id == OP_mixup;
        for (int i = 0; i < turns; i++) {
            ps->now.step.turn = i;
            plan->step[used + i] = ps->now.step;
        }
        *(mixes ? &plan->mixes : *final ? &plan->posts : &plan->steps) += turns;
    }
    if (ps->def->id == OP_center_crop)
        plan->height = plan->width = ps->now.step.size;
    fprintf(text, "%s%s", first ? "" : ",", ps->def->name);
    for (const struct op_option *o = ps->def->options; o && o->key; o++) {
        fprintf(text, ":%s=", o->key);
        put_value(text, ps, o);
    }
    return 0;
}

static int parse(struct parser *ps, struct text rest, FILE *text)
{
    bool final = false;
    for (int number = 0; rest.size; number += ps->def->id != OP_geometry) {
        struct text args = trim(cut(&rest, ',')), name = trim(cut(&args, ':'));
        const struct op_alias *alias;
        unsigned given = 0;
        int rc;
        ps->now = (struct parsed){ 0 };
        if ((rc = find(ps, name, &alias)) < 0)
            return rc;
        if (alias && (rc = parse_args(
                          ps, (struct text){ alias->options, strlen(alias->options) },
                          &given)) < 0)
            return rc;
        if ((rc = parse_args(ps, args, &given)) < 0 || (rc = fill_in(ps, given)) < 0 ||
            (rc = settle(ps, number, &final, text)) < 0)
            return rc;
    }
    return 0;
}

int sluice_augment_parse(struct plan *plan, char **text, const char *pipeline,
                         const struct sluice_augment_options *options,
                         struct sluice_error *err)
{
    struct parser ps = { .options = options, .plan = plan, .err = err };
    const struct text all = { pipeline, strlen(pipeline) };
    size_t size = 0;
    *text = NULL;
    /* Numbers have a point, whatever the program's users are used to. */
    const locale_t point = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    FILE *to = point ? open_memstream(text, &size) : NULL;
    int rc = SLUICE_ENOMEM;
    if (to) {
        const locale_t before = uselocale(point);
        rc = parse(&ps, trim(all), to);
        uselocale(before);
    }
    if (!to || (fclose(to) != 0 && rc >= 0))
        rc = sluice_fail(err, SLUICE_ENOMEM, "augment: no memory for a description");
    if (point)
        freelocale(point);
    if (rc < 0) {
        free(*text);
        *text = NULL;
    }
    return rc;
}

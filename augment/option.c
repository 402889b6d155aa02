/* option.c -- see option.h. */
#include <math.h>
#include <stdlib.h>

#include "option.h"

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
    const char *what = o->kind == OPTION_STD ? "std" : "mean";
    const int has = ps->options->stats_channels;
    if (!from)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: %s: the file does not say the %s of its pixels: "
                           "give numbers",
                           ps->def->name, what);
    /* Those of grey stand there for each of three channels. */
    if (has > 1 && has != ps->plan->channels)
        return sluice_fail(ps->err, SLUICE_EINVAL,
                           "augment: %s: the file's %s is of %d channels, the images "
                           "have %d: give numbers",
                           ps->def->name, what, has, ps->plan->channels);
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

int sluice_option_parse(struct parser *ps, const struct op_option *o, struct text value)
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

void sluice_option_put(FILE *to, const struct parser *ps, const struct op_option *o)
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

/* parse.c -- a pipeline's text to a chain. */
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static int unknown_op(const char *name, struct sluice_error *err)
{
    char known[256] = "";
    size_t at = 0;
    for (int i = 0; sluice_augment_op_name(i) && at < sizeof(known); i++)
        at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
                               sluice_augment_op_name(i));
    return sluice_fail(err, SLUICE_EINVAL, "no augmentation '%s'; there are %s", name,
                       known);
}

/* Numbers joined by '/': returns how many, 0 if the text is anything else. */
static int parse_list(const char *text, double out[CHAIN_CHANNELS_MAX])
{
    int n = 0;
    for (;;) {
        char *end;
        if (n == CHAIN_CHANNELS_MAX || !(isdigit((unsigned char)*text) || *text == '.'))
            return 0;
        out[n++] = strtod(text, &end);
        if (*end == 0)
            return n;
        if (*end != '/')
            return 0;
        text = end + 1;
    }
}

static int bad_value(const struct op_def *op, const struct arg_def *arg,
                     const char *text, const char *expected, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EINVAL, "%s: %s=%s: expected %s", op->name,
                       arg->name, text, expected);
}

/* One or `channels` numbers within the argument's bounds. */
static int parse_numbers(const struct op_def *op, const struct arg_def *arg,
                         const char *text, int channels, struct arg_value *out,
                         struct sluice_error *err)
{
    char expected[128];
    const bool scalar = arg->kind == ARG_NUMBER || arg->kind == ARG_INT;
    int n = parse_list(text, out->number);
    bool good = n == 1 || (!scalar && n == channels);
    for (int i = 0; i < n; i++)
        good = good && out->number[i] >= arg->min && out->number[i] <= arg->max &&
               (arg->kind != ARG_INT || out->number[i] == floor(out->number[i]));
    if (!good) {
        snprintf(expected, sizeof(expected), "%s%s from %g to %g",
                 scalar         ? "a"
                 : channels > 1 ? "one or one per channel: a"
                                : "a",
                 arg->kind == ARG_INT ? " whole number" : " number", arg->min,
                 arg->max);
        return bad_value(op, arg, text, expected, err);
    }
    for (int i = n; i < CHAIN_CHANNELS_MAX; i++)
        out->number[i] = out->number[n == 1 ? 0 : n - 1];
    return 0;
}

static int parse_fill(const struct op_def *op, const struct arg_def *arg,
                      const char *text, const struct sluice_augment_options *opt,
                      struct arg_value *out, struct sluice_error *err)
{
    const int channels = opt->source.channels;
    out->fill = CHAIN_FILL_COLOUR;
    memset(out->number, 0, sizeof(out->number));
    if (arg->kind == ARG_FILL && strcmp(text, "reflect") == 0) {
        out->fill = CHAIN_FILL_REFLECT;
    } else if (arg->kind == ARG_FILL && strcmp(text, "edge") == 0) {
        out->fill = CHAIN_FILL_EDGE;
    } else if (strcmp(text, "mean") == 0) {
        if (!opt->mean)
            return bad_value(op, arg, text, "a colour: the file has no mean", err);
        for (int k = 0; k < channels; k++)
            out->number[k] = floor(opt->mean[k]);
    } else if (strcmp(text, "zero") != 0) {
        int rc = parse_numbers(op, arg, text, channels, out, err);
        if (rc < 0)
            return rc;
    }
    for (int k = 0; k < CHAIN_CHANNELS_MAX; k++)
        out->colour[k] = (uint8_t)out->number[k];
    return 0;
}

static int parse_arg(const struct op_def *op, const struct arg_def *arg,
                     const char *text, const struct sluice_augment_options *opt,
                     struct arg_value *out, struct sluice_error *err)
{
    out->given = true;
    return arg->kind == ARG_FILL || arg->kind == ARG_COLOUR
               ? parse_fill(op, arg, text, opt, out, err)
               : parse_numbers(op, arg, text, opt->source.channels, out, err);
}

/* "key=value:key=value" behind the name. */
static int parse_args(const struct op_def *op, char *text,
                      const struct sluice_augment_options *opt,
                      struct arg_value values[ARGS_MAX], struct sluice_error *err)
{
    char *rest = NULL;
    for (char *pair = strtok_r(text, ":", &rest); pair;
         pair = strtok_r(NULL, ":", &rest)) {
        char *equals = strchr(pair, '=');
        int k = 0;
        if (equals)
            *equals = 0;
        while (k < ARGS_MAX && op->args[k].name && strcmp(op->args[k].name, pair) != 0)
            k++;
        if (!equals || k == ARGS_MAX || !op->args[k].name)
            return sluice_fail(err, SLUICE_EINVAL, "%s: '%s' is no argument of it (%s)",
                               op->name, pair, op->help);
        int rc = parse_arg(op, &op->args[k], equals + 1, opt, &values[k], err);
        if (rc < 0)
            return rc;
    }
    for (int k = 0; k < ARGS_MAX && op->args[k].name; k++) {
        if (values[k].given || (op->last && !op->args[k].initial))
            continue;
        if (!op->args[k].initial)
            return sluice_fail(err, SLUICE_EINVAL, "%s: needs %s=... (%s)", op->name,
                               op->args[k].name, op->help);
        int rc = parse_arg(op, &op->args[k], op->args[k].initial, opt, &values[k], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int add_normalize(struct chain *c, const struct sluice_augment_options *opt,
                         const struct arg_value *values, struct sluice_error *err)
{
    const double *mean = values[0].given ? values[0].number : opt->mean;
    const double *std = values[1].given ? values[1].number : opt->std;
    if (!mean || !std)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "normalize: the file has no mean and std; say mean=...:std=...");
    if (c->type == CHAIN_U8)
        return sluice_fail(err, SLUICE_EINVAL,
                           "normalize: u8 results cannot be normalised");
    for (int k = 0; k < c->channels; k++) {
        if (!(std[k] > 0))
            return sluice_fail(err, SLUICE_EINVAL, "normalize: std of channel %d is %g",
                               k, std[k]);
        c->scale[k] = (float)(1 / std[k]);
        c->shift[k] = (float)(-mean[k] / std[k]);
    }
    return 0;
}

static int add_step(struct chain *c, const struct op_def *op,
                    const struct arg_value values[ARGS_MAX], struct sluice_error *err)
{
    const int shorter = c->height < c->width ? c->height : c->width;
    if (c->steps == CHAIN_STEPS_MAX)
        return sluice_fail(err, SLUICE_EINVAL, "more than %d augmentations",
                           CHAIN_STEPS_MAX);
    struct chain_step *s = &c->step[c->steps];
    s->op = op->op;
    s->number = (uint16_t)c->steps++;
    if (op->op == CHAIN_FLIP || op->op == CHAIN_VERTICAL_FLIP)
        s->p = (float)values[0].number[0];
    if (op->op == CHAIN_TRANSLATE || op->op == CHAIN_CUTOUT) {
        s->size = (int)values[0].number[0];
        s->fill = values[1].fill;
        memcpy(s->colour, values[1].colour, sizeof(s->colour));
        if (s->size > shorter || (s->fill == CHAIN_FILL_REFLECT && s->size >= shorter))
            return sluice_fail(err, SLUICE_EINVAL, "%s: %d pixels in images of %dx%d",
                               op->name, s->size, c->height, c->width);
    }
    return 0;
}

/* One operation: name and arguments. */
static int parse_op(struct chain *c, char *text,
                    const struct sluice_augment_options *opt, bool *ended,
                    struct sluice_error *err)
{
    struct arg_value values[ARGS_MAX] = { 0 };
    char *colon = strchr(text, ':');
    const struct op_def *op = sluice_augment_registry;
    if (colon)
        *colon = 0;
    while (op->name && strcmp(op->name, text) != 0)
        op++;
    if (!op->name)
        return unknown_op(text, err);
    if (*ended)
        return sluice_fail(err, SLUICE_EINVAL, "%s: nothing may come behind normalize",
                           op->name);
    int rc = parse_args(op, colon ? colon + 1 : text + strlen(text), opt, values, err);
    if (rc < 0)
        return rc;
    *ended = op->last;
    return op->last ? add_normalize(c, opt, values, err) : add_step(c, op, values, err);
}

int sluice_chain_parse(struct chain *c, const char *pipeline,
                       const struct sluice_augment_options *opt,
                       struct sluice_error *err)
{
    char *copy = strdup(pipeline), *rest = NULL;
    bool ended = false;
    int rc = 0;
    if (!copy)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory");
    for (char *op = strtok_r(copy, ", \t\n", &rest); op && rc == 0;
         op = strtok_r(NULL, ", \t\n", &rest))
        rc = parse_op(c, op, opt, &ended, err);
    free(copy);
    return rc;
}

/* ---- and back to text ---- */

static const char *op_name(enum chain_op op)
{
    const struct op_def *d = sluice_augment_registry;
    while (d->op != op || d->last)
        d++;
    return d->name;
}

__attribute__((format(printf, 4, 5))) static size_t
print(char *out, size_t room, size_t at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n =
        vsnprintf(at < room ? out + at : NULL, at < room ? room - at : 0, fmt, args);
    va_end(args);
    return at + (n > 0 ? (size_t)n : 0);
}

void sluice_chain_describe(const struct chain *c, bool normalized, char *out,
                           size_t room)
{
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < c->steps; i++) {
        const struct chain_step *s = &c->step[i];
        at = print(out, room, at, "%s%s", i ? "," : "", op_name(s->op));
        if (s->op == CHAIN_FLIP || s->op == CHAIN_VERTICAL_FLIP)
            at = print(out, room, at, ":p=%.9g", (double)s->p);
        if (s->op != CHAIN_TRANSLATE && s->op != CHAIN_CUTOUT)
            continue;
        at = print(out, room, at,
                   ":%s=%d:fill=", s->op == CHAIN_CUTOUT ? "size" : "pad", s->size);
        if (s->fill != CHAIN_FILL_COLOUR)
            at = print(out, room, at, "%s",
                       s->fill == CHAIN_FILL_EDGE ? "edge" : "reflect");
        for (int k = 0; s->fill == CHAIN_FILL_COLOUR && k < c->channels; k++)
            at = print(out, room, at, "%s%d", k ? "/" : "", s->colour[k]);
    }
    if (!normalized)
        return;
    at = print(out, room, at, "%snormalize:mean=", c->steps ? "," : "");
    for (int k = 0; k < c->channels; k++)
        at = print(out, room, at, "%s%.9g", k ? "/" : "",
                   (double)-c->shift[k] / (double)c->scale[k]);
    at = print(out, room, at, ":std=");
    for (int k = 0; k < c->channels; k++)
        at = print(out, room, at, "%s%.9g", k ? "/" : "", 1 / (double)c->scale[k]);
}

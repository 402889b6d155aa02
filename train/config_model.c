/* config_model.c -- a model's own options: from text, and back. */
#include <math.h>
#include <string.h>

#include "config_parts.h"
#include "text_write.h"

static bool parse(const struct model_option *o, const char *text, double *x)
{
    bool truth;
    if (o->choices) {
        *x = choice_index(o->choices, text);
        return *x >= 0;
    }
    if (config_parse_bool(text, &truth))
        *x = truth;
    else if (!config_parse_real(text, x))
        return false;
    return *x >= o->min && *x <= o->max && (!o->whole || *x == rint(*x));
}

static int refuse(const struct model_option *o, const struct setting *s,
                  struct sluice_error *err)
{
    if (o->choices)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: %s: expected one of %s, found '%.80s'", s->where,
                           s->key, o->choices, s->value);
    if (o->text)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: %s: expected at most %d bytes of text without control "
                           "characters, found '%.80s'",
                           s->where, s->key, MODEL_TEXT - 1, s->value);
    return sluice_fail(err, SLUICE_EINVAL,
                       "%s: %s: expected a %snumber from %.15g to %.15g, found '%.80s'",
                       s->where, s->key, o->whole ? "whole " : "", o->min, o->max,
                       s->value);
}

int config_model_set(struct config *cfg, const struct model_def *model,
                     const struct setting *s, struct sluice_error *err)
{
    const struct model_option *o = model ? model->options : NULL;
    double x;
    int i = 0;
    if (strncmp(s->key, "model.", 6) != 0)
        return 1;
    while (o && o[i].name && strcmp(o[i].name, s->key + 6) != 0)
        i++;
    if (!o || !o[i].name)
        return 1;
    if (o[i].text)
        return config_parse_text(s->value, cfg->model.values.texts[i], MODEL_TEXT)
                   ? 0
                   : refuse(&o[i], s, err);
    if (s->list || !parse(&o[i], s->value, &x))
        return refuse(&o[i], s, err);
    cfg->model.values.numbers[i] = x;
    return 0;
}

/* An option that is no text, as a recipe has it. */
static const char *number_of(char buf[64], const struct model_option *o, double value)
{
    return o->choices ? choice_name(buf, o->choices, (int)value)
                      : number_text(buf, value);
}

void config_model_write(FILE *to, const struct config *cfg, bool summed)
{
    const struct model_def *model = model_find(cfg->model.name);
    const struct model_values *v = &cfg->model.values;
    for (int i = 0; model && model->options && model->options[i].name; i++) {
        const struct model_option *o = &model->options[i];
        char buf[64];
        if (summed && o->later && v->numbers[i] == o->initial)
            continue;
        fprintf(to, "  %s: ", o->name);
        if (o->text)
            config_write_text(to, v->texts[i]);
        else
            fputs(number_of(buf, o, v->numbers[i]), to);
        fputc('\n', to);
    }
}

void config_model_write_json(FILE *to, const struct config *cfg)
{
    const struct model_def *model = model_find(cfg->model.name);
    const struct model_values *v = &cfg->model.values;
    for (int i = 0; model && model->options && model->options[i].name; i++) {
        const struct model_option *o = &model->options[i];
        char buf[64];
        fprintf(to, ",\n    \"%s\": ", o->name);
        if (o->text)
            write_quoted(to, v->texts[i]);
        else if (o->choices)
            write_quoted(to, number_of(buf, o, v->numbers[i]));
        else
            fputs(number_of(buf, o, v->numbers[i]), to);
    }
}

static bool same_names(const struct model_option *a, const struct model_option *b)
{
    for (; a && b && a->name && b->name; a++, b++)
        if (strcmp(a->name, b->name) != 0)
            return false;
    return a && b && !a->name && !b->name;
}

/* An earlier model of the registry with the same options, or NULL. */
static const struct model_def *alike(const struct model_def *model)
{
    for (const struct model_def *const *m = model_registry; *m != model; m++)
        if (same_names((*m)->options, model->options))
            return *m;
    return NULL;
}

static void write_initial(FILE *to, const struct model_option *o)
{
    char buf[64];
    if (o->text)
        fputs(*o->text ? o->text : "none", to);
    else
        fputs(number_of(buf, o, o->initial), to);
}

static bool same_initial(const struct model_option *a, const struct model_option *b)
{
    return a->text && b->text ? strcmp(a->text, b->text) == 0
                              : a->initial == b->initial;
}

/* The defaults in which two models with the same options differ. */
static void help_differences(FILE *to, const struct model_def *model,
                             const struct model_def *like)
{
    const char *comma = ", but with ";
    fprintf(to, "    the options of %s", like->name);
    for (int i = 0; model->options[i].name; i++) {
        if (same_initial(&model->options[i], &like->options[i]))
            continue;
        fprintf(to, "%s%s ", comma, model->options[i].name);
        write_initial(to, &model->options[i]);
        comma = ", ";
    }
    fputc('\n', to);
}

static void help_options(FILE *to, const struct model_def *model)
{
    for (const struct model_option *o = model->options; o && o->name; o++) {
        config_help_left(to, 4, 26, o->name, o->choices);
        fprintf(to, "%s [", o->help);
        write_initial(to, o);
        fputs("]\n", to);
    }
}

void config_model_help(FILE *to, const struct model_def *model)
{
    const struct model_def *like = alike(model);
    fprintf(to, "  %-28s %s\n", model->name, model->help);
    if (like)
        help_differences(to, model, like);
    else
        help_options(to, model);
}

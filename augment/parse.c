/* parse.c -- "flip,translate:pad=2:fill=reflect,normalize" into steps, and back into
 * the text that spells every value out. */
#include <locale.h>
#include <stdlib.h>

#include "option.h"

enum { NAMES_TEXT = 700 };

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
        int rc = sluice_option_parse(ps, o, trim(value));
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
        int rc = sluice_option_parse(ps, o,
                                     (struct text){ o->fallback, strlen(o->fallback) });
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
                           "augment: %s mixes images of a batch and their labels: not "
                           "possible here (sluice_augment_options.mixes)",
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
    const bool stepless = ps->def->id == OP_geometry || ps->def->id == OP_normalize;
    const int turns = stepless ? 0 : ps->now.turns ? ps->now.turns : 1;
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
        sluice_option_put(text, ps, o);
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

/* study.c -- the trials of a study and which comes next; see study.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study.h"

static void trial_free(struct trial *t)
{
    free(t->values);
    free(t->curve.at);
}

void study_free(struct study *s)
{
    for (int i = 0; i < s->count; i++)
        trial_free(&s->trials[i]);
    free(s->trials);
    for (int i = 0; i < s->arg_count; i++)
        free(s->args[i]);
    free(s->args);
    space_free(&s->space);
    settings_free(&s->experiments);
    if (s->lock)
        closedir(s->lock);
    *s = (struct study){ .count = 0 };
}

int study_add_arg(struct study *s, const char *arg, struct sluice_error *err)
{
    char **args = realloc(s->args, (size_t)(s->arg_count + 1) * sizeof(*args));
    char *copy = strdup(arg);
    if (args)
        s->args = args;
    if (!args || !copy) {
        free(copy);
        return sluice_fail(err, SLUICE_ENOMEM, "out of memory");
    }
    s->args[s->arg_count++] = copy;
    return 0;
}

int study_add_trial(struct study *s, struct trial **out, struct sluice_error *err)
{
    struct trial *all = realloc(s->trials, (size_t)(s->count + 1) * sizeof(*all));
    double *values = calloc((size_t)s->space.count + 1, sizeof(*values));
    if (all)
        s->trials = all;
    if (!all || !values) {
        free(values);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d trials", s->count + 1);
    }
    *out = &all[s->count++];
    **out = (struct trial){
        .values = values, .best = (double)NAN, .final = (double)NAN, .test = (double)NAN
    };
    return 0;
}

const struct trial *study_best(const struct study *s)
{
    const struct trial *best = NULL;
    for (int i = 0; i < s->count; i++)
        if (s->trials[i].state == TRIAL_COMPLETE &&
            (!best || isnan(best->best) || s->trials[i].best > best->best))
            best = &s->trials[i];
    return best;
}

int study_number(const struct study *s, const struct trial *t)
{
    return (int)(t - s->trials) + 1;
}

const char *trial_folder(char buf[RUN_PATH], const struct study *s,
                         const struct trial *t)
{
    snprintf(buf, RUN_PATH, "%s/trials/%04d", s->folder, study_number(s, t));
    return buf;
}

/* ---- experiments ---- */

/* Names in the order in which they first appear; their keys may stand apart. */
bool study_experiment(const struct study *s, int i, char name[TRIAL_NAME])
{
    const struct settings *e = &s->experiments;
    for (int k = 0; k < e->count; k++) {
        const size_t n = strcspn(e->at[k].key, ".");
        bool known = false;
        for (int j = 0; j < k && !known; j++)
            known = strncmp(e->at[j].key, e->at[k].key, n) == 0 &&
                    (e->at[j].key[n] == '.' || !e->at[j].key[n]);
        if (known || i--)
            continue;
        snprintf(name, TRIAL_NAME, "%.*s", (int)(n < TRIAL_NAME ? n : TRIAL_NAME - 1),
                 e->at[k].key);
        return true;
    }
    return false;
}

int study_size(const struct study *s, int *trials, struct sluice_error *err)
{
    char name[TRIAL_NAME];
    int all = 0, rc = 0;
    *trials = s->o.trials;
    if (s->o.kind == STUDY_FOLDS) {
        *trials = s->o.folds;
    } else if (s->o.kind == STUDY_LIST) {
        while (study_experiment(s, all, name))
            all++;
        *trials = all;
    } else if (s->o.sampler == SAMPLER_GRID) {
        rc = space_grid_size(&all, &s->space, err);
        *trials = s->o.trials && s->o.trials < all ? s->o.trials : all;
    }
    return rc;
}

/* ---- what comes next ---- */

/* The trials that have something to say: complete and pruned ones. */
static int suggest_by_estimation(struct study *s, struct trial *t,
                                 const struct tpe_domain *domains,
                                 struct sluice_error *err)
{
    struct tpe_trial *known = calloc((size_t)s->count, sizeof(*known));
    int n = 0;
    if (!known)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d trials", s->count);
    for (int i = 0; i < s->count; i++) {
        const struct trial *o = &s->trials[i];
        const bool pruned = o->state == TRIAL_PRUNED;
        int step = 0;
        const double last = curve_last(&o->curve, &step);
        if (pruned || o->state == TRIAL_COMPLETE)
            known[n++] =
                (struct tpe_trial){ o->values, pruned ? last : o->best, pruned, step };
    }
    const int rc = tpe_suggest(t->values, domains, s->space.count, known, n, s->o.seed,
                               (uint64_t)study_number(s, t) - 1, err);
    free(known);
    return rc;
}

int study_suggest(struct study *s, struct trial *t, struct sluice_error *err)
{
    const int number = study_number(s, t), n = s->space.count;
    struct tpe_domain *domains = calloc((size_t)n + 1, sizeof(*domains));
    int rc = 0;
    if (!domains)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d dimensions", n);
    for (int i = 0; i < n; i++)
        domains[i] = s->space.at[i].domain;
    if (s->o.kind == STUDY_FOLDS)
        snprintf(t->name, sizeof(t->name), "fold %d/%d", number, s->o.folds);
    else if (s->o.kind == STUDY_LIST)
        study_experiment(s, number - 1, t->name);
    else if (s->o.sampler == SAMPLER_GRID)
        space_grid_point(t->values, &s->space, number - 1);
    else if (s->o.sampler == SAMPLER_RANDOM)
        random_suggest(t->values, domains, n, s->o.seed, (uint64_t)number - 1);
    else
        rc = suggest_by_estimation(s, t, domains, err);
    free(domains);
    return rc;
}

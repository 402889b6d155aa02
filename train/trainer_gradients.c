/* trainer_gradients.c -- gradients.csv: how large gradients are as training goes on. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device_memory.h"
#include "gradient_stats.h"
#include "trainer_parts.h"

/* Does the list "fc2,conv1.weight" name it, or its layer? An empty one names all. */
static bool is_named(const char *list, const char *name)
{
    const char *dot = strrchr(name, '.');
    const size_t layer = dot ? (size_t)(dot - name) : strlen(name);
    for (const char *at = list; *at;) {
        const size_t n = strcspn(at, ",");
        if ((n == strlen(name) || n == layer) && strncmp(at, name, n) == 0)
            return true;
        at += n + (at[n] != 0);
    }
    return !*list;
}

static bool is_wanted(const struct trainer *t, const struct tensor *p)
{
    return p->trainable && p->grad && is_named(t->cfg->run.gradients, p->name);
}

/* Every name must be one of the network's. */
static int check_names(const struct trainer *t, struct sluice_error *err)
{
    char copy[sizeof t->cfg->run.gradients], *rest = copy, *name;
    snprintf(copy, sizeof copy, "%s", t->cfg->run.gradients);
    while (*copy && (name = strsep(&rest, ","))) {
        int i = 0;
        while (i < net_param_count(t->net) &&
               (!*name || !is_named(name, net_param(t->net, i)->name)))
            i++;
        if (i == net_param_count(t->net))
            return sluice_fail(err, SLUICE_EINVAL,
                               "run.gradients: expected layers or parameters of model "
                               "%s, as --dry-run lists them, found '%.80s'",
                               t->model->name, name);
    }
    return 0;
}

int trainer_gradients_check(const struct trainer *t, struct sluice_error *err)
{
    if (!t->cfg->run.gradients_every)
        return 0;
    if (device_has_memory(t->dev))
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "run.gradients_every: not on device cuda; say device=cpu");
    return check_names(t, err);
}

static void record(struct trainer *t, const char *what, const char *name, uint64_t step,
                   double value)
{
    char tag[160];
    if (!isfinite(value))
        return;
    snprintf(tag, sizeof tag, "gradients/%s/%.96s", what, name);
    tfevents_scalar(t->events, tag, step, value);
    if (t->wandb)
        wandb_value(t->wandb, tag, step, value);
}

static int write_row(struct trainer *t, const char *name,
                     const struct gradient_stats *s, struct sluice_error *err)
{
    const struct gradient_row row = { .step = t->at.step + 1,
                                      .epoch = (int)t->at.epoch + 1,
                                      .name = name,
                                      .quartile = { s->quartile[0], s->quartile[1],
                                                    s->quartile[2] },
                                      .norm = s->norm };
    record(t, "norm", name, row.step, s->norm);
    record(t, "median", name, row.step, s->quartile[1]);
    return table_gradient(t->gradients, &row, err);
}

static int write_all(struct trainer *t, float *room, struct sluice_error *err)
{
    struct gradient_stats all = { { (double)NAN, (double)NAN, (double)NAN }, 0 };
    double squares = 0;
    int rc = 0;
    for (int i = 0; i < net_param_count(t->net) && rc == 0; i++) {
        const struct tensor *p = net_param(t->net, i);
        if (!p->trainable || !p->grad)
            continue;
        const struct gradient_stats s =
            gradient_stats(p->grad, tensor_elements(p), room);
        squares += s.norm * s.norm;
        if (is_wanted(t, p))
            rc = write_row(t, p->name, &s, err);
    }
    all.norm = sqrt(squares);
    return rc < 0 ? rc : write_row(t, "all", &all, err);
}

int trainer_gradients_record(struct trainer *t, struct sluice_error *err)
{
    const int every = t->cfg->run.gradients_every;
    size_t most = 1;
    if (!t->gradients || (t->at.step + 1) % (uint64_t)every != 0)
        return 0;
    for (int i = 0; i < net_param_count(t->net); i++)
        if (tensor_elements(net_param(t->net, i)) > most)
            most = tensor_elements(net_param(t->net, i));
    float *room = malloc(most * sizeof *room);
    if (!room)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu numbers", most);
    const int rc = write_all(t, room, err);
    free(room);
    return rc;
}

/* steering.c -- see steering.h. */
#include "steering.h"

#include <math.h>

#define LEAST_CHANGE 1e-8 /* of a rate; smaller ones are not made */

static double value(enum steering_metric metric, const struct measured *m)
{
    return metric == STEER_LOSS ? m->loss : m->accuracy;
}

void plateau_begin(struct plateau *p, double lr)
{
    *p = (struct plateau){ .lr = lr };
}

static bool is_better(const struct plateau *p, const struct plateau_config *c, double x)
{
    if (!p->any)
        return !isnan(x);
    return c->metric == STEER_LOSS ? x < p->best * (1 - c->threshold)
                                   : x > p->best * (1 + c->threshold);
}

/* The order of the questions is PyTorch's: a measurement that cools down is not bad,
 * but may be the best. */
bool plateau_take(struct plateau *p, const struct plateau_config *c,
                  const struct measured *m)
{
    const double x = value(c->metric, m), before = p->lr;
    if (is_better(p, c, x)) {
        p->best = x;
        p->any = true;
        p->bad = 0;
    } else {
        p->bad++;
    }
    if (p->cooling) {
        p->cooling--;
        p->bad = 0;
    }
    if (p->bad <= c->patience)
        return false;
    const double lr = fmax(p->lr * c->factor, c->min_lr);
    if (p->lr - lr > LEAST_CHANGE)
        p->lr = lr;
    p->cooling = c->cooldown;
    p->bad = 0;
    return p->lr != before;
}

static bool improves(const struct stop *s, const struct stop_config *c, double x)
{
    if (c->metric == STEER_ACCURACY)
        return x > (s->any ? s->best : 0) + c->delta;
    return s->any ? x <= s->best - c->delta : !isnan(x);
}

enum stop_reason stop_take(struct stop *s, const struct stop_config *c,
                           const struct measured *m)
{
    const double x = value(c->metric, m);
    if (s->over)
        return s->over;
    if (c->target > 0 && m->accuracy >= c->target)
        return s->over = STOP_TARGET;
    if (improves(s, c, x)) {
        s->best = x;
        s->any = true;
        s->bad = 0;
    } else {
        s->bad++;
    }
    if (c->patience && s->bad >= c->patience)
        s->over = STOP_PATIENCE;
    return s->over;
}

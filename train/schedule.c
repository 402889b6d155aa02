/* schedule.c -- learning rate and momentum by step; one function a schedule. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

#define PI 3.14159265358979323846

struct schedule_def {
    const char *name, *help;
    double (*lr)(const struct schedule_config *c, uint64_t step);
};

static double or_default(double value, double otherwise)
{
    return value > 0 ? value : otherwise;
}

static double peak_lr(const struct schedule_config *c)
{
    return or_default(c->max_lr, c->lr);
}

static double constant_lr(const struct schedule_config *c, uint64_t step)
{
    (void)step;
    return c->lr;
}

/* PyTorch writes the two kinds in these very forms; the order of operations is kept so
 * that the values are equal to the last bit. */
static double anneal(const struct schedule_config *c, double start, double end,
                     double share)
{
    if (c->linear_anneal)
        return (end - start) * share + start;
    return end + (start - end) / 2.0 * (cos(PI * share) + 1);
}

/* Up from `low` to `high` over the first pct_start of the steps, then to `last`. The
 * first phase ends one step early, as PyTorch's does: its last step is the peak. Beyond
 * the last step the formula simply goes on. */
static double one_cycle(const struct schedule_config *c, uint64_t step, double low,
                        double high, double last)
{
    const double peak = c->pct_start * (double)c->steps - 1;
    const double end = (double)c->steps - 1, at = (double)step;
    if (at <= peak)
        return anneal(c, low, high, peak > 0 ? at / peak : 1);
    return anneal(c, high, last, end > peak ? (at - peak) / (end - peak) : 1);
}

static double onecycle_lr(const struct schedule_config *c, uint64_t step)
{
    const double high = peak_lr(c), low = high / or_default(c->div, 25);
    return one_cycle(c, step, low, high, low / or_default(c->final_div, 1e4));
}

static double onecycle_momentum(const struct schedule_config *c, uint64_t step)
{
    const double high = or_default(c->max_momentum, 0.95);
    return one_cycle(c, step, high, or_default(c->base_momentum, 0.85), high);
}

/* Steps, or with per_epoch the whole epochs, since the start. */
static double elapsed(const struct schedule_config *c, uint64_t step)
{
    return (double)(c->per_epoch ? step / c->steps_per_epoch : step);
}

static double cosine_lr(const struct schedule_config *c, uint64_t step)
{
    const double all =
        c->per_epoch ? (double)c->steps / (double)c->steps_per_epoch : (double)c->steps;
    const double t = elapsed(c, step);
    return c->eta_min + (c->lr - c->eta_min) * (1 + cos(PI * t / all)) / 2;
}

/* Value at `at` of the line from (x0, y0) to (x1, y1). */
static double line(double at, double x0, double y0, double x1, double y1)
{
    return x1 > x0 ? y0 + (y1 - y0) * (at - x0) / (x1 - x0) : y1;
}

/* Up to `peak` steps from lr / div (0 without div), down to lr * end_factor. */
static double linear_lr(const struct schedule_config *c, uint64_t step)
{
    const double peak = c->pct_start * (double)c->steps, at = (double)step;
    if (at < peak)
        return line(at, 0, c->div > 0 ? c->lr / c->div : 0, peak, c->lr);
    return line(fmin(at, (double)c->steps), peak, c->lr, (double)c->steps,
                c->lr * c->end_factor);
}

/* Up to lr by the line of `linear`, then the half cosine of `cosine`. */
static double warmup_cosine_lr(const struct schedule_config *c, uint64_t step)
{
    const double all =
        c->per_epoch ? (double)c->steps / (double)c->steps_per_epoch : (double)c->steps;
    const double peak = c->pct_start * all, at = elapsed(c, step);
    if (at < peak)
        return line(at, 0, c->div > 0 ? c->lr / c->div : 0, peak, c->lr);
    const double share = all > peak ? (at - peak) / (all - peak) : 1;
    return c->eta_min + (c->lr - c->eta_min) * (1 + cos(PI * share)) / 2;
}

static double triangular_lr(const struct schedule_config *c, uint64_t step)
{
    const double peak = c->peak_epoch * (double)c->steps_per_epoch, at = (double)step;
    if (at < peak)
        return line(at, 0, 0, peak, peak_lr(c));
    return line(fmin(at, (double)c->steps), peak, peak_lr(c), (double)c->steps, 0);
}

static double step_lr(const struct schedule_config *c, uint64_t step)
{
    const double unit =
        c->per_epoch ? c->step_epochs : c->step_epochs * (double)c->steps_per_epoch;
    const double times = floor(elapsed(c, step) / unit);
    return c->lr * pow(c->gamma, c->drops ? fmin(times, c->drops) : times);
}

static const struct schedule_def schedules[] = {
    { "constant", "the base rate throughout", constant_lr },
    { "onecycle", "up to the maximum, then down to almost nothing", onecycle_lr },
    { "cosine", "half a cosine from the base rate to eta_min", cosine_lr },
    { "linear", "warm-up, then a line down", linear_lr },
    { "step", "times gamma every step_epochs epochs", step_lr },
    { "triangular", "from 0 to the maximum at peak_epoch, then to 0", triangular_lr },
    { "plateau", "times factor when tests get no better", constant_lr },
    { "warmup_cosine", "a line up, then half a cosine down", warmup_cosine_lr },
    { 0 },
};

const char *schedule_name(int i)
{
    return schedules[i].name;
}

static const struct schedule_def *find(const char *name)
{
    for (const struct schedule_def *s = schedules; s->name; s++)
        if (name && strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static int unknown(const char *name, struct sluice_error *err)
{
    char list[200];
    int at = 0;
    for (const struct schedule_def *s = schedules; s->name; s++)
        at += snprintf(list + at, sizeof list - (size_t)at, "%s%s", at ? ", " : "",
                       s->name);
    return sluice_fail(err, SLUICE_EINVAL, "schedule '%s': there are %s",
                       name ? name : "", list);
}

/* One number's place in the configuration and what it may be. */
struct bound {
    const char *name;
    double value, low, high;
};

int schedule_check(const struct schedule_config *c, struct sluice_error *err)
{
    const struct bound bounds[] = {
        { "lr", c->lr, 0, 1e6 },
        { "max_lr", c->max_lr, 0, 1e6 },
        { "pct_start", c->pct_start, 0, 1 },
        { "div", c->div, 0, 1e12 },
        { "final_div", c->final_div, 0, 1e12 },
        { "eta_min", c->eta_min, 0, 1e6 },
        { "peak_epoch", c->peak_epoch, 0, 1e9 },
        { "gamma", c->gamma, 0, 1e6 },
        { "step_epochs", c->step_epochs, 0, 1e9 },
        { "end_factor", c->end_factor, 0, 1e6 },
        { "momentum", c->momentum, 0, 1 },
        { "base_momentum", c->base_momentum, 0, 1 },
        { "max_momentum", c->max_momentum, 0, 1 },
    };
    const struct schedule_def *def = find(c->name);
    if (!def)
        return unknown(c->name, err);
    /* Written so that NaN is refused. */
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (!(bounds[i].value >= bounds[i].low && bounds[i].value <= bounds[i].high))
            return sluice_fail(
                err, SLUICE_EINVAL, "schedule %s: %s is %g, expected %g to %g", c->name,
                bounds[i].name, bounds[i].value, bounds[i].low, bounds[i].high);
    if (c->steps == 0 || c->steps_per_epoch == 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "schedule %s: a run of no steps or epochs of no steps",
                           c->name);
    if (def->lr == step_lr && !(c->step_epochs > 0))
        return sluice_fail(err, SLUICE_EINVAL,
                           "schedule step: step_epochs is %g, expected above 0",
                           c->step_epochs);
    return 0;
}

struct schedule_value schedule_at(const struct schedule_config *c, uint64_t step)
{
    const struct schedule_def *def = find(c->name);
    const bool cycles = def && def->lr == onecycle_lr && c->cycle_momentum;
    return (struct schedule_value){
        .lr = def ? def->lr(c, step) : c->lr,
        .momentum = cycles ? onecycle_momentum(c, step) : c->momentum,
    };
}

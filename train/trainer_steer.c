/* trainer_steer.c -- what tests during a run decide: the rate of schedule plateau, and
 * an early end. */
#include <inttypes.h>

#include "trainer_parts.h"

static bool stops(const struct config *cfg)
{
    return cfg->stop.patience > 0 || cfg->stop.target > 0;
}

int trainer_check_steering(const struct trainer *t, struct sluice_error *err)
{
    const struct config *cfg = t->cfg;
    const char *what = cfg->stop.patience     ? "stop.patience"
                       : cfg->stop.target > 0 ? "stop.target"
                                              : "schedule.name=plateau";
    const bool by_test = cfg->eval.steer_by;
    if (!config_is_plateau(cfg) && !stops(cfg))
        return 0;
    if (!by_test && !t->validated)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: expected data.validation or data.fold to decide by, "
                           "found neither; eval.steer_by=test lets the test set decide",
                           what);
    if (by_test && (t->validated || !t->test_info.dataset))
        return sluice_fail(err, SLUICE_EINVAL,
                           "eval.steer_by=test: expected data.test and no validation "
                           "set, found %s",
                           t->validated ? "one" : "neither");
    if (!cfg->eval.every)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%s: expected eval.every of at least 1, found 0", what);
    return 0;
}

void trainer_begin_steering(struct trainer *t)
{
    const struct checkpoint_meta *at = &t->at;
    plateau_begin(&t->plateau, t->schedule.lr);
    t->plateau.lr = extra_number(at, "plateau_lr", t->plateau.lr);
    t->plateau.best = extra_number(at, "plateau_best", 0);
    t->plateau.any = extra_number(at, "plateau_any", 0) != 0;
    t->plateau.bad = (int)extra_number(at, "plateau_bad", 0);
    t->plateau.cooling = (int)extra_number(at, "plateau_cooling", 0);
    t->stop.best = extra_number(at, "stop_best", 0);
    t->stop.any = extra_number(at, "stop_any", 0) != 0;
    t->stop.bad = (int)extra_number(at, "stop_bad", 0);
    t->stop.over = (enum stop_reason)extra_number(at, "stop_over", STOP_NOT);
    if (config_is_plateau(t->cfg))
        t->schedule.lr = t->plateau.lr;
}

const char *trainer_steering_text(char buf[512], const struct trainer *t)
{
    const struct plateau *p = &t->plateau;
    const struct stop *s = &t->stop;
    size_t at = 0;
    *buf = 0;
    if (config_is_plateau(t->cfg))
        at = (size_t)snprintf(buf, 512,
                              ",\"plateau_lr\":%.17g,\"plateau_best\":%.17g,"
                              "\"plateau_any\":%d,\"plateau_bad\":%d,"
                              "\"plateau_cooling\":%d",
                              p->lr, p->best, p->any, p->bad, p->cooling);
    if (stops(t->cfg))
        snprintf(buf + at, 512 - at,
                 ",\"stop_best\":%.17g,\"stop_any\":%d,\"stop_bad\":%d,"
                 "\"stop_over\":%d",
                 s->best, s->any, s->bad, (int)s->over);
    return buf;
}

static void steer_rate(struct trainer *t, const struct measured *m)
{
    const struct plateau_config c = config_plateau(t->cfg);
    if (!plateau_take(&t->plateau, &c, m))
        return;
    t->schedule.lr = t->plateau.lr;
    trainer_say(t, "plateau: learning rate %.3g from epoch %" PRIu64, t->schedule.lr,
                t->at.epoch + 2);
}

static void say_end(struct trainer *t, const struct measured *m)
{
    const char *set = t->validated ? "validation" : "test";
    if (t->stop.over == STOP_TARGET)
        trainer_say(t,
                    "ended by epoch %" PRIu64 ": %s accuracy %.2f%%, the target was "
                    "%.2f%%",
                    t->at.epoch + 1, set, 100 * m->accuracy, 100 * t->cfg->stop.target);
    else
        trainer_say(t,
                    "ended by epoch %" PRIu64 ": %s %s no better in %d tests than %.4f",
                    t->at.epoch + 1, set,
                    t->cfg->stop.metric == STEER_LOSS ? "loss" : "accuracy",
                    t->stop.bad, t->stop.best);
}

void trainer_steer(struct trainer *t)
{
    const struct measured m = { t->evaluation.loss, t->evaluation.accuracy };
    const struct stop_config c = config_stop(t->cfg);
    if (config_is_plateau(t->cfg))
        steer_rate(t, &m);
    if (stops(t->cfg) && stop_take(&t->stop, &c, &m))
        say_end(t, &m);
}

bool trainer_is_over(const struct trainer *t)
{
    return t->at.step >= t->total_steps || t->stop.over;
}

const char *trainer_ended_by(const struct trainer *t)
{
    if (t->stop.over)
        return t->stop.over == STOP_TARGET ? "target" : "patience";
    return t->total_steps % t->steps_per_epoch ? "steps" : "epochs";
}

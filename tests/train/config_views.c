/* config_views.c -- each key's number arrives where the optimizer and the schedule look
 * for it. */
#include <string.h>

#include "check.h"
#include "config.h"
#include "run_config.h"

static struct config load(const char *const *args, int count)
{
    struct sluice_error err = { .message = "" };
    struct config cfg;
    REQUIRE(config_from_recipe(&cfg, args, count, &err) == 0, "%s", err.message);
    return cfg;
}

static void check_number(const char *key, double got, double want)
{
    CHECK(near(got, want, 0, 0), "%s is %g, expected %g", key, got, want);
}

static void optimizer(void)
{
    static const char *const args[] = {
        "training.epochs=4",
        "optimizer={name: adamw, lr: 1.5, momentum: 0.11, nesterov: true, clip: 0.17}",
        "optimizer={muon_lr: 2.5, muon_momentum: 0.12, muon_iterations: 7}",
        "optimizer={beta1: 0.13, beta2: 0.14, eps: 0.15, weight_decay: 0.16}",
        "optimizer={lookahead_every: 9, lookahead_decay: 0.18}",
    };
    const struct config c = load(args, 5);
    const struct optim_config o = config_optim(&c, 10);
    CHECK(strcmp(o.name, "adamw") == 0 && o.nesterov, "%s", o.name);
    check_number("lr", o.lr, 1.5);
    check_number("momentum", o.momentum, 0.11);
    check_number("clip", o.clip, 0.17);
    check_number("muon_lr", o.muon_lr, 2.5);
    check_number("muon_momentum", o.muon_momentum, 0.12);
    check_number("muon_iterations", o.muon_iterations, 7);
    check_number("beta1", o.beta1, 0.13);
    check_number("beta2", o.beta2, 0.14);
    check_number("eps", o.eps, 0.15);
    check_number("weight_decay", o.weight_decay, 0.16);
    check_number("lookahead_every", o.lookahead.every, 9);
    check_number("lookahead_decay", o.lookahead.decay, 0.18);
    check_number("lookahead's steps", (double)o.lookahead.steps, 40);
}

static void schedule(void)
{
    static const char *const args[] = {
        "training.epochs=4",
        "optimizer.lr=1.5",
        "schedule={name: triangular, max_lr: 3.5, pct_start: 0.21, div: 22}",
        "schedule={final_div: 23, linear_anneal: true, cycle_momentum: true}",
        "schedule={base_momentum: 0.24, max_momentum: 0.25, eta_min: 0.26}",
        "schedule={peak_epoch: 27, gamma: 0.28, step_epochs: 29, drops: 31}",
        "schedule={end_factor: 0.32, per_epoch: true}",
    };
    const struct config c = load(args, 7);
    const struct schedule_config s = config_schedule(&c, 10);
    CHECK(strcmp(s.name, "triangular") == 0, "%s", s.name);
    CHECK(s.linear_anneal && s.cycle_momentum && s.per_epoch, "a switch");
    check_number("lr", s.lr, 1.5);
    check_number("max_lr", s.max_lr, 3.5);
    check_number("pct_start", s.pct_start, 0.21);
    check_number("div", s.div, 22);
    check_number("final_div", s.final_div, 23);
    check_number("base_momentum", s.base_momentum, 0.24);
    check_number("max_momentum", s.max_momentum, 0.25);
    check_number("eta_min", s.eta_min, 0.26);
    check_number("peak_epoch", s.peak_epoch, 27);
    check_number("gamma", s.gamma, 0.28);
    check_number("step_epochs", s.step_epochs, 29);
    check_number("drops", s.drops, 31);
    check_number("end_factor", s.end_factor, 0.32);
    check_number("steps", (double)s.steps, 40);
    check_number("steps_per_epoch", (double)s.steps_per_epoch, 10);
}

/* What schedules move is the momentum that the optimizer has. */
static void momentum(void)
{
    static const char *const args[] = { "optimizer={momentum: 0.11, beta1: 0.13}" };
    struct config c = load(args, 1);
    for (int i = 0; optim_name(i); i++) {
        const bool adam = strncmp(optim_name(i), "adam", 4) == 0;
        c.optimizer.name = i;
        check_number(optim_name(i), config_schedule(&c, 10).momentum,
                     adam ? 0.13 : 0.11);
    }
}

static void early_end(void)
{
    static const char *const args[] = { "training.epochs=4", "training.steps=33" };
    const struct config c = load(args, 2);
    CHECK(config_schedule(&c, 10).steps == 33 && config_schedule(&c, 8).steps == 32,
          "training.steps ends a run early, never later");
}

int main(void)
{
    optimizer();
    schedule();
    momentum();
    early_end();
    return check_done();
}

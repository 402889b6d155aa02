/* config_views.c -- a configuration as the optimizer, the schedule and what steers
 * a run take it. */
#include <inttypes.h>
#include <string.h>

#include "config.h"

/* Optimizer steps of the whole run. */
static uint64_t run_steps(const struct config *cfg, uint64_t steps_per_epoch)
{
    uint64_t all = (uint64_t)cfg->training.epochs * steps_per_epoch;
    return cfg->training.steps && cfg->training.steps < all ? cfg->training.steps : all;
}

/* Choices of the table are in the order of the optimizers and schedules there are. */
struct optim_config config_optim(const struct config *cfg, uint64_t steps_per_epoch)
{
    return (struct optim_config){
        .name = optim_name(cfg->optimizer.name),
        .lr = cfg->optimizer.lr,
        .momentum = cfg->optimizer.momentum,
        .nesterov = cfg->optimizer.nesterov,
        .muon_lr = cfg->optimizer.muon_lr,
        .muon_momentum = cfg->optimizer.muon_momentum,
        .muon_iterations = cfg->optimizer.muon_iterations,
        .beta1 = cfg->optimizer.beta1,
        .beta2 = cfg->optimizer.beta2,
        .eps = cfg->optimizer.eps,
        .weight_decay = cfg->optimizer.weight_decay,
        .clip = cfg->optimizer.clip,
        .lookahead = { cfg->optimizer.lookahead_every, cfg->optimizer.lookahead_decay,
                       run_steps(cfg, steps_per_epoch) },
    };
}

struct schedule_config config_schedule(const struct config *cfg,
                                       uint64_t steps_per_epoch)
{
    const char *name = optim_name(cfg->optimizer.name);
    const bool sgd = strcmp(name, "sgd") == 0 || strcmp(name, "muon") == 0;
    return (struct schedule_config){
        .name = schedule_name(cfg->schedule.name),
        .lr = cfg->optimizer.lr,
        .steps = run_steps(cfg, steps_per_epoch),
        .steps_per_epoch = steps_per_epoch,
        .max_lr = cfg->schedule.max_lr,
        .pct_start = cfg->schedule.pct_start,
        .div = cfg->schedule.div,
        .final_div = cfg->schedule.final_div,
        .linear_anneal = cfg->schedule.linear_anneal,
        .eta_min = cfg->schedule.eta_min,
        .peak_epoch = cfg->schedule.peak_epoch,
        .gamma = cfg->schedule.gamma,
        .step_epochs = cfg->schedule.step_epochs,
        .drops = cfg->schedule.drops,
        .end_factor = cfg->schedule.end_factor,
        .momentum = sgd ? cfg->optimizer.momentum : cfg->optimizer.beta1,
        .cycle_momentum = cfg->schedule.cycle_momentum,
        .base_momentum = cfg->schedule.base_momentum,
        .max_momentum = cfg->schedule.max_momentum,
        .per_epoch = cfg->schedule.per_epoch,
    };
}

struct plateau_config config_plateau(const struct config *cfg)
{
    return (struct plateau_config){
        .metric = (enum steering_metric)cfg->schedule.metric,
        .factor = cfg->schedule.factor,
        .threshold = cfg->schedule.threshold,
        .min_lr = cfg->schedule.min_lr,
        .patience = cfg->schedule.patience,
        .cooldown = cfg->schedule.cooldown,
    };
}

bool config_is_plateau(const struct config *cfg)
{
    return strcmp(schedule_name(cfg->schedule.name), "plateau") == 0;
}

struct stop_config config_stop(const struct config *cfg)
{
    return (struct stop_config){
        .metric = (enum steering_metric)cfg->stop.metric,
        .delta = cfg->stop.delta,
        .target = cfg->stop.target,
        .patience = cfg->stop.patience,
    };
}

int config_check_parameters(const struct config *cfg, size_t found,
                            struct sluice_error *err)
{
    const uint64_t most = cfg->model.max_parameters;
    if (!most || found <= most)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "model %s: expected at most %" PRIu64
                       " parameters (model.max_parameters), found %zu",
                       cfg->model.name, most, found);
}

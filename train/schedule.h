/* schedule.h -- learning rate and momentum as a function of the step: pure, so that
 * resuming needs no state. Formulas: PyTorch's lr_scheduler. */
#ifndef SLUICE_SCHEDULE_H
#define SLUICE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/error.h>

struct schedule_config {
    const char *name; /* "constant", "onecycle", "cosine", "linear", "step",
                         "triangular", "plateau", "warmup_cosine" */
    double lr;      /* the optimizer's base rate; of plateau the present one, which its
                       caller moves: see steering.h */
    uint64_t steps; /* total optimizer steps of the run */
    uint64_t steps_per_epoch;
    double max_lr;         /* onecycle, triangular peak; 0: lr */
    double pct_start;      /* onecycle: share of steps that rise; linear and
                              warmup_cosine: warm-up share */
    double div, final_div; /* onecycle: start = max/div, end = start/final_div */
    bool linear_anneal;    /* onecycle */
    double eta_min;        /* cosine */
    double
        peak_epoch; /* triangular: lr rises from 0 to max_lr until there, then to 0 */
    double gamma;   /* step: times gamma ... */
    double step_epochs; /* ... every so many epochs */
    int drops;          /* ... so many times at most; 0: no end */
    double end_factor;  /* linear: from lr to lr * end_factor */
    double momentum;    /* constant value; onecycle cycles it if cycle_momentum */
    bool cycle_momentum;
    double base_momentum, max_momentum; /* .85 and .95 */
    bool per_epoch;                     /* cosine, step: change at epoch ends only */
};

struct schedule_value {
    double lr, momentum;
};

/* That of the i-th schedule, as the choices of schedule.name have it; NULL behind the
 * last. */
const char *schedule_name(int i);
/* The name exists and the numbers make sense. */
int schedule_check(const struct schedule_config *config, struct sluice_error *err);
/* Value used for optimizer step `step`, from 0. */
struct schedule_value schedule_at(const struct schedule_config *config, uint64_t step);

#endif

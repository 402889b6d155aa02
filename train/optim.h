/* optim.h -- optimizers: one loop over the parameters. */
#ifndef SLUICE_OPTIM_H
#define SLUICE_OPTIM_H

#include "lookahead.h"

struct optim;

struct optim_config {
    const char *name; /* "sgd", "adam", "adamw", "muon" */
    double lr; /* base rate, of which schedules give a multiple or absolute value */
    double momentum;      /* sgd, and muon's parameters that are no filters */
    bool nesterov;        /* sgd, muon */
    double muon_lr;       /* of filters, while the rate is `lr`; it moves with it */
    double muon_momentum; /* of filters */
    int muon_iterations;
    double beta1, beta2, eps; /* adam, adamw */
    double weight_decay;
    double clip; /* global L2 norm of all gradients at most; 0: off */
    struct lookahead_config lookahead; /* every 0: off */
};

/* That of the i-th optimizer, as the choices of optimizer.name have it; NULL behind the
 * last. */
const char *optim_name(int i);
/* Moments are allocated here, contiguous. An unknown name lists what exists. */
int optim_create(struct optim **out, struct net *net, const struct optim_config *config,
                 struct sluice_error *err);
void optim_free(struct optim *opt);

/* One update of all trainable parameters from their gradients, with the rate and, where
 * the optimizer has one, the momentum (or beta1) of this step; below 0: the one of the
 * configuration. Parameters frozen since keep their state. Calls net_params_changed.
 * The first one takes the network's weights as lookahead's slow ones.
 * Formulas: PyTorch's torch.optim. Returns the gradients' norm if clipping is on, else
 * 0. */
double optim_step(struct optim *opt, double lr, double momentum);

/* For checkpoints: state tensors by name ("sgd.momentum.conv1.weight", then those of
 * lookahead), and the count of calls of optim_step, those included that f16 skipped. */
int optim_state_count(const struct optim *opt);
struct tensor *optim_state(struct optim *opt, int i);
uint64_t optim_steps(const struct optim *opt);
void optim_set_steps(struct optim *opt, uint64_t steps);

#endif

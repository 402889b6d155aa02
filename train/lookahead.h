/* lookahead.h -- slow weights beside the fast ones, as in airbench94 (Jordan, "94% on
 * CIFAR-10 in 3.29 seconds on a single GPU", 2024): after every `every` steps
 *
 *     slow = d slow + (1 - d) fast,  fast = slow,  d = decay^every (step / steps)^3
 *
 * and after the last step fast = slow. It covers parameters and buffers, running
 * statistics too. d is small at first, so training moves freely, and the end of it is
 * an average over about 1 / (1 - d) rounds. */
#ifndef SLUICE_LOOKAHEAD_H
#define SLUICE_LOOKAHEAD_H

#include "net.h"

struct lookahead;

struct lookahead_config {
    int every;      /* steps; at least 1 */
    double decay;   /* of the slow weights in one step, at the end: 0.95 */
    uint64_t steps; /* of the whole run */
};

int lookahead_create(struct lookahead **out, struct net *net,
                     const struct lookahead_config *config, struct sluice_error *err);
void lookahead_free(struct lookahead *la); /* NULL is fine */

/* The slow weights begin as what the network holds now: at the first step, when running
 * statistics have seen one batch. */
void lookahead_begin(struct lookahead *la);
/* After step `step`, counted from 1. */
void lookahead_step(struct lookahead *la, uint64_t step);

/* For checkpoints: "lookahead.conv1.weight". */
int lookahead_state_count(const struct lookahead *la);
struct tensor *lookahead_state(struct lookahead *la, int i);

#endif

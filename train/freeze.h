/* freeze.h -- parts of a network that training leaves as they are. */
#ifndef SLUICE_FREEZE_H
#define SLUICE_FREEZE_H

#include "net.h"

/* Between a model's build() and net_finish(): mark parameters as not trained, so that
 * they get no gradient, no memory for one, no optimizer state and no weight decay, and
 * backward ends where nothing trainable lies before it. `what` is
 *
 *     none         nothing
 *     backbone     everything up to the last convolution or normalisation: the linear
 *                  layers behind them are trained
 *     blocks:K     parameters of the first K blocks, called "blocks.0." and so on
 *     a,b,...      parameters whose names are one of these or begin with one and a dot:
 *                  "conv1,layer1" freezes conv1.weight and layer1.0.bn2.bias
 *
 * With `fixed_stats` batch norms of which nothing is trained any more use their running
 * statistics in training, too, and keep them. What cannot be is a net_fail. */
void freeze(struct net *net, const char *what, bool fixed_stats);

/* Elements of all parameters that are trained. */
size_t net_trainable_elements(struct net *net);

#endif

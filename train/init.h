/* init.h -- first values of parameters.
 *
 * Every parameter has its own Philox stream, (seed, its number in the network), so that
 * its values do not depend on what else is initialised or on its order. */
#ifndef SLUICE_INIT_H
#define SLUICE_INIT_H

#include <stdint.h>

#include "net.h"

/* A model's usual init(), for all parameters and buffers: weights of two dimensions and
 * more, and the biases beside them, U(+-1 / sqrt(fan_in)), which is PyTorch's default;
 * normalisations weight 1 and bias 0, running mean 0 and variance 1. A fan is channels
 * times the filter's area. */
void init_default(struct net *net, uint64_t seed);
/* The same, but convolutions N(0, 2 / fan_out), Kaiming's for ReLU, as torchvision's
 * ResNets are. */
void init_fan_out(struct net *net, uint64_t seed);

/* One tensor: N(0, deviation^2) by stream `number`. */
void init_normal(struct tensor *t, uint64_t seed, uint64_t number, double deviation);
void init_constant(struct tensor *t, float value);
/* A filter { out, in, kh, kw }: its first `in` outputs hand their input through; the
 * others stay as they are. */
void init_dirac(struct tensor *t);

#endif

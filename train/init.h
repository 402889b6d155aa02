/* init.h -- first values of parameters.
 *
 * Every parameter has its own Philox stream, (seed, its number in the network), so that
 * its values do not depend on what else is initialised or on its order. */
#ifndef SLUICE_INIT_H
#define SLUICE_INIT_H

#include <stdint.h>

#include "net.h"

/* "fan" is channels times the filter's area: of the inputs or of the outputs. */
enum init_kind {
    INIT_DEFAULT,        /* U(+-1 / sqrt(fan_in)), what PyTorch does unasked */
    INIT_KAIMING_IN,     /* N(0, 2 / fan_in) */
    INIT_KAIMING_OUT,    /* N(0, 2 / fan_out) */
    INIT_XAVIER_UNIFORM, /* U(+-sqrt(6 / (fan_in + fan_out))) */
    INIT_XAVIER_NORMAL,  /* N(0, 2 / (fan_in + fan_out)) */
    INIT_ORTHOGONAL,     /* orthonormal rows, or columns where there are more rows */
    INIT_KINDS,
};

extern const char *const init_names[INIT_KINDS];
/* The kind, or -1. */
int init_find(const char *name);

/* A model's usual init(), for all parameters and buffers: weights of two dimensions and
 * more INIT_DEFAULT, biases next to them U(+-1 / sqrt(fan_in)), normalisations weight 1
 * and bias 0, running mean 0 and variance 1. */
void init_default(struct net *net, uint64_t seed);
/* The same, but for convolutions, which are INIT_KAIMING_OUT: torchvision's ResNets. */
void init_fan_out(struct net *net, uint64_t seed);

/* One tensor; `number` is the stream. */
void init_weight(struct tensor *t, uint64_t seed, uint64_t number, enum init_kind kind);
void init_normal(struct tensor *t, uint64_t seed, uint64_t number, double deviation);
void init_constant(struct tensor *t, float value);
/* A filter { out, in, kh, kw }: its first `in` outputs hand their input through; the
 * others stay as they are. */
void init_dirac(struct tensor *t);

#endif

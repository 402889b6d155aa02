/* init.h -- first values of parameters.
 *
 * Every parameter has its own Philox stream, (seed, its number in the network), so that
 * its values do not depend on what else is initialised or on its order. */
#ifndef SLUICE_INIT_H
#define SLUICE_INIT_H

#include <stdint.h>

#include "net.h"

/* A model's usual init(), for all parameters and buffers: weights of two dimensions and
 * more, unless their `scheme` says otherwise, and the biases beside them, U(+-1 /
 * sqrt(fan_in)), which is PyTorch's default; normalisations weight 1 and bias 0,
 * running mean 0 and variance 1. A fan is channels times the filter's area. */
void init_default(struct net *net, uint64_t seed);
/* The same, but convolutions N(0, 2 / fan_out), Kaiming's for ReLU, as torchvision's
 * ResNets are. */
void init_fan_out(struct net *net, uint64_t seed);

/* How weights of two dimensions and more may begin in place of the model's own way:
 * Glorot and Bengio (2010), "xavier", by both fans; He et al. (2015), "kaiming", for
 * ReLU and by fan_in; uniform or normal with the same variance; N(0, 0.01^2). */
enum init_scheme {
    INIT_DEFAULT, /* the model's own */
    INIT_XAVIER_UNIFORM,
    INIT_XAVIER_NORMAL,
    INIT_KAIMING_UNIFORM,
    INIT_KAIMING_NORMAL,
    INIT_NORMAL,
    INIT_KAIMING_FAN_OUT, /* normal, by fan_out */
    INIT_ORTHOGONAL, /* Saxe, McClelland, Ganguli (2014): outputs, or of a weight with
                        more outputs than inputs these, orthogonal and of length 1 */
    INIT_UNIFORM,    /* U(+-0.01) */
};

/* The names of schemes as a list of choices, some of them with a second name, and the
 * scheme that the i-th of them means. */
#define INIT_SCHEME_NAMES                                                              \
    "default|xavier_uniform|xavier_normal|kaiming_uniform|kaiming_normal|normal|"      \
    "xavier|kaiming|he_uniform|he_normal|kaiming_fan_out|orthogonal|uniform"
enum init_scheme init_scheme_at(int choice);
/* Those that a part of a network can have, by names of their own; false: none of them.
 */
#define INIT_SCHEMES_OF_PARTS                                                          \
    "default, kaiming_fan_out, kaiming_fan_in, orthogonal, xavier_uniform, "           \
    "xavier_normal, normal, uniform"
bool init_scheme_named(const char *name, enum init_scheme *out);

/* One weight, by stream `number`; INIT_DEFAULT: as init_default() has it. */
void init_weight(struct tensor *t, enum init_scheme scheme, uint64_t seed,
                 uint64_t number);
/* After the model's init(): all convolutions and linear layers again, their biases 0.
 * INIT_DEFAULT changes nothing. */
void init_by_scheme(struct net *net, enum init_scheme scheme, uint64_t seed);

/* A weight of independent normal values, its rows, or where there are more of them its
 * columns, made orthogonal and of length 1: Gram and Schmidt's way, which is the QR
 * decomposition with a positive diagonal. */
void init_orthogonalize(struct tensor *t);
/* One tensor: N(0, deviation^2) by stream `number`. */
void init_normal(struct tensor *t, uint64_t seed, uint64_t number, double deviation);
void init_constant(struct tensor *t, float value);
/* A filter { out, in, kh, kw }: its first `in` outputs hand their input through; the
 * others stay as they are. */
void init_dirac(struct tensor *t);

#endif

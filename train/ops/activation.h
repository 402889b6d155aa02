/* activation.h -- the activations' formulas, one element at a time: what every fast
 * version answers to. */
#ifndef SLUICE_ACTIVATION_H
#define SLUICE_ACTIVATION_H

#include <math.h>

#include "op.h"

static inline double activation_value(enum activation act, double x)
{
    switch (act) {
    case ACT_RELU:
        return x <= 0 ? 0 : x; /* a NaN stays one */
    case ACT_GELU:
        return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACT_SILU:
        return x / (1 + exp(-x));
    case ACT_NONE:
        break;
    }
    return x;
}

/* Its derivative at x; ReLU's at 0 is 0. */
static inline double activation_slope(enum activation act, double x)
{
    switch (act) {
    case ACT_RELU:
        return x > 0 ? 1 : 0;
    case ACT_GELU:
        return 0.5 * (1 + erf(x * 0.70710678118654752440)) +
               x * 0.39894228040143267794 * exp(-0.5 * x * x);
    case ACT_SIGMOID:
        return 1 / ((1 + exp(-x)) * (1 + exp(x)));
    case ACT_SILU:
        return (1 + x / (1 + exp(x))) / (1 + exp(-x));
    case ACT_NONE:
        break;
    }
    return 1;
}

#endif

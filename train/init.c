/* init.c -- first values of parameters, from Philox alone. */
#include <math.h>
#include <string.h>

#include <sluice/rng.h>

#include "init.h"

#define PI 3.14159265358979323846

static double area(const struct tensor *t)
{
    double product = 1;
    for (int i = 2; i < t->rank; i++)
        product *= t->shape[i];
    return product;
}

/* Channels times the filter's area: of the inputs, of the outputs. */
static double fan_in(const struct tensor *t)
{
    return area(t) * t->shape[1];
}

static double fan_out(const struct tensor *t)
{
    return area(t) * t->shape[0];
}

static void uniform(struct tensor *t, uint64_t seed, uint64_t number, double bound)
{
    struct sluice_rng rng = sluice_rng_at(seed, number, 0);
    float *w = t->data;
    for (size_t i = 0; i < tensor_elements(t); i++)
        w[i] = (float)((2 * (double)sluice_rng_unit(&rng) - 1) * bound);
}

/* Box-Muller, both values of a pair used. Shifted by half a step the uniform number is
 * never 0, so the logarithm is finite. */
void init_normal(struct tensor *t, uint64_t seed, uint64_t number, double deviation)
{
    struct sluice_rng rng = sluice_rng_at(seed, number, 0);
    const size_t count = tensor_elements(t);
    float *w = t->data;
    for (size_t i = 0; i < count; i += 2) {
        const double u = ((double)sluice_rng_u32(&rng) + 0.5) * 0x1p-32;
        const double v = ((double)sluice_rng_u32(&rng) + 0.5) * 0x1p-32;
        const double radius = deviation * sqrt(-2 * log(u));
        w[i] = (float)(radius * cos(2 * PI * v));
        if (i + 1 < count)
            w[i + 1] = (float)(radius * sin(2 * PI * v));
    }
}

void init_constant(struct tensor *t, float value)
{
    float *w = t->data;
    for (size_t i = 0; i < tensor_elements(t); i++)
        w[i] = value;
}

void init_dirac(struct tensor *t)
{
    const size_t in = (size_t)t->shape[1], taps = (size_t)t->shape[2] * t->shape[3];
    const size_t centre =
        (size_t)(t->shape[2] / 2) * (size_t)t->shape[3] + (size_t)(t->shape[3] / 2);
    const size_t count = in < (size_t)t->shape[0] ? in : (size_t)t->shape[0];
    float *w = t->data;
    memset(w, 0, count * in * taps * sizeof *w);
    for (size_t k = 0; k < count; k++)
        w[(k * in + k) * taps + centre] = 1;
}

/* Operators name their parameters and buffers as PyTorch's modules do. */
static bool is_named(const struct tensor *t, const char *name)
{
    const char *dot_at = strrchr(t->name, '.');
    return dot_at && strcmp(dot_at + 1, name) == 0;
}

enum init_scheme init_scheme_at(int choice)
{
    static const enum init_scheme meant[] = {
        INIT_DEFAULT,         INIT_XAVIER_UNIFORM,  INIT_XAVIER_NORMAL,
        INIT_KAIMING_UNIFORM, INIT_KAIMING_NORMAL,  INIT_NORMAL,
        INIT_XAVIER_UNIFORM,  INIT_KAIMING_UNIFORM, INIT_KAIMING_UNIFORM,
        INIT_KAIMING_NORMAL,  INIT_KAIMING_FAN_OUT, INIT_ORTHOGONAL,
        INIT_UNIFORM,
    };
    return meant[choice];
}

bool init_scheme_named(const char *name, enum init_scheme *out)
{
    static const struct {
        const char *name;
        enum init_scheme scheme;
    } all[] = {
        { "default", INIT_DEFAULT },
        { "kaiming_fan_out", INIT_KAIMING_FAN_OUT },
        { "kaiming_fan_in", INIT_KAIMING_NORMAL },
        { "orthogonal", INIT_ORTHOGONAL },
        { "xavier_uniform", INIT_XAVIER_UNIFORM },
        { "xavier_normal", INIT_XAVIER_NORMAL },
        { "normal", INIT_NORMAL },
        { "uniform", INIT_UNIFORM },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) {
            *out = all[i].scheme;
            return true;
        }
    return false;
}

void init_weight(struct tensor *t, enum init_scheme scheme, uint64_t seed,
                 uint64_t number)
{
    const double in = fan_in(t), both = in + fan_out(t);
    const double scale = t->scheme_scale > 0 ? (double)t->scheme_scale : 0.01;
    switch (scheme) {
    case INIT_DEFAULT:
        uniform(t, seed, number, 1 / sqrt(in));
        return;
    case INIT_XAVIER_UNIFORM:
        uniform(t, seed, number, sqrt(6 / both));
        return;
    case INIT_XAVIER_NORMAL:
        init_normal(t, seed, number, sqrt(2 / both));
        return;
    case INIT_KAIMING_UNIFORM:
        uniform(t, seed, number, sqrt(6 / in));
        return;
    case INIT_KAIMING_NORMAL:
        init_normal(t, seed, number, sqrt(2 / in));
        return;
    case INIT_NORMAL:
        init_normal(t, seed, number, scale);
        return;
    case INIT_UNIFORM:
        uniform(t, seed, number, scale);
        return;
    case INIT_ORTHOGONAL:
        init_normal(t, seed, number, 1);
        init_orthogonalize(t);
        return;
    case INIT_KAIMING_FAN_OUT:
        init_normal(t, seed, number, sqrt(2 / fan_out(t)));
        return;
    }
}

static void init_op(const struct op *op, uint64_t seed, uint64_t number,
                    bool by_fan_out)
{
    struct tensor *weight = op->param[0], *bias = op->param[1];
    const bool matrix = weight && weight->rank >= 2;
    if (matrix && by_fan_out)
        init_normal(weight, seed, number, sqrt(2 / fan_out(weight)));
    else if (matrix)
        init_weight(weight, (enum init_scheme)weight->scheme, seed, number);
    else if (weight)
        init_constant(weight, 1);
    if (bias && matrix)
        uniform(bias, seed, number + 1, 1 / sqrt(fan_in(weight)));
    else if (bias)
        init_constant(bias, 0);
    for (int i = 0; i < OP_BUFFERS; i++)
        if (op->buffer[i])
            init_constant(op->buffer[i], is_named(op->buffer[i], "running_var"));
}

static void init_all(struct net *net, uint64_t seed, bool convolutions_by_fan_out)
{
    uint64_t number = 0;
    for (int i = 0; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        init_op(op, seed, number, convolutions_by_fan_out && op->def == &op_conv2d);
        number += (op->param[0] != NULL) + (op->param[1] != NULL);
    }
    net_params_changed(net);
}

void init_by_scheme(struct net *net, enum init_scheme scheme, uint64_t seed)
{
    uint64_t number = 0;
    for (int i = 0; i < net_op_count(net) && scheme != INIT_DEFAULT; i++) {
        const struct op *op = net_op_at(net, i);
        const bool matrix = op->param[0] && op->param[0]->rank >= 2;
        if (matrix)
            init_weight(op->param[0], scheme, seed, number);
        if (matrix && op->param[1])
            init_constant(op->param[1], 0);
        number += (op->param[0] != NULL) + (op->param[1] != NULL);
    }
    net_params_changed(net);
}

void init_fan_out(struct net *net, uint64_t seed)
{
    init_all(net, seed, true);
}

void init_default(struct net *net, uint64_t seed)
{
    init_all(net, seed, false);
}

/* init.c -- first values of parameters, from Philox alone. */
#include <math.h>
#include <string.h>

#include <sluice/rng.h>

#include "init.h"

#define PI 3.14159265358979323846

const char *const init_names[INIT_KINDS] = {
    [INIT_DEFAULT] = "default",
    [INIT_KAIMING_IN] = "kaiming_fan_in",
    [INIT_KAIMING_OUT] = "kaiming_fan_out",
    [INIT_XAVIER_UNIFORM] = "xavier_uniform",
    [INIT_XAVIER_NORMAL] = "xavier_normal",
    [INIT_ORTHOGONAL] = "orthogonal",
};

int init_find(const char *name)
{
    for (int i = 0; i < INIT_KINDS; i++)
        if (strcmp(init_names[i], name) == 0)
            return i;
    return -1;
}

static double area(const struct tensor *t)
{
    double product = 1;
    for (int i = 2; i < t->rank; i++)
        product *= t->shape[i];
    return product;
}

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

/* Vector i of a matrix: its elements are `step` apart. */
struct vectors {
    float *first;
    size_t count, length, vector_step, step;
};

static double dot(const struct vectors *v, size_t i, size_t j)
{
    const float *a = v->first + i * v->vector_step, *b = v->first + j * v->vector_step;
    double sum = 0;
    for (size_t k = 0; k < v->length; k++)
        sum += (double)a[k * v->step] * (double)b[k * v->step];
    return sum;
}

/* Gram-Schmidt, each vector twice against those before it: once leaves errors where
 * vectors are nearly parallel. For a normal matrix this is the Q of its QR with a
 * positive diagonal of R, which is the uniform distribution. */
static void orthonormalise(const struct vectors *v)
{
    for (size_t i = 0; i < v->count; i++) {
        float *a = v->first + i * v->vector_step;
        for (size_t j = 0; j < 2 * i; j++) {
            const float *b = v->first + (j % i) * v->vector_step;
            const double share = dot(v, i, j % i);
            for (size_t k = 0; k < v->length; k++)
                a[k * v->step] -= (float)(share * (double)b[k * v->step]);
        }
        const double norm = sqrt(dot(v, i, i));
        for (size_t k = 0; k < v->length; k++)
            a[k * v->step] = (float)((double)a[k * v->step] / norm);
    }
}

static void orthogonal(struct tensor *t, uint64_t seed, uint64_t number)
{
    const size_t rows = (size_t)t->shape[0], columns = tensor_elements(t) / rows;
    init_normal(t, seed, number, 1);
    if (rows <= columns)
        orthonormalise(&(struct vectors){ t->data, rows, columns, columns, 1 });
    else
        orthonormalise(&(struct vectors){ t->data, columns, rows, 1, columns });
}

void init_weight(struct tensor *t, uint64_t seed, uint64_t number, enum init_kind kind)
{
    const double in = fan_in(t), out = fan_out(t);
    switch (kind) {
    case INIT_KAIMING_IN:
        init_normal(t, seed, number, sqrt(2 / in));
        return;
    case INIT_KAIMING_OUT:
        init_normal(t, seed, number, sqrt(2 / out));
        return;
    case INIT_XAVIER_UNIFORM:
        uniform(t, seed, number, sqrt(6 / (in + out)));
        return;
    case INIT_XAVIER_NORMAL:
        init_normal(t, seed, number, sqrt(2 / (in + out)));
        return;
    case INIT_ORTHOGONAL:
        orthogonal(t, seed, number);
        return;
    case INIT_DEFAULT:
    case INIT_KINDS:
        break;
    }
    uniform(t, seed, number, 1 / sqrt(in));
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

static void init_op(const struct op *op, uint64_t seed, uint64_t number,
                    enum init_kind kind)
{
    struct tensor *weight = op->param[0], *bias = op->param[1];
    const bool matrix = weight && weight->rank >= 2;
    if (matrix)
        init_weight(weight, seed, number, kind);
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

static void init_all(struct net *net, uint64_t seed, enum init_kind conv,
                     enum init_kind linear)
{
    uint64_t number = 0;
    for (int i = 0; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        init_op(op, seed, number, op->def == &op_conv2d ? conv : linear);
        number += (op->param[0] != NULL) + (op->param[1] != NULL);
    }
    net_params_changed(net);
}

void init_fan_out(struct net *net, uint64_t seed)
{
    init_all(net, seed, INIT_KAIMING_OUT, INIT_DEFAULT);
}

void init_default(struct net *net, uint64_t seed)
{
    init_all(net, seed, INIT_DEFAULT, INIT_DEFAULT);
}

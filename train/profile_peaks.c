/* profile_peaks.c -- what the device does at its best, measured by operators of shapes
 * that suit it. */
#include <string.h>

#include "init.h"
#include "ops/amx_peak.h"
#include "profile.h"

enum {
    ROUNDS = 5,
};

/* A network of one operator behind its input. */
struct trial {
    struct net_input input;
    const struct op_def *def;
    struct op_attr attr;
};

/* Values of either sign and of 0.5 to 2 (as bf16 or f32; 1.75 and more as f16).
 * Zeros would be faster than any data on a machine that saves power. */
static void fill_input(struct tensor *x)
{
    const size_t n = tensor_bytes(x) / sizeof(uint16_t);
    const bool narrow = sluice_dtype_size(x->dtype) == sizeof(uint16_t);
    uint16_t *to = x->data;
    uint32_t random = 1;
    for (size_t i = 0; i < n; i++) {
        random = random * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
        to[i] = (uint16_t)(narrow || i % 2 ? (random >> 16 & 0x80ff) | 0x3f00 : 0);
    }
}

/* Shortest forward pass of several, in seconds. */
static int time_trial(double *least, const struct trial *trial, struct device *dev,
                      struct sluice_error *err)
{
    struct op_time time[1] = { { 0 } };
    struct pass pass = { .training = true };
    struct net *net;
    int rc = net_create(&net, dev, &trial->input, err);
    if (rc < 0)
        return rc;
    net_op(net, trial->def, "trial", &trial->attr, net_input(net), NULL);
    if ((rc = net_finish(net, err)) == 0) {
        init_default(net, 1);
        fill_input(net_input(net));
        net_measure(net, time);
    }
    for (int i = 0; i < ROUNDS && rc == 0; i++) {
        time->forward = 0;
        rc = net_forward(net, &pass, err);
        if (i == 0 || time->forward < *least)
            *least = time->forward;
    }
    net_free(net);
    return rc;
}

/* FLOP/s of the better of a convolution and a matrix product. */
static int best_flops(double *out, struct device *dev, struct sluice_error *err)
{
    /* The plain device is thousands of times slower. */
    const bool slow = dev->kind == DEVICE_REF;
    const int c = slow ? 32 : 256, n = slow ? 1 : 64, wide = slow ? 64 : 1024;
    const struct trial conv = { { n, 16, 16, c },
                                &op_conv2d,
                                { .out_channels = c, .kernel = 3, .pad = 1 } };
    const struct trial product = { { wide, 1, 1, wide },
                                   &op_linear,
                                   { .out_channels = wide } };
    double conv_seconds = 0, product_seconds = 0;
    int rc = time_trial(&conv_seconds, &conv, dev, err);
    if (rc < 0 || (rc = time_trial(&product_seconds, &product, dev, err)) < 0)
        return rc;
    const double a = 2.0 * n * 16 * 16 * 9 * c * c / conv_seconds;
    const double b = 2.0 * wide * wide * wide / product_seconds;
    *out = a > b ? a : b;
    return 0;
}

int profile_measure_peaks(struct profile_peaks *out, struct device *dev,
                          struct sluice_error *err)
{
    /* Larger than the caches, even where the plain device would take long. */
    const int n = dev->kind == DEVICE_REF ? 8 : 64;
    const struct trial pass = { { n, 256, 256, 4 }, &op_scale, { .scale = 2 } };
    double seconds = 0;
    int rc = best_flops(&out->flops, dev, err);
    if (rc < 0 || (rc = time_trial(&seconds, &pass, dev, err)) < 0)
        return rc;
    out->bytes =
        2.0 * n * 256 * 256 * 4 * (double)sluice_dtype_size(dev->compute) / seconds;
#ifdef SLUICE_HAVE_ONEDNN
    out->tiles = amx_peak(dev);
#else
    out->tiles = 0;
#endif
    return 0;
}

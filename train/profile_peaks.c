/* profile_peaks.c -- what the device does at its best, measured by operators of shapes
 * that suit it. */
#include <stdlib.h>

#include "device_memory.h"
#include "init.h"
#include "ops/cpu_peak.h"
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

/* Weights and input, on a device with memory of its own by way of the host's. */
static int fill(struct net *net, struct sluice_error *err)
{
    struct device *dev = net_device(net);
    struct tensor *in = net_input(net), copy = *in;
    struct host_view view;
    int rc = host_view_begin(&view, net, err);
    if (rc < 0)
        return rc;
    init_default(net, 1);
    if ((rc = host_view_end(&view, err)) < 0)
        return rc;
    if (!device_has_memory(dev)) {
        fill_input(in);
        return 0;
    }
    if (!(copy.data = malloc(tensor_bytes(in))))
        return sluice_fail(err, SLUICE_ENOMEM, "no memory to measure the device");
    fill_input(&copy);
    rc = device_write(dev, in->data, copy.data, tensor_bytes(in), err);
    free(copy.data);
    return rc;
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
    if ((rc = net_finish(net, err)) == 0 && (rc = fill(net, err)) == 0)
        net_measure(net, time);
    for (int i = 0; i < ROUNDS && rc == 0; i++) {
        time->forward = 0;
        rc = net_forward(net, &pass, err);
        if (i == 0 || time->forward < *least)
            *least = time->forward;
    }
    net_free(net);
    return rc;
}

/* Sizes of the trials. The plain device is thousands of times slower than the CPU, for
 * a GPU they grow until they take it a while. */
static const struct {
    int channels, images; /* of the convolution */
    int wide;             /* of the product */
    int passed;           /* images of the pass over memory: beyond the caches */
} sizes[] = { { 32, 1, 64, 8 }, { 256, 64, 1024, 64 }, { 256, 1024, 8192, 1024 } };

static const double a_while = 2e-4; /* seconds */

static int first_size(const struct device *dev)
{
    return dev->kind == DEVICE_CPU;
}

static bool grows(const struct device *dev, int size, double seconds)
{
    return dev->kind == DEVICE_CUDA && seconds < a_while &&
           size + 1 < (int)(sizeof sizes / sizeof *sizes);
}

/* FLOP/s of the better of a convolution and a matrix product. */
static int best_flops(double *out, struct device *dev, struct sluice_error *err)
{
    double seconds[2] = { 0, 0 };
    int size = first_size(dev);
    for (;; size++) {
        const int c = sizes[size].channels, wide = sizes[size].wide;
        const struct trial conv = { { sizes[size].images, 16, 16, c },
                                    &op_conv2d,
                                    { .out_channels = c, .kernel = 3, .pad = 1 } };
        const struct trial product = { { wide, 1, 1, wide },
                                       &op_linear,
                                       { .out_channels = wide } };
        int rc = time_trial(&seconds[0], &conv, dev, err);
        if (rc < 0 || (rc = time_trial(&seconds[1], &product, dev, err)) < 0)
            return rc;
        if (!grows(dev, size, seconds[0]) || !grows(dev, size, seconds[1]))
            break;
    }
    const double c = sizes[size].channels, wide = sizes[size].wide;
    const double a = 2.0 * sizes[size].images * 16 * 16 * 9 * c * c / seconds[0];
    const double b = 2.0 * wide * wide * wide / seconds[1];
    *out = a > b ? a : b;
    return 0;
}

int profile_measure_peaks(struct profile_peaks *out, struct device *dev,
                          struct sluice_error *err)
{
    int rc = 0;
#ifdef SLUICE_HAVE_ONEDNN
    out->in_registers = dev->kind == DEVICE_CPU;
    if (out->in_registers)
        out->flops = cpu_peak(dev);
#else
    out->in_registers = false;
#endif
    if (!out->in_registers)
        rc = best_flops(&out->flops, dev, err);
    for (int size = first_size(dev); rc == 0; size++) {
        const int n = sizes[size].passed;
        const struct trial pass = { { n, 256, 256, 4 }, &op_scale, { .scale = 2 } };
        double seconds = 0;
        if ((rc = time_trial(&seconds, &pass, dev, err)) < 0)
            return rc;
        out->bytes =
            2.0 * n * 256 * 256 * 4 * (double)sluice_dtype_size(dev->compute) / seconds;
        if (!grows(dev, size, seconds))
            break;
    }
    return rc;
}

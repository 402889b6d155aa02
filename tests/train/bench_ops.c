/* bench_ops.c -- time of each operator of a model's training step: a program to run by
 * hand, not a test.
 *
 *     bench_ops MODEL [BATCH [SIZE [CHANNELS [PRECISION [THREADS [ROUNDS]]]]]]
 *
 * Prints the shortest of all rounds: forward, backward to the input, backward to the
 * parameters. Where there is a weight, with GFLOP/s and the share of the best that a
 * convolution or a product reaches here, multiplications by padding counted as done;
 * else what the memory traffic (each tensor that is read or written, once) comes to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "models/model.h"
#include "net_internal.h"
#include "profile.h"

enum {
    OPS_MOST = 512,
    CLASSES = 10,
};

/* With one thread its CPU time, which other programs disturb less. */
static clockid_t clock_used = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(clock_used, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill_input(struct tensor *x)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < tensor_elements(x); i++) {
        seed = seed * 1664525U + 1013904223U;
        const float v = (float)(seed >> 8) * 0x1p-22F - 2;
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        if (x->dtype == SLUICE_BF16)
            ((uint16_t *)x->data)[i] = (uint16_t)(bits >> 16);
        else
            ((float *)x->data)[i] = v;
    }
}

static void keep_least(double *least, double seconds)
{
    if (*least == 0 || seconds < *least)
        *least = seconds;
}

struct times {
    double forward[OPS_MOST], data[OPS_MOST], params[OPS_MOST];
    double step;
};

static double timed_backward(struct net *net, struct op *op, struct pass *pass)
{
    struct sluice_error err = { 0 };
    const double start = now();
    REQUIRE(net_op_backward(net, op, pass, &err) == 0, "%s", err.message);
    return now() - start;
}

/* The operator whose weight it runs with: itself, or the first of a pair. */
static struct op *weighted(struct op *op)
{
    struct op *first = op->fusion ? op->first : NULL;
    return first && first->param[0] && first->param[0]->rank > 1 ? first : op;
}

/* Both directions of an operator with a weight, one by one; of another, at once. */
static void backward_round(struct net *net, struct op *op, struct pass *pass,
                           double *data, double *params)
{
    struct tensor *in = weighted(op)->in[0], *weight = weighted(op)->param[0];
    void *dx = in->grad;
    if (!weight || weight->rank < 2) {
        keep_least(data, timed_backward(net, op, pass));
        return;
    }
    void *dweight = weight->grad;
    in->grad = NULL;
    keep_least(params, timed_backward(net, op, pass));
    in->grad = dx;
    weight->grad = NULL;
    if (dx)
        keep_least(data, timed_backward(net, op, pass));
    weight->grad = dweight;
}

static void one_round(struct net *net, struct pass *pass, struct times *t)
{
    struct sluice_error err = { 0 };
    const double begin = now();
    for (int i = 0; i < net_op_count(net); i++) {
        struct op *op = net_op_at(net, i);
        if (op->within)
            continue;
        const double start = now();
        REQUIRE(net_op_forward(net, op, pass, &err) == 0, "%s", err.message);
        keep_least(&t->forward[i], now() - start);
    }
    for (int i = net_op_count(net) - 1; i >= 0; i--) {
        struct op *op = net_op_at(net, i);
        if (!op->within)
            backward_round(net, op, pass, &t->data[i], &t->params[i]);
    }
    keep_least(&t->step, now() - begin);
    net_params_changed(net);
}

static void print_op(struct op *op, double forward, double data, double params,
                     double peak)
{
    char shape[64];
    const struct tensor *weight = weighted(op)->param[0];
    const struct tensor *out = weighted(op)->out[0];
    printf("%-14s %-14s %-16s %8.3f %8.3f %8.3f", op->def->name, op->name,
           tensor_shape_text(shape, out), forward * 1e3, data * 1e3, params * 1e3);
    if (weight && weight->rank > 1) {
        const double flops = 2e-9 * (double)tensor_elements(weight) * out->shape[0] *
                             out->shape[1] * out->shape[2];
        const double rate[3] = { flops / forward, data > 0 ? flops / data : 0,
                                 params > 0 ? flops / params : 0 };
        printf("  %6.0f %6.0f %6.0f GFLOP/s %3.0f%% %3.0f%% %3.0f%%", rate[0], rate[1],
               rate[2], 100 * rate[0] / peak, 100 * rate[1] / peak,
               100 * rate[2] / peak);
    } else {
        const double bytes =
            (double)tensor_bytes(op->in[0]) + (double)tensor_bytes(out);
        printf("  %6.1f %6.1f GB/s", bytes / forward * 1e-9, bytes / data * 1e-9);
    }
    printf("\n");
}

static void print_times(struct net *net, const struct times *t, int batch, double peak)
{
    double sum[3] = { 0 }, matrix = 0;
    for (int i = 0; i < net_op_count(net); i++) {
        struct op *op = net_op_at(net, i);
        if (op->within)
            continue;
        print_op(op, t->forward[i], t->data[i], t->params[i], peak);
        sum[0] += t->forward[i];
        sum[1] += t->data[i];
        sum[2] += t->params[i];
        if (weighted(op)->param[0] && weighted(op)->param[0]->rank > 1)
            matrix += t->forward[i] + t->data[i] + t->params[i];
    }
    const double total = sum[0] + sum[1] + sum[2];
    printf("sum %.1f + %.1f + %.1f = %.1f ms (with a weight %.1f, others %.1f): %.0f "
           "images/s, %.0f GFLOP/s; shortest round %.1f ms\n",
           sum[0] * 1e3, sum[1] * 1e3, sum[2] * 1e3, total * 1e3, matrix * 1e3,
           (total - matrix) * 1e3, batch / total,
           3 * net_flops(net) * batch / total * 1e-9, t->step * 1e3);
    printf("peak %.0f GFLOP/s\n", peak);
}

static int number(int argc, char **argv, int i, int otherwise)
{
    return argc > i ? (int)strtol(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static struct times times;
    struct sluice_error err = { 0 };
    struct device *dev;
    struct net *net;
    struct model_values options;
    const int batch = number(argc, argv, 2, 512), size = number(argc, argv, 3, 32);
    const struct model_def *model = argc > 1 ? model_find(argv[1]) : NULL;
    if (!model) {
        fprintf(stderr, "usage: bench_ops MODEL [BATCH [SIZE [CHANNELS [PRECISION "
                        "[THREADS [ROUNDS]]]]]]\n");
        return 2;
    }
    model_defaults(model, &options);
    REQUIRE(device_open(&dev, "auto", argc > 5 ? argv[5] : "auto",
                        number(argc, argv, 6, 0), &err) == 0,
            "%s", err.message);
    if (dev->threads == 1)
        clock_used = CLOCK_THREAD_CPUTIME_ID;
    printf("%s\n%s, %d images of %dx%d\n", dev->about, model->name, batch, size, size);
    const struct net_input input = { batch, size, size, number(argc, argv, 4, 3) };
    REQUIRE(net_create(&net, dev, &input, &err) == 0, "%s", err.message);
    model->build(
        net, &(struct model_config){ CLASSES, 0.1F, options.numbers, options.texts });
    REQUIRE(net_finish(net, &err) == 0, "%s", err.message);
    REQUIRE(net_op_count(net) <= OPS_MOST, "%d operators", net_op_count(net));
    model->init(net, 1);
    net_params_changed(net);

    int64_t *labels = calloc((size_t)batch, sizeof *labels);
    for (int i = 0; labels && i < batch; i++)
        labels[i] = i % CLASSES;
    struct pass pass = { .training = true, .labels = labels, .label_stride = 1 };
    const int rounds = number(argc, argv, 7, 8);
    for (int i = 0; i < rounds; i++, pass.step++) {
        fill_input(net_input(net));
        one_round(net, &pass, &times);
    }
    struct profile_peaks peaks;
    REQUIRE(profile_measure_peaks(&peaks, dev, &err) == 0, "%s", err.message);
    print_times(net, &times, batch, peaks.flops * 1e-9);
    free(labels);
    net_free(net);
    device_close(dev);
    return 0;
}

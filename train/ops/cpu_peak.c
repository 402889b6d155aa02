/* cpu_peak.c -- see cpu_peak.h: the best of some tries. */
#include "cpu_peak.h"

#include "../clock.h"
#include "../device_cpu.h"
#include "amx_peak.h"
#include "kernels.h"

enum {
    TRIES = 5,
    ITEMS = 64,        /* a thread */
    ROUNDS = 8000,     /* an item */
    OPERANDS = 2 * 16, /* two vectors of the widest */
};

struct job {
    const struct device *dev;
    const float *operands;
};

static double one_item(const struct job *job)
{
    float sums[OPERANDS / 2];
    return cpu_kernels(job->dev)->peak(job->dev->compute, ROUNDS, job->operands, sums);
}

static void multiply(void *arg, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        one_item(arg);
}

double cpu_peak(const struct device *dev)
{
    const size_t items = (size_t)dev->threads * ITEMS;
    float operands[OPERANDS];
    const struct job job = { dev, operands };
    double best = amx_peak(dev);
    if (best > 0)
        return best;
    for (int i = 0; i < OPERANDS; i++)
        operands[i] = 0.5f + (float)i / 16;
    const double flops = (double)items * one_item(&job);
    for (int i = 0; i < TRIES; i++) {
        const double began = clock_seconds();
        threads_for(dev, items, 1 << 20, multiply, (void *)&job);
        const double rate = flops / (clock_seconds() - began);
        best = rate > best ? rate : best;
    }
    return best;
}

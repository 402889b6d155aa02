/* device_cpu.h -- what operators find behind device cpu's impl. */
#ifndef SLUICE_DEVICE_CPU_H
#define SLUICE_DEVICE_CPU_H

#include "device_threads.h"
#include "ops/kernels.h"

struct onednn; /* device_onednn.h */

struct cpu {
    const struct kernels *kernels;
    bool winograd; /* may be used: SLUICE_WINOGRAD is not "off" */
    struct onednn *onednn;
    /* Bytes: results at least this large would not stay in the caches, so they are
     * written past them. */
    size_t far_least;
    /* Multiplications that make a call of oneDNN worth its cost: a batch is not cut
     * into smaller slices. */
    double slice_least;
    /* Work space, which operators can share because they run one by one: scratch_each
     * bytes for each thread, and sums for all. */
    char *scratch;
    size_t scratch_each;
    float *sums;
    size_t sums_bytes;
};

/* For an operator's plan: make the work space at least this large. */
int cpu_reserve(struct device *dev, size_t scratch_each, size_t sums_bytes,
                struct sluice_error *err);

static inline const struct cpu *cpu_of(const struct device *dev)
{
    return dev->impl;
}

/* NULL if no operator of a plan asked for any. */
static inline char *cpu_scratch(const struct device *dev, int thread)
{
    char *all = cpu_of(dev)->scratch;
    return all ? all + (size_t)thread * cpu_of(dev)->scratch_each : NULL;
}

static inline const struct kernels *cpu_kernels(const struct device *dev)
{
    return cpu_of(dev)->kernels;
}

#endif

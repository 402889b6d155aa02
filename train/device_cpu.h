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
    size_t far_least;   /* bytes of a tensor that the caches will not keep: results of
                           this size are written past them */
    double slice_least; /* multiplications that make a call of oneDNN worth its while:
                           the batch is not cut smaller */
    /* Work space that operators share, as they run one by one: some bytes for each
     * thread, and some for sums. */
    char *scratch;
    size_t scratch_each;
    float *sums;
    size_t sums_bytes;
};

/* While planning: operators will want this much at once. */
int cpu_reserve(struct device *dev, size_t scratch_each, size_t sums_bytes,
                struct sluice_error *err);

static inline const struct cpu *cpu_of(const struct device *dev)
{
    return dev->impl;
}

static inline char *cpu_scratch(const struct device *dev, int thread)
{
    return cpu_of(dev)->scratch + (size_t)thread * cpu_of(dev)->scratch_each;
}

static inline const struct kernels *cpu_kernels(const struct device *dev)
{
    return cpu_of(dev)->kernels;
}

#endif

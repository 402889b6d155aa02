/* device_cpu.h -- what operators find behind device cpu's impl. */
#ifndef SLUICE_DEVICE_CPU_H
#define SLUICE_DEVICE_CPU_H

#include "device_threads.h"
#include "ops/kernels.h"

struct onednn; /* device_onednn.h */

struct cpu {
    const struct kernels *kernels;
    struct onednn *onednn;
};

static inline const struct cpu *cpu_of(const struct device *dev)
{
    return dev->impl;
}

static inline const struct kernels *cpu_kernels(const struct device *dev)
{
    return cpu_of(dev)->kernels;
}

#endif

/* device_kinds.h -- what each kind of device brings to device.c. */
#ifndef SLUICE_DEVICE_KINDS_H
#define SLUICE_DEVICE_KINDS_H

#include "device.h"

/* open: kind, threads and local are set; fill compute, about and impl, or leave impl
 * NULL and fail. precision is "f32", "tf32", "bf16", "f16" or "auto". */
struct device_def {
    const char *name;
    int (*open)(struct device *dev, const char *precision, struct sluice_error *err);
    void (*close)(struct device *dev); /* NULL: nothing to do */
    /* The calling thread, another than open's, uses it from now on. NULL: likewise. */
    int (*enter)(struct device *dev, struct sluice_error *err);
};

extern const struct device_def device_cpu;  /* device_cpu.c, where oneDNN is */
extern const struct device_def device_cuda; /* cuda/device_cuda.c */

#endif

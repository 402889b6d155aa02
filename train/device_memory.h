/* device_memory.h -- memory where a device's operators work. Devices ref and cpu work
 * in the host's; device cuda has its own, which the host reaches by copies alone. */
#ifndef SLUICE_DEVICE_MEMORY_H
#define SLUICE_DEVICE_MEMORY_H

#include <stdbool.h>

#include <sluice/loader.h>

#include "net.h"

/* The device has memory of its own. */
bool device_has_memory(const struct device *dev);

/* Zeroed; of a device that has memory. */
int device_allocate(struct device *dev, void **out, size_t bytes,
                    struct sluice_error *err);
void device_release(struct device *dev, void *memory);

/* Between the host's memory and the device's, done when they return; on a device
 * without memory plain copies. */
int device_read(struct device *dev, void *to, const void *from, size_t bytes,
                struct sluice_error *err);
int device_write(struct device *dev, void *to, const void *from, size_t bytes,
                 struct sluice_error *err);

/* Durations on a device with memory, whose operators run later than the calls that
 * enqueue them: device_stamp enqueues point `number`, device_wait waits for all work,
 * and then device_between gives the seconds from one point to another. */
int device_stamp(struct device *dev, int number, struct sluice_error *err);
int device_wait(struct device *dev, struct sluice_error *err);
int device_between(struct device *dev, int from, int to, double *seconds,
                   struct sluice_error *err);

/* Host memory that a device with memory copies from without waiting. */
struct sluice_allocator device_pinned(struct device *dev);

/* Parameters and buffers of a network as the host sees them, for code that fills or
 * reads them as plain arrays. From begin to end their data points at copies in the
 * host's memory, and the network may not run; end writes them back. Without memory of
 * the device's own nothing happens. */
struct host_view {
    struct net *net;
    void *copies;
    void **kept; /* pointers into the device's memory */
};

int host_view_begin(struct host_view *view, struct net *net, struct sluice_error *err);
int host_view_end(struct host_view *view, struct sluice_error *err);

#endif

/* device_threads.h -- work on a range by a device's threads. */
#ifndef SLUICE_DEVICE_THREADS_H
#define SLUICE_DEVICE_THREADS_H

#include "device.h"

/* Work on items [begin, end) of a range. */
typedef void threads_body(void *arg, size_t begin, size_t end);

/* body over [0, count) by all of the device's threads. `elements` is about how many
 * numbers an item touches: short work stays in the calling thread. Which thread gets
 * what is not fixed, so body's result may not depend on how the range is split; a sum
 * over items goes through one partial sum per item. */
void threads_for(const struct device *dev, size_t count, size_t elements,
                 threads_body *body, void *arg);

/* Within body: which of the threads this is, 0 ... dev->threads - 1. */
int threads_self(void);

#endif

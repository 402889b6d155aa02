/* device_threads.c -- splitting a range with OpenMP. */
#include <omp.h>

#include "device_threads.h"

enum {
    PARTS_PER_THREAD = 4,     /* so that a delayed thread holds up less */
    ELEMENTS_PER_PART = 8192, /* a few microseconds: what a part should be worth */
};

void threads_for(const struct device *dev, size_t count, size_t elements,
                 threads_body *body, void *arg)
{
    size_t parts = (size_t)dev->threads * PARTS_PER_THREAD;
    const size_t worth = count * elements / ELEMENTS_PER_PART;
    if (parts > worth)
        parts = worth;
    if (parts > count)
        parts = count;
    if (parts < 2 || dev->threads < 2) {
        body(arg, 0, count);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(dev->threads)
    for (size_t i = 0; i < parts; i++)
        body(arg, count * i / parts, count * (i + 1) / parts);
}

int threads_self(void)
{
    return omp_get_thread_num();
}

void threads_claim(const struct device *dev)
{
    if (omp_get_max_threads() != dev->threads)
        omp_set_num_threads(dev->threads);
}

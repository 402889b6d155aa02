/* device_threads.c -- splitting a range. */
#include "device_threads.h"
#include "workers.h"

enum {
    PARTS_PER_THREAD = 4,     /* so that a delayed thread holds up less */
    ELEMENTS_PER_PART = 8192, /* a few microseconds: what a part should be worth */
};

struct range {
    threads_body *body;
    void *arg;
    size_t count, parts;
};

static void run_part(void *arg, size_t part)
{
    const struct range *r = arg;
    r->body(r->arg, r->count * part / r->parts, r->count * (part + 1) / r->parts);
}

void threads_for(const struct device *dev, size_t count, size_t elements,
                 threads_body *body, void *arg)
{
    size_t parts = (size_t)dev->threads * PARTS_PER_THREAD;
    const size_t worth = count * elements / ELEMENTS_PER_PART;
    if (parts > worth)
        parts = worth;
    if (parts > count)
        parts = count;
    if (parts < 2 || !dev->workers) {
        body(arg, 0, count);
        return;
    }
    struct range r = { body, arg, count, parts };
    workers_run(dev->workers, parts, run_part, &r);
}

int threads_self(void)
{
    return workers_self();
}

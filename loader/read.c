/* read.c -- accounting of one transfer; see read.h. */
#include <errno.h>
#include <time.h>

#include "read.h"

/* A read that gets nothing this often in a row has failed: what says "try again" for a
 * tenth of a second is not going to change its mind. */
enum { STALLS_MAX = 100, STALLS_FREE = 10 };

double sluice_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool stalled(struct sluice_read *r)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    if (++r->stalls > STALLS_FREE)
        nanosleep(&pause, NULL);
    return r->stalls >= STALLS_MAX;
}

bool sluice_read_step(struct sluice_read *r, int64_t result)
{
    /* We cancel nothing: the kernel does, where it gets no thread to wait in. */
    if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
        r->result = (int)result;
        return stalled(r);
    }
    r->result = result < 0 ? (int)result : 0;
    if (result <= 0)
        return true;
    const size_t before = r->done;
    r->done += (size_t)result;
    if (r->done >= r->need)
        return true;
    if (r->align == 1 || r->done % r->align == 0) {
        r->stalls = 0;
        return false;
    }
    /* O_DIRECT delivers a part of a block at the end of the file only. Once more from
     * the block's beginning, and if that is all there is, it was the end. */
    const size_t tail = r->done;
    r->done -= r->done % r->align;
    if (r->done > before) {
        r->stalls = 0;
        return false;
    }
    if (++r->stalls < 3)
        return false;
    r->done = tail;
    return true;
}

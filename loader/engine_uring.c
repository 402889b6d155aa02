/* engine_uring.c -- reads in flight on an io_uring; see read.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "read.h"

struct uring_engine {
    struct sluice_engine engine;
    const struct sluice_sys *sys;
    struct sluice_ring *ring;
    int in_kernel;              /* reads queued or submitted, not yet reaped */
    struct sluice_read *failed; /* never reached the kernel */
};

static int uring_open(struct sluice_engine **out,
                      const struct sluice_engine_setup *setup)
{
    if (!setup->sys->ring_open)
        return -ENOSYS;
    struct uring_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->engine.kind = &sluice_engine_uring;
    e->sys = setup->sys;
    int rc = e->sys->ring_open(&e->ring, setup->depth, setup->fd);
    if (rc < 0) {
        free(e);
        return rc;
    }
    *out = &e->engine;
    return 0;
}

static void queue(struct uring_engine *e, struct sluice_read *r)
{
    int rc = e->sys->ring_queue(e->ring, r->buf + r->done, r->size - r->done,
                                r->offset + r->done, (uint64_t)(uintptr_t)r);
    if (rc == 0) {
        e->in_kernel++;
        return;
    }
    r->result = rc;
    r->next = e->failed;
    e->failed = r;
}

static void uring_start(struct sluice_engine *engine, struct sluice_read *r)
{
    queue((struct uring_engine *)engine, r);
}

static int reap(struct uring_engine *e, struct sluice_read **done, int max)
{
    struct sluice_completion got[64];
    int count = 0, n = e->sys->ring_reap(e->ring, got, max < 64 ? max : 64);
    e->in_kernel -= n;
    for (int i = 0; i < n; i++) {
        struct sluice_read *r = (struct sluice_read *)(uintptr_t)got[i].tag;
        if (sluice_read_step(r, got[i].result))
            done[count++] = r;
        else
            queue(e, r);
    }
    return count;
}

static int take_failed(struct uring_engine *e, struct sluice_read **done, int max)
{
    int count = 0;
    for (; e->failed && count < max; e->failed = e->failed->next)
        done[count++] = e->failed;
    return count;
}

/* What the kernel holds may still write into the buffers, so an error of submission
 * ends nothing by itself: it is tried again until the kernel gave everything back. Only
 * if that does not happen is the error returned, and the buffers must be left alone. */
static int uring_finish(struct sluice_engine *engine, struct sluice_read **done,
                        int max)
{
    struct uring_engine *e = (struct uring_engine *)engine;
    struct sluice_read patience = { .need = 1, .align = 1 };
    int count = take_failed(e, done, max);
    while (count == 0) {
        assert(e->in_kernel > 0);
        int rc = e->sys->ring_submit(e->ring, true);
        count = reap(e, done, max);
        if (count == 0)
            count = take_failed(e, done, max);
        if (rc < 0 && count == 0 && sluice_read_step(&patience, -EAGAIN))
            return rc;
    }
    return count;
}

static void uring_close(struct sluice_engine *engine)
{
    struct uring_engine *e = (struct uring_engine *)engine;
    e->sys->ring_close(e->ring);
    free(e);
}

const struct sluice_engine_kind sluice_engine_uring = {
    .open = uring_open,
    .start = uring_start,
    .finish = uring_finish,
    .close = uring_close,
};

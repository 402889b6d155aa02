/* ring.c -- one io_uring; see ring.h. */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "ring.h"

/* In the order in which they are given up: the newest first. What liburing's header
 * does not name, the library does not know how to serve: with DEFER_TASKRUN it has to
 * enter the kernel to see what has completed. */
static const unsigned setup_flags[] = {
#ifdef IORING_SETUP_DEFER_TASKRUN /* liburing 2.3 */
    IORING_SETUP_DEFER_TASKRUN,   /* Linux 6.1; needs SINGLE_ISSUER */
    IORING_SETUP_SINGLE_ISSUER,   /* 6.0 */
#endif
#ifdef IORING_SETUP_COOP_TASKRUN /* liburing 2.2 */
    IORING_SETUP_COOP_TASKRUN,   /* 5.19 */
    IORING_SETUP_SUBMIT_ALL,     /* 5.18 */
#endif
    IORING_SETUP_CLAMP, /* 5.6 */
};
enum { SETUP_FLAGS = sizeof(setup_flags) / sizeof(setup_flags[0]) };

struct sluice_ring {
    struct io_uring uring;
    int fd;
    bool registered;
};

int sluice_ring_open(struct sluice_ring **out, unsigned depth, int fd)
{
    unsigned flags = 0;
    int rc;
    struct sluice_ring *r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    for (int i = 0; i < SETUP_FLAGS; i++)
        flags |= setup_flags[i];
    rc = io_uring_queue_init(depth, &r->uring, flags);
    for (int i = 0; rc == -EINVAL && i < SETUP_FLAGS; i++) {
        flags &= ~setup_flags[i];
        rc = io_uring_queue_init(depth, &r->uring, flags);
    }
    if (rc < 0) {
        free(r);
        return rc;
    }
    /* The rings are shared memory: a child that touched them would corrupt ours. */
    io_uring_ring_dontfork(&r->uring);
    r->fd = fd;
    /* Saves taking a reference to the file on every read; not essential. */
    r->registered = io_uring_register_files(&r->uring, &fd, 1) == 0;
    *out = r;
    return 0;
}

int sluice_ring_queue(struct sluice_ring *r, void *buf, size_t size, uint64_t offset,
                      uint64_t tag)
{
    enum { TRANSFER_MAX = 1 << 30 }; /* the rest follows as after any short read */
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
    if (!sqe)
        return -EBUSY;
    io_uring_prep_read(sqe, r->registered ? 0 : r->fd, buf,
                       (unsigned)(size < TRANSFER_MAX ? size : TRANSFER_MAX), offset);
    if (r->registered)
        sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = tag;
    return 0;
}

int sluice_ring_submit(struct sluice_ring *r, bool wait)
{
    return io_uring_submit_and_wait(&r->uring, wait ? 1 : 0);
}

int sluice_ring_reap(struct sluice_ring *r, struct sluice_completion *out, int max)
{
    struct io_uring_cqe *cqes[64];
    unsigned n =
        io_uring_peek_batch_cqe(&r->uring, cqes, max < 64 ? (unsigned)max : 64);
    for (unsigned i = 0; i < n; i++) {
        out[i].tag = cqes[i]->user_data;
        out[i].result = cqes[i]->res;
    }
    io_uring_cq_advance(&r->uring, n);
    return (int)n;
}

void sluice_ring_close(struct sluice_ring *r)
{
    if (!r)
        return;
    io_uring_queue_exit(&r->uring);
    free(r);
}

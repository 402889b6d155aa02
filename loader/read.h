/* read.h -- one transfer from a file, and the engines that carry many at once: io_uring
 * and a pool of threads. An engine belongs to one worker thread, which alone calls it.
 *
 * What a transfer meets on its way is treated alike everywhere: a short count goes on
 * behind what came, EINTR, EAGAIN and ECANCELED are tried again (a bounded number of
 * times), zero bytes is the end of the file, anything else is the transfer's result. */
#ifndef SLUICE_LOADER_READ_H
#define SLUICE_LOADER_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#include "sys.h"

struct sluice_engine;

double sluice_seconds(void); /* of a clock that only goes forward */

/* Did a read that took so long wait for a device? A virtual disk in its host's memory
 * answers in 20 microseconds, others in 50 or more; memory in one or two, and a byte in
 * a nanosecond. */
static inline bool sluice_read_waited(double seconds, size_t size)
{
    return seconds > 8e-6 + 1e-9 * (double)size;
}

struct sluice_read {
    uint8_t *buf;
    uint64_t offset;
    size_t size;  /* to ask for; with O_DIRECT rounded up, beyond the file's end too */
    size_t need;  /* to arrive at least */
    size_t align; /* of where to go on after a short count: 1, or O_DIRECT's block */
    size_t done;  /* arrived */
    int result;   /* of a finished read: 0, or a negative errno; 0 and done < need: the
                     file ended */
    int stalls;   /* transfers in a row that brought nothing */
    struct sluice_engine *owner;
    struct sluice_read *next; /* in an engine's list */
};

/* Account for the result of one transfer: bytes, or a negative errno. True: the read
 * has ended; false: ask for the rest, from `done` on. */
bool sluice_read_step(struct sluice_read *r, int64_t result);

struct sluice_pool;

struct sluice_engine_setup {
    const struct sluice_sys *sys;
    int fd;
    unsigned depth;           /* reads in flight at most */
    struct sluice_pool *pool; /* pread: the threads to wait in */
};

/* Calls that return int: 0 or a count, or a negative errno. */
struct sluice_engine_kind {
    int (*open)(struct sluice_engine **out, const struct sluice_engine_setup *setup);
    /* Take the read on; at most `depth` may be under way. Never fails: what goes wrong
     * is the read's result. */
    void (*start)(struct sluice_engine *e, struct sluice_read *r);
    /* Wait for at least one read to end and store those that have (up to max). */
    int (*finish)(struct sluice_engine *e, struct sluice_read **done, int max);
    void (*close)(struct sluice_engine *e); /* nothing may be under way */
};

/* First member of every engine. */
struct sluice_engine {
    const struct sluice_engine_kind *kind;
};

extern const struct sluice_engine_kind sluice_engine_uring;
extern const struct sluice_engine_kind sluice_engine_pread;

/* Threads that wait for the disk on behalf of pread engines: none until the first read
 * that the page cache cannot serve, at most `max`. */
int sluice_pool_create(struct sluice_pool **out, const struct sluice_sys *sys, int fd,
                       int max);
void sluice_pool_free(struct sluice_pool *p); /* joins the threads; NULL is fine */

#endif

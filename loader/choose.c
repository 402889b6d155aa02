/* choose.c -- which backend reads the file, tried with a real read, and why it is that
 * one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

enum { POOL_THREADS = 32, HOT_PROBES = 32 };

static const char *const names[] = {
    [SLUICE_IO_AUTO] = "auto",   [SLUICE_IO_RESIDENT] = "resident",
    [SLUICE_IO_URING] = "uring", [SLUICE_IO_DIRECT] = "direct",
    [SLUICE_IO_PREAD] = "pread",
};

const char *sluice_io_name(enum sluice_io io)
{
    return io >= SLUICE_IO_AUTO && io <= SLUICE_IO_PREAD ? names[io] : "?";
}

int sluice_worker_depth(const struct sluice_loader *ld)
{
    const int depth = (ld->opt.queue_depth + ld->opt.threads - 1) / ld->opt.threads;
    return depth < 1 ? 1 : depth;
}

static int open_engine(struct sluice_loader *ld, const struct sluice_engine_kind *kind,
                       int fd, struct sluice_engine **out)
{
    const struct sluice_engine_setup setup = {
        .sys = ld->file.sys,
        .fd = fd,
        .depth = (unsigned)sluice_worker_depth(ld),
        .pool = ld->pool,
    };
    return kind->open(out, &setup);
}

/* Open an engine and read the file's first block through it; 0 or a negative errno. */
static int probe(struct sluice_loader *ld, int fd)
{
    struct sluice_engine *e;
    struct sluice_read *done[1];
    uint8_t *block = aligned_alloc(SLUICE_BLOCK_SIZE, SLUICE_BLOCK_SIZE);
    int rc = block ? open_engine(ld, &sluice_engine_uring, fd, &e) : -ENOMEM;
    if (rc == 0) {
        struct sluice_read r = { .buf = block,
                                 .size = SLUICE_BLOCK_SIZE,
                                 .need = SLUICE_BLOCK_SIZE,
                                 .align = SLUICE_BLOCK_SIZE };
        e->kind->start(e, &r);
        rc = e->kind->finish(e, done, 1);
        if (rc < 0)
            block = NULL; /* the kernel may still write to it: better lost */
        else
            rc = r.result < 0 ? r.result : r.done < r.need ? -EIO : 0;
        e->kind->close(e);
    }
    free(block);
    return rc;
}

static int probe_direct(struct sluice_loader *ld)
{
    int rc = sluice_file_open_direct(&ld->file);
    return rc < 0 ? rc : probe(ld, ld->file.direct_fd);
}

/* Is this byte in the page cache? If the file system cannot say (*untold), a read that
 * takes no longer than a copy tells that it is. */
static bool is_cached(const struct sluice_file *f, uint64_t offset, bool *untold)
{
    uint8_t byte;
    ssize_t n = f->sys->pread_cached(f->fd, &byte, 1, offset);
    *untold = n == -EOPNOTSUPP || n == -ENOSYS;
    if (!*untold)
        return n == 1;
    const double before = sluice_seconds();
    n = f->sys->pread(f->fd, &byte, 1, offset);
    return n == 1 && !sluice_read_waited(sluice_seconds() - before, 1);
}

/* Are nine of ten samples, spread over the file, in the page cache? */
static bool is_hot(const struct sluice_loader *ld, bool *untold)
{
    const uint64_t count = sluice_dataset_count(ld->file.dataset);
    int missing = 0;
    *untold = true;
    for (uint64_t i = 0; i < HOT_PROBES && count && missing <= HOT_PROBES / 10; i++) {
        struct sluice_extent x;
        if (sluice_dataset_locate(ld->file.dataset, ld->image_field,
                                  (uint64_t)((double)count / HOT_PROBES * (double)i),
                                  &x, NULL) == 0)
            missing += !is_cached(&ld->file, x.offset, untold);
    }
    return missing <= HOT_PROBES / 10;
}

static int make_pool(struct sluice_loader *ld)
{
    return ld->pool ? 0
                    : sluice_pool_create(&ld->pool, ld->file.sys, ld->file.fd,
                                         ld->opt.queue_depth < POOL_THREADS
                                             ? ld->opt.queue_depth
                                             : POOL_THREADS);
}

static int use_pread(struct sluice_loader *ld, struct sluice_error *err)
{
    ld->opt.io = SLUICE_IO_PREAD;
    ld->engine_kind = &sluice_engine_pread;
    if (make_pool(ld) < 0)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: no memory", ld->file.path);
    return 0;
}

static void use_uring(struct sluice_loader *ld, enum sluice_io io)
{
    ld->opt.io = io;
    ld->engine_kind = &sluice_engine_uring;
}

static int refuse(const struct sluice_loader *ld, int rc, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EUNBUILT, "%s: backend %s is not available: %s",
                       ld->file.path, sluice_io_name(ld->opt.io),
                       rc == -ENOSYS && !ld->file.sys->ring_open
                           ? "this build has no io_uring"
                           : strerror(-rc));
}

/* Behind the budget's number: what it was divided by. */
static const char *shared(const struct sluice_loader *ld, char text[32])
{
    *text = 0;
    if (ld->budget_shared)
        snprintf(text, 32, " (for one of %d ranks)", ld->opt.world);
    return text;
}

/* The backend that was asked for, or an error: nothing else is put in its place. */
static int choose_forced(struct sluice_loader *ld, struct sluice_error *err)
{
    char ranks[32];
    int rc;
    snprintf(ld->io_reason, sizeof(ld->io_reason), "asked for");
    switch (ld->opt.io) {
    case SLUICE_IO_RESIDENT:
        if (ld->file.size > ld->opt.memory_budget)
            return sluice_fail(err, SLUICE_ENOMEM,
                               "%s: expected at most %zu bytes%s to keep in memory "
                               "(memory_budget), found %" PRIu64,
                               ld->file.path, ld->opt.memory_budget, shared(ld, ranks),
                               ld->file.size);
        return sluice_resident_create(ld, err);
    case SLUICE_IO_URING:
        if ((rc = probe(ld, ld->file.fd)) < 0)
            return refuse(ld, rc, err);
        use_uring(ld, SLUICE_IO_URING);
        return 0;
    case SLUICE_IO_DIRECT:
        if ((rc = probe_direct(ld)) < 0)
            return refuse(ld, rc, err);
        use_uring(ld, SLUICE_IO_DIRECT);
        return 0;
    default:
        return use_pread(ld, err);
    }
}

/* The file is in the page cache but not to be kept in memory. */
static int choose_hot(struct sluice_loader *ld, bool fits, bool untold,
                      struct sluice_error *err)
{
    const bool in_order = sluice_dataset_in_order(ld->file.dataset, ld->image_field);
    /* One submission copies many samples, but on the file systems that cannot tell what
     * is cached the kernel hands each read of io_uring to a thread of its own. */
    const int refused = untold ? 0 : probe(ld, ld->file.fd);
    char ranks[32];
    /* A file that fits may still find no room: address space and commitments have
     * limits of their own. */
    snprintf(ld->io_reason, sizeof(ld->io_reason),
             "%s the budget of %zu MiB%s, and in the page cache%s%s",
             !fits      ? "larger than"
             : in_order ? "no address space for"
                        : "of samples out of order, within",
             ld->opt.memory_budget >> 20, shared(ld, ranks),
             refused < 0 ? "; io_uring refused: " : "",
             refused < 0 ? strerror(-refused) : "");
    if (untold || refused < 0)
        return use_pread(ld, err);
    use_uring(ld, SLUICE_IO_URING);
    return 0;
}

/* The file, or most of it, must come from the disk. */
static int choose_cold(struct sluice_loader *ld, uint64_t available,
                       struct sluice_error *err)
{
    char *why = ld->io_reason;
    const size_t room = sizeof(ld->io_reason);
    /* What the page cache can keep is best read through it: later epochs find it there,
     * and O_DIRECT reads a small sample's neighbours along with it each time.
     * QUASI_RANDOM has the page cache read whole blocks. */
    const bool blocks = ld->opt.order == SLUICE_QUASI_RANDOM && !ld->subset;
    const bool kept = ld->file.size <= available / 4 * 3;
    const int direct = blocks || kept ? -EOPNOTSUPP : probe_direct(ld);
    if (direct == 0) {
        use_uring(ld, SLUICE_IO_DIRECT);
        snprintf(why, room, "not in the page cache, and too large for it");
        return 0;
    }
    const int buffered = probe(ld, ld->file.fd);
    if (buffered < 0) {
        snprintf(why, room, "not in the page cache; io_uring refused: %s",
                 strerror(-buffered));
        return use_pread(ld, err);
    }
    use_uring(ld, SLUICE_IO_URING);
    if (blocks)
        snprintf(why, room, "not in the page cache, which reads open blocks ahead");
    else if (kept)
        snprintf(why, room, "not in the page cache, which can keep it");
    else
        snprintf(why, room, "not in the page cache; O_DIRECT refused: %s",
                 strerror(-direct));
    return 0;
}

static int choose_auto(struct sluice_loader *ld, uint64_t available,
                       struct sluice_error *err)
{
    const bool fits = ld->file.size <= ld->opt.memory_budget;
    char ranks[32];
    bool untold;
    if (fits && sluice_resident_create(ld, NULL) == 0) {
        ld->opt.io = SLUICE_IO_RESIDENT;
        snprintf(ld->io_reason, sizeof(ld->io_reason),
                 "the file's %" PRIu64 " MiB fit the budget of %zu MiB%s",
                 ld->file.size >> 20, ld->opt.memory_budget >> 20, shared(ld, ranks));
        return 0;
    }
    return is_hot(ld, &untold) ? choose_hot(ld, fits, untold, err)
                               : choose_cold(ld, available, err);
}

int sluice_choose_io(struct sluice_loader *ld, struct sluice_error *err)
{
    const uint64_t available = ld->file.sys->memory();
    const uint64_t space = sluice_address_space_left("/proc");
    if (!ld->opt.memory_budget) {
        /* Each rank is a process with a copy of its own; that all are on this machine
         * is the guess that does not run out of memory. */
        const uint64_t free_here = available / (uint64_t)ld->opt.world;
        ld->opt.memory_budget = (free_here < space ? free_here : space) / 4;
        ld->budget_shared = ld->opt.world > 1;
    }
    int rc = sluice_budget_settle(ld, err);
    if (rc < 0)
        return rc;
    return ld->opt.io == SLUICE_IO_AUTO ? choose_auto(ld, available, err)
                                        : choose_forced(ld, err);
}

int sluice_choose_again(struct sluice_loader *ld, bool forced, int rc,
                        struct sluice_error *err)
{
    if (forced && ld->engine_kind == &sluice_engine_uring)
        return refuse(ld, rc, err);
    if (ld->engine_kind != &sluice_engine_uring)
        return sluice_fail(err, SLUICE_ENOMEM, "%s: worker threads: %s", ld->file.path,
                           strerror(-rc));
    snprintf(ld->io_reason, sizeof(ld->io_reason),
             "io_uring refused to a worker thread: %s", strerror(-rc));
    return use_pread(ld, err);
}

int sluice_engine_open(struct sluice_loader *ld, struct sluice_engine **out)
{
    const bool direct = ld->opt.io == SLUICE_IO_DIRECT;
    return open_engine(ld, ld->engine_kind, direct ? ld->file.direct_fd : ld->file.fd,
                       out);
}

/* choose.c -- which backend AUTO takes, and why, in each state of page cache, memory
 * and kernel: told by a table of system calls. Where the kernel does not say what is
 * cached, pread finds out by itself which reads are worth a thread. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "core.h"
#include "pack.h"

enum { SAMPLES = 600, BATCH = 32, WORKERS = 2 };

/* What the page cache has, and whether the kernel says so. */
enum cache { CACHED, COLD, MOSTLY, UNTOLD_CACHED, UNTOLD_COLD };

static char path[128];
static struct sluice_sys sys;
static enum cache cache;
static uint64_t memory;
static int ring_error, direct_error;
static bool unmapped; /* no address space */
static _Atomic int threads, asked;

static ssize_t c_pread_cached(int fd, void *buf, size_t size, uint64_t at)
{
    switch (cache) {
    case CACHED:
        return sluice_sys_real.pread(fd, buf, size, at);
    case COLD:
        return -EAGAIN;
    case MOSTLY: /* every fifth probe is not */
        return asked++ % 5 == 4 ? -EAGAIN : sluice_sys_real.pread(fd, buf, size, at);
    default:
        return -EOPNOTSUPP;
    }
}

static ssize_t c_pread(int fd, void *buf, size_t size, uint64_t at)
{
    const struct timespec disk = { .tv_nsec = 1000000 };
    if (cache == UNTOLD_COLD)
        nanosleep(&disk, NULL);
    return sluice_sys_real.pread(fd, buf, size, at);
}

static uint64_t c_memory(void)
{
    return memory;
}

static void *c_map(size_t size)
{
    return unmapped ? NULL : sluice_sys_real.map(size);
}

static int c_open(const char *name, int flags)
{
    return flags & O_DIRECT && direct_error ? direct_error
                                            : sluice_sys_real.open(name, flags);
}

static int c_ring_open(struct sluice_ring **out, unsigned depth, int fd)
{
    return ring_error ? ring_error : sluice_sys_real.ring_open(out, depth, fd);
}

static int c_thread(pthread_t *out, void *(*run)(void *), void *arg)
{
    threads++;
    return sluice_sys_real.thread(out, run, arg);
}

/* What a ring is answered here: neither every build nor every container has them. */
static int real_ring_error(void)
{
    struct sluice_ring *ring;
    if (!sluice_sys_real.ring_open)
        return -ENOSYS;
    const int fd = sluice_sys_real.open(path, O_RDONLY);
    REQUIRE(fd >= 0, "%s", path);
    const int rc = sluice_sys_real.ring_open(&ring, 8, fd);
    if (rc == 0)
        sluice_sys_real.ring_close(ring);
    sluice_sys_real.close(fd);
    return rc;
}

static void install(void)
{
    sys = sluice_sys_real;
    sys.open = c_open;
    sys.pread = c_pread;
    sys.pread_cached = c_pread_cached;
    sys.memory = c_memory;
    sys.map = c_map;
    sys.thread = c_thread;
    sys.ring_open = c_ring_open;
}

/* Open, read an epoch, compare pixels. */
static struct sluice_loader_stats epoch(const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    struct sluice_error err;
    struct sluice_loader_stats stats;
    uint8_t want[PACK_BYTES];
    int n, samples = 0;
    asked = threads = 0;
    REQUIRE(sluice_loader_open_with(&ld, path, o, &sys, &err) == 0, "%s", err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        for (int i = 0; i < n; i++) {
            pack_pixels(b->ids[i], want);
            CHECK(memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES, want,
                         PACK_BYTES) == 0,
                  "pixels");
        }
        samples += n;
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0 && samples == SAMPLES, "%d samples: %s", samples, err.message);
    sluice_loader_stats(ld, &stats);
    sluice_loader_close(ld);
    return stats;
}

static struct sluice_loader_options options(void)
{
    return (struct sluice_loader_options){ .batch_size = BATCH, .threads = WORKERS };
}

/* Of memory: room for the payload four times over; for the page cache to keep it; for
 * neither. */
enum { PLENTY = 1 << 30, SOME = 1 << 20, LITTLE = 256 << 10 };

static void choices(void)
{
    static const struct {
        enum cache cache;
        uint64_t memory;
        int ring_error, direct_error;
        enum sluice_order order;
        enum sluice_io io;
        const char *reason;
    } cases[] = {
        { CACHED, PLENTY, 0, 0, 0, SLUICE_IO_RESIDENT, "fit the budget" },
        { COLD, PLENTY, 0, 0, 0, SLUICE_IO_RESIDENT, "fit the budget" },
        { CACHED, SOME, 0, 0, 0, SLUICE_IO_URING, "and in the page cache" },
        { CACHED, SOME, -EPERM, 0, 0, SLUICE_IO_PREAD, "cache; io_uring refused" },
        { UNTOLD_CACHED, SOME, 0, 0, 0, SLUICE_IO_PREAD, "in the page cache" },
        { COLD, SOME, 0, 0, 0, SLUICE_IO_URING, "which can keep it" },
        { MOSTLY, SOME, 0, 0, 0, SLUICE_IO_URING, "which can keep it" },
        { UNTOLD_COLD, SOME, 0, 0, 0, SLUICE_IO_URING, "which can keep it" },
        { COLD, SOME, -EPERM, 0, 0, SLUICE_IO_PREAD, "io_uring refused: Operation" },
        { UNTOLD_COLD, SOME, -EPERM, 0, 0, SLUICE_IO_PREAD, "io_uring refused" },
        { COLD, LITTLE, 0, 0, 0, SLUICE_IO_DIRECT, "too large" },
        { COLD, LITTLE, 0, -EINVAL, 0, SLUICE_IO_URING, "O_DIRECT refused: Invalid" },
        { COLD, LITTLE, -ENOSYS, 0, 0, SLUICE_IO_PREAD, "io_uring refused: Function" },
        { CACHED, LITTLE, 0, 0, 0, SLUICE_IO_URING, "and in the page cache" },
        { COLD, LITTLE, 0, 0, SLUICE_QUASI_RANDOM, SLUICE_IO_URING, "blocks ahead" },
    };
    const int refused = real_ring_error();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sluice_loader_options o = options();
        if (refused &&
            (cases[i].io == SLUICE_IO_URING || cases[i].io == SLUICE_IO_DIRECT))
            continue;
        o.order = cases[i].order;
        o.block = o.order == SLUICE_QUASI_RANDOM ? 10 : 0;
        o.open_blocks = o.order == SLUICE_QUASI_RANDOM ? 4 : 0;
        cache = cases[i].cache;
        memory = cases[i].memory;
        ring_error = cases[i].ring_error ? cases[i].ring_error : refused;
        direct_error = cases[i].direct_error;
        const struct sluice_loader_stats stats = epoch(&o);
        CHECK(stats.io == cases[i].io && strstr(stats.io_reason, cases[i].reason),
              "case %d: %s: %s", (int)i, sluice_io_name(stats.io), stats.io_reason);
    }
}

/* Memory that is free and cannot be had. */
static void strict(void)
{
    struct sluice_loader_options o = options();
    struct sluice_loader *ld;
    struct sluice_error err;
    memory = PLENTY;
    cache = CACHED;
    unmapped = true;
    const struct sluice_loader_stats stats = epoch(&o);
    CHECK(stats.io != SLUICE_IO_RESIDENT && strstr(stats.io_reason, "address space"),
          "%s: %s", sluice_io_name(stats.io), stats.io_reason);
    o.io = SLUICE_IO_RESIDENT;
    CHECK(sluice_loader_open_with(&ld, path, &o, &sys, &err) == SLUICE_ENOMEM,
          "asked for by name: %s", err.message);
    unmapped = false;
}

/* Every rank keeps a copy: the default budget is divided, one that is given is not. */
static void ranks(void)
{
    struct sluice_loader_options o = options();
    struct sluice_loader *ld;
    struct sluice_error err;
    struct sluice_loader_stats stats;
    memory = PLENTY;
    cache = CACHED;
    o.world = 4;
    for (int given = 0; given < 2; given++) {
        o.memory_budget = given ? PLENTY / 4 : 0;
        REQUIRE(sluice_loader_open_with(&ld, path, &o, &sys, &err) == 0, "%s",
                err.message);
        sluice_loader_stats(ld, &stats);
        sluice_loader_close(ld);
        CHECK(strstr(stats.io_reason, given ? "the budget of 256 MiB"
                                            : "the budget of 64 MiB (for one of 4"),
              "%s", stats.io_reason);
    }
    memory = SOME * 4;
    o.world = 8;
    o.memory_budget = 0;
    o.io = SLUICE_IO_RESIDENT;
    CHECK(sluice_loader_open_with(&ld, path, &o, &sys, &err) == SLUICE_ENOMEM &&
              strstr(err.message, "131072 bytes (for one of 8 ranks)"),
          "%s", err.message);
}

/* Threads beside the workers: none for what is cached, told or not; several where reads
 * wait, and again none once the page cache has it. */
static void untold(void)
{
    struct sluice_loader_options o = options();
    o.io = SLUICE_IO_PREAD;
    memory = PLENTY;
    cache = CACHED;
    epoch(&o);
    CHECK(threads == WORKERS, "cached: %d threads", threads - WORKERS);
    cache = UNTOLD_COLD;
    epoch(&o);
    CHECK(threads >= WORKERS + 8, "cold: %d threads", threads - WORKERS);
    cache = UNTOLD_CACHED;
    int fewest = 1000; /* what else runs may hold up a read */
    for (int i = 0; i < 20 && fewest > 2; i++) {
        epoch(&o);
        fewest = threads - WORKERS < fewest ? threads - WORKERS : fewest;
    }
    CHECK(fewest <= 2, "cached, untold: %d threads", fewest);
}

int main(void)
{
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    install();
    choices();
    strict();
    ranks();
    untold();
    folder_remove(folder);
    return check_done();
}

/* faults.c -- each system call fails in turn, reads are short, a sector is bad, rings
 * are refused: in bounded time all samples come, or one line that names the reason. */
#include <errno.h>
#include <sluice/format_emit.h>

#include "core.h"
#include "pack.h"

enum { SAMPLES = 300, BATCH = 32 };

static char path[128];

/* ---- a table of system calls that fail ---- */

static _Atomic int countdown; /* the call that fails: 1 is the next; 0: none */
static int fail_with;
static bool shorten;
static uint64_t bad_byte;           /* of the file: reads of it are EIO; 0: none */
static bool uncached;               /* the page cache has nothing */
static _Atomic int rings = 1 << 30; /* that are still to be had */
static bool refuse_late;            /* none to be had: said once others are at work */
static _Atomic int queued;          /* reads asked of rings */
static struct sluice_sys sys;

static bool fails(void)
{
    return countdown > 0 && --countdown == 0;
}

static bool is_bad(uint64_t at, size_t size)
{
    return bad_byte >= at && bad_byte < at + size && bad_byte;
}

static int f_open(const char *p, int flags)
{
    return fails() ? -fail_with : sluice_sys_real.open(p, flags);
}

static int f_size(int fd, uint64_t *size)
{
    return fails() ? -fail_with : sluice_sys_real.size(fd, size);
}

static ssize_t f_pread(int fd, void *buf, size_t size, uint64_t at)
{
    if (fails())
        return -fail_with;
    if (is_bad(at, size))
        return -EIO;
    return sluice_sys_real.pread(fd, buf, shorten && size > 1 ? size / 2 : size, at);
}

static ssize_t f_pread_cached(int fd, void *buf, size_t size, uint64_t at)
{
    return fails() || uncached || is_bad(at, size)
               ? -EAGAIN
               : sluice_sys_real.pread_cached(fd, buf, size, at);
}

static void *f_map(size_t size)
{
    return fails() ? NULL : sluice_sys_real.map(size);
}

static int f_thread(pthread_t *out, void *(*run)(void *), void *arg)
{
    return fails() ? -EAGAIN : sluice_sys_real.thread(out, run, arg);
}

static int f_ring_open(struct sluice_ring **out, unsigned depth, int fd)
{
    if (!fails() && rings-- > 0)
        return sluice_sys_real.ring_open(out, depth, fd);
    for (int i = 0; refuse_late && queued <= 1 && i < 300; i++) /* 1: the probe's */
        usleep(1000);
    return -EPERM;
}

static int f_ring_queue(struct sluice_ring *r, void *buf, size_t size, uint64_t at,
                        uint64_t tag)
{
    const size_t half = size / 2 / 4096 * 4096; /* O_DIRECT wants whole blocks */
    if (fails())
        return -fail_with;
    if (is_bad(at, size))
        return -EIO;
    queued++;
    return sluice_sys_real.ring_queue(r, buf, shorten && half ? half : size, at, tag);
}

static int f_ring_submit(struct sluice_ring *r, bool wait)
{
    if (refuse_late)
        usleep(50000); /* time for open to hear of the refusal */
    return fails() ? -EINTR : sluice_sys_real.ring_submit(r, wait);
}

static void install(void)
{
    sys = sluice_sys_real;
    sys.open = f_open;
    sys.size = f_size;
    sys.pread = f_pread;
    sys.pread_cached = f_pread_cached;
    sys.map = f_map;
    sys.thread = f_thread;
    if (sys.ring_open) {
        sys.ring_open = f_ring_open;
        sys.ring_queue = f_ring_queue;
        sys.ring_submit = f_ring_submit;
    }
}

/* ---- one epoch ---- */

static size_t budget;           /* opt.memory_budget */
static enum sluice_order order; /* and so on */
static uint64_t subset[SAMPLES], subset_count;
static struct sluice_loader_stats last; /* of the last epoch */
static char scene[64];                  /* what is being done, for what is said */

/* Read an epoch: samples delivered, or the error's code. Pixels are compared. */
static int epoch(enum sluice_io io, struct sluice_error *err)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    const struct sluice_loader_options o = { .batch_size = BATCH,
                                             .threads = 2,
                                             .memory_budget = budget,
                                             .io = io,
                                             .order = order,
                                             .subset = subset_count ? subset : NULL,
                                             .subset_count = subset_count };
    int samples = 0, n = sluice_loader_open_with(&ld, path, &o, &sys, err);
    while (n == 0 || n > 0) {
        n = sluice_loader_next(ld, &b, err);
        if (n <= 0)
            break;
        sluice_loader_stats(ld, &last);
        pack_check(b, scene, last.io);
        samples += n;
        sluice_loader_release(ld, b);
    }
    if (ld)
        sluice_loader_stats(ld, &last);
    sluice_loader_close(ld);
    return n < 0 ? n : samples;
}

static void nth_call(enum sluice_io io)
{
    static const int errors[] = { EIO, EINTR, ENOMEM };
    for (int e = 0; e < 3; e++) {
        int good = 0, failures = 0;
        fail_with = errors[e];
        for (int n = 1; n < 2000 && good < 12; n += 1 + n / 40) {
            struct sluice_error err = { 0 };
            countdown = n;
            snprintf(scene, sizeof(scene), "call %d: %s", n, strerror(errors[e]));
            const int got = epoch(io, &err);
            CHECK(got == SAMPLES ||
                      (got < 0 && err.code == got && strstr(err.message, path) &&
                       got != SLUICE_ECORRUPT), /* the file is whole */
                  "%s, call %d: %d, %s", sluice_io_name(io), n, got, err.message);
            CHECK(got == SAMPLES || n > 1 || errors[e] != EINTR,
                  "%s: opening is not tried again: %s", sluice_io_name(io),
                  err.message);
            good = countdown > 0 ? good + 1 : 0; /* the epoch made fewer calls */
            failures += got < 0;
        }
        CHECK(good, "%s: never ran through", sluice_io_name(io));
        CHECK(errors[e] == EINTR || failures, "%s: nothing failed", sluice_io_name(io));
    }
    countdown = 0;
}

static void short_reads(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    shorten = true;
    snprintf(scene, sizeof(scene), "short reads");
    CHECK(epoch(io, &err) == SAMPLES, "%s: %s", sluice_io_name(io), err.message);
    shorten = false;
}

/* A sector that cannot be read is the disk's failure, not a truncated file. It is that
 * of the samples that lie there, and of no other that is read along with them. */
static void bad_sector(enum sluice_io io)
{
    enum { BAD = SAMPLES / 2 };
    struct sluice_error err = { 0 };
    char name[32];
    snprintf(scene, sizeof(scene), "a bad sector");
    snprintf(name, sizeof(name), "sample %d:", BAD);
    bad_byte = SLUICE_DATA_AT + BAD * PACK_BYTES + 7;
    for (int i = 0; i < 2; i++) {
        order = i ? SLUICE_SEQUENTIAL : SLUICE_RANDOM;
        const int got = epoch(io, &err);
        CHECK(got == SLUICE_EIO && err.code == got && strstr(err.message, path) &&
                  strstr(err.message, name) && strstr(err.message, strerror(EIO)),
              "%s: %d, %s", sluice_io_name(io), got, err.message);
        for (uint64_t k = 0; k < SAMPLES; k++)
            if (k != BAD)
                subset[subset_count++] = k;
        CHECK(epoch(io, &err) == SAMPLES - 1, "%s, without it: %s", sluice_io_name(io),
              err.message);
        subset_count = 0;
    }
    order = SLUICE_RANDOM;
    bad_byte = 0;
}

/* The probe gets a ring and a worker does not: a clear error where io_uring was asked
 * for, else threads. */
static void workers_refused(void)
{
    for (int left = 1; left <= 2; left++) {
        struct sluice_error err = { 0 };
        rings = left;
        snprintf(scene, sizeof(scene), "%d rings to be had", left);
        CHECK(epoch(SLUICE_IO_URING, &err) == SLUICE_EUNBUILT &&
                  strstr(err.message, "uring is not available"),
              "%d rings: %s", left, err.message);
        rings = left;
        budget = 1;
        uncached = true;
        CHECK(epoch(SLUICE_IO_AUTO, &err) == SAMPLES, "%d rings: %s", left,
              err.message);
        CHECK(last.io == SLUICE_IO_PREAD && strstr(last.io_reason, "a worker thread"),
              "%d rings: %s: %s", left, sluice_io_name(last.io), last.io_reason);
        budget = 0;
        uncached = false;
    }
    rings = 1 << 30;
}

/* A worker may come to its refusal long after another began (a thread that is stopped,
 * a busy machine): what the other did until then is not taken for done. */
static void refused_late(void)
{
    struct sluice_error err = { 0 };
    snprintf(scene, sizeof(scene), "refused late");
    rings = 2;
    queued = 0;
    refuse_late = uncached = true;
    budget = 1;
    CHECK(epoch(SLUICE_IO_AUTO, &err) == SAMPLES, "%s", err.message);
    CHECK(last.io == SLUICE_IO_PREAD, "%s", last.io_reason);
    CHECK(queued == 1, "%d reads before every worker had its engine", queued - 1);
    budget = 0;
    refuse_late = uncached = false;
    rings = 1 << 30;
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    install();
    for (int i = 0; i < 4; i++)
        if (pack_readable(path, pack_backends[i])) {
            nth_call(pack_backends[i]);
            short_reads(pack_backends[i]);
            bad_sector(pack_backends[i]);
        }
    nth_call(SLUICE_IO_AUTO);
    if (pack_readable(path, SLUICE_IO_URING)) {
        workers_refused();
        refused_late();
    }
    folder_remove(folder);
    return check_done();
}

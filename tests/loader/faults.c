/* faults.c -- what goes wrong reaches the consumer as one line that names it, in
 * bounded time: damage, a file that shrinks, each system call failing in turn, short
 * reads, consumers that stop early or hold everything, a fork. */
#include <errno.h>
#include <sluice/format_emit.h>
#include <sys/wait.h>

#include "core.h"
#include "pack.h"

enum { SAMPLES = 300, BATCH = 32 };

static char path[128];
static const enum sluice_io backends[] = { SLUICE_IO_RESIDENT, SLUICE_IO_URING,
                                           SLUICE_IO_DIRECT, SLUICE_IO_PREAD };

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

/* ---- the file itself ---- */

static void damaged(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    struct memory_file f;
    struct sluice_dataset *ds;
    struct sluice_extent x;
    snprintf(scene, sizeof(scene), "damage");
    f.bytes = file_read(path, &f.size);
    REQUIRE(sluice_dataset_open(&ds, path, f.size, memory_read, &f, &err) == 0, "%s",
            err.message);
    REQUIRE(sluice_dataset_locate(ds, 0, 123, &x, &err) == 0, "%s", err.message);
    ((uint8_t *)f.bytes)[x.offset + 77] ^= 4;
    file_write(path, f.bytes, f.size);
    CHECK(epoch(io, &err) == SLUICE_ECORRUPT && strstr(err.message, "sample 123,") &&
              strstr(err.message, path),
          "%s: %s", sluice_io_name(io), err.message);
    ((uint8_t *)f.bytes)[x.offset + 77] ^= 4;
    file_write(path, f.bytes, f.size);
    sluice_dataset_free(ds);
    free((void *)f.bytes);
}

static void shrinks(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    size_t size;
    int n;
    uint8_t *bytes = file_read(path, &size);
    const struct sluice_loader_options o = { .batch_size = 8,
                                             .batches = 2,
                                             .threads = 2,
                                             .io = io,
                                             .order = SLUICE_SEQUENTIAL };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    REQUIRE(truncate(path, 3 * 4096 + 40 * PACK_BYTES) == 0, "truncate");
    while ((n = sluice_loader_next(ld, &b, &err)) > 0)
        sluice_loader_release(ld, b);
    /* Memory may have had it all before; then nothing is missing. */
    if (io != SLUICE_IO_RESIDENT || n != 0) {
        CHECK(n == SLUICE_ECORRUPT && strstr(err.message, "truncated") &&
                  strstr(err.message, "sample"),
              "%s: %d, %s", sluice_io_name(io), n, err.message);
        CHECK(sluice_loader_next(ld, &b, &err) < 0, "goes on after an error");
    }
    sluice_loader_close(ld);
    file_write(path, bytes, size);
    free(bytes);
}

/* ---- consumers ---- */

static int descriptors(void)
{
    return folder_entries("/proc/self/fd");
}

static int threads_alone; /* of the process without a loader */

/* The kernel lists a thread for a moment longer than joining it takes, and a sanitizer
 * may keep one of its own from the first on: what is left for a while after one loader
 * has come and gone. */
static void count_threads_alone(void)
{
    struct sluice_loader *ld;
    threads_alone = 1000;
    REQUIRE(sluice_loader_open(&ld, path, NULL, NULL) == 0, "open");
    sluice_loader_close(ld);
    for (int i = 0; i < 30; i++, usleep(10000)) {
        const int n = folder_entries("/proc/self/task");
        threads_alone = n < threads_alone ? n : threads_alone;
    }
}

static void stops_early(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    const int fds = descriptors();
    for (int i = 0; i < 60; i++) {
        struct sluice_loader *ld;
        const struct sluice_batch *b;
        const struct sluice_loader_options o = { .batch_size = BATCH,
                                                 .threads = 3,
                                                 .io = io };
        REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
        if (i % 3)
            REQUIRE(sluice_loader_next(ld, &b, &err) == BATCH, "%s", err.message);
        if (i % 3 == 2) {
            const struct sluice_batch *held = b;
            const uint64_t first = held->ids[0];
            CHECK(sluice_loader_seek(ld, 7, 3, &err) == 0, "%s", err.message);
            REQUIRE(sluice_loader_next(ld, &b, &err) == BATCH, "%s", err.message);
            CHECK(b->epoch == 7 && b->number == 3, "seek goes elsewhere");
            CHECK(b != held && held->epoch == 0 && held->number == 0 &&
                      held->ids[0] == first,
                  "a held batch changes when its consumer goes elsewhere");
            sluice_loader_release(ld, held);
        }
        sluice_loader_close(ld);
    }
    CHECK(descriptors() == fds, "descriptors grow: %d, %d", fds, descriptors());
    /* A thread that was joined may be listed for a moment more. */
    for (int i = 0; i < 1000 && folder_entries("/proc/self/task") > threads_alone; i++)
        usleep(1000);
    CHECK(folder_entries("/proc/self/task") == threads_alone, "threads grow");
}

static void holds_everything(void)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    const struct sluice_batch *b[3];
    const struct sluice_loader_options o = { .batch_size = BATCH,
                                             .batches = 2,
                                             .threads = 1 };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    CHECK(sluice_loader_next(ld, &b[0], &err) == BATCH, "first");
    CHECK(sluice_loader_next(ld, &b[1], &err) == BATCH, "second");
    CHECK(sluice_loader_next(ld, &b[2], &err) == SLUICE_EINVAL, "a third of two");
    sluice_loader_release(ld, b[0]);
    CHECK(sluice_loader_next(ld, &b[2], &err) == BATCH, "third after a release");
    sluice_loader_close(ld);
}

static void forked(void)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int status = -1;
    const struct sluice_loader_options o = { .batch_size = BATCH };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    pid_t child = fork();
    if (child == 0) {
        int rc = sluice_loader_next(ld, &b, &err);
        sluice_loader_close(ld);
        _exit(rc == SLUICE_EINVAL && strstr(err.message, "forked") ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the child: %d", status);
    CHECK(sluice_loader_next(ld, &b, &err) == BATCH, "the parent: %s", err.message);
    sluice_loader_close(ld);
}

static void wrong_files(void)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    CHECK(sluice_loader_open(&ld, "/nonexistent", NULL, &err) == SLUICE_EIO && !ld,
          "missing");
    CHECK(sluice_loader_open(&ld, "/tmp", NULL, &err) == SLUICE_EINVAL, "a folder");
    CHECK(sluice_loader_open(&ld, "/proc/self/exe", NULL, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "not a .sluice file"),
          "%s", err.message);
}

static bool usable(enum sluice_io io)
{
    struct sluice_loader *ld;
    struct sluice_error err;
    int rc = sluice_loader_open(&ld, path, &(struct sluice_loader_options){ .io = io },
                                &err);
    sluice_loader_close(ld);
    if (rc < 0)
        printf("%s: %s\n", sluice_io_name(io), err.message);
    return rc == 0;
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    count_threads_alone();
    install();
    /* A sanitizer may start a thread of its own with the first one of ours. */
    struct sluice_error warm = { 0 };
    CHECK(epoch(SLUICE_IO_PREAD, &warm) == SAMPLES, "%s", warm.message);
    usleep(100000); /* joined threads may be listed for a moment more */
    threads_alone = folder_entries("/proc/self/task");
    for (int i = 0; i < 4; i++) {
        if (!usable(backends[i]))
            continue;
        nth_call(backends[i]);
        short_reads(backends[i]);
        bad_sector(backends[i]);
        damaged(backends[i]);
        shrinks(backends[i]);
        stops_early(backends[i]);
    }
    nth_call(SLUICE_IO_AUTO);
    if (usable(SLUICE_IO_URING)) {
        workers_refused();
        refused_late();
    }
    holds_everything();
    forked();
    wrong_files();
    folder_remove(folder);
    return check_done();
}

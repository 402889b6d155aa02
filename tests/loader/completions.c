/* completions.c -- what an io_uring may answer, through a ring that is played: errors,
 * parts, "try again", nothing at all; and that reads in flight when a loader is closed
 * or fails are waited for before their memory goes. Needs no io_uring of the machine's.
 */
#include <errno.h>
#include <limits.h>

#include "core.h"
#include "pack.h"

enum { SAMPLES = 300, BATCH = 32, HELD_MAX = 64 };

static char path[128];

/* ---- a ring that is played ---- */

/* What a completion brings in place of all that was asked for: a negative errno, 0 (the
 * end of the file), or a part: of whole blocks, or not. */
enum { HALF = 1, ODD };

static int trouble;
static _Atomic int until = INT_MAX; /* completions to the first in trouble: 1: next */
static int times = 1;               /* in a row */
static _Atomic int others;          /* in flight when it came */
static bool alone;                  /* what failed can be read by pread */
static _Atomic int refused;         /* reads that pread failed */
static enum sluice_order order;

/* Reads stay in flight, but for the probe's, until this loader drops what is at hand.
 */
static _Atomic bool holding;
static struct sluice_loader *_Atomic held;

static int deaf_from;              /* the submission that fails like all behind it */
static _Atomic int submissions;    /* so far; 1 is the probe's */
static _Atomic int under_way;      /* over all rings */
static _Atomic int left_in_kernel; /* when their rings were closed */

struct sluice_ring {
    int fd, count;
    struct held {
        uint8_t *buf;
        size_t size;
        uint64_t at, tag;
    } held[HELD_MAX];
    struct sluice_ring *next;
};

static struct sluice_ring *lost; /* rings closed with reads in flight */
static pthread_mutex_t lost_lock = PTHREAD_MUTEX_INITIALIZER;

static int direct = -1; /* the descriptor that wants whole blocks */

static int p_open(const char *p, int flags)
{
    const int fd = sluice_sys_real.open(p, flags & ~O_DIRECT);
    if (flags & O_DIRECT)
        direct = fd;
    else if (fd == direct)
        direct = -1;
    return fd;
}

static ssize_t p_pread(int fd, void *buf, size_t size, uint64_t at)
{
    if (until > 0 || trouble > 0 || alone)
        return sluice_sys_real.pread(fd, buf, size, at);
    refused++;
    return trouble;
}

static int p_ring_open(struct sluice_ring **out, unsigned depth, int fd)
{
    struct sluice_ring *r = depth <= HELD_MAX ? calloc(1, sizeof(*r)) : NULL;
    if (!r)
        return -ENOMEM;
    r->fd = fd;
    *out = r;
    return 0;
}

static int p_ring_queue(struct sluice_ring *r, void *buf, size_t size, uint64_t at,
                        uint64_t tag)
{
    if (r->count == HELD_MAX)
        return -EBUSY;
    r->held[r->count++] = (struct held){ buf, size, at, tag };
    under_way++;
    return 0;
}

static bool is_deaf(void)
{
    return deaf_from && submissions >= deaf_from;
}

static int p_ring_submit(struct sluice_ring *r, bool wait)
{
    (void)r, (void)wait;
    submissions++;
    while (holding && submissions > 1 && !(held && sluice_cancelled(held)))
        usleep(200);
    return is_deaf() ? -EBADF : 1;
}

/* A kernel may write to all that it was given, whatever it answers. */
static int carry_out(const struct sluice_ring *r, const struct held *h)
{
    const uint64_t all = h->at | h->size | (uintptr_t)h->buf;
    if (r->fd == direct && all % SLUICE_BLOCK_SIZE)
        return -EINVAL;
    const int left = --until;
    const ssize_t n = sluice_sys_real.pread(r->fd, h->buf, h->size, h->at);
    if (left > 0 || left <= -times || n < 0)
        return (int)n;
    const size_t part = trouble == HALF
                            ? h->size / 2 / SLUICE_BLOCK_SIZE * SLUICE_BLOCK_SIZE
                        : trouble == ODD ? h->size * 2 / 3
                                         : 0;
    if (trouble > 0 && (!part || (size_t)n < part))
        return (int)n;
    others = r->count;
    memset(h->buf + part, 0xee, h->size - part);
    return trouble > 0 ? (int)part : trouble;
}

/* One at a time, the last first: others are still in flight. */
static int p_ring_reap(struct sluice_ring *r, struct sluice_completion *out, int max)
{
    if (is_deaf() || !r->count || max < 1)
        return 0;
    const struct held h = r->held[--r->count];
    under_way--;
    *out = (struct sluice_completion){ .tag = h.tag, .result = carry_out(r, &h) };
    return 1;
}

static void p_ring_close(struct sluice_ring *r)
{
    if (!r->count) {
        free(r);
        return;
    }
    under_way -= r->count;
    left_in_kernel += r->count;
    pthread_mutex_lock(&lost_lock);
    r->next = lost;
    lost = r;
    pthread_mutex_unlock(&lost_lock);
}

/* The kernel writes to what it was given and never gave back: a sanitizer tells if it
 * is another's by now. The rings stay, so that the memory is not taken for a leak. */
static void write_late(void)
{
    for (struct sluice_ring *r = lost; r; r = r->next)
        for (int i = 0; i < r->count; i++)
            memset(r->held[i].buf, 0xee, r->held[i].size);
    left_in_kernel = 0;
}

static struct sluice_sys play(void)
{
    struct sluice_sys sys = sluice_sys_real;
    sys.open = p_open;
    sys.pread = p_pread;
    sys.ring_open = p_ring_open;
    sys.ring_queue = p_ring_queue;
    sys.ring_submit = p_ring_submit;
    sys.ring_reap = p_ring_reap;
    sys.ring_close = p_ring_close;
    return sys;
}

/* ---- what becomes of it ---- */

static int open_loader(struct sluice_loader **ld, enum sluice_io io,
                       struct sluice_error *err)
{
    static struct sluice_sys sys;
    const struct sluice_loader_options o = {
        .batch_size = BATCH, .threads = 2, .io = io, .order = order
    };
    sys = play();
    submissions = 0;
    return sluice_loader_open_with(ld, path, &o, &sys, err);
}

/* Read an epoch: samples delivered, or the error's code. Pixels are compared. */
static int epoch(enum sluice_io io, const char *scene, struct sluice_error *err)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int samples = 0, n = open_loader(&ld, io, err);
    while (n == 0 && (n = sluice_loader_next(ld, &b, err)) > 0) {
        pack_check(b, scene, io);
        samples += n;
        sluice_loader_release(ld, b);
        n = 0;
        if (samples == SAMPLES)
            break;
    }
    sluice_loader_close(ld);
    return n < 0 ? n : samples;
}

static const struct answer {
    int trouble, code;
    const char *says;
} answers[] = {
    { -EIO, SLUICE_EIO, "Input/output error" },
    { -EFAULT, SLUICE_EIO, "Bad address" },
    { -ENOMEM, SLUICE_ENOMEM, "Cannot allocate memory" },
    { 0, SLUICE_ECORRUPT, "truncated" },
    { -EINTR, 0, "" }, /* to be asked again, like the next two; ... */
    { -EAGAIN, 0, "" },
    { -ECANCELED, 0, "" }, /* ... and not by the loader, which cancels nothing */
    { HALF, 0, "" },
    { ODD, 0, "" },
};

/* The Nth completion is in trouble. 1: as it should, 0: the epoch took none of it (it
 * was of the next epoch's reads), -1: there were fewer. */
static int nth(enum sluice_io io, const struct answer *a, int n)
{
    struct sluice_error err = { 0 };
    char scene[80];
    snprintf(scene, sizeof(scene), "%s, completion %d is %d", sluice_io_name(io), n,
             a->trouble);
    trouble = a->trouble;
    until = n;
    const int got = epoch(io, scene, &err);
    const bool fewer = until > 0, probe = n == 1 && a->code;
    const int want = probe ? SLUICE_EUNBUILT : fewer || !a->code ? SAMPLES : a->code;
    until = INT_MAX;
    CHECK(left_in_kernel == 0, "%s: %d reads not waited for", scene, left_in_kernel);
    if (got == SAMPLES && !probe)
        return fewer ? -1 : !a->code;
    CHECK(got == want && err.code == got && strstr(err.message, path) &&
              strstr(err.message, probe ? "is not available" : a->says) &&
              (probe || strstr(err.message, "sample ")),
          "%s: expected %d, found %d, %s", scene, want, got, err.message);
    return 1;
}

static void each_answer(enum sluice_io io)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        int n = 1, met = 0, rc;
        for (; (rc = nth(io, &answers[i], n)) >= 0; n += 1 + n / 4)
            met += rc;
        CHECK(met > 5, "%s: %d: met %d times in %d", sluice_io_name(io),
              answers[i].trouble, met, n);
    }
}

/* A transfer of whole blocks fails, and each of its samples can be read alone. */
static void failed_together(void)
{
    alone = true;
    for (int n = 2; n < 20; n++) {
        struct sluice_error err = { 0 };
        trouble = -EIO;
        until = n;
        CHECK(epoch(SLUICE_IO_DIRECT, "failed together", &err) == SAMPLES && until <= 0,
              "completion %d: %s", n, err.message);
    }
    until = INT_MAX;
    alone = false;
}

/* Each may take a disk its time: of the samples read together one that fails is enough.
 */
static void fails_soon(void)
{
    enum { TRANSFERS = 4 * BATCH / 8 }; /* four batches in chunks of 8 neighbours */
    struct sluice_error err = { 0 };
    order = SLUICE_SEQUENTIAL;
    trouble = -EIO;
    until = 2;
    times = INT_MAX;
    refused = 0;
    CHECK(epoch(SLUICE_IO_URING, "fails soon", &err) == SLUICE_EIO, "%s", err.message);
    CHECK(refused > 0 && refused <= TRANSFERS, "%d reads of %d transfers", refused,
          TRANSFERS);
    order = SLUICE_RANDOM;
    until = INT_MAX;
    times = 1;
}

/* "Try again", for ever. */
static void never_done(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    trouble = -EAGAIN;
    until = 4;
    times = INT_MAX;
    const int got = epoch(io, "never done", &err);
    CHECK(got == SLUICE_EIO && strstr(err.message, strerror(EAGAIN)) &&
              strstr(err.message, "sample "),
          "%s: %d, %s", sluice_io_name(io), got, err.message);
    CHECK(left_in_kernel == 0, "%d reads not waited for", left_in_kernel);
    until = INT_MAX;
    times = 1;
}

/* ---- in flight ---- */

static bool wait_for_reads(void)
{
    for (int i = 0; i < 10000 && !under_way; i++)
        usleep(1000);
    return under_way > 0;
}

/* Reads are in flight when the loader is closed, or goes elsewhere first. */
static void closed_early(enum sluice_io io)
{
    for (int i = 0; i < 8; i++) {
        struct sluice_error err = { 0 };
        struct sluice_loader *ld;
        const struct sluice_batch *b;
        holding = i % 2 == 0;
        REQUIRE(open_loader(&ld, io, &err) == 0, "%s", err.message);
        held = ld;
        if (!holding) {
            REQUIRE(sluice_loader_next(ld, &b, &err) == BATCH, "%s", err.message);
            pack_check(b, "closed early", io);
            holding = true;
            sluice_loader_release(ld, b); /* its place is filled anew */
        }
        CHECK(wait_for_reads(), "%s: nothing is in flight", sluice_io_name(io));
        if (i >= 4) {
            CHECK(sluice_loader_seek(ld, 7, 2, &err) == 0, "%s", err.message);
            CHECK(wait_for_reads(), "%s: nothing after a seek", sluice_io_name(io));
        }
        sluice_loader_close(ld);
        CHECK(left_in_kernel == 0 && under_way == 0, "%s: %d reads not waited for",
              sluice_io_name(io), left_in_kernel);
        held = NULL;
        holding = false;
    }
}

static void failed_early(enum sluice_io io)
{
    int seen = 0;
    for (int n = 2; n < 40; n++) {
        others = 0;
        nth(io, &answers[0], n);
        seen += others > 0;
    }
    CHECK(seen, "%s: no other read in flight each time", sluice_io_name(io));
}

/* Nothing comes back: an error in the end, and memory that the kernel may still write
 * to is lost rather than used again. */
static void deaf(enum sluice_io io)
{
    for (deaf_from = 1; deaf_from < 12; deaf_from++) {
        struct sluice_error err = { 0 };
        const int got = epoch(io, "deaf", &err);
        CHECK(got == (deaf_from == 1 ? SLUICE_EUNBUILT : SLUICE_EIO) &&
                  strstr(err.message, path) && strstr(err.message, strerror(EBADF)),
              "%s, submission %d: %d, %s", sluice_io_name(io), deaf_from, got,
              err.message);
        CHECK(left_in_kernel > 0, "%s, submission %d: all came back",
              sluice_io_name(io), deaf_from);
        write_late();
    }
    deaf_from = 0;
}

int main(void)
{
    static const enum sluice_io backends[] = { SLUICE_IO_URING, SLUICE_IO_DIRECT };
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < 2; i++) {
        each_answer(backends[i]);
        never_done(backends[i]);
        closed_early(backends[i]);
        failed_early(backends[i]);
        deaf(backends[i]);
    }
    failed_together();
    fails_soon();
    folder_remove(folder);
    return check_done();
}

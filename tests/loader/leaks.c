/* leaks.c -- a thousand loaders opened and closed and a thousand epochs leave nothing
 * behind: no descriptors, threads, bytes of heap or pages. A process that forks while a
 * loader works goes on, and the child is told at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "pack.h"
#include "support/heap.h"

enum {
    SAMPLES = 200,
    BATCH = 32,
    LOADERS = 1000,
    EPOCHS = 1000,
    WARM = 40,             /* until allocators and thread stacks have settled */
    HEAP_SLACK = 16 << 10, /* what threads that come and go may keep */
    PAGES_SLACK = 8 << 20,
};

static char path[128];
static struct sluice_error err;
static enum sluice_io backends[4];
static int backend_count;

struct held {
    int descriptors, threads;
    size_t heap, pages;
};

static struct held look(int threads)
{
    return (struct held){ open_descriptors(), threads_left(threads), heap_bytes(),
                          resident_bytes() };
}

static void compare(struct held before, struct held after, const char *what)
{
    CHECK(after.descriptors == before.descriptors, "%s: %d descriptors become %d", what,
          before.descriptors, after.descriptors);
    CHECK(after.threads <= before.threads, "%s: %d threads become %d", what,
          before.threads, after.threads);
    CHECK(after.heap <= before.heap + HEAP_SLACK, "%s: %zu bytes become %zu", what,
          before.heap, after.heap);
    CHECK(after.pages <= before.pages + PAGES_SLACK,
          "%s: %zu bytes of pages become %zu", what, before.pages, after.pages);
}

static struct sluice_loader *open_one(enum sluice_io io, int i)
{
    struct sluice_loader *ld;
    const struct sluice_loader_options o = { .batch_size = BATCH,
                                             .threads = 1 + i % 3,
                                             .io = io,
                                             .balanced = i % 5 == 4,
                                             .folds = i % 7 == 6 ? 3 : 0 };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s: %s", sluice_io_name(io),
            err.message);
    return ld;
}

/* Some are closed at once, some in the middle, some at the end; some are polled. */
static void come_and_go(int i)
{
    struct sluice_loader *ld = open_one(backends[i % backend_count], i);
    const struct sluice_batch *b = NULL;
    if (i % 4 == 1)
        REQUIRE(sluice_loader_fd(ld, &err) >= 0, "%s", err.message);
    for (int k = 0; k < i % 9 && sluice_loader_next(ld, &b, &err) > 0; k++)
        sluice_loader_release(ld, b);
    if (i % 6 == 5 && sluice_loader_next(ld, &b, &err) > 0)
        b = NULL; /* never given back */
    sluice_loader_close(ld);
}

static void loaders(void)
{
    for (int i = 0; i < WARM; i++)
        come_and_go(i);
    const struct held before = look(1);
    for (int i = 0; i < LOADERS; i++)
        come_and_go(i);
    compare(before, look(before.threads), "loaders");
}

static void epoch(struct sluice_loader *ld, uint32_t e)
{
    const struct sluice_batch *b;
    int n;
    REQUIRE(sluice_loader_seek(ld, e, e % 10 == 9 ? 2 : 0, &err) == 0, "%s",
            err.message);
    while ((n = sluice_loader_next(ld, &b, &err)) > 0)
        sluice_loader_release(ld, b);
    CHECK(n == 0, "%s", err.message);
}

static void epochs(enum sluice_io io)
{
    /* In the order of the file, so that every epoch needs the same room for its reads.
     */
    const struct sluice_loader_options o = {
        .batch_size = BATCH, .threads = 2, .io = io, .order = SLUICE_SEQUENTIAL
    };
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    for (uint32_t e = 0; e < WARM; e++)
        epoch(ld, e);
    const struct held before = look(3);
    for (uint32_t e = 0; e < (uint32_t)(EPOCHS / backend_count); e++)
        epoch(ld, e);
    compare(before, look(before.threads), sluice_io_name(io));
    sluice_loader_close(ld);
}

/* ---- fork ---- */

static atomic_bool enough;

/* Takes the lock over and over, so that many a child is born with it held. */
static void *lock_often(void *arg)
{
    struct sluice_loader_stats stats;
    while (!enough)
        sluice_loader_stats(arg, &stats);
    return NULL;
}

/* Every call in the child; 0: all refused, in bounded time. */
static int child(struct sluice_loader *ld, const struct sluice_batch *lent)
{
    const struct sluice_loader_state state = { 0 };
    struct sluice_loader_state got;
    struct sluice_loader_stats stats;
    struct sluice_damage damage;
    const struct sluice_batch *b;
    uint8_t pixels[PACK_BYTES];
    uint64_t ids[BATCH];
    int good = 0;
    alarm(20);
    struct sluice_error e[7] = { { 0 } };
    good += sluice_loader_next(ld, &b, &e[0]) == SLUICE_EINVAL && !b;
    good += sluice_loader_try_next(ld, &b, &e[1]) == SLUICE_EINVAL && !b;
    good += sluice_loader_seek(ld, 1, 0, &e[2]) == SLUICE_EINVAL;
    good += sluice_loader_get_state(ld, &got, &e[3]) == SLUICE_EINVAL;
    good += sluice_loader_fd(ld, &e[4]) == SLUICE_EINVAL;
    good += sluice_loader_ids(ld, 0, 0, ids, BATCH, &e[5]) == SLUICE_EINVAL;
    good +=
        sluice_loader_read(ld, 0, pixels, sizeof(pixels), NULL, &e[6]) == SLUICE_EINVAL;
    for (int i = 0; i < 7; i++)
        good += strstr(e[i].message, "forked") != NULL;
    good += sluice_loader_set_state(ld, &state, &e[0]) == SLUICE_EINVAL;
    good += sluice_loader_damage(ld, 0, &damage) == SLUICE_EINVAL;
    sluice_loader_stats(ld, &stats);
    good += strstr(stats.io_reason, "forked") && stats.batches == 0;
    sluice_loader_release(ld, lent);
    sluice_loader_close(ld);
    return good == 17 ? 0 : 100 + good;
}

static void forks(enum sluice_io io)
{
    struct sluice_loader *ld = open_one(io, 1);
    const struct sluice_batch *b;
    pthread_t busy;
    uint8_t want[PACK_BYTES];
    int samples = 0, n, status;
    enough = false;
    REQUIRE(pthread_create(&busy, NULL, lock_often, ld) == 0, "thread");
    while ((n = sluice_loader_next(ld, &b, &err)) > 0) {
        for (int k = 0; k < 5; k++) {
            const pid_t pid = fork();
            if (pid == 0)
                _exit(child(ld, b));
            REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
            CHECK(status == 0, "%s: the child ends with %x", sluice_io_name(io),
                  status);
        }
        for (int i = 0; i < n; i++) {
            pack_pixels(b->ids[i], want);
            CHECK(memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES, want,
                         PACK_BYTES) == 0,
                  "pixels");
        }
        samples += n;
        sluice_loader_release(ld, b);
    }
    CHECK(n == 0 && samples == SAMPLES, "the parent: %d samples, %s", samples,
          err.message);
    enough = true;
    pthread_join(busy, NULL);
    sluice_loader_close(ld);
}

int main(void)
{
    static const enum sluice_io all[] = { SLUICE_IO_RESIDENT, SLUICE_IO_URING,
                                          SLUICE_IO_DIRECT, SLUICE_IO_PREAD };
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < 4; i++) {
        struct sluice_loader *ld;
        const struct sluice_loader_options o = { .io = all[i] };
        if (sluice_loader_open(&ld, path, &o, &err) == 0)
            backends[backend_count++] = all[i];
        else
            printf("%s: %s\n", sluice_io_name(all[i]), err.message);
        sluice_loader_close(ld);
    }
    loaders();
    for (int i = 0; i < backend_count; i++) {
        epochs(backends[i]);
        forks(backends[i]);
    }
    folder_remove(folder);
    return check_done();
}

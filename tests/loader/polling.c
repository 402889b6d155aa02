/* polling.c -- consumers that do not wait, consumers that wait for a descriptor, and
 * more consumers than batches: every batch comes once, nobody is told too early, nobody
 * waits for ever. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "pack.h"

enum { SAMPLES = 1000, BATCH = 32, BATCHES = 32, EPOCHS = 3, CROWD = 9 };

static char path[128];
static struct sluice_error err;
static pthread_mutex_t checking = PTHREAD_MUTEX_INITIALIZER; /* CHECK counts */

/* CHECK for threads. */
#define CHECK_HERE(cond, ...)                                                          \
    do {                                                                               \
        pthread_mutex_lock(&checking);                                                 \
        CHECK(cond, __VA_ARGS__);                                                      \
        pthread_mutex_unlock(&checking);                                               \
    } while (0)

/* ---- a transform behind a gate ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moves = PTHREAD_COND_INITIALIZER;
static int gate_open; /* images that may pass; -1: all */
static int passed;
static uint64_t refused = UINT64_MAX;

static void open_gate(int images)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = images;
    pthread_cond_broadcast(&gate_moves);
    pthread_mutex_unlock(&gate_lock);
}

static int pass(const void *arg, const struct sluice_image *in, void *out,
                struct sluice_error *e)
{
    (void)arg;
    pthread_mutex_lock(&gate_lock);
    while (gate_open == 0)
        pthread_cond_wait(&gate_moves, &gate_lock);
    gate_open -= gate_open > 0;
    passed++;
    pthread_mutex_unlock(&gate_lock);
    *(uint8_t *)out = in->pixels[0];
    return in->id == refused ? sluice_fail(e, SLUICE_EINVAL, "not this one") : 0;
}

static void await_passed(int images)
{
    for (int now = -1; now != images; usleep(1000)) {
        pthread_mutex_lock(&gate_lock);
        now = passed;
        pthread_mutex_unlock(&gate_lock);
    }
}

static struct sluice_loader *open_with(const struct sluice_loader_options *o)
{
    struct sluice_loader *ld;
    REQUIRE(sluice_loader_open(&ld, path, o, &err) == 0, "%s", err.message);
    return ld;
}

static struct sluice_loader *open_gated(int batches)
{
    const struct sluice_loader_options o = {
        .batch_size = BATCH,
        .batches = batches,
        .threads = 2,
        .order = SLUICE_SEQUENTIAL,
        .transform = { pass, NULL, { 1, 1, 1, SLUICE_U8, SLUICE_NHWC } },
    };
    return open_with(&o);
}

/* Within `ms`: is there something to get? */
static bool readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    const int n = poll(&p, 1, ms);
    REQUIRE(n >= 0, "poll");
    return n == 1 && p.revents == POLLIN;
}

enum { LONG = 30000 };

static void one_consumer(void)
{
    const struct sluice_batch *b, *c;
    open_gate(0);
    struct sluice_loader *ld = open_gated(2);
    const int fd = sluice_loader_fd(ld, &err);
    REQUIRE(fd >= 0 && sluice_loader_fd(ld, &err) == fd, "%s", err.message);
    CHECK(!readable(fd, 20), "readable before there is a batch");
    CHECK(sluice_loader_try_next(ld, &b, &err) == SLUICE_EAGAIN && !b,
          "a batch from nowhere");
    CHECK(strstr(err.message, "no batch is ready yet"), "%s", err.message);
    open_gate(BATCH - 1);
    CHECK(!readable(fd, 20), "readable with half a batch");
    open_gate(-1);
    CHECK(readable(fd, LONG), "never readable");
    REQUIRE(sluice_loader_try_next(ld, &b, &err) == BATCH && b->number == 0, "%s",
            err.message);
    CHECK(readable(fd, LONG), "the second is never ready");
    REQUIRE(sluice_loader_try_next(ld, &c, &err) == BATCH && c->number == 1, "%s",
            err.message);
    /* Both are held: nothing can come. */
    CHECK(!readable(fd, 20), "readable without a batch");
    const struct sluice_batch *none;
    CHECK(sluice_loader_try_next(ld, &none, &err) == SLUICE_EAGAIN, "%s", err.message);
    CHECK(sluice_loader_next(ld, &none, &err) == SLUICE_EINVAL, "%s", err.message);
    sluice_loader_release(ld, c);
    CHECK(readable(fd, LONG), "not readable after a release");
    sluice_loader_release(ld, b);
    for (uint64_t number = 2; number < BATCHES; number++) {
        CHECK(readable(fd, LONG), "batch %d", (int)number);
        REQUIRE(sluice_loader_try_next(ld, &b, &err) > 0 && b->number == number, "%s",
                err.message);
        sluice_loader_release(ld, b);
    }
    CHECK(readable(fd, LONG) && sluice_loader_try_next(ld, &b, &err) == 0 &&
              readable(fd, 0),
          "the end");
    /* The workers fill two batches of the next epoch and rest. (One that stood at the
     * gate would keep a seek waiting.) */
    await_passed(SAMPLES + 2 * BATCH);
    open_gate(0);
    REQUIRE(sluice_loader_seek(ld, 5, 7, &err) == 0, "%s", err.message);
    CHECK(!readable(fd, 20), "readable after a seek");
    open_gate(-1);
    CHECK(readable(fd, LONG) && sluice_loader_try_next(ld, &b, &err) == BATCH &&
              b->number == 7 && b->epoch == 5,
          "after a seek: %s", err.message);
    sluice_loader_close(ld);

    refused = 3;
    ld = open_gated(2);
    const int other = sluice_loader_fd(ld, &err);
    CHECK(readable(other, LONG) &&
              sluice_loader_try_next(ld, &b, &err) == SLUICE_EINVAL &&
              strstr(err.message, "not this one") && readable(other, 0),
          "an error: %s", err.message);
    CHECK(sluice_loader_try_next(ld, &b, &err) == SLUICE_EINVAL, "%s", err.message);
    sluice_loader_close(ld);
    refused = UINT64_MAX;
}

/* ---- crowds ---- */

struct crowd {
    struct sluice_loader *ld;
    int fd;
    _Atomic int seen[BATCHES];
    _Atomic int kinds; /* so far: each thread is of another kind */
};

static int get(struct crowd *c, int kind, const struct sluice_batch **b,
               struct sluice_error *e)
{
    int n;
    if (kind == 0)
        return sluice_loader_next(c->ld, b, e);
    while ((n = sluice_loader_try_next(c->ld, b, e)) == SLUICE_EAGAIN)
        if (kind == 1)
            poll(&(struct pollfd){ .fd = c->fd, .events = POLLIN }, 1, -1);
        else
            sched_yield();
    return n;
}

static void *consume(void *arg)
{
    struct crowd *c = arg;
    const int kind = atomic_fetch_add(&c->kinds, 1) % 3;
    const struct sluice_batch *b;
    struct sluice_error e;
    uint8_t want[PACK_BYTES];
    int n;
    while ((n = get(c, kind, &b, &e)) > 0) {
        bool good = true;
        for (int i = 0; i < n; i++) {
            pack_pixels(b->ids[i], want);
            good = good && memcmp((uint8_t *)b->pixels + (size_t)i * PACK_BYTES, want,
                                  PACK_BYTES) == 0;
        }
        CHECK_HERE(good, "pixels of batch %d", (int)b->number);
        atomic_fetch_add(&c->seen[b->number], 1);
        sluice_loader_release(c->ld, b);
    }
    CHECK_HERE(n == 0, "kind %d: %s", kind, e.message);
    return NULL;
}

static void crowds(enum sluice_io io, int batches)
{
    struct crowd c = {
        .ld = open_with(&(struct sluice_loader_options){
            .batch_size = BATCH, .batches = batches, .threads = 3, .io = io })
    };
    c.fd = sluice_loader_fd(c.ld, &err);
    REQUIRE(c.fd >= 0, "%s", err.message);
    for (uint32_t e = 0; e < EPOCHS; e++) {
        pthread_t threads[CROWD];
        for (int i = 0; i < BATCHES; i++)
            c.seen[i] = 0;
        REQUIRE(sluice_loader_seek(c.ld, e, 0, &err) == 0, "%s", err.message);
        for (int i = 0; i < CROWD; i++)
            if (pthread_create(&threads[i], NULL, consume, &c) != 0)
                abort();
        for (int i = 0; i < CROWD; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < BATCHES; i++)
            CHECK(c.seen[i] == 1, "epoch %d: batch %d came %d times", (int)e, i,
                  c.seen[i]);
    }
    sluice_loader_close(c.ld);
}

/* Each wants two at a time, and there are three: some get the error instead, give back
 * what they hold and try again; nobody waits for ever. */
static void *greedy(void *arg)
{
    struct crowd *c = arg;
    const struct sluice_batch *first, *second;
    struct sluice_error e;
    int n;
    while ((n = sluice_loader_next(c->ld, &first, &e)) > 0) {
        atomic_fetch_add(&c->seen[first->number], 1);
        n = sluice_loader_next(c->ld, &second, &e);
        if (n > 0) {
            atomic_fetch_add(&c->seen[second->number], 1);
            sluice_loader_release(c->ld, second);
        }
        CHECK_HERE(n >= 0 || strstr(e.message, "held by threads that wait"), "%s",
                   e.message);
        sluice_loader_release(c->ld, first);
    }
    CHECK_HERE(n == 0, "%s", e.message);
    return NULL;
}

static void greed(void)
{
    struct crowd c = { .ld = open_with(&(struct sluice_loader_options){
                           .batch_size = BATCH, .batches = 3, .threads = 2 }) };
    for (uint32_t e = 0; e < 20; e++) {
        pthread_t threads[3];
        for (int i = 0; i < BATCHES; i++)
            c.seen[i] = 0;
        REQUIRE(sluice_loader_seek(c.ld, e, 0, &err) == 0, "%s", err.message);
        for (int i = 0; i < 3; i++)
            if (pthread_create(&threads[i], NULL, greedy, &c) != 0)
                abort();
        for (int i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < BATCHES; i++)
            CHECK(c.seen[i] == 1, "batch %d came %d times", i, c.seen[i]);
    }
    sluice_loader_close(c.ld);
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    one_consumer();
    for (int batches = 1; batches <= 5; batches += 2) {
        crowds(SLUICE_IO_RESIDENT, batches);
        crowds(SLUICE_IO_PREAD, batches);
    }
    greed();
    folder_remove(folder);
    return check_done();
}

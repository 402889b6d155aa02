/* workers.c -- the pool that shares work with its caller: each part once, none after
 * the call has returned, for any number of threads; nested calls and calls of two
 * threads at a time end, too. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "check.h"
#include "workers.h"

enum { PARTS_MOST = 200, JOBS = 4000 };

struct job {
    atomic_int times[PARTS_MOST];
    atomic_int wrong; /* calls for parts there are not, or of a job that is over */
    size_t parts;
    atomic_bool over;
    struct workers *within; /* each part is a job itself */
};

static void nothing(void *arg, size_t part)
{
    (void)part;
    ++*(atomic_int *)arg;
}

static void body(void *arg, size_t part)
{
    struct job *job = arg;
    atomic_int inner = 0;
    if (part >= job->parts || job->over) {
        job->wrong++;
        return;
    }
    job->times[part]++;
    if (job->within)
        workers_run(job->within, 5, nothing, &inner);
    job->wrong += job->within && inner != 5;
}

static void run(struct workers *w, size_t parts, bool nested)
{
    static struct job jobs[2];
    static int turn;
    struct job *job = &jobs[turn ^= 1];
    *job = (struct job){ .parts = parts, .within = nested ? w : NULL };
    workers_run(w, parts, body, job);
    job->over = true;
    CHECK(!job->wrong, "%d wrong calls of %zu parts", job->wrong, parts);
    for (size_t i = 0; i < parts; i++)
        CHECK(job->times[i] == 1, "part %zu of %zu: %d times", i, parts, job->times[i]);
}

static void many_jobs(int threads)
{
    struct sluice_error err;
    struct workers *w;
    REQUIRE(workers_open(&w, threads, &err) == 0, "%s", err.message);
    for (int i = 0; i < JOBS; i++)
        run(w, (size_t)(i * 7 % PARTS_MOST), i % 16 == 0);
    workers_close(w);
}

/* Two callers of one pool, of which one has to do without it. */
struct caller {
    struct workers *w;
    atomic_int done;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < JOBS / 4; i++)
        workers_run(c->w, 10, nothing, &c->done);
    return NULL;
}

static void two_callers(void)
{
    struct sluice_error err;
    struct caller c[2] = { 0 };
    pthread_t other;
    REQUIRE(workers_open(&c[0].w, 3, &err) == 0, "%s", err.message);
    c[1].w = c[0].w;
    REQUIRE(pthread_create(&other, NULL, call, &c[1]) == 0, "no thread");
    call(&c[0]);
    pthread_join(other, NULL);
    CHECK(c[0].done == JOBS / 4 * 10 && c[1].done == JOBS / 4 * 10, "%d and %d parts",
          c[0].done, c[1].done);
    workers_close(c[0].w);
}

/* Two parts that wait for each other: they end if two threads are at them, once the
 * second is awake; with one thread this stands until CTest ends it. */
static void meet(void *arg, size_t part)
{
    atomic_int *there = arg;
    (void)part;
    ++*there;
    while (*there < 2)
        sched_yield();
}

static void side_by_side(void)
{
    struct sluice_error err;
    struct workers *w;
    REQUIRE(workers_open(&w, 2, &err) == 0, "%s", err.message);
    for (int i = 0; i < 20; i++) {
        atomic_int there = 0;
        workers_run(w, 2, meet, &there);
    }
    workers_close(w);
}

int main(void)
{
    static const int counts[] = { 1, 2, 3, 7, 16 };
    run(NULL, 9, false);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        many_jobs(counts[i]);
    two_callers();
    side_by_side();
    return check_done();
}

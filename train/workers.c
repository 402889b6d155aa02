/* workers.c -- a pool of threads. A job is a counter of parts that nobody has taken:
 * who brings it down by one does that part, and reads what the job is only then, since
 * the caller changes that only once all that was taken is done. So a thread that wakes
 * late finds zero and sleeps again, and no one needs to know whether it ever woke. */
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "workers.h"

enum {
    /* Looks at a word before sleeping until it changes: some ten microseconds, about
     * what being woken takes. */
    LOOKS = 300,
    LINE = 64,
};

typedef _Atomic uint32_t word;

struct thread {
    pthread_t id;
    struct workers *workers;
    int self;
};

struct workers {
    _Alignas(LINE) word left;   /* parts that nobody has taken */
    _Alignas(LINE) word undone; /* parts that are not done */
    word awaited;               /* the caller sleeps until all are */
    _Alignas(LINE) word jobs;   /* how many there have been */
    word asleep;                /* threads that sleep until there is another */
    word in_use, stop;
    workers_body *body; /* the job */
    void *arg;
    size_t parts;
    int threads, started;
    struct thread thread[];
};

static _Thread_local int self;

int workers_self(void)
{
    return self;
}

/* Until *w is not `seen`: awake for a while, then asleep, counted in *sleepers. It may
 * return early. */
static void wait_for_change(word *w, uint32_t seen, word *sleepers)
{
    for (int i = 0; i < LOOKS; i++) {
        if (*w != seen)
            return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    ++*sleepers;
    syscall(SYS_futex, w, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    --*sleepers;
}

/* After *w has changed. Whoever counts himself a sleeper later sees the change. */
static void wake(word *w, const word *sleepers)
{
    if (*sleepers)
        syscall(SYS_futex, w, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void work(struct workers *w)
{
    uint32_t left = w->left;
    while (left) {
        if (!atomic_compare_exchange_weak(&w->left, &left, left - 1))
            continue;
        w->body(w->arg, w->parts - left);
        if (--w->undone == 0)
            wake(&w->undone, &w->awaited);
        left = w->left;
    }
}

/* Where each CPU has a thread, this one stays on its own: the kernel now and then puts
 * two on one and leaves them there for milliseconds. The caller's is the first, if it
 * is free; it is not held there, as threads that the caller starts would be, too. */
static void stay(int cpus)
{
    cpu_set_t allowed, own;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 ||
        CPU_COUNT(&allowed) != cpus)
        return;
    CPU_ZERO(&own);
    for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && seen++ == self)
            CPU_SET(cpu, &own);
    sched_setaffinity(0, sizeof own, &own);
}

static void *run(void *arg)
{
    const struct thread *t = arg;
    struct workers *w = t->workers;
    uint32_t seen = 0;
    self = t->self;
    stay(w->threads);
    while (!w->stop) {
        wait_for_change(&w->jobs, seen, &w->asleep);
        seen = w->jobs;
        work(w);
    }
    return NULL;
}

void workers_run(struct workers *w, size_t parts, workers_body *body, void *arg)
{
    uint32_t idle = 0;
    if (!w || parts < 2 || parts > UINT32_MAX ||
        !atomic_compare_exchange_strong(&w->in_use, &idle, 1)) {
        for (size_t i = 0; i < parts; i++)
            body(arg, i);
        return;
    }
    w->body = body;
    w->arg = arg;
    w->parts = parts;
    w->undone = (uint32_t)parts;
    w->left = (uint32_t)parts;
    w->jobs++;
    wake(&w->jobs, &w->asleep);
    work(w);
    for (uint32_t undone; (undone = w->undone);)
        wait_for_change(&w->undone, undone, &w->awaited);
    w->in_use = 0;
}

/* Signals are for the program's own threads. */
static int start(struct workers *w, int threads)
{
    sigset_t all, before;
    int rc = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 1; i < threads && rc == 0; i++) {
        struct thread *t = &w->thread[w->started];
        *t = (struct thread){ .workers = w, .self = i };
        rc = pthread_create(&t->id, NULL, run, t);
        w->started += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int workers_open(struct workers **out, int threads, struct sluice_error *err)
{
    const size_t size =
        sizeof(struct workers) + (size_t)threads * sizeof(struct thread);
    struct workers *w = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);
    *out = NULL;
    if (!w)
        return sluice_fail(err, SLUICE_ENOMEM, "%d threads: no memory", threads);
    memset(w, 0, size);
    w->threads = threads;
    const int rc = start(w, threads);
    if (rc) {
        const int started = w->started;
        workers_close(w);
        return sluice_fail(err, SLUICE_ENOMEM, "%d threads: %d started, then: %s",
                           threads, started + 1, strerror(rc));
    }
    *out = w;
    return 0;
}

void workers_close(struct workers *w)
{
    if (!w)
        return;
    w->stop = 1;
    w->jobs++;
    wake(&w->jobs, &w->asleep);
    for (int i = 0; i < w->started; i++)
        pthread_join(w->thread[i].id, NULL);
    free(w);
}

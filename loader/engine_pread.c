/* engine_pread.c -- reads by pread; see read.h. What the page cache holds is copied by
 * the calling thread, since handing it to another one costs more than the copy; what
 * must come from the disk waits in the pool, so that many reads wait at once. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "read.h"

enum { STRETCH_MAX = 256 };

struct list {
    struct sluice_read *first, **last;
};

static void list_init(struct list *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void list_push(struct list *l, struct sluice_read *r)
{
    r->next = NULL;
    *l->last = r;
    l->last = &r->next;
}

static struct sluice_read *list_pop(struct list *l)
{
    struct sluice_read *r = l->first;
    if (r && !(l->first = r->next))
        l->last = &l->first;
    return r;
}

struct sluice_pool {
    const struct sluice_sys *sys;
    int fd, max;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list waiting;
    int queued, idle, count;
    bool stop;
    pthread_t threads[];
};

struct pread_engine {
    struct sluice_engine engine;
    struct sluice_engine_setup setup;
    bool cached_unknown;    /* the file system cannot say what is cached */
    int stretch, handed;    /* ... then: see pread_unknown */
    struct list here, away; /* ended; to be handed to the pool. The worker's own */
    int under_way;          /* handed over and not yet taken back */
    pthread_mutex_t lock;   /* guards `back` */
    pthread_cond_t arrived;
    struct list back;
};

static void read_fully(const struct sluice_sys *sys, int fd, struct sluice_read *r)
{
    while (!sluice_read_step(
        r, sys->pread(fd, r->buf + r->done, r->size - r->done, r->offset + r->done)))
        ;
}

static void give_back(struct sluice_read *r)
{
    struct pread_engine *e = (struct pread_engine *)r->owner;
    pthread_mutex_lock(&e->lock);
    list_push(&e->back, r);
    pthread_cond_signal(&e->arrived);
    pthread_mutex_unlock(&e->lock);
}

static void *pool_thread(void *arg)
{
    struct sluice_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct sluice_read *r = list_pop(&p->waiting);
        if (r) {
            p->queued--;
            pthread_mutex_unlock(&p->lock);
            read_fully(p->sys, p->fd, r);
            give_back(r);
            pthread_mutex_lock(&p->lock);
        } else if (p->stop) {
            break;
        } else {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int sluice_pool_create(struct sluice_pool **out, const struct sluice_sys *sys, int fd,
                       int max)
{
    struct sluice_pool *p = calloc(1, sizeof(*p) + sizeof(p->threads[0]) * (size_t)max);
    if (!p)
        return -ENOMEM;
    p->sys = sys;
    p->fd = fd;
    p->max = max;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    list_init(&p->waiting);
    *out = p;
    return 0;
}

void sluice_pool_free(struct sluice_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* Queue all of `reads`, and see to it that threads are there for them. Returns how many
 * were taken: none if not one thread can be had. */
static int pool_take(struct sluice_pool *p, struct list *reads)
{
    int taken = 0;
    struct sluice_read *r;
    pthread_mutex_lock(&p->lock);
    int missing = p->queued - p->idle;
    for (r = reads->first; r; r = r->next)
        missing++;
    for (; missing > 0 && p->count < p->max; missing--, p->count++)
        if (p->sys->thread(&p->threads[p->count], pool_thread, p) < 0)
            break;
    while (p->count > 0 && (r = list_pop(reads))) {
        list_push(&p->waiting, r);
        p->queued++;
        taken++;
    }
    if (taken > 1)
        pthread_cond_broadcast(&p->work);
    else
        pthread_cond_signal(&p->work);
    pthread_mutex_unlock(&p->lock);
    return taken;
}

static int pread_open(struct sluice_engine **out,
                      const struct sluice_engine_setup *setup)
{
    struct pread_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->engine.kind = &sluice_engine_pread;
    e->setup = *setup;
    list_init(&e->here);
    list_init(&e->away);
    list_init(&e->back);
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->arrived, NULL);
    *out = &e->engine;
    return 0;
}

/* Where the file system cannot say what is cached (tmpfs, overlay, network), the time
 * of a read does: it is done here, and after each that had to wait twice as many are
 * handed to the pool before the next is tried here. */
static void pread_unknown(struct pread_engine *e, struct sluice_read *r)
{
    const struct sluice_engine_setup *s = &e->setup;
    if (e->handed < e->stretch) {
        e->handed++;
        list_push(&e->away, r);
        return;
    }
    const double before = sluice_seconds();
    read_fully(s->sys, s->fd, r);
    const bool waited = sluice_read_waited(sluice_seconds() - before, r->size);
    e->stretch = !waited                    ? 0
                 : e->stretch < STRETCH_MAX ? 2 * e->stretch + 1
                                            : e->stretch;
    e->handed = 0;
    list_push(&e->here, r);
}

static void pread_start(struct sluice_engine *engine, struct sluice_read *r)
{
    struct pread_engine *e = (struct pread_engine *)engine;
    const struct sluice_engine_setup *s = &e->setup;
    r->owner = engine;
    if (!e->cached_unknown) {
        ssize_t n = s->sys->pread_cached(s->fd, r->buf, r->size, r->offset);
        if (n > 0 && sluice_read_step(r, n)) {
            list_push(&e->here, r);
            return;
        }
        e->cached_unknown = n == -EOPNOTSUPP || n == -ENOSYS;
    }
    if (e->cached_unknown)
        pread_unknown(e, r);
    else
        list_push(&e->away, r);
}

static int pread_finish(struct sluice_engine *engine, struct sluice_read **done,
                        int max)
{
    struct pread_engine *e = (struct pread_engine *)engine;
    struct sluice_read *r;
    int count = 0;
    if (e->away.first)
        e->under_way += pool_take(e->setup.pool, &e->away);
    if ((r = list_pop(&e->away))) { /* no thread to be had: wait in this one */
        read_fully(e->setup.sys, e->setup.fd, r);
        list_push(&e->here, r);
    }
    while (count < max && (r = list_pop(&e->here)))
        done[count++] = r;
    if (e->under_way == 0)
        return count;
    pthread_mutex_lock(&e->lock);
    while (count == 0 && !e->back.first)
        pthread_cond_wait(&e->arrived, &e->lock);
    for (; count < max && (r = list_pop(&e->back)); e->under_way--)
        done[count++] = r;
    pthread_mutex_unlock(&e->lock);
    return count;
}

static void pread_close(struct sluice_engine *engine)
{
    struct pread_engine *e = (struct pread_engine *)engine;
    assert(e->under_way == 0);
    pthread_cond_destroy(&e->arrived);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

const struct sluice_engine_kind sluice_engine_pread = {
    .open = pread_open,
    .start = pread_start,
    .finish = pread_finish,
    .close = pread_close,
};

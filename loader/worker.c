/* worker.c -- threads that fill batches. Each takes a chunk of the earliest batch that
 * still has one, so that several share a batch and the next one to be delivered is
 * always the one worked on. The lock is held to take and to hand in a chunk only. */
#include <stdlib.h>
#include <time.h>

#include "core.h"

double sluice_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The earliest slot with samples not yet taken; NULL: none. */
static struct slot *open_slot(struct sluice_loader *ld)
{
    struct slot *best = NULL;
    for (int i = 0; i < ld->opt.batches; i++) {
        struct slot *s = &ld->slots[i];
        if (s->state == SLOT_FILLING && s->taken < s->count &&
            (!best || s->batch.number < best->batch.number))
            best = s;
    }
    return best;
}

/* Begin the next batch of the epoch in a free slot; NULL: none is free, or no batch is
 * left. */
static struct slot *assign_slot(struct sluice_loader *ld)
{
    if (ld->next_assigned == sluice_share_batches(&ld->share))
        return NULL;
    for (int i = 0; i < ld->opt.batches; i++) {
        struct slot *s = &ld->slots[i];
        if (s->state != SLOT_FREE)
            continue;
        s->batch.number = ld->next_assigned++;
        s->batch.epoch = ld->epoch;
        s->count = (int)sluice_share_batch(&ld->share, s->batch.number, &s->first);
        s->batch.count = s->failed_at = s->count;
        s->taken = s->done = 0;
        s->state = SLOT_FILLING;
        return s;
    }
    return NULL;
}

/* So small that workers end a batch together, so large that the lock is seldom taken.
 */
static int chunk_size(const struct sluice_loader *ld, const struct slot *slot)
{
    int n = slot->count / (ld->worker_count * 4);
    n = n < 8 ? 8 : n > CHUNK_MAX ? CHUNK_MAX : n;
    return slot->count - slot->taken < n ? slot->count - slot->taken : n;
}

static void hand_in(struct worker *w, struct slot *slot, int count, int rc, int at,
                    const struct sluice_error *err)
{
    struct sluice_loader *ld = w->ld;
    ld->stats.read_seconds += w->read_seconds;
    ld->stats.transform_seconds += w->transform_seconds;
    ld->stats.bytes_read += w->bytes_read;
    ld->stats.samples += (uint64_t)count;
    w->read_seconds = w->transform_seconds = 0;
    w->bytes_read = 0;
    if (rc < 0 && at < slot->failed_at) {
        slot->failed_at = at;
        slot->error = *err;
    }
    slot->done += count;
    if (slot->done == slot->count) {
        slot->state = SLOT_READY;
        pthread_cond_broadcast(&ld->ready);
    }
    if (--ld->busy == 0 && ld->cancel)
        pthread_cond_broadcast(&ld->ready);
}

void *sluice_worker_run(void *arg)
{
    struct worker *w = arg;
    struct sluice_loader *ld = w->ld;
    /* A ring belongs to the thread that opened it. */
    w->engine_error = sluice_engine_open(ld, &w->engine);
    pthread_mutex_lock(&ld->lock);
    while (!ld->stop) {
        struct slot *slot = ld->cancel ? NULL : open_slot(ld);
        if (!slot && !ld->cancel)
            slot = assign_slot(ld);
        if (!slot) {
            const double before = sluice_seconds();
            const bool full = ld->next_assigned < sluice_share_batches(&ld->share);
            pthread_cond_wait(&ld->work, &ld->lock);
            if (full)
                ld->stats.idle_seconds += sluice_seconds() - before;
            continue;
        }
        const int from = slot->taken, to = from + chunk_size(ld, slot);
        struct sluice_error err;
        int at = from;
        slot->taken = to;
        ld->busy++;
        if (to < slot->count || ld->next_assigned < sluice_share_batches(&ld->share))
            pthread_cond_signal(&ld->work); /* there is more for another worker */
        pthread_mutex_unlock(&ld->lock);
        const double before = sluice_seconds();
        int rc = sluice_fetch(w, slot, from, to, &at, &err);
        w->transform_seconds += sluice_seconds() - before;
        pthread_mutex_lock(&ld->lock);
        hand_in(w, slot, to - from, rc, at, &err);
    }
    pthread_mutex_unlock(&ld->lock);
    if (w->engine)
        w->engine->kind->close(w->engine);
    free(w->arena);
    return NULL;
}

/* worker.c -- threads that fill batches. Each takes a chunk of the earliest batch that
 * still has one, so that several share a batch and the next one to be delivered is
 * always the one worked on. The lock is held to take and to hand in a chunk only. */
#include <errno.h>
#include <stdlib.h>

#include "core.h"

/* What a chunk's images may take in memory: keeps arenas small. */
enum { CHUNK_BYTES = 1 << 20, CHUNK_MIN = 8 };

static bool earlier(const struct sluice_batch *a, const struct sluice_batch *b)
{
    return a->epoch == b->epoch ? a->number < b->number
                                : (int32_t)(a->epoch - b->epoch) < 0;
}

/* The earliest slot with samples not yet taken; NULL: none. */
static struct slot *open_slot(struct sluice_loader *ld)
{
    struct slot *best = NULL;
    for (int i = 0; i < ld->opt.batches; i++) {
        struct slot *s = &ld->slots[i];
        if (s->state == SLOT_FILLING && s->taken < s->count &&
            (!best || earlier(&s->batch, &best->batch)))
            best = s;
    }
    return best;
}

/* Is there a batch to begin, in this epoch or the one behind it? */
static bool more_batches(const struct sluice_loader *ld)
{
    return ld->epoch_batches > 0 &&
           (ld->assigned < sluice_batches_of(ld, ld->ahead_epoch) ||
            ld->ahead_epoch == ld->epoch);
}

/* Begin the next batch in a free slot; NULL: none is free, or no batch is left. */
static struct slot *assign_slot(struct sluice_loader *ld)
{
    struct slot *s = ld->slots, *end = s + ld->opt.batches;
    while (s < end && s->state != SLOT_FREE)
        s++;
    if (s == end || !more_batches(ld))
        return NULL;
    if (ld->assigned == sluice_batches_of(ld, ld->ahead_epoch)) {
        ld->assigned = 0;
        ld->ahead_epoch++;
        sluice_order_begin(ld, ld->ahead_epoch);
    }
    s->batch.number = ld->assigned++;
    s->batch.epoch = ld->ahead_epoch;
    const struct sluice_share share = sluice_share_of(ld, ld->ahead_epoch);
    s->count = (int)sluice_share_batch(&share, s->batch.number, &s->first);
    s->batch.count = s->failed_at = s->count;
    s->taken = s->done = 0;
    s->state = SLOT_FILLING;
    return s;
}

int sluice_chunk_max(const struct sluice_loader *ld)
{
    const size_t room = CHUNK_BYTES / ld->in_bytes;
    return room >= CHUNK_MAX ? CHUNK_MAX : room ? (int)room : 1;
}

/* So small that workers end a batch together, so large that the lock is seldom taken.
 */
static int chunk_size(const struct sluice_loader *ld, const struct slot *slot)
{
    const int most = sluice_chunk_max(ld);
    int n = slot->count / (ld->worker_count * 4);
    n = n < CHUNK_MIN ? CHUNK_MIN : n;
    n = n < most ? n : most;
    return slot->count - slot->taken < n ? slot->count - slot->taken : n;
}

/* Take a chunk: 1, or 0 if there is none (now, if not to wait), or -1 to end. */
static int take(struct worker *w, bool wait, struct chunk *c)
{
    struct sluice_loader *ld = w->ld;
    struct slot *slot = NULL;
    pthread_mutex_lock(&ld->lock);
    while (!ld->stop) {
        if (!ld->cancel && ((slot = open_slot(ld)) || (slot = assign_slot(ld))))
            break;
        if (!wait)
            break;
        const double before = sluice_seconds();
        const bool full = !ld->cancel && more_batches(ld);
        pthread_cond_wait(&ld->work, &ld->lock);
        if (full)
            ld->stats.idle_seconds += sluice_seconds() - before;
    }
    if (slot) {
        *c = (struct chunk){ .slot = slot, .from = slot->taken };
        slot->taken += chunk_size(ld, slot);
        c->to = slot->taken;
        ld->busy++;
        if (slot->taken < slot->count || more_batches(ld))
            pthread_cond_signal(&ld->work); /* there is more for another worker */
    }
    const int rc = slot ? 1 : ld->stop ? -1 : 0;
    pthread_mutex_unlock(&ld->lock);
    return rc;
}

/* With the lock held. */
static void tell_times(struct sluice_loader *ld, struct sluice_decoder *d)
{
    if (!d->jpeg)
        return;
    const struct sluice_jpeg_times now = sluice_jpeg_times(d->jpeg);
    ld->stats.entropy_seconds += now.entropy - d->told.entropy;
    ld->stats.pixels_seconds += now.pixels - d->told.pixels;
    d->told = now;
}

static void hand_in(struct worker *w, struct chunk *chunks, int count)
{
    struct sluice_loader *ld = w->ld;
    pthread_mutex_lock(&ld->lock);
    for (int i = 0; i < count; i++) {
        struct chunk *c = &chunks[i];
        struct slot *slot = c->slot;
        if (c->rc < 0 && c->at < slot->failed_at) {
            slot->failed_at = c->at;
            slot->error = c->err;
        }
        sluice_damage_collect(c);
        slot->done += c->to - c->from;
        if (slot->done == slot->count) {
            if (slot->damage && ld->opt.on_error == SLUICE_SKIP) {
                /* The slot is nobody's but ours between the last chunk and READY. */
                pthread_mutex_unlock(&ld->lock);
                sluice_damage_close_gaps(ld, slot);
                pthread_mutex_lock(&ld->lock);
            }
            slot->state = SLOT_READY;
            pthread_cond_broadcast(&ld->ready);
        }
    }
    ld->busy -= count;
    if (ld->busy == 0 && ld->cancel)
        pthread_cond_broadcast(&ld->ready);
    sluice_tell_ready(ld);
    ld->stats.read_seconds += w->read_seconds;
    ld->stats.decode_seconds += w->decode_seconds - w->decoder.resize_seconds;
    tell_times(ld, &w->decoder);
    ld->stats.resize_seconds += w->decoder.resize_seconds;
    ld->stats.transform_seconds += w->transform_seconds - w->decode_seconds;
    ld->stats.bytes_read += w->bytes_read;
    ld->stats.reads += w->reads;
    ld->waits += w->waits;
    ld->waited_for += w->waited_for;
    pthread_mutex_unlock(&ld->lock);
    w->read_seconds = w->transform_seconds = w->decode_seconds = 0;
    w->decoder.resize_seconds = 0;
    w->bytes_read = w->reads = w->waits = w->waited_for = 0;
}

static void work_from_memory(struct worker *w)
{
    struct chunk c;
    while (take(w, true, &c) > 0) {
        sluice_resident_run(w, &c);
        hand_in(w, &c, 1);
    }
}

static void work_from_disk(struct worker *w)
{
    struct chunk c, complete[DECKS];
    int taken = 0, in_hand = 0; /* chunks taken and not handed in */
    for (;;) {
        while (sluice_decks_hungry(w) && (taken = take(w, in_hand == 0, &c)) > 0) {
            sluice_decks_take(w, &c);
            in_hand++;
        }
        if (in_hand == 0 && taken < 0)
            return;
        const int n = sluice_decks_run(w, complete);
        in_hand -= n;
        if (n)
            hand_in(w, complete, n);
    }
}

/* A ring belongs to the thread that opened it, so each opens its own; open waits to
 * hear how that went. */
static int prepare(struct worker *w)
{
    struct sluice_loader *ld = w->ld;
    int rc = 0;
    w->depth = sluice_worker_depth(ld);
    w->decoder.limits.memory = ld->jpeg_memory;
    w->decoder.path = ld->opt.jpeg;
    if (!ld->engine_kind) {
        w->scratch = malloc(ld->in_bytes);
        rc = w->scratch ? 0 : -ENOMEM;
    } else if ((rc = sluice_decks_create(w)) == 0) {
        rc = sluice_engine_open(ld, &w->engine);
    }
    pthread_mutex_lock(&ld->lock);
    ld->started++;
    if (rc < 0)
        ld->start_error = rc;
    pthread_cond_broadcast(&ld->ready);
    pthread_mutex_unlock(&ld->lock);
    return rc;
}

void *sluice_worker_run(void *arg)
{
    struct worker *w = arg;
    if (prepare(w) == 0) {
        if (w->engine)
            work_from_disk(w);
        else
            work_from_memory(w);
    }
    if (w->engine)
        w->engine->kind->close(w->engine);
    sluice_decks_free(w);
    sluice_decoder_free(&w->decoder);
    free(w->scratch);
    return NULL;
}

/* loader.c -- the calls of a consumer. See core.h for who does what behind them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

struct sluice_share sluice_share_of(const struct sluice_loader *ld, uint32_t epoch)
{
    struct sluice_share s = ld->share;
    s.shift = epoch == ld->shifted_epoch ? ld->shift : 0;
    return s;
}

uint64_t sluice_batches_of(const struct sluice_loader *ld, uint32_t epoch)
{
    const struct sluice_share s = sluice_share_of(ld, epoch);
    return s.shift ? sluice_share_batches(&s) : ld->epoch_batches;
}

static int has_failed(const struct sluice_loader *ld, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EINVAL, "%s: the loader has failed; close it",
                       ld->file.path);
}

int sluice_loader_forked(const struct sluice_loader *ld, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EINVAL,
                       "%s: this process was forked after the loader was opened; open "
                       "it again here",
                       ld->file.path);
}

/* With the lock held. All is looked at anew after each wait: another consumer may have
 * taken the batch, met an error or moved to another epoch. */
static int next_locked(struct sluice_loader *ld, bool wait,
                       const struct sluice_batch **out, struct sluice_error *err)
{
    struct slot *s;
    for (;;) {
        if (ld->failed)
            return has_failed(ld, err);
        if (!ld->cancel && ld->delivered == sluice_batches_of(ld, ld->epoch))
            return 0;
        s = ld->cancel ? NULL : sluice_next_slot(ld);
        if (s && s->state == SLOT_READY)
            break;
        if (!wait)
            return sluice_fail(err, SLUICE_EAGAIN, "%s: no batch is ready yet",
                               ld->file.path);
        if (!s && !ld->cancel && sluice_all_wait(ld))
            return sluice_fail(err, SLUICE_EINVAL,
                               "%s: all %d batches are held by threads that wait for "
                               "another; release one first",
                               ld->file.path, ld->opt.batches);
        sluice_wait_ready(ld);
    }
    if (s->failed_at < s->count) {
        ld->failed = true;
        pthread_cond_broadcast(&ld->ready);
        if (err)
            *err = s->error;
        return s->error.code;
    }
    sluice_damage_count(ld, s);
    ld->delivered++;
    ld->stats.batches++;
    ld->stats.samples += (uint64_t)s->batch.count;
    s->state = SLOT_LENT;
    s->holder = pthread_self();
    *out = &s->batch;
    return s->batch.count;
}

static int next(struct sluice_loader *ld, bool wait, const struct sluice_batch **out,
                struct sluice_error *err)
{
    *out = NULL;
    if (ld->pid != getpid())
        return sluice_loader_forked(ld, err);
    pthread_mutex_lock(&ld->lock);
    ld->asked++;
    for (int i = 0; i < ld->opt.batches; i++)
        ld->ready_then += ld->slots[i].state == SLOT_READY;
    const int rc = next_locked(ld, wait, out, err);
    sluice_tell_ready(ld);
    pthread_mutex_unlock(&ld->lock);
    return rc;
}

int sluice_loader_next(struct sluice_loader *ld, const struct sluice_batch **out,
                       struct sluice_error *err)
{
    return next(ld, true, out, err);
}

int sluice_loader_try_next(struct sluice_loader *ld, const struct sluice_batch **out,
                           struct sluice_error *err)
{
    return next(ld, false, out, err);
}

void sluice_loader_release(struct sluice_loader *ld, const struct sluice_batch *batch)
{
    struct slot *s = batch->owner;
    if (ld->pid != getpid())
        return;
    pthread_mutex_lock(&ld->lock);
    if (s->state == SLOT_LENT) {
        s->state = SLOT_FREE;
        pthread_cond_signal(&ld->work);
    }
    pthread_mutex_unlock(&ld->lock);
}

/* Drop all work under way and begin at (epoch, batch). What is lent stays the
 * consumer's. With the lock held. */
static void restart(struct sluice_loader *ld, uint32_t epoch, uint64_t batch)
{
    __atomic_store_n(&ld->cancel, true, __ATOMIC_RELAXED);
    sluice_tell_ready(ld);
    while (ld->busy)
        pthread_cond_wait(&ld->ready, &ld->lock);
    for (int i = 0; i < ld->opt.batches; i++) {
        if (ld->slots[i].state == SLOT_LENT)
            continue;
        sluice_damage_drop(&ld->slots[i]);
        ld->slots[i].state = SLOT_FREE;
    }
    ld->ahead_epoch = epoch;
    ld->assigned = batch;
    ld->told_ahead = 0;
    sluice_order_begin(ld, epoch);
    __atomic_store_n(&ld->cancel, false, __ATOMIC_RELAXED);
}

/* With the lock held. */
static void go(struct sluice_loader *ld, uint32_t epoch, uint64_t batch, uint64_t shift)
{
    /* The workers are already there if this is where the consumer stands, or the
     * beginning of the epoch behind one that was read to its end. */
    const bool same = shift == 0 && !(ld->shift && epoch == ld->shifted_epoch);
    const bool here = same && epoch == ld->epoch && batch == ld->delivered;
    const bool next = same && epoch == ld->epoch + 1 && batch == 0 &&
                      ld->delivered == sluice_batches_of(ld, ld->epoch);
    if (!here && !next) {
        restart(ld, epoch, batch);
        ld->shifted_epoch = epoch;
        ld->shift = shift;
    }
    ld->epoch = epoch;
    ld->delivered = batch;
    if (next && ld->ahead_epoch != epoch) { /* no batch of it was begun */
        ld->ahead_epoch = epoch;
        ld->assigned = 0;
        sluice_order_begin(ld, epoch);
    }
    pthread_cond_broadcast(&ld->work);
    pthread_cond_broadcast(&ld->ready);
    sluice_tell_ready(ld);
}

int sluice_loader_go(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                     uint64_t shift, struct sluice_error *err)
{
    int rc = 0;
    if (ld->pid != getpid())
        return sluice_loader_forked(ld, err);
    pthread_mutex_lock(&ld->lock);
    if (batch == UINT64_MAX)
        batch = ld->epoch_batches;
    if (ld->failed)
        rc = has_failed(ld, err);
    else if (batch > ld->epoch_batches)
        rc = sluice_fail(err, SLUICE_EINVAL, "%s: batch %" PRIu64 " of %" PRIu64,
                         ld->file.path, batch, ld->epoch_batches);
    else
        go(ld, epoch, batch, shift);
    pthread_mutex_unlock(&ld->lock);
    return rc;
}

int sluice_loader_seek(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                       struct sluice_error *err)
{
    if (batch == UINT64_MAX)
        return sluice_fail(err, SLUICE_EINVAL, "%s: batch %" PRIu64 " of %" PRIu64,
                           ld->file.path, batch, ld->epoch_batches);
    return sluice_loader_go(ld, epoch, batch, 0, err);
}

/* What is stored, from memory or from the file. */
static int read_sample(struct sluice_loader *ld, uint64_t sample,
                       const struct sluice_extent *x, uint8_t *bytes,
                       struct sluice_error *err)
{
    size_t done;
    int rc;
    if (ld->resident.base) {
        const uint8_t *there;
        uint64_t ignored = 0;
        rc = sluice_resident_get(ld, sample, x, bytes, &there, &ignored, err);
        if (rc == 0 && there != bytes)
            memcpy(bytes, there, x->size);
        return rc;
    }
    rc = sluice_file_pread(&ld->file, bytes, x->size, x->offset, &done);
    return rc < 0 || done < x->size
               ? sluice_file_fail(&ld->file, sample, x, rc, err)
               : sluice_file_check(&ld->file, sample, x, bytes, err);
}

int sluice_loader_read(struct sluice_loader *ld, uint64_t sample, void *pixels,
                       size_t capacity, struct sluice_image *out,
                       struct sluice_error *err)
{
    struct sluice_extent x;
    if (ld->pid != getpid())
        return sluice_loader_forked(ld, err);
    int rc = sluice_sample_locate(ld, sample, &x, err);
    uint8_t *bytes = rc < 0 ? NULL : malloc(x.size ? x.size : 1);
    if (rc == 0 && !bytes)
        rc = sluice_fail(err, SLUICE_ENOMEM, "%s: no memory for %u bytes",
                         ld->file.path, x.size);
    if (rc == 0)
        rc = read_sample(ld, sample, &x, bytes, err);
    if (rc == 0)
        rc = sluice_decode_whole(ld, sample, &x, bytes, pixels, capacity, err);
    free(bytes);
    if (rc == 0 && out)
        *out = (struct sluice_image){ .pixels = pixels,
                                      .height = (int)x.height,
                                      .width = (int)x.width,
                                      .channels = (int)x.channels,
                                      .id = sample };
    return rc;
}

/* ---- what it is ---- */

uint64_t sluice_loader_batches(const struct sluice_loader *ld)
{
    return ld->epoch_batches;
}

uint64_t sluice_loader_samples(const struct sluice_loader *ld)
{
    return sluice_share_samples(&ld->share);
}

const struct sluice_dataset *sluice_loader_dataset(const struct sluice_loader *ld)
{
    return ld->file.dataset;
}

struct sluice_shape sluice_loader_source(const struct sluice_loader *ld)
{
    return ld->source;
}

void sluice_loader_stats(struct sluice_loader *ld, struct sluice_loader_stats *out)
{
    if (ld->pid != getpid()) { /* the lock may be held by a thread that is not here */
        *out = (struct sluice_loader_stats){ .io = ld->opt.io };
        snprintf(out->io_reason, sizeof(out->io_reason),
                 "this process was forked after the loader was opened");
        return;
    }
    pthread_mutex_lock(&ld->lock);
    *out = ld->stats;
    out->io = ld->opt.io;
    memcpy(out->io_reason, ld->io_reason, sizeof(out->io_reason));
    out->threads = ld->worker_count;
    out->reads_in_flight = ld->waits ? (double)ld->waited_for / (double)ld->waits : 0;
    out->batches_ready = ld->asked ? (double)ld->ready_then / (double)ld->asked : 0;
    out->memory_bound = ld->memory_bound;
    out->bytes_read += __atomic_load_n(&ld->resident.filled, __ATOMIC_RELAXED);
    out->memory = sizeof(*ld) + ld->slab_size +
                  sluice_dataset_memory(ld->file.dataset) +
                  (ld->resident.base ? ld->resident.size : 0) +
                  (size_t)ld->opt.batches * (size_t)ld->opt.batch_size *
                      ((size_t)ld->label_columns + 1) * 8;
    pthread_mutex_unlock(&ld->lock);
}

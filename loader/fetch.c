/* fetch.c -- from sample numbers to transformed pixels in a batch's slot, a chunk at a
 * time. Through an engine, the chunk's reads are sorted by offset, neighbours are
 * merged, and all are in flight together. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum {
    MERGE_GAP = 8 << 10,    /* bytes read in vain rather than a further transfer */
    MERGE_MAX = 1 << 20,    /* bytes of one transfer */
    PREFETCH_MAX = 4 << 10, /* bytes of the next image brought near meanwhile */
    LINE = 64,
};

/* One sample of a chunk. */
struct want {
    struct sluice_extent x;
    int position; /* in the batch */
    int part;     /* the transfer that brings it */
};

/* One transfer: the union of some samples' extents. */
struct part {
    struct sluice_read read;
    uint64_t begin, end; /* of the file */
    int first, count;    /* of the sorted wants */
    size_t place;        /* in the arena */
};

static bool cancelled(const struct sluice_loader *ld)
{
    return __atomic_load_n(&ld->cancel, __ATOMIC_RELAXED);
}

static uint64_t sample_at(const struct sluice_loader *ld, uint64_t position)
{
    uint64_t i = ld->opt.order == SLUICE_RANDOM
                     ? sluice_permutation_at(&ld->permutation, position)
                     : position;
    return ld->subset ? ld->subset[i] : i;
}

static void fill_labels(const struct sluice_loader *ld, struct slot *slot, int i)
{
    for (int k = 0; k < ld->label_columns; k++)
        slot->labels[i * ld->label_columns + k] =
            sluice_dataset_integer(ld->file.dataset, ld->label_fields[k], slot->ids[i]);
}

static int transform(const struct sluice_loader *ld, struct slot *slot, int i,
                     const uint8_t *pixels, struct sluice_error *err)
{
    const struct sluice_image image = {
        .pixels = pixels,
        .height = ld->source.height,
        .width = ld->source.width,
        .channels = ld->source.channels,
        .id = slot->ids[i],
        .epoch = slot->batch.epoch,
    };
    return ld->transform.apply(
        ld->transform.arg, &image,
        (uint8_t *)slot->batch.pixels + (size_t)i * ld->out_bytes, err);
}

static void prefetch(const uint8_t *p, size_t size)
{
    for (size_t at = 0; at < size && at < PREFETCH_MAX; at += LINE)
        __builtin_prefetch(p + at);
}

static int fetch_resident(struct worker *w, struct slot *slot, int from, int to,
                          int *at, struct sluice_error *err)
{
    struct sluice_loader *ld = w->ld;
    struct sluice_extent x, next;
    int rc = sluice_dataset_locate(ld->file.dataset, ld->image_field, slot->ids[from],
                                   &x, err);
    for (int i = from; i < to && rc == 0; i++, x = next) {
        const uint8_t *pixels;
        *at = i;
        next = x;
        if (i + 1 < to) {
            rc = sluice_dataset_locate(ld->file.dataset, ld->image_field,
                                       slot->ids[i + 1], &next, err);
            prefetch(ld->resident.base + next.offset, next.size);
        }
        if (rc == 0)
            rc =
                sluice_resident_get(ld, slot->ids[i], &x, &pixels, &w->bytes_read, err);
        if (rc == 0)
            rc = transform(ld, slot, i, pixels, err);
    }
    return rc;
}

static int by_offset(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    return (x->x.offset > y->x.offset) - (x->x.offset < y->x.offset);
}

/* Neighbours in the file become one transfer. Returns the transfers. */
static int merge(const struct sluice_loader *ld, struct want *wants, int count,
                 struct part *parts)
{
    const uint64_t align = ld->opt.io == SLUICE_IO_DIRECT ? SLUICE_BLOCK_SIZE : 1;
    int n = 0;
    for (int i = 0; i < count; i++) {
        const uint64_t begin = wants[i].x.offset / align * align;
        const uint64_t end = wants[i].x.offset + wants[i].x.size;
        struct part *last = n ? &parts[n - 1] : NULL;
        if (last && begin <= last->end + MERGE_GAP && end - last->begin <= MERGE_MAX) {
            last->end = end > last->end ? end : last->end;
            last->count++;
        } else {
            parts[n++] =
                (struct part){ .begin = begin, .end = end, .first = i, .count = 1 };
        }
        wants[i].part = n - 1;
    }
    return n;
}

/* Give every transfer its place in the arena. */
static int place(struct worker *w, struct part *parts, int count,
                 struct sluice_error *err)
{
    const bool direct = w->ld->opt.io == SLUICE_IO_DIRECT;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
        struct part *p = &parts[i];
        const size_t size = p->end - p->begin;
        const size_t asked =
            (size + SLUICE_BLOCK_SIZE - 1) / SLUICE_BLOCK_SIZE * SLUICE_BLOCK_SIZE;
        p->read = (struct sluice_read){ .offset = p->begin,
                                        .size = direct ? asked : size,
                                        .need = size,
                                        .align = direct ? SLUICE_BLOCK_SIZE : 1 };
        p->place = total;
        total += asked;
    }
    if (total > w->arena_size) {
        free(w->arena);
        w->arena = aligned_alloc(SLUICE_BLOCK_SIZE, total);
        w->arena_size = w->arena ? total : 0;
        if (!w->arena)
            return sluice_fail(err, SLUICE_ENOMEM,
                               "%s: no memory for %zu bytes of reads", w->ld->file.path,
                               total);
    }
    for (int i = 0; i < count; i++)
        parts[i].read.buf = w->arena + parts[i].place;
    return 0;
}

/* The samples that one transfer brought. */
static int finish_part(struct worker *w, struct slot *slot, const struct part *p,
                       const struct want *wants, int *at, struct sluice_error *err)
{
    for (int i = p->first; i < p->first + p->count; i++) {
        const struct want *want = &wants[i];
        const uint64_t sample = slot->ids[want->position];
        const size_t into = want->x.offset - p->begin;
        const uint8_t *bytes = p->read.buf + into;
        *at = want->position;
        if (p->read.done < into + want->x.size)
            return sluice_file_fail(&w->ld->file, sample, &want->x, p->read.result,
                                    err);
        int rc = sluice_file_check(&w->ld->file, sample, &want->x, bytes, err);
        if (rc == 0)
            rc = transform(w->ld, slot, want->position, bytes, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* All transfers through the engine, at most queue_depth at once. After a failure
 * nothing more is started, but what is under way is waited for: it writes into the
 * arena. */
static int transfer(struct worker *w, struct slot *slot, struct part *parts, int count,
                    const struct want *wants, int *at, struct sluice_error *err)
{
    const struct sluice_engine_kind *kind = w->engine->kind;
    struct sluice_read *done[CHUNK_MAX];
    int started = 0, under_way = 0, rc = 0, failed_at = INT_MAX;
    double waited = 0;
    while (under_way || (started < count && rc == 0)) {
        while (started < count && rc == 0 && under_way < w->ld->opt.queue_depth) {
            kind->start(w->engine, &parts[started++].read);
            under_way++;
        }
        const double before = sluice_seconds();
        const int n = kind->finish(w->engine, done, CHUNK_MAX);
        waited += sluice_seconds() - before;
        if (n < 0) {
            *at = wants[0].position;
            rc = sluice_fail(err, SLUICE_EIO, "%s: reads cannot be waited for: %s",
                             w->ld->file.path, strerror(-n));
            break;
        }
        under_way -= n;
        for (int i = 0; i < n; i++) {
            struct sluice_error one;
            const struct part *p = (const struct part *)done[i]; /* its first member */
            int where = 0, code = finish_part(w, slot, p, wants, &where, &one);
            w->bytes_read += done[i]->done;
            /* Of several failures, the first one of the batch is told: which of them
             * came back first is chance. */
            if (code < 0 && where < failed_at) {
                failed_at = *at = where;
                rc = code;
                if (err)
                    *err = one;
            }
        }
    }
    w->read_seconds += waited;
    w->transform_seconds -= waited;
    return rc;
}

static int fetch_reads(struct worker *w, struct slot *slot, int from, int to, int *at,
                       struct sluice_error *err)
{
    struct want wants[CHUNK_MAX];
    struct part parts[CHUNK_MAX];
    const int count = to - from;
    for (int i = 0; i < count; i++) {
        wants[i].position = *at = from + i;
        int rc = sluice_dataset_locate(w->ld->file.dataset, w->ld->image_field,
                                       slot->ids[from + i], &wants[i].x, err);
        if (rc < 0)
            return rc;
    }
    qsort(wants, (size_t)count, sizeof(*wants), by_offset);
    const int transfers = merge(w->ld, wants, count, parts);
    int rc = place(w, parts, transfers, err);
    return rc < 0 ? rc : transfer(w, slot, parts, transfers, wants, at, err);
}

int sluice_fetch(struct worker *w, struct slot *slot, int from, int to, int *at,
                 struct sluice_error *err)
{
    *at = from;
    for (int i = from; i < to; i++) {
        slot->ids[i] = sample_at(w->ld, slot->first + (uint64_t)i);
        fill_labels(w->ld, slot, i);
    }
    if (cancelled(w->ld))
        return 0;
    if (w->engine_error < 0)
        return sluice_fail(err, SLUICE_EIO, "%s: backend %s in a worker: %s",
                           w->ld->file.path, sluice_io_name(w->ld->opt.io),
                           strerror(-w->engine_error));
    return w->engine ? fetch_reads(w, slot, from, to, at, err)
                     : fetch_resident(w, slot, from, to, at, err);
}

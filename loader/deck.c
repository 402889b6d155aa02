/* deck.c -- a worker's reads in flight. A chunk's reads are sorted by offset and
 * neighbours are merged; several chunks are in flight at once, so that the end of one
 * does not drain the queue. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum {
    /* Bytes read in vain rather than a further transfer; no less than the two blocks
     * that a sample of its own may be rounded by: see sluice_decks_bound. */
    MERGE_GAP = 2 * SLUICE_BLOCK_SIZE,
    MERGE_MAX = 1 << 20, /* bytes of one transfer */
};

/* One sample of a chunk. */
struct want {
    struct sluice_extent x;
    int position; /* in the batch */
};

/* One transfer: the union of some samples' extents. */
struct part {
    struct sluice_read read; /* first: the engine hands this back */
    struct deck *deck;
    uint64_t begin, end; /* of the file */
    int first, count;    /* of the sorted wants */
};

struct deck {
    struct chunk chunk;
    bool used;
    int parts_count, started, ended;
    struct want wants[CHUNK_MAX];
    struct part parts[CHUNK_MAX];
    uint8_t *arena; /* where reads land, block-aligned */
    size_t arena_size;
};

int sluice_decks_create(struct worker *w)
{
    w->decks = calloc(DECKS, sizeof(*w->decks));
    return w->decks ? 0 : -ENOMEM;
}

void sluice_decks_free(struct worker *w)
{
    for (int i = 0; w->decks && i < DECKS; i++)
        free(w->decks[i].arena);
    free(w->decks);
    w->decks = NULL;
}

/* ---- a chunk becomes reads ---- */

static int by_offset(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    return (x->x.offset > y->x.offset) - (x->x.offset < y->x.offset);
}

/* Neighbours in the file become one transfer. Wants that are not sorted may go back:
 * what begins before the last transfer does is none of its. */
static void merge(struct deck *d, int count, uint64_t align)
{
    d->parts_count = 0;
    for (int i = 0; i < count; i++) {
        const struct sluice_extent *x = &d->wants[i].x;
        const uint64_t begin = x->offset / align * align, end = x->offset + x->size;
        struct part *last = d->parts_count ? &d->parts[d->parts_count - 1] : NULL;
        if (last && begin >= last->begin && begin <= last->end + MERGE_GAP &&
            end - last->begin <= MERGE_MAX) {
            last->end = end > last->end ? end : last->end;
            last->count++;
            continue;
        }
        struct part *p = &d->parts[d->parts_count++];
        p->deck = d;
        p->begin = begin;
        p->end = end;
        p->first = i;
        p->count = 1;
    }
}

/* Whole blocks, and one at least: what is of no bytes has its place too. */
static size_t room_of(const struct part *p)
{
    const size_t blocks =
        (p->end - p->begin + SLUICE_BLOCK_SIZE - 1) / SLUICE_BLOCK_SIZE;
    return (blocks ? blocks : 1) * SLUICE_BLOCK_SIZE;
}

/* Give every transfer its place in the arena; 0 or a negative errno. */
static int place(struct deck *d, size_t align)
{
    size_t total = 0;
    for (int i = 0; i < d->parts_count; i++) {
        struct part *p = &d->parts[i];
        const size_t size = p->end - p->begin;
        p->read = (struct sluice_read){ .offset = p->begin,
                                        .size = (size + align - 1) / align * align,
                                        .need = size,
                                        .align = align };
        total += room_of(p);
    }
    if (total > d->arena_size) {
        free(d->arena);
        d->arena = aligned_alloc(SLUICE_BLOCK_SIZE, total);
        d->arena_size = d->arena ? total : 0;
        if (!d->arena)
            return -ENOMEM;
    }
    uint8_t *at = d->arena;
    for (int i = 0; i < d->parts_count; i++) {
        d->parts[i].read.buf = at;
        at += room_of(&d->parts[i]);
    }
    return 0;
}

static void plan(struct worker *w, struct deck *d)
{
    const struct sluice_loader *ld = w->ld;
    const size_t align = ld->opt.io == SLUICE_IO_DIRECT ? SLUICE_BLOCK_SIZE : 1;
    struct chunk *c = &d->chunk;
    struct sluice_error err;
    int rc = 0, wanted = 0;
    d->parts_count = 0;
    sluice_ahead(w->ld, c);
    sluice_chunk_ids(ld, c);
    for (int i = c->from; i < c->to; i++) {
        struct want *want = &d->wants[wanted];
        want->position = i;
        rc = sluice_sample_locate(ld, c->slot->ids[i], &want->x, &err);
        if (rc == 0)
            wanted++;
        else if ((rc = sluice_sample_damaged(w, c, i, rc, &err)) < 0) {
            sluice_chunk_fail(c, i, rc, &err);
            return;
        }
    }
    if (ld->opt.order != SLUICE_SEQUENTIAL || ld->subset)
        qsort(d->wants, (size_t)wanted, sizeof(*d->wants), by_offset);
    merge(d, wanted, align);
    if (w->broken < 0)
        rc = sluice_fail(&err, SLUICE_EIO, "%s: reads cannot be waited for: %s",
                         ld->file.path, strerror(-w->broken));
    else if (place(d, align) < 0)
        rc = sluice_fail(&err, SLUICE_ENOMEM, "%s: no memory for reads", ld->file.path);
    if (rc < 0) {
        sluice_chunk_fail(c, c->from, rc, &err);
        d->parts_count = 0;
    }
}

uint64_t sluice_decks_bound(const struct sluice_loader *ld)
{
    const uint64_t samples = (uint64_t)sluice_chunk_max(ld);
    const uint64_t arena = samples * (ld->in_bytes + MERGE_GAP) + 3 * SLUICE_BLOCK_SIZE;
    return DECKS * (sizeof(struct deck) + arena);
}

bool sluice_decks_hungry(const struct worker *w)
{
    bool room = false, waiting = false;
    for (int i = 0; i < DECKS; i++) {
        const struct deck *d = &w->decks[i];
        room = room || !d->used;
        waiting = waiting || (d->used && d->started < d->parts_count);
    }
    /* A broken engine still takes chunks: they fail, and so the consumer hears it. */
    return room && (w->broken < 0 || (!waiting && w->under_way < w->depth));
}

void sluice_decks_take(struct worker *w, const struct chunk *c)
{
    struct deck *d = w->decks;
    while (d->used)
        d++;
    d->chunk = *c;
    d->used = true;
    d->started = d->ended = 0;
    const double before = sluice_seconds();
    plan(w, d);
    w->transform_seconds += sluice_seconds() - before;
}

/* ---- reads become samples ---- */

/* A transfer did not bring this sample. If it was for more than that, it may have
 * failed for another's sake, or for what lies between: the sample is read alone. */
static int read_alone(const struct sluice_loader *ld, const struct part *p,
                      const struct want *want, uint64_t sample,
                      struct sluice_error *err)
{
    const struct sluice_extent *x = &want->x;
    uint8_t *bytes = p->read.buf + (x->offset - p->begin);
    int rc = p->read.result;
    size_t done = 0;
    if (p->read.size > x->size)
        rc = sluice_file_pread(&ld->file, bytes, x->size, x->offset, &done);
    return rc < 0 || done < x->size ? sluice_file_fail(&ld->file, sample, x, rc, err)
                                    : 0;
}

static void finish_part(struct worker *w, const struct part *p)
{
    const struct sluice_loader *ld = w->ld;
    struct chunk *c = &p->deck->chunk;
    struct sluice_error err;
    for (int i = p->first; i < p->first + p->count; i++) {
        const struct want *want = &p->deck->wants[i];
        const uint64_t sample = c->slot->ids[want->position];
        const size_t into = want->x.offset - p->begin;
        const uint8_t *bytes = p->read.buf + into;
        int rc = 0;
        if (sluice_cancelled(ld))
            return;
        if (p->read.done < into + want->x.size) {
            if (c->rc < 0)
                continue; /* no more is waited for than it takes to fail */
            rc = read_alone(ld, p, want, sample, &err);
        }
        if (rc == 0 &&
            (rc = sluice_file_check(&ld->file, sample, &want->x, bytes, &err)) < 0)
            rc = sluice_sample_damaged(w, c, want->position, rc, &err);
        else if (rc == 0)
            rc = sluice_sample_put(w, c, want->position, &want->x, bytes, &err);
        if (rc < 0)
            sluice_chunk_fail(c, want->position, rc, &err);
    }
}

/* After a failure or a cancel nothing more of the chunk is started. */
static void start(struct worker *w)
{
    for (int i = 0; i < DECKS; i++) {
        struct deck *d = &w->decks[i];
        if (d->used && (d->chunk.rc < 0 || sluice_cancelled(w->ld)))
            d->parts_count = d->started;
        while (d->used && d->started < d->parts_count && w->under_way < w->depth) {
            w->engine->kind->start(w->engine, &d->parts[d->started++].read);
            w->under_way++;
        }
    }
}

/* The engine does not give its reads back: every chunk that has some fails. */
static void give_up(struct worker *w, int rc)
{
    struct sluice_error err;
    w->broken = rc;
    sluice_fail(&err, SLUICE_EIO, "%s: reads cannot be waited for: %s",
                w->ld->file.path, strerror(-rc));
    for (int i = 0; i < DECKS; i++) {
        struct deck *d = &w->decks[i];
        if (!d->used || d->ended == d->parts_count)
            continue;
        sluice_chunk_fail(&d->chunk, d->chunk.from, SLUICE_EIO, &err);
        if (d->started > d->ended) {
            d->arena = NULL; /* the kernel may still write to it: better lost */
            d->arena_size = 0;
        }
        d->parts_count = d->started = d->ended;
    }
}

static void wait_for_some(struct worker *w)
{
    struct sluice_read *done[CHUNK_MAX];
    const double before = sluice_seconds();
    w->waits++;
    w->waited_for += (uint64_t)w->under_way;
    const int n = w->engine->kind->finish(w->engine, done, CHUNK_MAX);
    const double arrived = sluice_seconds();
    w->read_seconds += arrived - before;
    if (n < 0) {
        give_up(w, n);
        return;
    }
    for (int i = 0; i < n; i++) {
        struct part *p = (struct part *)done[i];
        w->bytes_read += p->read.done;
        finish_part(w, p);
        p->deck->ended++;
    }
    w->under_way -= n;
    w->reads += (uint64_t)n;
    w->transform_seconds += sluice_seconds() - arrived;
}

int sluice_decks_run(struct worker *w, struct chunk *out)
{
    int complete = 0;
    start(w);
    if (w->under_way && !w->broken)
        wait_for_some(w);
    for (int i = 0; i < DECKS; i++) {
        struct deck *d = &w->decks[i];
        if (d->used && d->chunk.rc < 0)
            d->parts_count = d->started;
        if (!d->used || d->ended < d->parts_count)
            continue;
        d->used = false;
        out[complete++] = d->chunk;
    }
    return complete;
}

/* core.h -- the loader's inside: what its files share.
 *
 *   open.c      options, opening, closing
 *   shape.c     what is stored, and what a batch's images are
 *   loader.c    the calls of a consumer: next, release, seek, read
 *   budget.c    how much memory that takes
 *   poll.c      waiting, and a descriptor for those who do not
 *   state.c     where it stands, as a value
 *   choose.c    which backend, and why
 *   worker.c    threads that fill batches, chunk by chunk
 *   ahead.c     what the kernel is told to read
 *   deck.c      a chunk's reads in flight, merged and sorted
 *   resident.c  the payload in memory, loaded when first wanted or before
 *   sample.c    one sample into its place in the batch
 *   view.c      which samples are in use; draws.c: by weights
 *   damage.c    what becomes of one that cannot be shown
 *   decode.c    JPEG, crop and scaling; resize*.c
 *   order.c, blocks.c  which sample comes when; file.c, read.c, engine_*.c, ring.c,
 * sys.c, cgroups.c: I/O and what the machine has
 *
 * Work runs ahead of the consumer by as many batches as there are free slots, across
 * the end of the epoch into the next one, so that no epoch begins with a wait. */
#ifndef SLUICE_LOADER_CORE_H
#define SLUICE_LOADER_CORE_H

#include <pthread.h>
#include <sys/types.h>

#include <sluice/loader.h>

#include "decode.h"
#include "draws.h"
#include "file.h"
#include "order.h"
#include "read.h"

enum {
    LABELS_MAX = SLUICE_FIELDS_MAX,
    CHUNK_MAX = 64, /* samples that a worker takes at a time */
    DECKS = 4,      /* chunks of one worker in flight */
};

/* Life of a slot, always in this order; a slot belongs to one batch from FILLING on.
 *
 *   FREE     nobody's
 *   FILLING  workers take chunks of it until `taken` == count; the one that completes
 *            the last chunk (`done` == count) makes it READY
 *   READY    waits for the consumer; delivered in the order of batch numbers
 *   LENT     the consumer's until sluice_loader_release */
enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_LENT };

/* A damaged sample that was skipped or replaced. */
struct damage {
    struct damage *next;
    int position; /* in the batch */
    struct sluice_damage told;
};

struct slot {
    struct sluice_batch batch; /* what the consumer sees */
    enum slot_state state;
    uint64_t first;  /* position in the epoch's order of its first sample */
    int count;       /* samples */
    int taken, done; /* of them */
    int failed_at;   /* position in the batch of the first failure; count: none */
    struct sluice_error error; /* of that failure */
    struct damage *damage;     /* by position once the slot is READY */
    pthread_t holder;          /* LENT: who took it */
    int64_t *labels;
    uint64_t *ids;
};

/* A thread that waits in sluice_loader_next. */
struct waiter {
    pthread_t thread;
    struct waiter *next;
};

/* Some samples of a slot, taken by one worker. */
struct chunk {
    struct slot *slot;
    int from, to; /* positions in the batch */
    int rc;       /* 0, or the code of the failure at position `at`: see *err */
    int at;
    struct sluice_error err;
    struct damage *damage;
};

/* The payload kept in memory; NULL base: not resident. */
struct resident {
    uint8_t *base;  /* as large as the file: bytes lie at their offset */
    size_t size;    /* of the mapping */
    uint8_t *state; /* (count) atomic: see resident.c */
    pthread_t filler;
    bool filling;    /* the thread was started */
    bool stop;       /* it is to end (atomic) */
    uint64_t filled; /* bytes that it read (atomic) */
};

struct deck; /* deck.c */

/* A worker thread and what is its alone. */
struct worker {
    struct sluice_loader *ld;
    pthread_t thread;
    struct sluice_engine *engine; /* NULL: resident */
    int depth;                    /* reads in flight at most */
    int under_way;                /* reads in flight */
    struct deck *decks;           /* (DECKS) NULL: resident */
    int broken;                   /* why the engine is of no use, a negative errno */
    uint8_t *scratch;             /* resident: room for one stored image */
    struct sluice_decoder decoder;
    /* Measured since the last chunk was handed in, and then added to the loader's
     * stats. Here transform_seconds includes decode_seconds. */
    double read_seconds, transform_seconds, decode_seconds;
    uint64_t bytes_read, reads;
    uint64_t waits;      /* times it waited for reads to complete */
    uint64_t waited_for; /* reads in flight at those times, summed up */
};

struct sluice_loader {
    struct sluice_file file;
    struct sluice_loader_options opt; /* resolved: no zeros that mean a default */
    pid_t pid;
    int image_field;
    int label_fields[LABELS_MAX], label_columns;
    struct sluice_shape source;
    bool encoded;    /* some samples must be decoded to become pixels of that shape */
    size_t in_bytes; /* of the largest stored image */
    size_t pixel_bytes;                /* of one image of shape `source` */
    uint64_t most_pixels;              /* height * width of the largest image */
    uint32_t most_height, most_width;  /* of the tallest, of the widest */
    size_t most_plain;                 /* bytes of the largest ZSTD payload, inflated */
    size_t jpeg_memory;                /* that libjpeg may take; 0: no JPEG */
    size_t memory_bound;               /* budget.c */
    struct sluice_transform transform; /* apply NULL: copy */
    size_t out_bytes;                  /* of one image in a batch */
    uint64_t *subset;                  /* (in_use) sample numbers; NULL: all */
    uint64_t in_use;
    struct sluice_draws draws; /* edges NULL: each sample in use once */
    uint64_t count;            /* places of an epoch, over all ranks */
    struct sluice_share share;
    uint64_t epoch_batches;
    uint32_t view; /* sluice_view_checksum */

    struct resident resident;
    bool budget_shared; /* opt.memory_budget is a default, divided by opt.world */
    const struct sluice_engine_kind *engine_kind;
    struct sluice_pool *pool;
    char io_reason[160];

    struct slot *slots; /* (opt.batches) */
    void *slab;         /* all slots' pixels */
    size_t slab_size;
    struct worker *workers;
    int worker_count;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* a slot became free, or stop, or a seek ended */
    pthread_cond_t ready; /* a slot became ready; a worker started or came to rest */
    bool stop;            /* close: workers end */
    /* Open, seek or close is under way: workers take no chunk and drop the ones they
     * have, but hand them in, so that the slots can be freed. Also read unlocked. */
    bool cancel;
    bool failed; /* an error was delivered */
    struct waiter *waiters;
    int event_fd;           /* -1: nobody asked for it */
    bool event_set;         /* it is readable */
    int started;            /* workers that have opened their engine, or failed to */
    int start_error;        /* a negative errno of one that failed; 0: none has */
    int busy;               /* chunks taken and not handed in */
    uint32_t epoch;         /* the consumer's */
    uint64_t delivered;     /* its batches that the consumer got */
    uint32_t ahead_epoch;   /* the workers': `epoch` or the one after it */
    uint64_t assigned;      /* its batches that were given a slot */
    uint32_t shifted_epoch; /* the epoch that sluice_loader_set_state came to ... */
    uint64_t shift;         /* ... and sluice_share's shift in it */
    /* The orders of an even and of an odd epoch. Workers read them unlocked: an entry
     * changes only when no batch of the epoch it was for is left. */
    struct sluice_epoch_order order[2];
    uint64_t told_ahead; /* ahead.c (atomic) */
    struct sluice_loader_stats stats;
    uint64_t waits, waited_for; /* all workers', see struct worker */
    uint64_t asked;             /* calls of sluice_loader_next */
    uint64_t ready_then;        /* batches that were READY at those calls, summed up */
    struct sluice_damage *damaged; /* (stats.damaged_samples) */
    int damaged_room;
};

/* sluice_loader_open with another table of system calls: for tests. */
int sluice_loader_open_with(struct sluice_loader **out, const char *path,
                            const struct sluice_loader_options *options,
                            const struct sluice_sys *sys, struct sluice_error *err);

/* shape.c: settle image_field, the labels' fields, source, and all that in_bytes and
 * most_* tell of what is stored. */
int sluice_shape_settle(struct sluice_loader *ld, struct sluice_error *err);

/* choose.c: settle opt.io, engine_kind, resident and io_reason. */
int sluice_choose_io(struct sluice_loader *ld, struct sluice_error *err);
/* A worker could not open its engine, for `rc`. Choose pread, or fail if the options
 * name the backend (`forced`). */
int sluice_choose_again(struct sluice_loader *ld, bool forced, int rc,
                        struct sluice_error *err);
/* An engine of the chosen kind for the calling worker: 0 or a negative errno. */
int sluice_engine_open(struct sluice_loader *ld, struct sluice_engine **out);
/* Reads in flight that each worker may have. */
int sluice_worker_depth(const struct sluice_loader *ld);

/* resident.c */
int sluice_resident_create(struct sluice_loader *ld, struct sluice_error *err);
/* Begin to load everything, in the order of the file, beside the workers. */
void sluice_resident_fill(struct sluice_loader *ld);
void sluice_resident_stop(struct sluice_loader *ld); /* ends the filling */
void sluice_resident_free(struct sluice_loader *ld);
/* The sample's payload, checked, in memory or in `scratch`; reads it if it has to. */
int sluice_resident_get(struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, uint8_t *scratch,
                        const uint8_t **out, uint64_t *bytes_read,
                        struct sluice_error *err);
/* Fill the chunk from memory. */
void sluice_resident_run(struct worker *w, struct chunk *c);

/* sample.c */
/* The number in the file of sample `index` of those in use. */
uint64_t sluice_view_sample(const struct sluice_loader *ld, uint64_t index);
/* Which of those in use comes at this position of the epoch's order. */
uint64_t sluice_view_index(const struct sluice_loader *ld, uint32_t epoch,
                           uint64_t position);
/* Prepare the order of an epoch. With the lock held. */
void sluice_order_begin(struct sluice_loader *ld, uint32_t epoch);
/* Write a sample's number and labels at its position of a batch, */
void sluice_slot_name(const struct sluice_loader *ld, struct slot *slot, int position,
                      uint64_t sample);
/* or those of a whole chunk. */
void sluice_chunk_ids(const struct sluice_loader *ld, struct chunk *c);
/* Can what the index says of an image be true: sizes that are neither 0 nor beyond what
 * `int` counts, and, but for JPEG, as many bytes as pixels? */
int sluice_extent_check(const struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, struct sluice_error *err);
/* Where a sample's image lies, checked. */
int sluice_sample_locate(const struct sluice_loader *ld, uint64_t sample,
                         struct sluice_extent *out, struct sluice_error *err);
/* Decode and transform an image's bytes, which have been checked, into the batch. On
 * failure *damaged tells whether the bytes are to blame. */
int sluice_sample_show(struct worker *w, struct slot *slot, int position,
                       const struct sluice_extent *x, const uint8_t *bytes,
                       bool *damaged, struct sluice_error *err);
/* Note that position `at` failed. Of several the lowest is kept, so that the error does
 * not depend on which happened first. */
void sluice_chunk_fail(struct chunk *c, int at, int rc, const struct sluice_error *err);

/* damage.c */
/* sluice_sample_show; if it fails because of the bytes, sluice_sample_damaged. */
int sluice_sample_put(struct worker *w, struct chunk *c, int position,
                      const struct sluice_extent *x, const uint8_t *bytes,
                      struct sluice_error *err);
/* Skip or replace a sample that failed with `rc`, or return `rc`: as opt.on_error says.
 */
int sluice_sample_damaged(struct worker *w, struct chunk *c, int position, int rc,
                          struct sluice_error *err);
/* The records of damaged samples, with the lock held: move a chunk's to its slot, in
 * the order of positions; count a slot's when it is delivered; free those of one that
 * is not. */
void sluice_damage_collect(struct chunk *c);
void sluice_damage_count(struct sluice_loader *ld, struct slot *slot);
void sluice_damage_drop(struct slot *slot);
/* Move the samples of a batch together where some were skipped, once all its chunks are
 * in. Called without the lock. */
void sluice_damage_close_gaps(const struct sluice_loader *ld, struct slot *slot);

/* ahead.c: tell the kernel which blocks come next. */
void sluice_ahead(struct sluice_loader *ld, const struct chunk *c);

/* deck.c */
int sluice_decks_create(struct worker *w); /* 0 or a negative errno */
void sluice_decks_free(struct worker *w);
uint64_t sluice_decks_bound(const struct sluice_loader *ld); /* bytes of a worker's */
/* Are all reads of the chunks taken so far started, and is there room for one more? */
bool sluice_decks_hungry(const struct worker *w);
void sluice_decks_take(struct worker *w, const struct chunk *c);
/* Start reads, wait for some, process them. Returns chunks that are complete (up to
 * DECKS), for the caller to hand in. */
int sluice_decks_run(struct worker *w, struct chunk *out);

/* loader.c, with the lock held */
/* The share that this rank has of an epoch, and how many batches that is. */
struct sluice_share sluice_share_of(const struct sluice_loader *ld, uint32_t epoch);
uint64_t sluice_batches_of(const struct sluice_loader *ld, uint32_t epoch);
/* Go to batch `batch` (UINT64_MAX: the end) of an epoch, whose shares are shifted by
 * `shift`: see sluice_share. */
int sluice_loader_go(struct sluice_loader *ld, uint32_t epoch, uint64_t batch,
                     uint64_t shift, struct sluice_error *err);
int sluice_loader_forked(const struct sluice_loader *ld, struct sluice_error *err);

/* poll.c, with the lock held */
/* The slot of the batch that the consumer gets next; NULL: it is not begun. */
struct slot *sluice_next_slot(struct sluice_loader *ld);
/* Make the descriptor readable or not; called whenever the answer may have changed. */
void sluice_tell_ready(struct sluice_loader *ld);
/* Is every batch held by this thread or by one that waits, so that waiting would never
 * end? */
bool sluice_all_wait(const struct sluice_loader *ld);
void sluice_wait_ready(struct sluice_loader *ld);

/* budget.c */
/* Fail if the loader would need more than opt.memory_limit; else lower
 * opt.memory_budget to what is left of it. */
int sluice_budget_settle(struct sluice_loader *ld, struct sluice_error *err);
/* Set memory_bound, once the backend is chosen. */
void sluice_budget_update(struct sluice_loader *ld);

/* state.c */
uint32_t sluice_view_checksum(const struct sluice_loader *ld);

/* worker.c */
void *sluice_worker_run(void *worker);
int sluice_chunk_max(const struct sluice_loader *ld); /* samples */
static inline bool sluice_cancelled(const struct sluice_loader *ld)
{
    return __atomic_load_n(&ld->cancel, __ATOMIC_RELAXED);
}

#endif

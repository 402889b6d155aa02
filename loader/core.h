/* core.h -- the loader's inside: what its files share.
 *
 *   loader.c    public calls: open, next, release, seek, close
 *   choose.c    which backend, and why
 *   worker.c    threads that fill batches, chunk by chunk
 *   fetch.c     a chunk's bytes, from memory or through an engine
 *   resident.c  the payload in memory, loaded sample by sample when first wanted
 *   order.c     which sample comes when; file.c, read.c, engine_*.c, ring.c, sys.c: I/O
 */
#ifndef SLUICE_LOADER_CORE_H
#define SLUICE_LOADER_CORE_H

#include <pthread.h>
#include <sys/types.h>

#include <sluice/loader.h>

#include "file.h"
#include "order.h"
#include "read.h"

enum {
    LABELS_MAX = SLUICE_FIELDS_MAX,
    CHUNK_MAX = 64, /* samples that a worker takes at a time */
};

/* Life of a slot, always in this order; a slot belongs to one batch from FILLING on.
 *
 *   FREE     nobody's
 *   FILLING  workers take chunks of it until `taken` == count; the one that completes
 *            the last chunk (`done` == count) makes it READY
 *   READY    waits for the consumer; delivered in the order of batch numbers
 *   LENT     the consumer's until sluice_loader_release */
enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_LENT };

struct slot {
    struct sluice_batch batch; /* what the consumer sees */
    enum slot_state state;
    uint64_t first;  /* position in the epoch's order of its first sample */
    int count;       /* samples */
    int taken, done; /* of them */
    int failed_at;   /* position in the batch of the first failure; count: none */
    struct sluice_error error; /* of that failure */
    int64_t *labels;
    uint64_t *ids;
};

/* The payload kept in memory; NULL base: not resident. */
struct resident {
    uint8_t *base;  /* as large as the file: bytes lie at their offset */
    size_t size;    /* of the mapping */
    uint8_t *state; /* (count) atomic: see resident.c */
};

/* What a worker brings along. */
struct worker {
    struct sluice_loader *ld;
    pthread_t thread;
    struct sluice_engine *engine; /* NULL: resident */
    int engine_error;             /* why there is none, a negative errno */
    uint8_t *arena;               /* where reads land, block-aligned */
    size_t arena_size;
    double read_seconds, transform_seconds; /* of the chunk at hand */
    uint64_t bytes_read;
};

struct sluice_loader {
    struct sluice_file file;
    struct sluice_loader_options opt; /* resolved: no zeros that mean a default */
    pid_t pid;
    int image_field;
    int label_fields[LABELS_MAX], label_columns;
    struct sluice_shape source;
    struct sluice_transform transform; /* apply is never NULL */
    size_t out_bytes;                  /* of one image in a batch */
    uint64_t *subset;                  /* NULL: all */
    uint64_t count; /* samples that an epoch visits, over all ranks */
    struct sluice_share share;

    struct resident resident;
    const struct sluice_engine_kind *engine_kind;
    struct sluice_pool *pool;
    char io_reason[160];
    bool io_forced; /* asked for by name */

    struct slot *slots; /* (opt.batches) */
    void *slab;         /* all slots' pixels */
    size_t slab_size;
    struct worker *workers;
    int worker_count;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;  /* a slot became free, or stop, or a seek ended */
    pthread_cond_t ready; /* a slot became ready; the last busy worker came to rest */
    bool stop;            /* close: workers end */
    bool cancel;          /* seek: workers drop what they are at (also read unlocked) */
    bool failed;          /* an error was delivered */
    int busy;             /* workers inside a chunk */
    uint32_t epoch;
    struct sluice_permutation permutation; /* of that epoch */
    uint64_t next_assigned, next_delivered;
    struct sluice_loader_stats stats;
};

/* sluice_loader_open with another table of system calls: for tests. */
int sluice_loader_open_with(struct sluice_loader **out, const char *path,
                            const struct sluice_loader_options *options,
                            const struct sluice_sys *sys, struct sluice_error *err);

/* choose.c: settle opt.io, engine_kind, resident and io_reason. */
int sluice_choose_io(struct sluice_loader *ld, struct sluice_error *err);
/* An engine of the chosen kind for the calling worker, NULL if the payload is resident;
 * 0 or a negative errno. Where the kind was not asked for by name, threads that wait
 * stand in for a ring that cannot be had. */
int sluice_engine_open(struct sluice_loader *ld, struct sluice_engine **out);

/* resident.c */
int sluice_resident_create(struct sluice_loader *ld, struct sluice_error *err);
void sluice_resident_free(struct sluice_loader *ld);
/* The sample's payload, checked; loads it if this is the first time. */
int sluice_resident_get(struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, const uint8_t **out,
                        uint64_t *bytes_read, struct sluice_error *err);

/* fetch.c: fill samples [from, to) of the slot. Returns 0, or the code of the failure
 * with *at the position that failed. Stops early, with 0, when the loader is cancelled.
 */
int sluice_fetch(struct worker *w, struct slot *slot, int from, int to, int *at,
                 struct sluice_error *err);

/* worker.c */
void *sluice_worker_run(void *worker);
double sluice_seconds(void);

#endif

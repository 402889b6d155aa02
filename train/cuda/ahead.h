/* ahead.h -- training steps enqueued on a GPU ahead of their results, so that it never
 * waits for the host, nor the host for it, but for being too far ahead.
 *
 *     ahead_push(a, &step, &err);                  batch, rates: all the host knows
 *     while (ahead_pull(a, &done, full, &err) > 0) loss and accuracy, in order
 *
 * Images arrive as u8: from the loader's pinned batches, a few at a time, or from the
 * whole set, copied to the GPU at the start where it fits; then up to 128 steps are
 * ahead, and an epoch of no more than that is enqueued without the host waiting at
 * all. One launch augments them. Both happen on a stream of their own, for the next
 * step while one is computed. The rest of a step is recorded as a graph the second time
 * that its batch size, and what is trained, come up, and replayed from then on. */
#ifndef SLUICE_AHEAD_H
#define SLUICE_AHEAD_H

#include "../feed.h"
#include "../optim.h"
#include "../ranks.h"
#include "../schedule.h"

struct ahead;

struct ahead_options {
    struct net *net;
    struct optim *opt;
    const struct feed *feed; /* its loader hands out u8 */
    const struct data_info *info;
    int batch_size; /* the largest */
    uint64_t seed;
    bool resident;       /* copy the set to the GPU */
    bool timed;          /* no graphs: the net's operators and the update are timed */
    struct ranks *ranks; /* NULL: one process. Else all push the same steps */
};

struct ahead_step {
    uint64_t step;
    uint32_t epoch;
    uint64_t number; /* of the batch in the epoch */
    struct schedule_value now;
    /* From the loader, and released when the step is pulled; NULL of a resident set. */
    const struct sluice_batch *batch;
    double wait; /* handed through to ahead_done */
};

struct ahead_done {
    struct head_loss head[PASS_HEADS];
    double loss;    /* may be NaN; of the images of all processes, as all here */
    double correct; /* of mixed images, the shares that were right */
    int images;
    struct schedule_value now;
    double wait;
    double optimizer; /* seconds of the update, if timed */
};

/* The set takes a quarter of the free memory of the GPU or less. */
bool ahead_fits(const struct device *dev, const struct data_info *info);
int ahead_open(struct ahead **out, const struct ahead_options *options,
               struct sluice_error *err);
void ahead_close(struct ahead *a); /* waits, releases batches; NULL is fine */

bool ahead_is_resident(const struct ahead *a);
/* Directions of convolutions that the library has no algorithm for. */
int ahead_own_directions(const struct ahead *a);
/* How several processes sum: team.h; NULL: there is one. */
const char *ahead_sums(const struct ahead *a);
bool ahead_full(const struct ahead *a);
int ahead_count(const struct ahead *a); /* steps pushed and not pulled */

/* With several processes, returns when all have pushed it. */
int ahead_push(struct ahead *a, const struct ahead_step *step,
               struct sluice_error *err);
/* The oldest step's results: 1, or 0 if there are none yet and `block` is false, or
 * nothing was pushed. */
int ahead_pull(struct ahead *a, struct ahead_done *done, bool block,
               struct sluice_error *err);

#endif

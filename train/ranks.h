/* ranks.h -- the processes that train one network together, as mpirun starts them:
 * each takes its share of every batch, and gradients are summed over all.
 *
 * Every call but ranks_open, ranks_self, ranks_count, ranks_local and ranks_end is made
 * by all ranks, in the same order, and returns when all have made it; on NULL, one
 * process alone, all do nothing. What MPI itself finds wrong ends all processes. The
 * main thread's alone. */
#ifndef SLUICE_RANKS_H
#define SLUICE_RANKS_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/error.h>

struct ranks;

/* *out is NULL if this process was started alone. It lives as long as the program.
 * SLUICE_EUNBUILT: mpirun started several, and this build has no MPI; SLUICE_EINVAL:
 * they do not find each other, as the launcher is not this MPI's. */
int ranks_open(struct ranks **out, struct sluice_error *err);
/* For what only one process can do, and `why`: SLUICE_EINVAL if mpirun started several.
 */
int ranks_alone(const char *why, struct sluice_error *err);
int ranks_self(const struct ranks *r);  /* from 0 */
int ranks_count(const struct ranks *r); /* 1 on NULL */
int ranks_local(const struct ranks *r); /* from 0 among those of this machine */

/* Of all ranks, to all ranks: the sums, in place; */
void ranks_sum(struct ranks *r, double *x, int count);
void ranks_sum_floats(struct ranks *r, float *x, size_t count);
/* whether one says yes; */
bool ranks_any(struct ranks *r, bool x);
/* what is not zero, where at most one rank has a byte that is not, or all have the
 * same; */
void ranks_merge(struct ranks *r, void *bytes, size_t size);
/* what rank 0 has. */
void ranks_spread(struct ranks *r, void *bytes, size_t size);

/* What this rank fails with next is found by all of them: only rank 0 says it. */
void ranks_found_by_all(struct ranks *r);
/* This rank failed, which the others need not know: say so and end them all. Returns on
 * NULL only. */
void ranks_end(struct ranks *r, const struct sluice_error *err);

#endif

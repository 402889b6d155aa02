/* workers.h -- threads that share a range of work with their caller. */
#ifndef SLUICE_WORKERS_H
#define SLUICE_WORKERS_H

#include <stddef.h>

#include <sluice/error.h>

struct workers;

/* Part `part` of the work. */
typedef void workers_body(void *arg, size_t part);

/* A pool of `threads` threads, the caller's among them: threads - 1 are started, and
 * wait, at first awake, then asleep; each on a CPU of its own if there are as many.
 * SLUICE_ENOMEM where there is no memory, or no leave to start a thread. */
int workers_open(struct workers **out, int threads, struct sluice_error *err);
void workers_close(struct workers *w); /* NULL is fine */

/* body(arg, i) for every i below `parts`, each once, in no given order, by the caller
 * and by those of the pool's threads that have a CPU; returns when all are done. Only a
 * thread that has begun a part is waited for: one that gets no CPU, as other processes
 * have it, costs its share of the work and nothing more. w NULL, or in use by another
 * thread or from within a body: the caller does it all. */
void workers_run(struct workers *w, size_t parts, workers_body *body, void *arg);

/* Within a body: which of the threads this is; 0 is the caller. */
int workers_self(void);

#endif

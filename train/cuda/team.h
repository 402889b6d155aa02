/* team.h -- processes that train one network, each on a GPU of its own: gradients
 * become the mean over the images of all, and losses and hits those of all, on the way
 * from backward to the update.
 *
 * Where every process finds NCCL the GPUs sum among themselves, in a step's graph; else
 * the host sums by MPI, in pinned memory, while the GPU waits. Both give a step what
 * device cpu's processes give it. Calls are made by all processes, in one order. */
#ifndef SLUICE_TEAM_H
#define SLUICE_TEAM_H

#include "../net.h"
#include "../ranks.h"
#include "gpu.h"

struct team;

/* Two processes on one GPU are refused. With one process *out is NULL, and nothing is
 * loaded. */
int team_open(struct team **out, struct net *net, struct ranks *ranks,
              struct sluice_error *err);
/* No graph with its sums is left. NULL is fine. */
void team_close(struct team *t);

/* "NCCL 2.28.9, in the step's graph" or "MPI through the host's memory: ..." */
const char *team_about(const struct team *t);
/* team_sum may be part of a graph. */
bool team_records(const struct team *t);

/* How a step is to run: as a graph that is there, as one that it becomes, or directly,
 * in the order in which a batch size goes through them. */
enum team_way { TEAM_DIRECT, TEAM_RECORD, TEAM_REPLAY };

/* Before a step: the images of all processes; then, of the ways in which each could run
 * it, the first. Graphs and direct calls of NCCL should not meet, nor graphs that were
 * not recorded together: of two with the same batch here, another process may have had
 * batches of two sizes, so a graph is for so many images of all. */
int team_images(struct team *t, int images);
enum team_way team_agree(struct team *t, enum team_way way);

/* After backward: what the sum is of; the sum; results from it. */
int team_weigh(struct team *t, struct sluice_error *err);
int team_sum(struct team *t, struct sluice_error *err);
int team_take(struct team *t, struct sluice_error *err);

#endif

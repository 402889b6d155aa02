/* fake_nccl.c -- what train uses of NCCL, on the host: sums are MPI's, done when they
 * are called. It is strict where NCCL is: all ranks bring the id that one of them made,
 * sums stand in groups, and in graphs that all recorded together: for a stream stands
 * the number of the graph.
 *
 * FAKE_NCCL_BREAK="RANK N": in the Nth sum the peers of this rank are gone: its memory
 * stays as it was, and from then on the asynchronous error says so. */
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/nccl_types.h"

enum { INVALID = 4, MISUSED = 5, REMOTE = 6 };

struct comm {
    MPI_Comm peers;
    int rank, found;
    int sums, break_at; /* 0: never */
};

static int depth; /* of groups */

/* For tests of one process: how often a communicator was given up, or closed. */
int fake_nccl_aborted, fake_nccl_destroyed;

int ncclGetVersion(int *version)
{
    *version = 22809;
    return NCCL_SUCCESS;
}

const char *ncclGetErrorString(int status)
{
    return status == REMOTE ? "remote process exited" : "invalid";
}

const char *ncclGetLastError(nccl_comm comm)
{
    const struct comm *c = comm;
    return c && c->found ? "the peer is gone\nand more" : "";
}

int ncclGetUniqueId(struct nccl_id *id)
{
    FILE *random = fopen("/dev/urandom", "r");
    const bool done = random && fread(id, sizeof *id, 1, random) == 1;
    if (random)
        fclose(random);
    return done ? NCCL_SUCCESS : INVALID;
}

int ncclCommInitRank(nccl_comm *out, int count, struct nccl_id id, int self)
{
    const char *fault = getenv("FAKE_NCCL_BREAK");
    struct comm *c = calloc(1, sizeof *c);
    struct nccl_id first = id;
    int ranks = 1, rank = 0, at = 0;
    if (!c)
        return INVALID;
    if (count > 1) {
        MPI_Comm_dup(MPI_COMM_WORLD, &c->peers);
        MPI_Comm_size(c->peers, &ranks);
        MPI_Comm_rank(c->peers, &c->rank);
        MPI_Bcast(&first, sizeof first, MPI_BYTE, 0, c->peers);
    }
    if (fault && sscanf(fault, "%d %d", &rank, &at) == 2 && rank == c->rank)
        c->break_at = at;
    *out = c;
    return ranks == count && self == c->rank && memcmp(&first, &id, sizeof id) == 0
               ? NCCL_SUCCESS
               : INVALID;
}

static bool all_bring(const struct comm *c, uintptr_t number)
{
    long long ends[] = { (long long)number, -(long long)number };
    if (c->peers)
        MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_LONG_LONG, MPI_MAX, c->peers);
    return ends[0] == -ends[1];
}

static void let_go(struct comm *c)
{
    if (c->peers)
        MPI_Comm_free(&c->peers);
    free(c);
}

int ncclCommDestroy(nccl_comm comm)
{
    fake_nccl_destroyed++;
    let_go(comm);
    return NCCL_SUCCESS;
}

int ncclCommAbort(nccl_comm comm)
{
    struct comm *c = comm;
    fake_nccl_aborted++;
    c->peers = NULL; /* freeing it would wait for the others */
    let_go(c);
    return NCCL_SUCCESS;
}

int ncclCommGetAsyncError(nccl_comm comm, int *found)
{
    *found = ((struct comm *)comm)->found;
    return NCCL_SUCCESS;
}

int ncclGroupStart(void)
{
    depth++;
    return NCCL_SUCCESS;
}

int ncclGroupEnd(void)
{
    depth--;
    return NCCL_SUCCESS;
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int op,
                  nccl_comm comm, void *stream)
{
    struct comm *c = comm;
    if (depth != 1 || op != NCCL_SUM || from != to ||
        (type != NCCL_FLOAT && type != NCCL_DOUBLE))
        return MISUSED;
    if (++c->sums == c->break_at)
        c->found = REMOTE;
    if (!c->found && !all_bring(c, (uintptr_t)stream))
        return MISUSED;
    if (!c->found && c->peers)
        MPI_Allreduce(MPI_IN_PLACE, to, (int)count,
                      type == NCCL_FLOAT ? MPI_FLOAT : MPI_DOUBLE, MPI_SUM, c->peers);
    return NCCL_SUCCESS;
}

/* ranks.c -- ranks by MPI; see ranks.h. */
#include <stdio.h>
#include <stdlib.h>

#include "options.h"
#include "ranks.h"

/* How many processes the launcher says there are: Open MPI's; PMI's, of MPICH and
 * Slurm; Slurm's own where it launches by PMIx, which names no number. 0: none says so.
 */
static int launched(void)
{
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    if (!size)
        size = getenv("PMI_SIZE");
    if (!size && getenv("PMIX_RANK"))
        size = getenv("SLURM_STEP_NUM_TASKS");
    return size ? atoi(size) : 0;
}

int ranks_alone(const char *why, struct sluice_error *err)
{
    if (launched() < 2)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "expected one process, found the %d of an mpirun: %s",
                       launched(), why);
}

#ifdef SLUICE_HAVE_MPI
#include <mpi.h>

enum { AT_ONCE = 1 << 28 }; /* MPI counts in int */

struct ranks {
    int self, count, local;
    bool found_by_all; /* the failure that follows */
};

static void end_mpi(void)
{
    MPI_Finalize();
}

/* This process's number on its machine. */
static int find_local(int self)
{
    MPI_Comm machine;
    int local;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, self, MPI_INFO_NULL,
                        &machine);
    MPI_Comm_rank(machine, &local);
    MPI_Comm_free(&machine);
    return local;
}

int ranks_open(struct ranks **out, struct sluice_error *err)
{
    static struct ranks all;
    int provided;
    *out = NULL;
    if (launched() < 2)
        return 0;
    if (!all.count) {
        MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
        atexit(end_mpi);
        MPI_Comm_rank(MPI_COMM_WORLD, &all.self);
        MPI_Comm_size(MPI_COMM_WORLD, &all.count);
        all.local = find_local(all.self);
    }
    if (all.count < 2)
        return sluice_fail(err, SLUICE_EINVAL,
                           "%d processes were started to train together, but MPI finds "
                           "one: start them by the mpirun of the MPI that Sluice is "
                           "built with, or by srun --mpi=pmix",
                           launched());
    *out = &all;
    return 0;
}

int ranks_self(const struct ranks *r)
{
    return r ? r->self : 0;
}

int ranks_count(const struct ranks *r)
{
    return r ? r->count : 1;
}

int ranks_local(const struct ranks *r)
{
    return r ? r->local : 0;
}

void ranks_sum(struct ranks *r, double *x, int count)
{
    if (r)
        MPI_Allreduce(MPI_IN_PLACE, x, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

void ranks_sum_floats(struct ranks *r, float *x, size_t count)
{
    for (size_t at = 0; r && at < count; at += AT_ONCE)
        MPI_Allreduce(MPI_IN_PLACE, x + at,
                      (int)(count - at < AT_ONCE ? count - at : AT_ONCE), MPI_FLOAT,
                      MPI_SUM, MPI_COMM_WORLD);
}

bool ranks_any(struct ranks *r, bool x)
{
    int any = x;
    if (r)
        MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    return any;
}

void ranks_merge(struct ranks *r, void *bytes, size_t size)
{
    char *p = bytes;
    for (size_t at = 0; r && at < size; at += AT_ONCE)
        MPI_Allreduce(MPI_IN_PLACE, p + at,
                      (int)(size - at < AT_ONCE ? size - at : AT_ONCE), MPI_BYTE,
                      MPI_BOR, MPI_COMM_WORLD);
}

void ranks_spread(struct ranks *r, void *bytes, size_t size)
{
    char *p = bytes;
    for (size_t at = 0; r && at < size; at += AT_ONCE)
        MPI_Bcast(p + at, (int)(size - at < AT_ONCE ? size - at : AT_ONCE), MPI_BYTE, 0,
                  MPI_COMM_WORLD);
}

void ranks_found_by_all(struct ranks *r)
{
    if (r)
        r->found_by_all = true;
}

void ranks_end(struct ranks *r, const struct sluice_error *err)
{
    char name[32];
    if (!r)
        return;
    if (r->found_by_all && r->self)
        MPI_Barrier(MPI_COMM_WORLD); /* rank 0 ends them all, and never comes here */
    snprintf(name, sizeof name, "rank %d", r->self);
    MPI_Abort(MPI_COMM_WORLD, cli_report(name, err));
}

#else

int ranks_open(struct ranks **out, struct sluice_error *err)
{
    *out = NULL;
    if (launched() < 2)
        return 0;
    return sluice_fail(
        err, SLUICE_EUNBUILT,
        "%d processes were started to train together, but this build has "
        "no MPI: install its headers (libopenmpi-dev) and build again",
        launched());
}

int ranks_self(const struct ranks *r)
{
    (void)r;
    return 0;
}

int ranks_count(const struct ranks *r)
{
    (void)r;
    return 1;
}

int ranks_local(const struct ranks *r)
{
    (void)r;
    return 0;
}

void ranks_sum(struct ranks *r, double *x, int count)
{
    (void)r, (void)x, (void)count;
}

void ranks_sum_floats(struct ranks *r, float *x, size_t count)
{
    (void)r, (void)x, (void)count;
}

bool ranks_any(struct ranks *r, bool x)
{
    (void)r;
    return x;
}

void ranks_merge(struct ranks *r, void *bytes, size_t size)
{
    (void)r, (void)bytes, (void)size;
}

void ranks_spread(struct ranks *r, void *bytes, size_t size)
{
    (void)r, (void)bytes, (void)size;
}

void ranks_found_by_all(struct ranks *r)
{
    (void)r;
}

void ranks_end(struct ranks *r, const struct sluice_error *err)
{
    (void)r, (void)err;
}
#endif

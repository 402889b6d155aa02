/* nccl_sums.c -- see nccl_sums.h. What of nccl.h is needed is declared here, so that a
 * build without it uses the library that it finds when it runs;
 * tests/train/nccl_header.c holds this to nccl.h. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nccl_sums.h"
#include "nccl_types.h"

enum { OLDEST = 21300 }; /* 2.13: ncclGetLastError */

struct nccl {
    void *library;
    struct nccl_functions call;
    nccl_comm comm; /* NULL: not joined, or left */
    bool broken;    /* given up after an error */
};

#define NCCL_NAME "libnccl.so.2"

static void *find_library(const char *path, char why[160])
{
    void *library = dlopen(path ? path : NCCL_NAME, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        snprintf(why, 160, "%s", dlerror());
#ifdef SLUICE_NCCL_LIBRARY
    if (!library && !path)
        library = dlopen(SLUICE_NCCL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
#endif
    return library;
}

static int find_functions(struct nccl *n, struct sluice_error *err)
{
    static const struct {
        const char *name;
        size_t at;
    } wanted[] = {
#define NCCL_FUNCTION(member, name) { #name, offsetof(struct nccl_functions, member) },
        NCCL_FUNCTIONS
#undef NCCL_FUNCTION
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        void *found = dlsym(n->library, wanted[i].name);
        if (!found)
            return sluice_fail(err, SLUICE_EUNBUILT, "NCCL: the library has no %s",
                               wanted[i].name);
        memcpy((unsigned char *)&n->call + wanted[i].at, &found, sizeof found);
    }
    return 0;
}

/* NCCL's words, and what it last noted, as one line. */
static int fail(const struct nccl *n, const char *what, int status,
                struct sluice_error *err)
{
    const char *more = n->call.last_error(n->comm);
    const int line = more ? (int)strcspn(more, "\n") : 0;
    return sluice_fail(err, SLUICE_EDEVICE, "NCCL: %s: %s%s%.*s", what,
                       n->call.error_string(status), line ? ": " : "", line,
                       more ? more : "");
}

/* "NCCL 2.28.9" */
static int check_version(const struct nccl *n, char about[40], struct sluice_error *err)
{
    int version = 0;
    const int status = n->call.version(&version);
    if (status != NCCL_SUCCESS)
        return fail(n, "ncclGetVersion", status, err);
    snprintf(about, 40, "NCCL %d.%d.%d", version / 10000, version % 10000 / 100,
             version % 100);
    if (version >= OLDEST)
        return 0;
    return sluice_fail(err, SLUICE_EUNBUILT, "NCCL: expected 2.%d or later, found %s",
                       OLDEST % 10000 / 100, about);
}

int nccl_open(struct nccl **out, const char *path, char about[40],
              struct sluice_error *err)
{
    struct nccl *n = calloc(1, sizeof *n);
    char why[160] = "";
    *out = NULL;
    if (!n)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for NCCL");
    n->library = find_library(path, why);
    int rc = n->library ? find_functions(n, err)
                        : sluice_fail(err, SLUICE_EUNBUILT, "NCCL: %s", why);
    if (rc == 0)
        rc = check_version(n, about, err);
    if (rc < 0)
        nccl_close(n);
    else
        *out = n;
    return rc;
}

/* Without the others nothing that is enqueued will end. */
void nccl_leave(struct nccl *n)
{
    if (n && n->comm)
        (n->broken ? n->call.abort : n->call.destroy)(n->comm);
    if (n)
        n->comm = NULL;
}

/* The library stays: it may have started threads. */
void nccl_close(struct nccl *n)
{
    nccl_leave(n);
    free(n);
}

int nccl_id(struct nccl *n, unsigned char id[GPU_SUM_ID], struct sluice_error *err)
{
    struct nccl_id made;
    const int status = n->call.unique_id(&made);
    if (status != NCCL_SUCCESS)
        return fail(n, "ncclGetUniqueId", status, err);
    memcpy(id, made.bytes, GPU_SUM_ID);
    return 0;
}

int nccl_join(struct nccl *n, const unsigned char id[GPU_SUM_ID], int self, int count,
              struct sluice_error *err)
{
    struct nccl_id shared;
    memcpy(shared.bytes, id, GPU_SUM_ID);
    const int status = n->call.init_rank(&n->comm, count, shared, self);
    return status == NCCL_SUCCESS ? 0 : fail(n, "ncclCommInitRank", status, err);
}

/* ncclCommAbort waits, from version 2.26 on, for the end of all graphs that hold sums,
 * so it is left to nccl_leave. */
static int give_up(struct nccl *n, const char *what, int status,
                   struct sluice_error *err)
{
    n->broken = true;
    return fail(n, what, status, err);
}

static int refuse(const struct nccl *n, struct sluice_error *err)
{
    return sluice_fail(err, SLUICE_EDEVICE, "NCCL: %s",
                       n->broken ? "given up after an error" : "not joined");
}

/* Both as one launch. */
static int sum_group(const struct nccl *n, const struct gpu_sum *sum, void *stream)
{
    int status = n->call.group_start();
    if (status == NCCL_SUCCESS)
        status = n->call.all_reduce(sum->floats, sum->floats, sum->float_count,
                                    NCCL_FLOAT, NCCL_SUM, n->comm, stream);
    if (status == NCCL_SUCCESS)
        status = n->call.all_reduce(sum->doubles, sum->doubles, sum->double_count,
                                    NCCL_DOUBLE, NCCL_SUM, n->comm, stream);
    const int ended = n->call.group_end();
    return status == NCCL_SUCCESS ? ended : status;
}

int nccl_sum(struct nccl *n, const struct gpu_sum *sum, void *stream,
             struct sluice_error *err)
{
    if (!n->comm || n->broken)
        return refuse(n, err);
    const int status = sum_group(n, sum, stream);
    return status == NCCL_SUCCESS ? 0 : give_up(n, "ncclAllReduce", status, err);
}

int nccl_check(struct nccl *n, struct sluice_error *err)
{
    int found = NCCL_SUCCESS;
    if (n->broken)
        return refuse(n, err);
    if (!n->comm)
        return 0;
    const int status = n->call.async_error(n->comm, &found);
    if (status != NCCL_SUCCESS)
        return give_up(n, "ncclCommGetAsyncError", status, err);
    return found == NCCL_SUCCESS || found == NCCL_IN_PROGRESS
               ? 0
               : give_up(n, "sums over all processes", found, err);
}

int nccl_await(struct nccl *n, int (*passed)(void *ctx), void *ctx,
               struct sluice_error *err)
{
    const struct timespec moment = { .tv_nsec = 20000 };
    int rc, found;
    while ((found = passed(ctx)) == 0) {
        if ((rc = nccl_check(n, err)) < 0)
            return rc;
        nanosleep(&moment, NULL);
    }
    return found;
}

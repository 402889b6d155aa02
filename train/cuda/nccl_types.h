/* nccl_types.h -- what is used of NCCL's interface, as version 2 has had it since 2.13.
 * Numbers and signatures are those of nccl.h. */
#ifndef SLUICE_NCCL_TYPES_H
#define SLUICE_NCCL_TYPES_H

#include <stddef.h>

enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7 }; /* of ncclResult_t */
enum { NCCL_FLOAT = 7, NCCL_DOUBLE = 8 };        /* of ncclDataType_t */
enum { NCCL_SUM = 0 };                           /* of ncclRedOp_t */

typedef void *nccl_comm;

struct nccl_id {
    char bytes[128];
};

struct nccl_functions {
    int (*version)(int *version);
    const char *(*error_string)(int status);
    const char *(*last_error)(nccl_comm comm);
    int (*unique_id)(struct nccl_id *id);
    int (*init_rank)(nccl_comm *comm, int count, struct nccl_id id, int self);
    int (*destroy)(nccl_comm comm);
    int (*abort)(nccl_comm comm);
    int (*async_error)(nccl_comm comm, int *found);
    int (*group_start)(void);
    int (*group_end)(void);
    int (*all_reduce)(const void *from, void *to, size_t count, int type, int op,
                      nccl_comm comm, void *stream);
};

/* Members and NCCL's names of them. */
#define NCCL_FUNCTIONS                                                                 \
    NCCL_FUNCTION(version, ncclGetVersion)                                             \
    NCCL_FUNCTION(error_string, ncclGetErrorString)                                    \
    NCCL_FUNCTION(last_error, ncclGetLastError)                                        \
    NCCL_FUNCTION(unique_id, ncclGetUniqueId)                                          \
    NCCL_FUNCTION(init_rank, ncclCommInitRank)                                         \
    NCCL_FUNCTION(destroy, ncclCommDestroy)                                            \
    NCCL_FUNCTION(abort, ncclCommAbort)                                                \
    NCCL_FUNCTION(async_error, ncclCommGetAsyncError)                                  \
    NCCL_FUNCTION(group_start, ncclGroupStart)                                         \
    NCCL_FUNCTION(group_end, ncclGroupEnd)                                             \
    NCCL_FUNCTION(all_reduce, ncclAllReduce)

#endif

/* nccl_header.c -- what train/cuda/nccl_types.h says of NCCL is what nccl.h says. */
#include <nccl.h>

#include "check.h"
#include "cuda/nccl_types.h"

_Static_assert((int)NCCL_SUCCESS == (int)ncclSuccess, "results");
_Static_assert((int)NCCL_IN_PROGRESS == (int)ncclInProgress, "results");
_Static_assert((int)NCCL_FLOAT == (int)ncclFloat, "types");
_Static_assert((int)NCCL_DOUBLE == (int)ncclDouble, "types");
_Static_assert((int)NCCL_SUM == (int)ncclSum, "operations");
_Static_assert(sizeof(int) == sizeof(ncclResult_t), "enums are passed as int");
_Static_assert(sizeof(int) == sizeof(ncclDataType_t), "enums are passed as int");
_Static_assert(sizeof(int) == sizeof(ncclRedOp_t), "enums are passed as int");
_Static_assert(sizeof(nccl_comm) == sizeof(ncclComm_t), "pointers are passed");
_Static_assert(sizeof(void *) == sizeof(cudaStream_t), "pointers are passed");

/* The signatures that the members of struct nccl_functions spell with int and void *.
 */
#define SAME(type, name)                                                               \
    _Static_assert(__builtin_types_compatible_p(__typeof__(name), type), #name)
typedef ncclResult_t version(int *);
typedef const char *error_string(ncclResult_t);
typedef const char *last_error(ncclComm_t);
typedef ncclResult_t unique_id(ncclUniqueId *);
typedef ncclResult_t init_rank(ncclComm_t *, int, ncclUniqueId, int);
typedef ncclResult_t of_comm(ncclComm_t);
typedef ncclResult_t async_error(ncclComm_t, ncclResult_t *);
typedef ncclResult_t group(void);
typedef ncclResult_t all_reduce(const void *, void *, size_t, ncclDataType_t,
                                ncclRedOp_t, ncclComm_t, cudaStream_t);
SAME(version, ncclGetVersion);
SAME(error_string, ncclGetErrorString);
SAME(last_error, ncclGetLastError);
SAME(unique_id, ncclGetUniqueId);
SAME(init_rank, ncclCommInitRank);
SAME(of_comm, ncclCommDestroy);
SAME(of_comm, ncclCommAbort);
SAME(async_error, ncclCommGetAsyncError);
SAME(group, ncclGroupStart);
SAME(group, ncclGroupEnd);
SAME(all_reduce, ncclAllReduce);

int main(void)
{
    CHECK(sizeof(struct nccl_id) == sizeof(ncclUniqueId), "ids of %zu bytes",
          sizeof(ncclUniqueId));
    return check_done();
}

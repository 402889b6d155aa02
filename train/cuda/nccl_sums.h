/* nccl_sums.h -- sums over the GPUs of several processes by NCCL, whose library (200 MB
 * of kernels) is loaded when there are several and not before.
 *
 *     nccl_open(&n, NULL, about, &err);                    "NCCL 2.28.9"
 *     rank 0: nccl_id(n, id, &err);  all others get id from it
 *     nccl_join(n, id, rank, ranks, &err);                 on the GPU of this thread
 *     nccl_sum(n, &sum, stream, &err);                     enqueued; may be captured
 *
 * What is enqueued ends only if all ranks enqueue it, so nobody waits for the stream
 * but by nccl_await. What NCCL reports is SLUICE_EDEVICE with its words; every later
 * call fails then, and nccl_leave gives up what it has enqueued. One thread at a time.
 */
#ifndef SLUICE_NCCL_SUMS_H
#define SLUICE_NCCL_SUMS_H

#include "gpu.h"

struct nccl;

/* `path` NULL: wherever the system or the build found it. SLUICE_EUNBUILT: it is not
 * there, is too old, or lacks a function. */
int nccl_open(struct nccl **out, const char *path, char about[40],
              struct sluice_error *err);
/* Graphs that hold sums are gone before. NULL is fine. */
void nccl_leave(struct nccl *n);
void nccl_close(struct nccl *n); /* leaves, too */

int nccl_id(struct nccl *n, unsigned char id[GPU_SUM_ID], struct sluice_error *err);
/* Returns when all `count` have called it with the same id. */
int nccl_join(struct nccl *n, const unsigned char id[GPU_SUM_ID], int self, int count,
              struct sluice_error *err);
int nccl_sum(struct nccl *n, const struct gpu_sum *sum, void *stream,
             struct sluice_error *err);

/* What went wrong since it joined, without the host's doing: a process that is gone, a
 * network that broke. */
int nccl_check(struct nccl *n, struct sluice_error *err);
/* Until passed(ctx) is not 0, which is returned, or nccl_check fails. */
int nccl_await(struct nccl *n, int (*passed)(void *ctx), void *ctx,
               struct sluice_error *err);

#endif

/* gpu_host_memory.c -- device memory that is the host's: see gpu_host.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gpu_host.h"

enum { PAGE = 4096, HUGE = 2 << 20, NOISE = 0xEE };

static const size_t pool_size = (size_t)1 << 32;

int memory_open(struct host_memory *m, bool guarded, struct sluice_error *err)
{
    if (!guarded)
        return 0;
    void *pool = mmap(NULL, pool_size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED)
        return sluice_fail(err, SLUICE_ENOMEM, "no address space");
    m->pool = pool;
    m->used = HUGE - (uintptr_t)pool % HUGE;
    /* What is permitted and forbidden at each turn are huge pages, so few. */
    (void)madvise(pool, pool_size, MADV_HUGEPAGE);
    return 0;
}

void memory_close(struct host_memory *m)
{
    if (m->pool)
        munmap(m->pool, pool_size);
}

void memory_permit(const struct host_memory *m, bool touching)
{
    const size_t end = ((uintptr_t)m->pool + m->used + HUGE - 1) / HUGE * HUGE;
    if (m->pool && mprotect(m->pool, end - (uintptr_t)m->pool,
                            touching ? PROT_READ | PROT_WRITE : PROT_NONE))
        abort();
}

/* A piece of the pool: a released one of this size, or a new one. */
static void *take_piece(struct host_memory *m, size_t bytes)
{
    const size_t size = (bytes + PAGE - 1) / PAGE * PAGE;
    for (int i = 0; i < m->pieces; i++)
        if (!m->piece[i].taken && m->piece[i].size == size) {
            m->piece[i].taken = true;
            return m->piece[i].at;
        }
    if (m->pieces == PIECES || m->used + size + HUGE > pool_size)
        return NULL;
    m->piece[m->pieces++] = (struct piece){ m->pool + m->used, size, true };
    m->used += size;
    return m->piece[m->pieces - 1].at;
}

int memory_allocate(struct gpu *gpu, void **out, size_t bytes, struct sluice_error *err)
{
    struct host_memory *m = &host(gpu)->memory;
    const size_t size = (bytes / GPU_ALIGN + 1) * GPU_ALIGN;
    int rc = lanes_free_for(gpu, "memory asked for", err);
    gpu_host_count.memories++;
    *out = NULL;
    if (rc < 0)
        return rc;
    *out = m->pool ? take_piece(m, size) : aligned_alloc(GPU_ALIGN, size);
    if (!*out)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu bytes", bytes);
    memory_permit(m, true);
    memset(*out, NOISE, size);
    memory_permit(m, false);
    return 0;
}

void memory_release(struct gpu *gpu, void *memory)
{
    struct host_memory *m = &host(gpu)->memory;
    if (!memory)
        return;
    gpu_host_count.waits++; /* CUDA's waits for all that is under way */
    lanes_drain(gpu, -1);
    if (!m->pool)
        free(memory);
    for (int i = 0; i < m->pieces; i++)
        if (m->piece[i].at == memory)
            m->piece[i].taken = false;
}

int memory_pin(struct gpu *gpu, void **out, size_t bytes, struct sluice_error *err)
{
    (void)gpu;
    gpu_host_count.memories++;
    *out = aligned_alloc(64, (bytes / 64 + 1) * 64);
    return *out ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory");
}

void memory_unpin(struct gpu *gpu, void *memory)
{
    (void)gpu;
    free(memory);
}

size_t memory_left(struct gpu *gpu)
{
    (void)gpu;
    return (size_t)1 << 30;
}

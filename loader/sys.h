/* sys.h -- every call into the operating system that can fail while a file is opened
 * and read, in one table, so that a test can fail the Nth one, shorten a read or refuse
 * io_uring. Calls that return int or ssize_t report failure as a negative errno. */
#ifndef SLUICE_LOADER_SYS_H
#define SLUICE_LOADER_SYS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sluice_ring; /* one io_uring with one registered file: ring.c */

struct sluice_completion {
    uint64_t tag;
    int result; /* bytes, or a negative errno */
};

struct sluice_sys {
    int (*open)(const char *path, int flags);
    void (*close)(int fd);
    int (*size)(int fd, uint64_t *size); /* of a regular file */
    ssize_t (*pread)(int fd, void *buf, size_t size, uint64_t offset);
    /* The same from the page cache alone: -EAGAIN where the disk would be asked,
     * -EOPNOTSUPP where the file system cannot tell. */
    ssize_t (*pread_cached)(int fd, void *buf, size_t size, uint64_t offset);
    /* Will be read soon: no more than a hint, so it cannot fail. */
    void (*advise)(int fd, uint64_t offset, uint64_t size);
    /* Bytes that could be taken without swapping, or beyond what a container may. */
    uint64_t (*memory)(void);
    void *(*map)(size_t size); /* zeroed anonymous memory on demand, or NULL */
    void (*unmap)(void *memory, size_t size);
    int (*thread)(pthread_t *out, void *(*run)(void *), void *arg);

    /* All NULL in a build without liburing. A ring is used by the thread that opened
     * it and by no other. */
    int (*ring_open)(struct sluice_ring **out, unsigned depth, int fd);
    int (*ring_queue)(struct sluice_ring *r, void *buf, size_t size, uint64_t offset,
                      uint64_t tag);
    int (*ring_submit)(struct sluice_ring *r, bool wait); /* for one completion */
    int (*ring_reap)(struct sluice_ring *r, struct sluice_completion *out, int max);
    void (*ring_close)(struct sluice_ring *r);
};

extern const struct sluice_sys sluice_sys_real;

/* cgroups.c: what `memory` and sluice_cpus tell, by the files under these folders. */
uint64_t sluice_memory_available(const char *proc, const char *cgroup);
int sluice_cpus_available(const char *proc, const char *cgroup);
/* What ulimit -v leaves, UINT64_MAX if there is none: all that is mapped counts,
 * whether it was touched or not. */
uint64_t sluice_address_space_left(const char *proc);

#endif

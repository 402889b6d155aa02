/* sys.c -- the table of real system calls; see sys.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring.h"
#include "sys.h"

#ifdef SLUICE_HAVE_URING
#define IF_URING(fn) fn
#else
#define IF_URING(fn) NULL
#endif

/* A pipe without a writer would hold us up: not waited for, it is then refused. Left
 * on, the flag would have io_uring give up where it should wait. */
static int real_open(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static void real_close(int fd)
{
    close(fd);
}

static int real_size(int fd, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode))
        return -ESPIPE;
    *size = (uint64_t)st.st_size;
    return 0;
}

static ssize_t real_pread(int fd, void *buf, size_t size, uint64_t offset)
{
    ssize_t n = pread(fd, buf, size, (off_t)offset);
    return n < 0 ? -errno : n;
}

static ssize_t real_pread_cached(int fd, void *buf, size_t size, uint64_t offset)
{
    struct iovec iov = { .iov_base = buf, .iov_len = size };
    ssize_t n = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

static void real_advise(int fd, uint64_t offset, uint64_t size)
{
    posix_fadvise(fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}

static uint64_t real_memory(void)
{
    return sluice_memory_available("/proc", "/sys/fs/cgroup");
}

static void *real_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void real_unmap(void *memory, size_t size)
{
    munmap(memory, size);
}

/* Signals are the program's: one that lands in a thread of ours would only interrupt a
 * read. */
static int real_thread(pthread_t *out, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(out, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

const struct sluice_sys sluice_sys_real = {
    .open = real_open,
    .close = real_close,
    .size = real_size,
    .pread = real_pread,
    .pread_cached = real_pread_cached,
    .advise = real_advise,
    .memory = real_memory,
    .map = real_map,
    .unmap = real_unmap,
    .thread = real_thread,
    .ring_open = IF_URING(sluice_ring_open),
    .ring_queue = IF_URING(sluice_ring_queue),
    .ring_submit = IF_URING(sluice_ring_submit),
    .ring_reap = IF_URING(sluice_ring_reap),
    .ring_close = IF_URING(sluice_ring_close),
};

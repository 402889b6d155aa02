/* refused.c -- io_uring refused by a seccomp filter, as container runtimes do: AUTO
 * goes another way and says why, asking for it by name is a clear error, and the other
 * ways give the same batches. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <sluice/crc32c.h>

#include "pack.h"

enum { SAMPLES = 200 };

static char path[128];

/* io_uring_setup fails with `error` from now on; false: no seccomp here. */
static bool refuse(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 425, 0, 1), /* io_uring_setup everywhere */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Checksum of an epoch; 0: *err says why not. */
static uint32_t epoch(enum sluice_io io, size_t budget,
                      struct sluice_loader_stats *stats, struct sluice_error *err)
{
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    uint32_t sum = 0;
    int n = sluice_loader_open(
        &ld, path,
        &(struct sluice_loader_options){
            .batch_size = 16, .threads = 2, .io = io, .memory_budget = budget },
        err);
    if (n < 0)
        return 0;
    while ((n = sluice_loader_next(ld, &b, err)) > 0) {
        sum = sluice_crc32c(sum, b->pixels, (size_t)n * PACK_BYTES);
        sluice_loader_release(ld, b);
    }
    sluice_loader_stats(ld, stats);
    sluice_loader_close(ld);
    return n < 0 ? 0 : sum;
}

static int in_child(int error)
{
    struct sluice_loader_stats stats;
    struct sluice_error err = { 0 };
    const uint32_t want = epoch(SLUICE_IO_PREAD, 0, &stats, &err);
    REQUIRE(want, "%s", err.message);
    if (!refuse(error))
        SKIP("no seccomp: %s", strerror(errno));
    CHECK(epoch(SLUICE_IO_URING, 0, &stats, &err) == 0 && err.code == SLUICE_EUNBUILT &&
              strstr(err.message, "uring"),
          "asked for by name: %s", err.message);
    CHECK(epoch(SLUICE_IO_DIRECT, 0, &stats, &err) == 0 && err.code == SLUICE_EUNBUILT,
          "direct: %s", err.message);
    /* A budget of one byte rules residence out; the file is in the page cache. */
    CHECK(epoch(SLUICE_IO_AUTO, 1, &stats, &err) == want, "auto: %s", err.message);
    CHECK(stats.io == SLUICE_IO_PREAD && stats.io_reason[0], "auto took %s: %s",
          sluice_io_name(stats.io), stats.io_reason);
    CHECK(epoch(SLUICE_IO_AUTO, 0, &stats, &err) == want, "auto: %s", err.message);
    CHECK(stats.io == SLUICE_IO_RESIDENT, "auto took %s", sluice_io_name(stats.io));
    return check_done();
}

int main(void)
{
    static const int errors[] = { EPERM, ENOSYS, ENOMEM };
    const char *folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    for (int i = 0; i < 3; i++) {
        int status = -1;
        pid_t child = fork(); /* a filter cannot be taken back */
        if (child == 0) {
            int rc = in_child(errors[i]);
            fflush(NULL);
            _exit(rc);
        }
        CHECK(waitpid(child, &status, 0) == child, "wait");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            folder_remove(folder);
            return 77;
        }
        CHECK(status == 0, "with %s: status %d", strerror(errors[i]), status);
    }
    folder_remove(folder);
    return check_done();
}

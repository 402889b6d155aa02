/* crash.c -- a writer, and an append, killed at every system call and at 200 random
 * moments each, and stopped by a full disk at 50 places each: the file is the old one
 * or the new one, whole, never a third thing. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <sluice/rng.h>

#include "output.h"
#include "packs.h"

enum { OLD = 40, NEW = 300, MOMENTS = 200, PLACES = 50 };

static const char *folder;
static char path[128], base[128];

/* ---- what the child does: write path anew, or append to it ---- */

static int rewrite(struct sluice_error *err)
{
    return pack_write(path, OLD + NEW, err);
}

static int append(struct sluice_error *err)
{
    return pack_append(path, OLD, NEW, err);
}

static const struct {
    const char *name;
    int (*run)(struct sluice_error *err);
} jobs[] = { { "write", rewrite }, { "append", append } };

/* ---- death at the Nth call: before it, or with half of it done ---- */

static int countdown;
static bool half;
static struct sluice_output_calls real;

static bool dies(void)
{
    if (--countdown)
        return false;
    if (!half)
        raise(SIGKILL);
    return true;
}

static ssize_t k_pwrite(int fd, const void *data, size_t size, off_t at)
{
    if (dies()) {
        real.pwrite(fd, data, size / 2, at);
        raise(SIGKILL);
    }
    return real.pwrite(fd, data, size, at);
}

static int k_fsync(int fd)
{
    if (dies()) {
        real.fsync(fd);
        raise(SIGKILL);
    }
    return real.fsync(fd);
}

static int k_rename(const char *from, const char *to)
{
    if (dies()) {
        real.rename(from, to);
        raise(SIGKILL);
    }
    return real.rename(from, to);
}

static int k_close(int fd)
{
    if (dies())
        raise(SIGKILL);
    return real.close(fd);
}

/* ---- the parent ---- */

static void copy(const char *from, const char *to)
{
    size_t size;
    uint8_t *bytes = file_read(from, &size);
    unlink(to); /* cheaper than truncating, which some file systems sync */
    file_write(to, bytes, size);
    free(bytes);
}

static void wait_ns(int64_t ns)
{
    const struct timespec t = { ns / 1000000000, ns % 1000000000 };
    nanosleep(&t, NULL);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The child's wait status. `call`: it dies there (0: nowhere); `limit`: no file may
 * grow past it; `kill_after`: ns until it is killed, -1: never. */
static int run(int job, int call, rlim_t limit, int64_t kill_after)
{
    int status;
    struct sluice_error err;
    const pid_t pid = fork();
    REQUIRE(pid >= 0, "fork");
    if (pid == 0) {
        const struct rlimit full = { limit, limit };
        signal(SIGXFSZ, SIG_IGN); /* write fails with EFBIG instead */
        setrlimit(RLIMIT_FSIZE, &full);
        if (call)
            sluice_output_calls =
                (struct sluice_output_calls){ real.open,    k_pwrite, k_fsync,
                                              k_close,      k_rename, real.unlink,
                                              real.truncate };
        countdown = call;
        _exit(jobs[job].run(&err) < 0 ? 3 : 0);
    }
    if (kill_after >= 0) {
        wait_ns(kill_after);
        kill(pid, SIGKILL);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid, "waitpid");
    return status;
}

/* Old or new? -1: neither. Goes back to the old state. */
static int64_t state(int job, const char *what, int n)
{
    struct sluice_error err;
    const int64_t count = pack_check(path);
    CHECK(count == OLD || count == OLD + NEW, "%s, %s %d: %d samples", jobs[job].name,
          what, n, (int)count);
    /* It can be gone on with. */
    if (count > 0 && n % 10 == 0)
        CHECK(pack_append(path, (uint64_t)count, 3, &err) == 0 &&
                  pack_check(path) == count + 3,
              "%s, %s %d: append: %s", jobs[job].name, what, n, err.message);
    copy(base, path);
    return count;
}

static void at_every_call(int job)
{
    for (int n = 1; n < 100; n++)
        for (half = false;; half = true) {
            const int status = run(job, n, RLIM_INFINITY, -1);
            const int64_t count = state(job, "call", n);
            if (WIFEXITED(status)) {
                CHECK(n > 4 && count == OLD + NEW, "%s: only %d calls", jobs[job].name,
                      n);
                return;
            }
            if (half)
                break;
        }
}

static void at_random_moments(int job)
{
    const int64_t start = now_ns();
    CHECK(run(job, 0, RLIM_INFINITY, -1) == 0, "%s", jobs[job].name);
    const int64_t took = now_ns() - start;
    CHECK(state(job, "undisturbed", 0) == OLD + NEW, "%s", jobs[job].name);
    int old = 0;
    struct sluice_rng rng = sluice_rng_at(3, (uint64_t)job, 0);
    for (int n = 0; n < MOMENTS; n++) {
        const double moment = 1.2 * (double)sluice_rng_unit(&rng);
        run(job, 0, RLIM_INFINITY, (int64_t)(moment * (double)took));
        old += state(job, "moment", n) == OLD;
    }
    CHECK(old > 0, "%s: none of %d was killed in time", jobs[job].name, MOMENTS);
}

static void on_a_full_disk(int job)
{
    size_t old, new;
    struct sluice_error err;
    free(file_read(path, &old));
    REQUIRE(jobs[job].run(&err) == 0, "%s", err.message);
    free(file_read(path, &new));
    copy(base, path);
    for (int n = 0; n < PLACES; n++) {
        const size_t from = job ? old : 0;
        const rlim_t limit = from + (new - from) * (size_t)n / PLACES;
        const int entries = folder_entries(folder);
        const int status = run(job, 0, limit, -1);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%s: %d bytes: status %d",
              jobs[job].name, (int)limit, status);
        CHECK(folder_entries(folder) == entries, "%s: %d bytes: something is left",
              jobs[job].name, (int)limit);
        size_t size;
        free(file_read(path, &size));
        CHECK(size == old, "%s: %d bytes: not cut back", jobs[job].name, (int)limit);
        CHECK(state(job, "place", n) == OLD, "%s: limit %d", jobs[job].name,
              (int)limit);
    }
}

int main(void)
{
    struct sluice_error err;
    folder = folder_make();
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    snprintf(base, sizeof(base), "%s/base.sluice", folder);
    real = sluice_output_calls;
    REQUIRE(pack_write(base, OLD, &err) == 0, "%s", err.message);
    copy(base, path);
    for (int job = 0; job < 2; job++) {
        on_a_full_disk(job);
        at_every_call(job);
        at_random_moments(job);
    }
    /* What the dead left goes with the next write of the same file. */
    run(0, 2, RLIM_INFINITY, -1);
    CHECK(folder_entries(folder) == 3, "%d files", folder_entries(folder));
    REQUIRE(rewrite(&err) == 0, "%s", err.message);
    CHECK(folder_entries(folder) == 2, "%d files are left", folder_entries(folder) - 2);
    folder_remove(folder);
    return check_done();
}

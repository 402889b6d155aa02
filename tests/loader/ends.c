/* ends.c -- epochs that end early: a file that is damaged, shrinks or is none, and
 * consumers that stop, hold every batch or fork. Each failure is one line that names
 * it, and nothing is left behind. */
#include <sluice/format_emit.h>
#include <sys/wait.h>

#include "pack.h"

enum { SAMPLES = 300, BATCH = 32 };

static char path[128];

/* Read an epoch: samples delivered, or the error's code. */
static int epoch(enum sluice_io io, struct sluice_error *err)
{
    const struct sluice_loader_options o = { .batch_size = BATCH,
                                             .threads = 2,
                                             .io = io };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int samples = 0, n = sluice_loader_open(&ld, path, &o, err);
    while (n >= 0 && (n = sluice_loader_next(ld, &b, err)) > 0) {
        pack_check(b, "damage", io);
        samples += n;
        sluice_loader_release(ld, b);
    }
    sluice_loader_close(ld);
    return n < 0 ? n : samples;
}

static void damaged(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    pack_flip_byte(path, 123);
    CHECK(epoch(io, &err) == SLUICE_ECORRUPT && strstr(err.message, "sample 123,") &&
              strstr(err.message, path),
          "%s: %s", sluice_io_name(io), err.message);
    pack_flip_byte(path, 123);
    CHECK(epoch(io, &err) == SAMPLES, "%s: %s", sluice_io_name(io), err.message);
}

static void shrinks(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    size_t size;
    int n;
    uint8_t *bytes = file_read(path, &size);
    const struct sluice_loader_options o = { .batch_size = 8,
                                             .batches = 2,
                                             .threads = 2,
                                             .io = io,
                                             .order = SLUICE_SEQUENTIAL };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    REQUIRE(truncate(path, SLUICE_DATA_AT + 40 * PACK_BYTES) == 0, "truncate");
    while ((n = sluice_loader_next(ld, &b, &err)) > 0)
        sluice_loader_release(ld, b);
    /* Memory may have had it all before; then nothing is missing. */
    if (io != SLUICE_IO_RESIDENT || n != 0) {
        CHECK(n == SLUICE_ECORRUPT && strstr(err.message, "truncated") &&
                  strstr(err.message, "sample"),
              "%s: %d, %s", sluice_io_name(io), n, err.message);
        CHECK(sluice_loader_next(ld, &b, &err) < 0, "goes on after an error");
    }
    sluice_loader_close(ld);
    file_write(path, bytes, size);
    free(bytes);
}

static int descriptors(void)
{
    return folder_entries("/proc/self/fd");
}

static int threads_alone; /* of the process without a loader */

/* The kernel lists a thread for a moment longer than joining it takes, and a sanitizer
 * may keep one of its own from the first on: what is left for a while after one loader
 * has come and gone. */
static void count_threads_alone(void)
{
    struct sluice_loader *ld;
    threads_alone = 1000;
    REQUIRE(sluice_loader_open(&ld, path, NULL, NULL) == 0, "open");
    sluice_loader_close(ld);
    for (int i = 0; i < 30; i++, usleep(10000)) {
        const int n = folder_entries("/proc/self/task");
        threads_alone = n < threads_alone ? n : threads_alone;
    }
}

static void stops_early(enum sluice_io io)
{
    struct sluice_error err = { 0 };
    const int fds = descriptors();
    for (int i = 0; i < 60; i++) {
        struct sluice_loader *ld;
        const struct sluice_batch *b;
        const struct sluice_loader_options o = { .batch_size = BATCH,
                                                 .threads = 3,
                                                 .io = io };
        REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
        if (i % 3)
            REQUIRE(sluice_loader_next(ld, &b, &err) == BATCH, "%s", err.message);
        if (i % 3 == 2) {
            const struct sluice_batch *held = b;
            const uint64_t first = held->ids[0];
            CHECK(sluice_loader_seek(ld, 7, 3, &err) == 0, "%s", err.message);
            REQUIRE(sluice_loader_next(ld, &b, &err) == BATCH, "%s", err.message);
            CHECK(b->epoch == 7 && b->number == 3, "seek goes elsewhere");
            CHECK(b != held && held->epoch == 0 && held->number == 0 &&
                      held->ids[0] == first,
                  "a held batch changes when its consumer goes elsewhere");
            sluice_loader_release(ld, held);
        }
        sluice_loader_close(ld);
    }
    CHECK(descriptors() == fds, "descriptors grow: %d, %d", fds, descriptors());
    /* A thread that was joined may be listed for a moment more. */
    for (int i = 0; i < 1000 && folder_entries("/proc/self/task") > threads_alone; i++)
        usleep(1000);
    CHECK(folder_entries("/proc/self/task") == threads_alone, "threads grow");
}

static void holds_everything(void)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    const struct sluice_batch *b[3];
    const struct sluice_loader_options o = { .batch_size = BATCH,
                                             .batches = 2,
                                             .threads = 1 };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    CHECK(sluice_loader_next(ld, &b[0], &err) == BATCH, "first");
    CHECK(sluice_loader_next(ld, &b[1], &err) == BATCH, "second");
    CHECK(sluice_loader_next(ld, &b[2], &err) == SLUICE_EINVAL, "a third of two");
    sluice_loader_release(ld, b[0]);
    CHECK(sluice_loader_next(ld, &b[2], &err) == BATCH, "third after a release");
    sluice_loader_close(ld);
}

static void forked(void)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    const struct sluice_batch *b;
    int status = -1;
    const struct sluice_loader_options o = { .batch_size = BATCH };
    REQUIRE(sluice_loader_open(&ld, path, &o, &err) == 0, "%s", err.message);
    pid_t child = fork();
    if (child == 0) {
        int rc = sluice_loader_next(ld, &b, &err);
        sluice_loader_close(ld);
        _exit(rc == SLUICE_EINVAL && strstr(err.message, "forked") ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0, "the child: %d", status);
    CHECK(sluice_loader_next(ld, &b, &err) == BATCH, "the parent: %s", err.message);
    sluice_loader_close(ld);
}

static void wrong_files(void)
{
    struct sluice_error err = { 0 };
    struct sluice_loader *ld;
    CHECK(sluice_loader_open(&ld, "/nonexistent", NULL, &err) == SLUICE_EIO && !ld,
          "missing");
    CHECK(sluice_loader_open(&ld, "/tmp", NULL, &err) == SLUICE_EINVAL, "a folder");
    CHECK(sluice_loader_open(&ld, "/proc/self/exe", NULL, &err) == SLUICE_ECORRUPT &&
              strstr(err.message, "not a .sluice file"),
          "%s", err.message);
}

int main(void)
{
    const char *folder = folder_make();
    alarm(380); /* a hang is a failure */
    snprintf(path, sizeof(path), "%s/a.sluice", folder);
    pack_write(path, SAMPLES);
    count_threads_alone();
    for (int i = 0; i < 4; i++)
        if (pack_readable(path, pack_backends[i])) {
            damaged(pack_backends[i]);
            shrinks(pack_backends[i]);
            stops_early(pack_backends[i]);
        }
    holds_everything();
    forked();
    wrong_files();
    folder_remove(folder);
    return check_done();
}

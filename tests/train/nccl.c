/* nccl.c -- NCCL as it is loaded and called: with a library that is played (argv[1]),
 * in one process; "real": the one that is there opens and makes an id, on any machine.
 */
#include <dlfcn.h>
#include <string.h>

#include "check.h"
#include "cuda/nccl_sums.h"

static const char *fake;

static int *counter(const char *name)
{
    void *library = dlopen(fake, RTLD_NOW | RTLD_LOCAL);
    int *found = library ? dlsym(library, name) : NULL;
    REQUIRE(found, "%s: no %s", fake, name);
    return found;
}

static struct nccl *joined(void)
{
    struct sluice_error err = { 0 };
    unsigned char id[GPU_SUM_ID] = { 0 };
    char about[40] = "";
    struct nccl *n;
    REQUIRE(nccl_open(&n, fake, about, &err) == 0, "%s", err.message);
    CHECK(strcmp(about, "NCCL 2.28.9") == 0, "it is called %s", about);
    CHECK(nccl_check(n, &err) == 0, "not joined: %s", err.message);
    REQUIRE(nccl_id(n, id, &err) == 0, "%s", err.message);
    REQUIRE(nccl_join(n, id, 0, 1, &err) == 0, "%s", err.message);
    return n;
}

static void missing(void)
{
    struct sluice_error err = { 0 };
    char about[40] = "";
    struct nccl *n;
    CHECK(nccl_open(&n, "/nowhere/libnccl.so.2", about, &err) == SLUICE_EUNBUILT && !n,
          "opened what is not there");
    CHECK(strstr(err.message, "/nowhere/libnccl.so.2"), "%s", err.message);
    CHECK(nccl_open(&n, "libm.so.6", about, &err) == SLUICE_EUNBUILT && !n,
          "opened another library");
    CHECK(strstr(err.message, "no ncclGetVersion"), "%s", err.message);
}

static void one_process(void)
{
    float floats[] = { 1, 2, 3 };
    double doubles[] = { 4, 5 };
    const struct gpu_sum sum = { floats, 3, doubles, 2 };
    struct sluice_error err = { 0 };
    const int *destroyed = counter("fake_nccl_destroyed"), before = *destroyed;
    struct nccl *n = joined();
    CHECK(nccl_sum(n, &sum, NULL, &err) == 0, "%s", err.message);
    CHECK(floats[2] == 3 && doubles[1] == 5, "%g %g", (double)floats[2], doubles[1]);
    CHECK(nccl_check(n, &err) == 0, "%s", err.message);
    nccl_close(n);
    CHECK(*destroyed == before + 1, "closed %d times", *destroyed - before);
}

static int after_some(void *ctx)
{
    int *left = ctx;
    return (*left)-- == 0 ? 5 : 0;
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

/* The peers are gone in the second group: whoever waits is told, and so is every later
 * call; what is enqueued is given up on leaving, when no graph holds it. */
static void peers_gone(void)
{
    float x = 1;
    double y = 1;
    const struct gpu_sum sum = { &x, 1, &y, 1 };
    struct sluice_error err = { 0 };
    const int *aborted = counter("fake_nccl_aborted"), before = *aborted;
    int left = 3;
    setenv("FAKE_NCCL_BREAK", "0 3", 1);
    struct nccl *n = joined();
    CHECK(nccl_sum(n, &sum, NULL, &err) == 0, "%s", err.message);
    CHECK(nccl_await(n, after_some, &left, &err) == 5, "%s", err.message);
    CHECK(nccl_sum(n, &sum, NULL, &err) == 0, "%s", err.message);
    CHECK(nccl_await(n, never, NULL, &err) == SLUICE_EDEVICE, "it went on");
    CHECK(strcmp(err.message, "NCCL: sums over all processes: remote process exited: "
                              "the peer is gone") == 0,
          "%s", err.message);
    CHECK(nccl_sum(n, &sum, NULL, &err) == SLUICE_EDEVICE, "summed on");
    CHECK(nccl_await(n, never, NULL, &err) == SLUICE_EDEVICE, "waited on");
    CHECK(strstr(err.message, "given up"), "%s", err.message);
    CHECK(*aborted == before, "given up at once, %d times", *aborted - before);
    nccl_leave(n);
    CHECK(*aborted == before + 1, "given up %d times", *aborted - before);
    CHECK(nccl_check(n, &err) == SLUICE_EDEVICE, "left, it is well again");
    nccl_close(n);
    CHECK(*aborted == before + 1, "given up %d times", *aborted - before);
    unsetenv("FAKE_NCCL_BREAK");
}

static void real(void)
{
    struct sluice_error err = { 0 };
    unsigned char id[GPU_SUM_ID] = { 0 };
    char about[40] = "";
    struct nccl *n;
    if (nccl_open(&n, NULL, about, &err) == SLUICE_EUNBUILT)
        SKIP("%s", err.message);
    REQUIRE(n, "%s", err.message);
    printf("%s\n", about);
    CHECK(strncmp(about, "NCCL 2.", 7) == 0, "it is called %s", about);
    /* Makes a socket, for which it needs a network; no GPU. */
    if (nccl_id(n, id, &err) < 0)
        printf("%s\n", err.message);
    nccl_close(n);
}

int main(int argc, char **argv)
{
    REQUIRE(argc == 2, "nccl LIBRARY | real");
    fake = argv[1];
    if (strcmp(fake, "real") == 0) {
        real();
        return check_done();
    }
    missing();
    one_process();
    peers_gone();
    return check_done();
}

/* device_opening.c -- a GPU is opened between two calls, by another thread; what it is
 * in error about is said by the second; and "auto" says why it took the CPU. On a
 * machine without a GPU: its table of functions is this file's. */
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "cuda/gpu.h"

enum { PATIENCE = 20 }; /* seconds, before a failure is called one */

static sem_t begun;
static int status; /* of opening */
static int opened, entered, closed, local;
static pthread_t asker;

static int fake_open(struct gpu *gpu, char about[80], struct sluice_error *err)
{
    struct timespec until;
    local = gpu->local;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    if (sem_timedwait(&begun, &until) < 0)
        return sluice_fail(err, SLUICE_EDEVICE, "opened by the thread that asked");
    if (status < 0)
        return sluice_fail(err, status, "device cuda: no GPU: none is visible");
    snprintf(about, 80, "a GPU");
    opened++;
    return 0;
}

static void fake_close(struct gpu *gpu)
{
    (void)gpu;
    closed++;
}

static int fake_allocate(struct gpu *gpu, void **out, size_t bytes,
                         struct sluice_error *err)
{
    (void)gpu;
    *out = malloc(bytes);
    return *out ? 0 : sluice_fail(err, SLUICE_ENOMEM, "no memory");
}

static void fake_release(struct gpu *gpu, void *memory)
{
    (void)gpu;
    free(memory);
}

static int fake_zero(struct gpu *gpu, void *memory, size_t bytes,
                     struct sluice_error *err)
{
    (void)gpu, (void)err;
    memset(memory, 0, bytes);
    return 0;
}

/* Called by whoever asked for the GPU, which another thread has opened. */
static int fake_enter(struct gpu *gpu, struct sluice_error *err)
{
    (void)gpu, (void)err;
    CHECK(pthread_equal(pthread_self(), asker), "entered by another thread");
    entered++;
    return 0;
}

static const struct gpu_runtime fake = {
    .open = fake_open,
    .enter = fake_enter,
    .close = fake_close,
    .allocate = fake_allocate,
    .release = fake_release,
    .zero = fake_zero,
};

/* Opening goes on when begin has returned. */
static int open_apart(struct device **out, const char *kind, struct sluice_error *err)
{
    struct device_opening o;
    device_begin(&o, kind, "auto", 0, 3);
    sem_post(&begun);
    return device_end(out, &o, err);
}

static void check_opened(const char *kind)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    const int before = closed, entered_before = entered;
    REQUIRE(open_apart(&dev, kind, &err) == 0, "%s: %s", kind, err.message);
    CHECK(entered == entered_before + 1, "entered %d times", entered - entered_before);
    CHECK(local == 3, "opened for process %d", local);
    CHECK(dev->kind == DEVICE_CUDA && strstr(dev->about, "a GPU"), "%s", dev->about);
    device_close(dev);
    CHECK(closed == before + 1, "closed %d times", closed - before);
}

static void check_host(const char *about)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    REQUIRE(open_apart(&dev, "auto", &err) == 0, "%s", err.message);
    CHECK(dev->kind != DEVICE_CUDA && strstr(dev->about, about), "%s", dev->about);
    device_close(dev);
}

static void check_refusals(void)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    status = SLUICE_EUNBUILT;
    CHECK(open_apart(&dev, "cuda", &err) == SLUICE_EUNBUILT && !dev &&
              strstr(err.message, "none is visible"),
          "%s", err.message);
    check_host("; device cuda: no GPU: none is visible");
    status = SLUICE_EDEVICE; /* there is one, and it is out of order */
    CHECK(open_apart(&dev, "auto", &err) == SLUICE_EDEVICE && !dev, "%s", err.message);
    status = 0;
}

/* No GPU: opened by the second call, or not at all. */
static void check_ref(void)
{
    struct sluice_error err = { 0 };
    struct device_opening o;
    struct device *dev;
    device_begin(&o, "ref", "auto", 0, 0);
    REQUIRE(device_end(&dev, &o, &err) == 0 && dev->kind == DEVICE_REF, "%s",
            err.message);
    device_close(dev);
    device_begin(&o, "ref", "auto", 0, 0);
    device_drop(&o);
}

static void check_drop(void)
{
    const int opened_before = opened, closed_before = closed;
    struct device_opening o;
    device_begin(&o, "cuda", "auto", 0, 0);
    sem_post(&begun);
    device_drop(&o);
    CHECK(opened == opened_before + 1 && closed == closed_before + 1,
          "%d opened, %d closed", opened - opened_before, closed - closed_before);
}

int main(void)
{
    sem_init(&begun, 0, 0);
    gpu_runtime = &fake;
    asker = pthread_self();
    check_ref();
    check_opened("cuda");
    check_opened("auto");
    check_refusals();
    check_drop();
    sem_destroy(&begun);
    return check_done();
}

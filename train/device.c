/* device.c -- choose a device by its name; device ref. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/loader.h>

#include "cuda/gpu.h"
#include "device_kinds.h"

static int ref_open(struct device *dev, const char *precision, struct sluice_error *err)
{
    if (strcmp(precision, "auto") != 0 && strcmp(precision, "f32") != 0)
        return sluice_fail(err, SLUICE_EUNBUILT, "device ref computes in f32 only");
    dev->compute = SLUICE_F32;
    dev->precision = "f32";
    dev->threads = 1;
    snprintf(dev->about, sizeof dev->about, "ref: plain C, f32, 1 thread");
    return 0;
}

static const struct device_def device_ref = { .name = "ref", .open = ref_open };

#ifdef SLUICE_HAVE_ONEDNN
#define CPU_ENTRY &device_cpu
#define CPU_MISSING NULL
#else
#define CPU_ENTRY NULL
#define CPU_MISSING "this build has no oneDNN"
#endif

static const struct {
    const char *name;
    const struct device_def *def;
    const char *missing; /* why def is NULL */
} kinds[DEVICE_KINDS] = {
    [DEVICE_REF] = { "ref", &device_ref, NULL },
    [DEVICE_CPU] = { "cpu", CPU_ENTRY, CPU_MISSING },
    [DEVICE_CUDA] = { "cuda", &device_cuda, NULL },
};

static int find_kind(const char *name, struct sluice_error *err)
{
    for (int i = 0; i < DEVICE_KINDS; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return i;
    return sluice_fail(err, SLUICE_EINVAL,
                       "device '%s': expected auto, ref, cpu or cuda", name);
}

static bool is_precision(const char *name)
{
    static const char *const names[] = { "auto", "f32", "tf32", "bf16", "f16" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Any but "auto". */
static int open_kind(struct device **out, const char *kind, const char *precision,
                     int threads, int local, struct sluice_error *err)
{
    *out = NULL;
    const int found = find_kind(kind, err);
    if (found < 0)
        return found;
    if (!is_precision(precision))
        return sluice_fail(err, SLUICE_EINVAL,
                           "precision '%s': expected auto, f32, tf32, bf16 or f16",
                           precision);
    if (threads < 0)
        return sluice_fail(err, SLUICE_EINVAL, "%d threads: expected 0 or more",
                           threads);
    if (!kinds[found].def)
        return sluice_fail(err, SLUICE_EUNBUILT, "device %s: %s", kind,
                           kinds[found].missing);
    struct device *dev = calloc(1, sizeof *dev);
    if (!dev)
        return sluice_fail(err, SLUICE_ENOMEM, "device %s: no memory", kind);
    dev->kind = (enum device_kind)found;
    dev->threads = threads ? threads : sluice_cpus();
    dev->local = local;
    const int rc = kinds[found].def->open(dev, precision, err);
    if (rc < 0) {
        free(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

/* The CPU, as there is no GPU: why not, if this build could use one, is said of it. */
static int open_host(struct device **out, const char *precision, int threads,
                     const char *why, struct sluice_error *err)
{
    const int rc = open_kind(out, kinds[DEVICE_CPU].def ? "cpu" : "ref", precision,
                             threads, 0, err);
    if (rc < 0 || gpu_runtime->missing)
        return rc;
    char *about = (*out)->about;
    const size_t used = strlen(about);
    snprintf(about + used, sizeof(*out)->about - used, "; %s", why);
    return rc;
}

/* What became of device cuda, of which "auto" needs none. If there is a GPU and it
 * cannot be opened, that is an error. */
static int settle(struct device **out, struct device_opening *o,
                  struct sluice_error *err)
{
    *out = o->gpu;
    if (o->status == SLUICE_EUNBUILT && strcmp(o->kind, "auto") == 0)
        return open_host(out, o->precision, o->threads, o->error.message, err);
    return o->status < 0 ? sluice_fail(err, o->error.code, "%s", o->error.message) : 0;
}

static void *open_gpu(void *opening)
{
    struct device_opening *o = opening;
    o->status =
        open_kind(&o->gpu, "cuda", o->precision, o->threads, o->local, &o->error);
    return NULL;
}

void device_begin(struct device_opening *o, const char *kind, const char *precision,
                  int threads, int local)
{
    *o = (struct device_opening){ .threads = threads, .local = local };
    snprintf(o->kind, sizeof o->kind, "%s", kind);
    snprintf(o->precision, sizeof o->precision, "%s", precision);
    if (!gpu_runtime->missing &&
        (strcmp(kind, "cuda") == 0 || strcmp(kind, "auto") == 0))
        o->running = pthread_create(&o->thread, NULL, open_gpu, o) == 0;
}

int device_end(struct device **out, struct device_opening *o, struct sluice_error *err)
{
    if (!o->running && strcmp(o->kind, "auto") != 0)
        return open_kind(out, o->kind, o->precision, o->threads, o->local, err);
    if (o->running)
        pthread_join(o->thread, NULL);
    else
        open_gpu(o);
    const int rc = settle(out, o, err);
    return rc == 0 && o->running && *out == o->gpu ? device_cuda.enter(*out, err) : rc;
}

void device_drop(struct device_opening *o)
{
    if (!o->running)
        return;
    pthread_join(o->thread, NULL);
    device_close(o->gpu);
}

int device_open(struct device **out, const char *kind, const char *precision,
                int threads, struct sluice_error *err)
{
    *out = NULL;
    if (strcmp(kind, "auto") != 0)
        return open_kind(out, kind, precision, threads, 0, err);
    struct device_opening o = { .kind = "auto", .threads = threads };
    snprintf(o.precision, sizeof o.precision, "%s", precision);
    open_gpu(&o);
    return settle(out, &o, err);
}

void device_close(struct device *dev)
{
    if (!dev)
        return;
    if (kinds[dev->kind].def->close)
        kinds[dev->kind].def->close(dev);
    free(dev);
}

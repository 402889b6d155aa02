/* device.c -- choose a device by its name; device ref. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/loader.h>

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

static const struct device_def device_ref = { "ref", ref_open, NULL };

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

/* The GPU; without one the CPU. If there is a GPU and it cannot be opened, that is an
 * error. */
static int open_fastest(struct device **out, const char *precision, int threads,
                        struct sluice_error *err)
{
    struct sluice_error none = { 0 };
    const int rc = device_open(out, "cuda", precision, threads, &none);
    if (rc == SLUICE_EUNBUILT)
        return device_open(out, kinds[DEVICE_CPU].def ? "cpu" : "ref", precision,
                           threads, err);
    return rc < 0 ? sluice_fail(err, none.code, "%s", none.message) : rc;
}

int device_open(struct device **out, const char *kind, const char *precision,
                int threads, struct sluice_error *err)
{
    *out = NULL;
    if (strcmp(kind, "auto") == 0)
        return open_fastest(out, precision, threads, err);
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
    const int rc = kinds[found].def->open(dev, precision, err);
    if (rc < 0) {
        free(dev);
        return rc;
    }
    *out = dev;
    return 0;
}

void device_close(struct device *dev)
{
    if (!dev)
        return;
    if (kinds[dev->kind].def->close)
        kinds[dev->kind].def->close(dev);
    free(dev);
}

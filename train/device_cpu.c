/* device_cpu.c -- device cpu: which precision, which kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_has.h"
#include "device_cpu.h"
#include "device_kinds.h"
#include "device_onednn.h"
#include "ops/conv_amx.h"
#include "workers.h"

enum {
    FAR_LEAST = 16 << 20,
    SLICE_LEAST = 2 << 20, /* some ten microseconds */
};

/* A larger block in place of *block; what was in it is lost. */
static int enlarge(void **block, size_t bytes, struct sluice_error *err)
{
    free(*block);
    *block = aligned_alloc(4096, bytes);
    if (!*block)
        return sluice_fail(err, SLUICE_ENOMEM,
                           "device cpu: no memory for %zu bytes of "
                           "work space",
                           bytes);
    return 0;
}

int cpu_reserve(struct device *dev, size_t scratch_each, size_t sums_bytes,
                struct sluice_error *err)
{
    struct cpu *cpu = dev->impl;
    void *scratch = cpu->scratch, *sums = cpu->sums;
    int rc = 0;
    scratch_each = (scratch_each + 4095) / 4096 * 4096;
    sums_bytes = (sums_bytes + 4095) / 4096 * 4096;
    if (scratch_each > cpu->scratch_each) {
        rc = enlarge(&scratch, scratch_each * (size_t)dev->threads, err);
        cpu->scratch = scratch;
        cpu->scratch_each = scratch ? scratch_each : 0;
    }
    if (rc == 0 && sums_bytes > cpu->sums_bytes) {
        rc = enlarge(&sums, sums_bytes, err);
        cpu->sums = sums;
        cpu->sums_bytes = sums ? sums_bytes : 0;
    }
    return rc;
}

static void cpu_close(struct device *dev)
{
    struct cpu *cpu = dev->impl;
    if (!cpu)
        return;
    workers_close(dev->workers);
    onednn_close(cpu->onednn);
    free(cpu->scratch);
    free(cpu->sums);
    free(cpu);
    dev->impl = NULL;
}

/* bf16 halves the traffic and, with AMX, multiplies the arithmetic by sixteen; without
 * its instructions it only costs conversions. oneDNN may be told not to use them. */
static int choose_precision(struct device *dev, const char *precision,
                            struct sluice_error *err)
{
    const bool fast = cpu_has_avx512_bf16() && onednn_has_bf16();
    dev->compute = SLUICE_F32;
    if (strcmp(precision, "tf32") == 0 || strcmp(precision, "f16") == 0)
        return sluice_fail(err, SLUICE_EUNBUILT,
                           "device cpu computes in f32 or bf16, not %s", precision);
    if (strcmp(precision, "bf16") == 0 && !fast)
        return sluice_fail(
            err, SLUICE_EUNBUILT, "device cpu: bf16 needs AVX512-BF16, which %s",
            cpu_has_avx512_bf16() ? "ONEDNN_MAX_CPU_ISA forbids" : "this CPU lacks");
    if (strcmp(precision, "f32") != 0 && fast)
        dev->compute = SLUICE_BF16;
    return 0;
}

static int choose_winograd(struct cpu *cpu, struct sluice_error *err)
{
    const char *wanted = getenv("SLUICE_WINOGRAD");
    cpu->winograd = !wanted || strcmp(wanted, "off") != 0;
    if (wanted && cpu->winograd && strcmp(wanted, "on") != 0)
        return sluice_fail(err, SLUICE_EINVAL,
                           "SLUICE_WINOGRAD=%.30s: expected on or off", wanted);
    return 0;
}

static int cpu_open(struct device *dev, const char *precision, struct sluice_error *err)
{
    char version[32];
    int rc = choose_precision(dev, precision, err);
    dev->precision = sluice_dtype_name(dev->compute);
    if (rc < 0)
        return rc;
    struct cpu *cpu = calloc(1, sizeof *cpu);
    dev->impl = cpu;
    if (!cpu)
        return sluice_fail(err, SLUICE_ENOMEM, "device cpu: no memory");
    cpu->far_least = FAR_LEAST;
    cpu->slice_least = SLICE_LEAST;
    rc = kernels_choose(&cpu->kernels, err);
    if (rc == 0)
        rc = choose_winograd(cpu, err);
    if (rc == 0)
        rc = onednn_open(&cpu->onednn, dev->threads, err);
    if (rc == 0 && dev->threads > 1)
        rc = workers_open(&dev->workers, dev->threads, err);
    if (rc < 0) {
        cpu_close(dev);
        return rc;
    }
    const bool amx = dev->compute == SLUICE_BF16 && amx_usable();
    snprintf(dev->about, sizeof dev->about, "cpu: oneDNN %s, %s, %s activations, %d %s",
             onednn_version(version), amx ? "AMX-BF16" : cpu->kernels->name,
             sluice_dtype_name(dev->compute), dev->threads,
             dev->threads == 1 ? "thread" : "threads");
    return 0;
}

const struct device_def device_cpu = { .name = "cpu",
                                       .open = cpu_open,
                                       .close = cpu_close };

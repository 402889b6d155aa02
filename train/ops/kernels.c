/* kernels.c -- what this CPU can do, and which table of kernels follows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#ifdef __x86_64__
#include <cpuid.h>

#define X86(kernels) (kernels)

bool cpu_has_avx512_bf16(void)
{
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") &&
           __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1U << 5);
}

bool cpu_has_amx_bf16(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1U << 22) && (d & 1U << 24);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
#define X86(kernels) NULL

bool cpu_has_avx512_bf16(void)
{
    return false;
}

bool cpu_has_amx_bf16(void)
{
    return false;
}

static bool has_avx512(void)
{
    return false;
}

static bool has_avx2(void)
{
    return false;
}
#endif

static bool always(void)
{
    return true;
}

/* The best first. */
static const struct {
    const char *isa;
    bool (*supported)(void);
    const struct kernels *kernels;
} choices[] = {
    { "avx512_bf16", cpu_has_avx512_bf16, X86(&kernels_avx512_bf16) },
    { "avx512", has_avx512, X86(&kernels_avx512) },
    { "avx2", has_avx2, X86(&kernels_avx2) },
    { "plain", always, &kernels_plain },
};

enum { COUNT = sizeof choices / sizeof *choices };

static int unknown(const char *isa, struct sluice_error *err)
{
    char known[80] = "";
    size_t n = 0;
    for (size_t i = 0; i < COUNT && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, " %s", choices[i].isa);
    return sluice_fail(err, SLUICE_EINVAL, "SLUICE_CPU_ISA=%.30s: expected one of%s",
                       isa, known);
}

int kernels_choose(const struct kernels **out, struct sluice_error *err)
{
    const char *most = getenv("SLUICE_CPU_ISA");
    size_t i = 0;
    while (most && i < COUNT && strcmp(most, choices[i].isa) != 0)
        i++;
    if (i == COUNT)
        return unknown(most, err);
    while (!choices[i].supported())
        i++;
    *out = choices[i].kernels;
    return 0;
}

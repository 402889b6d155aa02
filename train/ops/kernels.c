/* kernels.c -- what this CPU can do, and which table of kernels follows. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#ifdef __x86_64__
#include <cpuid.h>

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
bool cpu_has_avx512_bf16(void)
{
    return false;
}

bool cpu_has_amx_bf16(void)
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
#ifdef __x86_64__
    { "avx512_bf16", cpu_has_avx512_bf16, &kernels_avx512_bf16 },
    { "avx512", has_avx512, &kernels_avx512 },
    { "avx2", has_avx2, &kernels_avx2 },
#endif
    { "plain", always, &kernels_plain },
};

const struct kernels *kernels_choose(void)
{
    const char *most = getenv("SLUICE_CPU_ISA");
    size_t i = 0;
    const size_t last = sizeof choices / sizeof *choices - 1;
    for (size_t k = 0; most && k <= last; k++)
        if (strcmp(most, choices[k].isa) == 0)
            i = k;
    while (i < last && !choices[i].supported())
        i++;
    return choices[i].kernels;
}

/* kernels.c -- which table of kernels follows from what this CPU can do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu_has.h"
#include "kernels.h"

#ifdef __x86_64__
#define X86(kernels) (kernels)
#else
#define X86(kernels) NULL
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
    { "avx512", cpu_has_avx512, X86(&kernels_avx512) },
    { "avx2", cpu_has_avx2, X86(&kernels_avx2) },
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

/* products.c -- which table of products this CPU runs. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../ops/kernels.h"
#include "products.h"

#ifdef __x86_64__
static const struct products *best(const char *most)
{
    const bool plain = most && strcmp(most, "plain") == 0;
    const bool avx2 = most && strcmp(most, "avx2") == 0;
    if (plain || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return &products_plain;
    if (avx2 || !__builtin_cpu_supports("avx512f") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512dq"))
        return &products_avx2;
    return cpu_has_avx512_bf16() && !(most && strcmp(most, "avx512") == 0)
               ? &products_avx512_bf16
               : &products_avx512;
}
#else
static const struct products *best(const char *most)
{
    (void)most;
    return &products_plain;
}
#endif

const struct products *products_choose(void)
{
    return best(getenv("SLUICE_CPU_ISA"));
}

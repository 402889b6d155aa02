/* products.c -- which table of products this CPU runs. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../cpu_has.h"
#include "products.h"

#ifdef __x86_64__
static const struct products *best(const char *most)
{
    const bool plain = most && strcmp(most, "plain") == 0;
    const bool avx2 = most && strcmp(most, "avx2") == 0;
    if (plain || !cpu_has_avx2())
        return &products_plain;
    if (avx2 || !cpu_has_avx512())
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

/* kernels_avx512.c -- the passes over memory, AVX-512. */
#include "kernels_table.h"

const struct kernels kernels_avx512 = KERNELS_TABLE("AVX-512");

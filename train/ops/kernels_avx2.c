/* kernels_avx2.c -- the passes over memory, AVX2. */
#include "kernels_table.h"

const struct kernels kernels_avx2 = KERNELS_TABLE("AVX2");

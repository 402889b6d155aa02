/* kernels_avx512_bf16.c -- the passes over memory, AVX512-BF16. */
#include "kernels_table.h"

const struct kernels kernels_avx512_bf16 = KERNELS_TABLE("AVX512-BF16");

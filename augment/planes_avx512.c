/* planes_avx512.c -- see planes.h: compiled with flags for AVX-512, called where the
 * CPU has it. */
#define PLANES sluice_augment_planes_avx512
#define PLANES_NAME "avx512"
#include "planes_table.h"

/* planes_avx2.c -- see planes.h: compiled with flags for AVX2, called where the CPU has
 * it. */
#define PLANES sluice_augment_planes_avx2
#define PLANES_NAME "avx2"
#include "planes_table.h"

/* resize_avx2.c -- the passes of resize_kernels.h with AVX2. */
#define RESIZE_NAME sluice_resize_avx2
#define RESIZE_TEXT "avx2"
#include "resize_kernels.h"

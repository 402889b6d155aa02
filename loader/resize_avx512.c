/* resize_avx512.c -- the passes of resize_kernels.h with AVX512. */
#define RESIZE_NAME sluice_resize_avx512
#define RESIZE_TEXT "avx512"
#include "resize_kernels.h"

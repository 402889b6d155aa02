/* jpeg_avx2.c -- the kernels of jpeg_kernels.h with AVX2: two blocks at a time. */
#include <immintrin.h>

#include "jpeg_kernels.h"

#define JPEG_NAME sluice_jpeg_avx2
#define JPEG_TEXT "avx2"
#define IDCT_LANES 2
typedef __m256i vec;
#define VEC(name) _mm256_##name
#define VEC_LANE(v, i) _mm256_extracti128_si256(v, i)
#define VEC_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#include "jpeg_idct_wide.h"
/* behind the transform: */
#include "jpeg_rows.h"

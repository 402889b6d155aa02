/* jpeg_avx512.c -- the kernels of jpeg_kernels.h with AVX512: four blocks at a time. */
#include <immintrin.h>

#include "jpeg_kernels.h"

#define JPEG_NAME sluice_jpeg_avx512
#define JPEG_TEXT "avx512"
#define IDCT_LANES 4
typedef __m512i vec;
#define VEC(name) _mm512_##name
#define VEC_LANE(v, i) _mm512_extracti32x4_epi32(v, i)
#define VEC_LOAD(p) _mm512_loadu_si512(p)
#include "jpeg_idct_wide.h"
/* behind the transform: */
#include "jpeg_rows.h"

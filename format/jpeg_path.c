/* jpeg_path.c -- which kernels this CPU runs. */
#include "jpeg_kernels.h"

const struct jpeg_kernels *sluice_jpeg_kernels_of(enum sluice_jpeg_path path)
{
#ifdef JPEG_X86
    __builtin_cpu_init();
    if (path == SLUICE_JPEG_AVX2 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("bmi2"))
        return &sluice_jpeg_avx2;
    if (path == SLUICE_JPEG_AVX512 && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi2"))
        return &sluice_jpeg_avx512;
#endif
    return path == SLUICE_JPEG_PLAIN ? &sluice_jpeg_plain : NULL;
}

/* libjpeg's own vectors are faster than no vectors. */
enum sluice_jpeg_path sluice_jpeg_best(void)
{
    return sluice_jpeg_kernels_of(SLUICE_JPEG_AVX512) ? SLUICE_JPEG_AVX512
           : sluice_jpeg_kernels_of(SLUICE_JPEG_AVX2) ? SLUICE_JPEG_AVX2
                                                      : SLUICE_JPEG_LIBJPEG;
}

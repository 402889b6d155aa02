/* products_avx512_bf16.c -- products of few vectors, AVX-512 with bf16. */
#include "products_body.h"

const struct products products_avx512_bf16 = PRODUCTS_TABLE("AVX512-BF16");

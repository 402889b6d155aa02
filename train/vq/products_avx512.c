/* products_avx512.c -- products of few vectors, AVX-512. */
#include "products_body.h"

const struct products products_avx512 = PRODUCTS_TABLE("AVX-512");

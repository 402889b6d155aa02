/* products_avx2.c -- products of few vectors, AVX2. */
#include "products_body.h"

const struct products products_avx2 = PRODUCTS_TABLE("AVX2");

/* products_plain.c -- products of few vectors, for any CPU. */
#include "products_body.h"

const struct products products_plain = PRODUCTS_TABLE("plain");

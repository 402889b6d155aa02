/* tensor.c -- names and sizes of tensors in messages. */
#include <stdio.h>

#include "tensor.h"

const char *tensor_shape_text(char buf[64], const struct tensor *t)
{
    int at = 0;
    for (int i = 0; i < t->rank && at < 48; i++)
        at += snprintf(buf + at, 64 - (size_t)at, i ? "x%d" : "%d", t->shape[i]);
    return at ? buf : "scalar";
}

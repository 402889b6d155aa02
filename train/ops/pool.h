/* pool.h -- geometry of pooling windows: what all versions of maxpool and avgpool
 * share. */
#ifndef SLUICE_POOL_H
#define SLUICE_POOL_H

#include "backends.h"

enum {
    POOL_LARGE = 32 << 20, /* bytes: of what will not be in the cache when it is read */
    POOL_MOST = 16, /* rows of a maximum's window on device cpu: its place is a byte */
};

struct pool {
    int n, h, w, c; /* input */
    int oh, ow;     /* output: rounded down, so the last rows may belong to no window */
    int kernel, stride, pad;
    bool large; /* the input and its gradient: written past the cache */
};

static inline struct pool pool_of(const struct op *op)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    return (struct pool){ .n = in[0],
                          .h = in[1],
                          .w = in[2],
                          .c = in[3],
                          .oh = out[1],
                          .ow = out[2],
                          .kernel = op->attr.kernel,
                          .stride = op->attr.stride,
                          .pad = op->attr.pad,
                          .large = tensor_bytes(op->in[0]) >= POOL_LARGE };
}

/* Rows (or columns) [*begin, *end) of the input that window o covers of `size`. */
static inline void pool_window(const struct pool *p, int o, int size, int *begin,
                               int *end)
{
    const int first = o * p->stride - p->pad, last = first + p->kernel;
    *begin = first < 0 ? 0 : first;
    *end = last > size ? size : last;
}

static inline size_t pool_at(const struct pool *p, int n, int y, int x)
{
    return (((size_t)n * (size_t)p->h + (size_t)y) * (size_t)p->w + (size_t)x) *
           (size_t)p->c;
}

#endif

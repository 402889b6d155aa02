/* pool.h -- geometry of pooling windows: what all versions of maxpool and avgpool
 * share. */
#ifndef SLUICE_POOL_H
#define SLUICE_POOL_H

#include "backends.h"

enum {
    POOL_MOST = 16, /* rows of a maximum's window on device cpu: its place is a byte */
};

struct pool {
    int n, h, w, c; /* input */
    int oh, ow;     /* output: rounded down, so the last rows may belong to no window */
    int kernel, stride, pad;
};

int pool_shape(struct op *op, struct sluice_error *err);

static inline struct pool pool_of(const struct op *op)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    return (struct pool){ in[0],  in[1],           in[2],           in[3],       out[1],
                          out[2], op->attr.kernel, op->attr.stride, op->attr.pad };
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

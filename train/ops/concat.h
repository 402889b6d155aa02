/* concat.h -- what all versions of concat share: which channels go where. */
#ifndef SLUICE_CONCAT_H
#define SLUICE_CONCAT_H

#include "backends.h"

/* Channels of each pixel that are copied from one place to another. */
struct concat_part {
    size_t pixels;
    int count;          /* channels */
    int from_c, to_c;   /* channels of a pixel there and here */
    int from_at, to_at; /* the first of them */
    const void *from;
    void *to; /* NULL: nobody wants them */
};

/* Forward: input i into the output. */
static inline struct concat_part concat_forward_part(const struct op *op, int i)
{
    const int c = op_channels(op->in[i]);
    return (struct concat_part){ .pixels = op_pixels(op->in[i]),
                                 .count = c,
                                 .from_c = c,
                                 .to_c = op_channels(op->out[0]),
                                 .to_at = i ? op_channels(op->in[0]) : 0,
                                 .from = op->in[i]->data,
                                 .to = op->out[0]->data };
}

/* Backward: its share of the output's gradient into that of input i. */
static inline struct concat_part concat_backward_part(const struct op *op, int i)
{
    const int c = op_channels(op->in[i]);
    return (struct concat_part){ .pixels = op_pixels(op->in[i]),
                                 .count = c,
                                 .from_c = op_channels(op->out[0]),
                                 .to_c = c,
                                 .from_at = i ? op_channels(op->in[0]) : 0,
                                 .from = op->out[0]->grad,
                                 .to = op->in[i]->grad };
}

/* Pixels `begin` to `end`, of elements of `size` bytes. */
static inline void concat_copy(const struct concat_part *p, size_t size, size_t begin,
                               size_t end)
{
    const size_t from_row = (size_t)p->from_c * size, to_row = (size_t)p->to_c * size;
    const char *from =
        (const char *)p->from + begin * from_row + (size_t)p->from_at * size;
    char *to = (char *)p->to + begin * to_row + (size_t)p->to_at * size;
    for (size_t i = begin; i < end; i++, from += from_row, to += to_row)
        memcpy(to, from, (size_t)p->count * size);
}

#endif

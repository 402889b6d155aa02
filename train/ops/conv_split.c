/* conv_split.c -- see conv_split.h. */
#include <stddef.h>

#include "conv_split.h"

/* Phases lie so that each place's have none between them that it does without. */
static const struct conv_split splits[] = {
    { 3, 1, { { 0, 1, 2 } }, { 0 } },
    { 3, 2, { { -1, 1, -1 }, { 0, 2, -1 } }, { 1, 3, 2, 0 } },
    { 5, 2, { { 0, 2, 4 }, { 1, 3, -1 } }, { 1, 0, 2, 3 } },
};

const struct conv_split *conv_split_of(int kernel, int stride)
{
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++)
        if (splits[i].kernel == kernel && splits[i].stride == stride)
            return &splits[i];
    return NULL;
}

static bool has_products(const int tap[3], bool turned, int at, int side)
{
    if (at == 0)
        return tap[turned ? 2 : 0] >= 0;
    return at < side - 1 || tap[turned ? 0 : 2] >= 0;
}

struct split_span split_span(const struct conv_split *s, bool turned, int row,
                             int column, int side, int channels)
{
    struct split_span span = { 0, 0 };
    for (int i = 0; i < s->stride * s->stride; i++) {
        const int phase = s->order[i];
        if (!has_products(s->tap[phase >> 1], turned, row, side) ||
            !has_products(s->tap[phase & 1], turned, column, side))
            continue;
        if (span.end == 0)
            span.begin = i * channels;
        span.end = (i + 1) * channels;
    }
    return span;
}

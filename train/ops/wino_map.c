/* wino_map.c -- see wino_map.h. */
#include "wino_map.h"

bool wino_splits_up(const struct onednn_shape *s)
{
    return conv_split_of(s->kernel, s->stride) &&
           (s->stride == 1 ? s->pad <= 1 : s->pad == s->kernel / 2);
}

struct wino_map wino_map_of(const struct onednn_shape *s, bool forward, int results)
{
    struct wino_map m = { .n = s->n, .sstep = 1, .dstep = 1, .results = results };
    const int pad = s->stride > 1 ? 1 : s->pad, phases = s->stride * s->stride;
    const int side = results + SPLIT_SIDE - 1;
    m.split = conv_split_of(s->kernel, s->stride);
    *(forward ? &m.sstep : &m.dstep) = s->stride;
    m.sh = forward ? s->h : s->oh;
    m.sw = forward ? s->w : s->ow;
    m.sc = forward ? s->c * phases : s->k;
    m.dh = forward ? s->oh : s->h;
    m.dw = forward ? s->ow : s->w;
    m.dc = forward ? s->k : s->c * phases;
    m.pad = forward ? pad : SPLIT_SIDE - 1 - pad;
    m.across = wino_each(wino_each(m.dw, m.dstep), results);
    m.tiles_each = wino_each(wino_each(m.dh, m.dstep), results) * m.across;
    m.tiles = m.n * m.tiles_each;
    for (int i = 0; i < side * side; i++) {
        m.from[i] = (struct split_span){ 0, m.sc };
        m.to[i] = (struct split_span){ 0, m.dc };
        *(forward ? &m.from[i] : &m.to[i]) =
            split_span(m.split, !forward, i / side, i % side, side, s->c);
    }
    return m;
}

void wino_cut(struct wino_map *m, int unit)
{
    m->unit = unit;
    m->units = (m->tiles + unit - 1) / unit;
}

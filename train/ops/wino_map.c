/* wino_map.c -- see wino_map.h. */
#include "wino_map.h"

enum {
    GATHER_BYTES = 768 << 10, /* of transformed tiles: in level 2 beside the weights */
    GATHER_LEAST = 48,        /* tiles: weights are read once for so many */
    GATHER_MOST = 192,
    WEIGH_BYTES = 4 << 20, /* likewise, in level 3 */
    WEIGH_LEAST = 96,      /* sums are walked through once for so many */
    WEIGH_MOST = 512,
};

bool wino_splits_up(const struct onednn_shape *s)
{
    return conv_split_of(s->kernel, s->stride) &&
           (s->stride == 1 ? s->pad <= 1 : s->pad == s->kernel / 2);
}

static int parts(int size, int of)
{
    return (size + of - 1) / of;
}

/* So many channels, filled up. */
static int blocks(int channels)
{
    return parts(channels, WINO_BLOCK) * WINO_BLOCK;
}

struct wino_map wino_map_of(const struct onednn_shape *s, bool forward)
{
    struct wino_map m = { .n = s->n, .sstep = 1, .dstep = 1 };
    const int pad = s->stride > 1 ? 1 : s->pad, phases = s->stride * s->stride;
    m.split = conv_split_of(s->kernel, s->stride);
    *(forward ? &m.sstep : &m.dstep) = s->stride;
    m.sh = forward ? s->h : s->oh;
    m.sw = forward ? s->w : s->ow;
    m.swidth = forward ? s->c : s->k;
    m.sc = blocks(m.swidth) * (forward ? phases : 1);
    m.dh = forward ? s->oh : s->h;
    m.dw = forward ? s->ow : s->w;
    m.dwidth = forward ? s->k : s->c;
    m.dc = blocks(m.dwidth) * (forward ? 1 : phases);
    m.pad = forward ? pad : SPLIT_SIDE - 1 - pad;
    m.across = parts(parts(m.dw, m.dstep), WINO_RESULTS);
    m.tiles_each = parts(parts(m.dh, m.dstep), WINO_RESULTS) * m.across;
    m.tiles = m.n * m.tiles_each;
    for (int i = 0; i < WINO_PLACES; i++) {
        m.from[i] = (struct split_span){ 0, m.sc };
        m.to[i] = (struct split_span){ 0, m.dc };
        *(forward ? &m.from[i] : &m.to[i]) = split_span(
            m.split, !forward, i / WINO_SIDE, i % WINO_SIDE, WINO_SIDE, s->c);
    }
    return m;
}

double wino_share(const struct onednn_shape *s, const struct wino_map *m)
{
    const double taps = (double)s->kernel * s->kernel;
    double products = 0;
    for (int i = 0; i < WINO_PLACES; i++)
        products += (double)split_count(m->from[i]) * split_count(m->to[i]);
    return products * m->tiles_each / (taps * s->c * s->k * s->oh * s->ow);
}

static void cut(struct wino_map *m, int unit)
{
    m->unit = unit;
    m->units = parts(m->tiles, unit);
}

/* So many tiles as fit, but at least and at most... */
static int fit(size_t bytes, size_t each, int least, int most)
{
    const int unit = (int)(bytes / each);
    return unit > most ? most : unit < least ? least : unit;
}

static int in_steps(int tiles)
{
    return parts(tiles, WINO_STEP) * WINO_STEP;
}

/* Enough parts for all threads. */
void wino_cut_gather(struct wino_map *m, const struct device *dev, size_t size)
{
    const size_t each = WINO_PLACES * (size_t)m->sc * size;
    const int unit =
        fit(GATHER_BYTES, each, GATHER_LEAST, GATHER_MOST) / WINO_STEP * WINO_STEP;
    const int share = in_steps(m->tiles / (4 * dev->threads) + 1);
    cut(m, unit < share ? unit : share);
}

void wino_cut_weigh(struct wino_map *m, size_t size)
{
    const size_t each = WINO_PLACES * (size_t)(m->sc + m->dc) * size;
    cut(m, fit(WEIGH_BYTES, each, WEIGH_LEAST, WEIGH_MOST));
}

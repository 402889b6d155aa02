/* kernels_channel.h -- kernels in which each channel has numbers of its own: batch
 * normalisation, and the gradient of a bias.
 *
 * Values are rows of c channels. A block takes a chunk of rows and a tile of up to 64
 * channels; a thread keeps one run of channels and every lane-th row. Chunks depend on
 * the number of rows alone, partial sums are added in order, in double: the same bits
 * in every run. */
#ifndef SLUICE_KERNELS_CHANNEL_H
#define SLUICE_KERNELS_CHANNEL_H

#include "kernels_flat.h"

enum {
    TILE_RUNS = 8,
    CHUNKS_MOST = 512,
    CHUNK_LEAST = 64,    /* rows */
    SETTLE_CHANNELS = 8, /* 32 bytes: what memory gives at once */
    SETTLE_LANES = BLOCK / SETTLE_CHANNELS,
};

/* What two sums a channel are of. */
enum channel_sums {
    SUMS_PLAIN = 0,    /* dy */
    SUMS_MOMENTS = 1,  /* x - x[0], and its square: no cancellation at a large mean */
    SUMS_BACKWARD = 2, /* dz = dy act'(z), and dz xhat */
    SUMS_NONE = 3,     /* settle: statistics are the running ones */
};

struct channel_args {
    enum sluice_dtype dtype;
    enum activation act;
    enum channel_sums sums;
    size_t rows, chunk_rows;
    int c, chunks;
    int tiles, tile_runs; /* tiles of tile_runs runs of channels, a power of two */
    const void *x, *dy;
    void *out;
    float *partial;      /* (chunks, 2, c) */
    float *mean, *scale; /* (c): xhat = (x - mean) scale */
    float *sum;          /* (2, c): means of dz and dz xhat; 0 outside training */
    const float *weight, *bias; /* weight NULL: 1 */
    float *running_mean, *running_var;
    float *dweight, *dbias; /* NULL: not wanted */
    float eps, momentum;
    int training;
};

/* A thread's place: its run of channels and its rows. */
struct lane {
    int first, count; /* channels; count 0: nothing to do */
    int lane, lanes;
    size_t row, end;
};

SLUICE_HD static inline struct lane lane_at(const struct channel_args *g,
                                            const struct spot *at)
{
    const int chunk = at->block / g->tiles, tile = at->block % g->tiles;
    struct lane l;
    l.lanes = at->threads / g->tile_runs;
    l.lane = at->thread / g->tile_runs;
    l.first = (tile * g->tile_runs + at->thread % g->tile_runs) * RUN;
    l.count = g->c - l.first < 0 ? 0 : g->c - l.first < RUN ? g->c - l.first : RUN;
    l.row = (size_t)chunk * g->chunk_rows + (size_t)l.lane;
    l.end = (size_t)(chunk + 1) * g->chunk_rows;
    if (l.end > g->rows)
        l.end = g->rows;
    return l;
}

/* A run of channels' numbers. */
struct norms {
    float mean[RUN], scale[RUN], weight[RUN], bias[RUN];
};

SLUICE_HD static inline void load_norms(const struct channel_args *g,
                                        const struct lane *l, struct norms *s)
{
    for (int k = 0; k < RUN; k++) {
        const int c = k < l->count ? l->first + k : 0;
        s->mean[k] = g->mean[c];
        s->scale[k] = g->scale[c];
        s->weight[k] = g->weight ? g->weight[c] : 1;
        s->bias[k] = g->bias[c];
    }
}

SLUICE_HD static inline void sum_lane(const struct channel_args *g,
                                      const struct lane *l, enum channel_sums sums,
                                      float sum[2][RUN])
{
    struct norms s;
    float x[RUN], d[RUN], base[RUN];
    for (int k = 0; k < RUN; k++)
        sum[0][k] = sum[1][k] = 0;
    if (!l->count)
        return;
    if (sums == SUMS_BACKWARD)
        load_norms(g, l, &s);
    if (sums == SUMS_MOMENTS)
        run_load(g->dtype, g->x, (size_t)l->first, l->count, base);
    for (size_t row = l->row; row < l->end; row += (size_t)l->lanes) {
        const size_t place = row * (size_t)g->c + (size_t)l->first;
        if (sums != SUMS_PLAIN)
            run_load(g->dtype, g->x, place, l->count, x);
        if (sums != SUMS_MOMENTS)
            run_load(g->dtype, g->dy, place, l->count, d);
        for (int k = 0; k < RUN; k++)
            if (sums == SUMS_PLAIN) {
                sum[0][k] += d[k];
            } else if (sums == SUMS_MOMENTS) {
                const float v = x[k] - base[k];
                sum[0][k] += v;
                sum[1][k] += v * v;
            } else {
                const float xhat = (x[k] - s.mean[k]) * s.scale[k];
                const float dz =
                    d[k] * act_slope(g->act, s.weight[k] * xhat + s.bias[k]);
                sum[0][k] += dz;
                sum[1][k] += dz * xhat;
            }
    }
}

/* Phase 0: each lane's sums; phase 1: their sum over the lanes of the block. */
SLUICE_HD static inline void channel_sums(const struct channel_args *g,
                                          const struct spot *at, enum channel_sums sums)
{
    float *shared = (float *)at->shared; /* (2, lanes, channels of the tile) */
    const struct lane l = lane_at(g, at);
    const int width = g->tile_runs * RUN, tile = at->block % g->tiles;
    if (at->phase == 0) {
        float sum[2][RUN];
        sum_lane(g, &l, sums, sum);
        for (int v = 0; v < 2; v++)
            for (int k = 0; k < RUN; k++)
                shared[(v * l.lanes + l.lane) * width +
                       at->thread % g->tile_runs * RUN + k] = sum[v][k];
        return;
    }
    for (int i = at->thread; i < 2 * width; i += at->threads) {
        const int v = i / width, c = tile * width + i % width;
        float sum = 0;
        for (int k = 0; k < l.lanes; k++)
            sum += shared[(v * l.lanes + k) * width + i % width];
        if (c < g->c)
            g->partial[((size_t)(at->block / g->tiles) * 2 + (size_t)v) * (size_t)g->c +
                       (size_t)c] = sum;
    }
}

/* A kernel for each of the sums, as what one needs in registers, others do not. */
SLUICE_HD static inline void channel_plain(const struct channel_args *g,
                                           const struct spot *at)
{
    channel_sums(g, at, SUMS_PLAIN);
}

SLUICE_HD static inline void channel_moments(const struct channel_args *g,
                                             const struct spot *at)
{
    channel_sums(g, at, SUMS_MOMENTS);
}

SLUICE_HD static inline void channel_backward(const struct channel_args *g,
                                              const struct spot *at)
{
    channel_sums(g, at, SUMS_BACKWARD);
}

SLUICE_HD static inline void settle_moments(const struct channel_args *g, int c,
                                            const double sum[2])
{
    const double m = (double)g->rows, shift = sum[0] / m;
    const double mean = (double)number_load(g->dtype, g->x, (size_t)c) + shift;
    double var = sum[1] / m - shift * shift;
    if (var < 0)
        var = 0;
    const double wide = m > 1 ? var * m / (m - 1) : var, take = (double)g->momentum;
    g->mean[c] = (float)mean;
    g->scale[c] = (float)(1 / sqrt(var + (double)g->eps));
    g->running_mean[c] = (float)((1 - take) * (double)g->running_mean[c] + take * mean);
    g->running_var[c] = (float)((1 - take) * (double)g->running_var[c] + take * wide);
}

SLUICE_HD static inline void settle_channel(const struct channel_args *g, int c,
                                            const double sum[2])
{
    if (g->sums == SUMS_MOMENTS) {
        settle_moments(g, c, sum);
        return;
    }
    if (g->sums == SUMS_NONE) {
        g->mean[c] = g->running_mean[c];
        g->scale[c] = (float)(1 / sqrt((double)g->running_var[c] + (double)g->eps));
        return;
    }
    if (g->dbias)
        g->dbias[c] = (float)sum[0];
    if (g->dweight)
        g->dweight[c] = (float)sum[1];
    if (g->sums == SUMS_BACKWARD)
        for (int v = 0; v < 2; v++)
            g->sum[v * g->c + c] = g->training ? (float)(sum[v] / (double)g->rows) : 0;
}

/* Phase 0: lanes add up the chunks' sums; phase 1: the totals' use. */
SLUICE_HD static inline void channel_settle(const struct channel_args *g,
                                            const struct spot *at)
{
    double *shared = (double *)at->shared; /* (2, lanes, channels) */
    const int k = at->thread % SETTLE_CHANNELS, lane = at->thread / SETTLE_CHANNELS;
    const int c = at->block * SETTLE_CHANNELS + k;
    if (at->phase == 0) {
        const int chunks = c < g->c && g->sums != SUMS_NONE ? g->chunks : 0;
        double sum[2] = { 0, 0 };
        for (int i = lane; i < chunks; i += SETTLE_LANES) {
            const float *part = g->partial + (size_t)i * 2 * (size_t)g->c + c;
            sum[0] += (double)part[0];
            sum[1] += (double)part[g->c];
        }
        for (int v = 0; v < 2; v++)
            shared[(v * SETTLE_LANES + lane) * SETTLE_CHANNELS + k] = sum[v];
    }
    if (at->phase == 1 && lane == 0 && c < g->c) {
        double sum[2] = { 0, 0 };
        for (int v = 0; v < 2; v++)
            for (int i = 0; i < SETTLE_LANES; i++)
                sum[v] += shared[(v * SETTLE_LANES + i) * SETTLE_CHANNELS + k];
        settle_channel(g, c, sum);
    }
}

SLUICE_HD static inline void norm_apply(const struct channel_args *g,
                                        const struct spot *at)
{
    const struct lane l = lane_at(g, at);
    struct norms s;
    float v[RUN];
    if (!l.count)
        return;
    load_norms(g, &l, &s);
    for (size_t row = l.row; row < l.end; row += (size_t)l.lanes) {
        const size_t place = row * (size_t)g->c + (size_t)l.first;
        run_load(g->dtype, g->x, place, l.count, v);
        for (int k = 0; k < RUN; k++)
            v[k] = act_value(g->act, s.weight[k] * ((v[k] - s.mean[k]) * s.scale[k]) +
                                         s.bias[k]);
        run_store(g->dtype, g->out, place, l.count, v);
    }
}

SLUICE_HD static inline void norm_backward(const struct channel_args *g,
                                           const struct spot *at)
{
    const struct lane l = lane_at(g, at);
    struct norms s;
    float v[RUN], d[RUN], sum[2][RUN];
    if (!l.count)
        return;
    load_norms(g, &l, &s);
    for (int k = 0; k < 2 * RUN; k++)
        sum[k / RUN][k % RUN] =
            g->sum[k / RUN * g->c + (k % RUN < l.count ? l.first + k % RUN : 0)];
    for (size_t row = l.row; row < l.end; row += (size_t)l.lanes) {
        const size_t place = row * (size_t)g->c + (size_t)l.first;
        run_load(g->dtype, g->x, place, l.count, v);
        run_load(g->dtype, g->dy, place, l.count, d);
        for (int k = 0; k < RUN; k++) {
            const float xhat = (v[k] - s.mean[k]) * s.scale[k];
            const float dz = d[k] * act_slope(g->act, s.weight[k] * xhat + s.bias[k]);
            v[k] = s.weight[k] * s.scale[k] * (dz - (sum[0][k] + xhat * sum[1][k]));
        }
        run_store(g->dtype, g->out, place, l.count, v);
    }
}

#endif

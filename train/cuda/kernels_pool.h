/* kernels_pool.h -- pooling over windows and over whole images: a thread, one pixel (or
 * image) and a run of channels. Backward gathers, for each pixel of the input, from the
 * windows that hold it, so that no two threads add to one place. */
#ifndef SLUICE_CUDA_KERNELS_POOL_H
#define SLUICE_CUDA_KERNELS_POOL_H

#include "kernels_flat.h"

struct pool_args {
    enum sluice_dtype dtype;
    int n, h, w, c, oh, ow;
    int kernel, stride, pad;
    const void *x, *dy;
    void *out;
};

struct pool_place {
    size_t n;
    int y, x, first, count; /* channels */
};

/* Place `i` of a map of h x w pixels. */
SLUICE_HD static inline struct pool_place pool_place(const struct pool_args *g,
                                                     size_t i, int h, int w)
{
    const size_t runs = runs_of((size_t)g->c);
    struct pool_place p;
    p.first = (int)(i % runs) * RUN;
    p.count = g->c - p.first < RUN ? g->c - p.first : RUN;
    i /= runs;
    p.x = (int)(i % (size_t)w);
    p.y = (int)(i / (size_t)w % (size_t)h);
    p.n = i / (size_t)w / (size_t)h;
    return p;
}

SLUICE_HD static inline size_t pool_places(const struct pool_args *g, int h, int w)
{
    return (size_t)g->n * (size_t)h * (size_t)w * runs_of((size_t)g->c);
}

SLUICE_HD static inline size_t map_at(const struct pool_args *g, size_t n, int h, int w,
                                      int y, int x)
{
    return ((n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x) * (size_t)g->c;
}

SLUICE_HD static inline void window_of(const struct pool_args *g, int o, int size,
                                       int *begin, int *end)
{
    const int first = o * g->stride - g->pad, last = first + g->kernel;
    *begin = first < 0 ? 0 : first;
    *end = last > size ? size : last;
}

/* The first of the largest values in window (oy, ox), and where: a NaN is larger. */
SLUICE_HD static inline void window_max(const struct pool_args *g,
                                        const struct pool_place *p, int oy, int ox,
                                        float best[RUN], int where[RUN])
{
    int y0, y1, x0, x1;
    window_of(g, oy, g->h, &y0, &y1);
    window_of(g, ox, g->w, &x0, &x1);
    for (int k = 0; k < RUN; k++) {
        best[k] = 0;
        where[k] = -1; /* no window is empty, but a compiler cannot know that */
    }
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            float v[RUN];
            run_load(g->dtype, g->x,
                     map_at(g, p->n, g->h, g->w, y, x) + (size_t)p->first, p->count, v);
            for (int k = 0; k < RUN; k++)
                if ((y == y0 && x == x0) || v[k] > best[k] ||
                    (v[k] != v[k] && best[k] == best[k])) {
                    best[k] = v[k];
                    where[k] = y * g->w + x;
                }
        }
}

SLUICE_HD static inline void maxpool_forward(const struct pool_args *g,
                                             const struct spot *at)
{
    EACH(i, pool_places(g, g->oh, g->ow), at)
    {
        const struct pool_place p = pool_place(g, i, g->oh, g->ow);
        float best[RUN];
        int where[RUN];
        window_max(g, &p, p.y, p.x, best, where);
        run_store(g->dtype, g->out,
                  map_at(g, p.n, g->oh, g->ow, p.y, p.x) + (size_t)p.first, p.count,
                  best);
    }
}

/* Windows [*begin, *end) that hold pixel i, of `count`. */
SLUICE_HD static inline void windows_with(const struct pool_args *g, int i, int count,
                                          int *begin, int *end)
{
    const int low = i + g->pad - g->kernel + 1;
    *begin = low <= 0 ? 0 : (low + g->stride - 1) / g->stride;
    *end = (i + g->pad) / g->stride + 1;
    if (*end > count)
        *end = count;
}

SLUICE_HD static inline void maxpool_gather(const struct pool_args *g,
                                            const struct pool_place *p, int oy, int ox,
                                            float sum[RUN])
{
    float best[RUN], d[RUN];
    int where[RUN];
    window_max(g, p, oy, ox, best, where);
    run_load(g->dtype, g->dy, map_at(g, p->n, g->oh, g->ow, oy, ox) + (size_t)p->first,
             p->count, d);
    for (int k = 0; k < RUN; k++)
        if (where[k] == p->y * g->w + p->x)
            sum[k] += d[k];
}

SLUICE_HD static inline void avgpool_gather(const struct pool_args *g,
                                            const struct pool_place *p, int oy, int ox,
                                            float sum[RUN])
{
    float d[RUN];
    run_load(g->dtype, g->dy, map_at(g, p->n, g->oh, g->ow, oy, ox) + (size_t)p->first,
             p->count, d);
    for (int k = 0; k < RUN; k++)
        sum[k] += d[k] / (float)(g->kernel * g->kernel);
}

SLUICE_HD static inline void pool_backward(const struct pool_args *g,
                                           const struct spot *at, int is_max)
{
    EACH(i, pool_places(g, g->h, g->w), at)
    {
        const struct pool_place p = pool_place(g, i, g->h, g->w);
        float sum[RUN] = { 0 };
        int y0, y1, x0, x1;
        windows_with(g, p.y, g->oh, &y0, &y1);
        windows_with(g, p.x, g->ow, &x0, &x1);
        for (int oy = y0; oy < y1; oy++)
            for (int ox = x0; ox < x1; ox++)
                if (is_max)
                    maxpool_gather(g, &p, oy, ox, sum);
                else
                    avgpool_gather(g, &p, oy, ox, sum);
        run_store(g->dtype, g->out,
                  map_at(g, p.n, g->h, g->w, p.y, p.x) + (size_t)p.first, p.count, sum);
    }
}

SLUICE_HD static inline void maxpool_backward(const struct pool_args *g,
                                              const struct spot *at)
{
    pool_backward(g, at, 1);
}

/* Windows side by side, as wide as their stride and without padding, share no pixel: a
 * thread reads one and writes its gradient. Cells are windows, and what is left of the
 * map behind the last of them, whose gradient is 0. */
SLUICE_HD static inline int pool_cells(const struct pool_args *g, int size)
{
    return (size + g->stride - 1) / g->stride;
}

SLUICE_HD static inline void maxpool_apart(const struct pool_args *g,
                                           const struct spot *at)
{
    const int rows = pool_cells(g, g->h), columns = pool_cells(g, g->w);
    EACH(i, pool_places(g, rows, columns), at)
    {
        const struct pool_place p = pool_place(g, i, rows, columns);
        const int y0 = p.y * g->stride, x0 = p.x * g->stride;
        const int y1 = y0 + g->stride < g->h ? y0 + g->stride : g->h;
        const int x1 = x0 + g->stride < g->w ? x0 + g->stride : g->w;
        float best[RUN], d[RUN] = { 0 }, v[RUN];
        int where[RUN] = { 0 };
        if (p.y < g->oh && p.x < g->ow) {
            window_max(g, &p, p.y, p.x, best, where);
            run_load(g->dtype, g->dy,
                     map_at(g, p.n, g->oh, g->ow, p.y, p.x) + (size_t)p.first, p.count,
                     d);
        }
        for (int y = y0; y < y1; y++)
            for (int x = x0; x < x1; x++) {
                for (int k = 0; k < RUN; k++)
                    v[k] = where[k] == y * g->w + x ? d[k] : 0;
                run_store(g->dtype, g->out,
                          map_at(g, p.n, g->h, g->w, y, x) + (size_t)p.first, p.count,
                          v);
            }
    }
}

SLUICE_HD static inline void avgpool_backward(const struct pool_args *g,
                                              const struct spot *at)
{
    pool_backward(g, at, 0);
}

SLUICE_HD static inline void avgpool_forward(const struct pool_args *g,
                                             const struct spot *at)
{
    EACH(i, pool_places(g, g->oh, g->ow), at)
    {
        const struct pool_place p = pool_place(g, i, g->oh, g->ow);
        float sum[RUN] = { 0 };
        int y0, y1, x0, x1;
        window_of(g, p.y, g->h, &y0, &y1);
        window_of(g, p.x, g->w, &x0, &x1);
        for (int y = y0; y < y1; y++)
            for (int x = x0; x < x1; x++) {
                float v[RUN];
                run_load(g->dtype, g->x,
                         map_at(g, p.n, g->h, g->w, y, x) + (size_t)p.first, p.count,
                         v);
                for (int k = 0; k < RUN; k++)
                    sum[k] += v[k];
            }
        for (int k = 0; k < RUN; k++)
            sum[k] /= (float)(g->kernel * g->kernel);
        run_store(g->dtype, g->out,
                  map_at(g, p.n, g->oh, g->ow, p.y, p.x) + (size_t)p.first, p.count,
                  sum);
    }
}

/* Whole images: a thread, one image and a run of channels; oh and ow are 1. */
SLUICE_HD static inline void global_forward(const struct pool_args *g,
                                            const struct spot *at, int is_max)
{
    EACH(i, pool_places(g, 1, 1), at)
    {
        const struct pool_place p = pool_place(g, i, 1, 1);
        const int pixels = g->h * g->w;
        float v[RUN], to[RUN] = { 0 };
        for (int k = 0; k < pixels; k++) {
            run_load(g->dtype, g->x, map_at(g, p.n, 1, pixels, 0, k) + (size_t)p.first,
                     p.count, v);
            for (int j = 0; j < RUN; j++)
                if (!is_max)
                    to[j] += v[j];
                else if (k == 0 || v[j] > to[j] || (v[j] != v[j] && to[j] == to[j]))
                    to[j] = v[j];
        }
        for (int j = 0; j < RUN && !is_max; j++)
            to[j] /= (float)pixels;
        run_store(g->dtype, g->out, map_at(g, p.n, 1, 1, 0, 0) + (size_t)p.first,
                  p.count, to);
    }
}

SLUICE_HD static inline void globalmax_forward(const struct pool_args *g,
                                               const struct spot *at)
{
    global_forward(g, at, 1);
}

SLUICE_HD static inline void globalavg_forward(const struct pool_args *g,
                                               const struct spot *at)
{
    global_forward(g, at, 0);
}

SLUICE_HD static inline void globalavg_backward(const struct pool_args *g,
                                                const struct spot *at)
{
    EACH(i, pool_places(g, g->h, g->w), at)
    {
        const struct pool_place p = pool_place(g, i, g->h, g->w);
        float d[RUN];
        run_load(g->dtype, g->dy, map_at(g, p.n, 1, 1, 0, 0) + (size_t)p.first, p.count,
                 d);
        for (int k = 0; k < RUN; k++)
            d[k] /= (float)(g->h * g->w);
        run_store(g->dtype, g->out,
                  map_at(g, p.n, g->h, g->w, p.y, p.x) + (size_t)p.first, p.count, d);
    }
}

SLUICE_HD static inline void globalmax_backward(const struct pool_args *g,
                                                const struct spot *at)
{
    EACH(i, pool_places(g, 1, 1), at)
    {
        const struct pool_place p = pool_place(g, i, 1, 1);
        const int pixels = g->h * g->w;
        float v[RUN], d[RUN], best[RUN] = { 0 };
        int where[RUN] = { 0 };
        for (int k = 0; k < pixels; k++) {
            run_load(g->dtype, g->x, map_at(g, p.n, 1, pixels, 0, k) + (size_t)p.first,
                     p.count, v);
            for (int j = 0; j < RUN; j++)
                if (k == 0 || v[j] > best[j] || (v[j] != v[j] && best[j] == best[j])) {
                    best[j] = v[j];
                    where[j] = k;
                }
        }
        run_load(g->dtype, g->dy, map_at(g, p.n, 1, 1, 0, 0) + (size_t)p.first, p.count,
                 d);
        for (int k = 0; k < pixels; k++) {
            for (int j = 0; j < RUN; j++)
                v[j] = where[j] == k ? d[j] : 0;
            run_store(g->dtype, g->out,
                      map_at(g, p.n, 1, pixels, 0, k) + (size_t)p.first, p.count, v);
        }
    }
}

struct pair_args {
    enum sluice_dtype dtype;
    int n, pixels, c;
    const void *x, *dy;
    void *out; /* (n, c) */
};

/* Sum over an image's pixels of x dy: the gradient of a gate's factors. */
SLUICE_HD static inline void gate_factors(const struct pair_args *g,
                                          const struct spot *at)
{
    const size_t runs = runs_of((size_t)g->c);
    EACH(i, (size_t)g->n * runs, at)
    {
        const size_t n = i / runs, first = i % runs * RUN;
        const int count = run_length(i % runs, (size_t)g->c);
        float x[RUN], d[RUN], sum[RUN] = { 0 };
        for (size_t p = 0; p < (size_t)g->pixels; p++) {
            const size_t place = (n * (size_t)g->pixels + p) * (size_t)g->c + first;
            run_load(g->dtype, g->x, place, count, x);
            run_load(g->dtype, g->dy, place, count, d);
            for (int k = 0; k < RUN; k++)
                sum[k] += x[k] * d[k];
        }
        run_store(g->dtype, g->out, n * (size_t)g->c + first, count, sum);
    }
}

#endif

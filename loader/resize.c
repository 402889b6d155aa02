/* resize.c -- weights, and the order of the passes; see resize.h. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "resize.h"

static const struct resize_kernels *best(void)
{
#ifdef RESIZE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return &sluice_resize_avx512;
    if (__builtin_cpu_supports("avx2"))
        return &sluice_resize_avx2;
#endif
    return &sluice_resize_plain;
}

const struct resize_kernels *sluice_resize_use;

__attribute__((constructor)) static void choose(void)
{
    sluice_resize_use = best();
}

static void free_axis(struct resize_axis *a)
{
    free(a->first);
    free(a->count);
    free(a->weight);
}

void sluice_resize_free(struct resizer *r)
{
    free_axis(&r->across);
    free_axis(&r->down);
    free(r->narrow);
    *r = (struct resizer){ .room = 0 };
}

static int make_room(struct resize_axis *a, int to, int taps)
{
    const size_t n = (size_t)to, all = n * (size_t)taps;
    a->to = to;
    a->taps = taps;
    if (n > a->room_to) {
        free(a->first);
        free(a->count);
        a->room_to = 0;
        a->first = malloc(n * sizeof(*a->first));
        a->count = malloc(n * sizeof(*a->count));
        if (!a->first || !a->count)
            return -ENOMEM;
        a->room_to = n;
    }
    if (all > a->room) {
        free(a->weight);
        a->room = 0;
        a->weight = malloc(all * sizeof(*a->weight));
        if (!a->weight)
            return -ENOMEM;
        a->room = all;
    }
    return 0;
}

/* The weights of one output position, in double and then in fixed point. */
static void weigh(struct resize_axis *a, int i, double scale, double stretch)
{
    const double centre = (i + 0.5) * scale;
    int first = (int)(centre - stretch + 0.5), end = (int)(centre + stretch + 0.5);
    int32_t *w = a->weight + (size_t)i * (size_t)a->taps;
    double sum = 0;
    first = first < 0 ? 0 : first;
    end = end > a->from ? a->from : end;
    a->first[i] = first;
    a->count[i] = end - first;
    for (int k = 0; k < end - first; k++) {
        const double x = fabs((k + first - centre + 0.5) / stretch);
        sum += x < 1 ? 1 - x : 0;
    }
    for (int k = 0; k < end - first; k++) {
        const double x = fabs((k + first - centre + 0.5) / stretch);
        const double share = (x < 1 ? 1 - x : 0) / sum;
        w[k] = (int32_t)(0.5 + share * (1 << RESIZE_BITS));
    }
}

static int plan(struct resize_axis *a, int from, int to)
{
    if (a->from == from && a->to == to)
        return 0;
    const double scale = (double)from / to, stretch = scale > 1 ? scale : 1;
    const int rc = make_room(a, to, (int)ceil(stretch) * 2 + 1);
    a->from = rc < 0 ? 0 : from;
    for (int i = 0; rc == 0 && i < to; i++)
        weigh(a, i, scale, stretch);
    return rc;
}

static void both_ways(struct resizer *r, const uint8_t *in, int height, size_t row,
                      int channels, uint8_t *out, int to_height, int to_width)
{
    const struct resize_kernels *k = sluice_resize_use;
    const size_t out_row = (size_t)to_width * (size_t)channels;
    for (int y = 0; y < height; y++)
        k->across(&r->across, in + (size_t)y * row, channels,
                  r->narrow + (size_t)y * out_row);
    for (int y = 0; y < to_height; y++)
        k->down(&r->down, y, r->narrow, out_row, out + (size_t)y * out_row, out_row);
}

int sluice_resize(struct resizer *r, const uint8_t *in, int height, int width,
                  int channels, uint8_t *out, int to_height, int to_width)
{
    const struct resize_kernels *k = sluice_resize_use;
    const size_t row = (size_t)width * (size_t)channels;
    const size_t out_row = (size_t)to_width * (size_t)channels;
    const size_t between = (size_t)height * out_row;
    if (plan(&r->across, width, to_width) < 0 || plan(&r->down, height, to_height) < 0)
        return -ENOMEM;
    if (between > r->room) {
        free(r->narrow);
        r->narrow = malloc(between);
        r->room = r->narrow ? between : 0;
        if (!r->narrow)
            return -ENOMEM;
    }
    if (width == to_width && height == to_height)
        memcpy(out, in, row * (size_t)height);
    else if (width == to_width)
        for (int y = 0; y < to_height; y++)
            k->down(&r->down, y, in, row, out + (size_t)y * row, row);
    else if (height == to_height)
        for (int y = 0; y < height; y++)
            k->across(&r->across, in + (size_t)y * row, channels,
                      out + (size_t)y * out_row);
    else
        both_ways(r, in, height, row, channels, out, to_height, to_width);
    return 0;
}

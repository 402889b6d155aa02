/* resize.c -- weights, and the order of the passes; see resize.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "resize.h"

static const struct resize_kernels *best(void)
{
#ifdef RESIZE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni"))
        return &sluice_resize_vnni;
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
        a->room_to = 0;
        a->first = malloc(n * sizeof(*a->first));
        if (!a->first)
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

/* The weights of one output position, in double and then in fixed point; returns how
 * many. */
static int weigh(struct resize_axis *a, int i, double scale, double stretch)
{
    const double centre = (i + 0.5) * scale;
    int first = (int)(centre - stretch + 0.5), end = (int)(centre + stretch + 0.5);
    int32_t *w = a->weight + (size_t)i * (size_t)a->taps;
    double sum = 0;
    first = first < 0 ? 0 : first;
    end = end > a->from ? a->from : end;
    a->first[i] = first;
    for (int k = 0; k < end - first; k++) {
        const double x = fabs((k + first - centre + 0.5) / stretch);
        sum += x < 1 ? 1 - x : 0;
    }
    for (int k = 0; k < end - first; k++) {
        const double x = fabs((k + first - centre + 0.5) / stretch);
        const double share = (x < 1 ? 1 - x : 0) / sum;
        w[k] = (int32_t)(0.5 + share * (1 << RESIZE_BITS));
    }
    return end - first;
}

/* As many weights for every position, so that the loops over them need no other count:
 * zeros are added behind, or before where the source ends. */
static void level(struct resize_axis *a, const int32_t *count)
{
    int most = 0;
    for (int i = 0; i < a->to; i++)
        most = count[i] > most ? count[i] : most;
    for (int i = 0; i < a->to; i++) {
        const int beyond = a->first[i] + most - a->from,
                  shift = beyond > 0 ? beyond : 0;
        int32_t *to = a->weight + (size_t)i * (size_t)most;
        const int32_t *w = a->weight + (size_t)i * (size_t)a->taps;
        memmove(to + shift, w, (size_t)count[i] * sizeof(*w));
        for (int k = 0; k < shift; k++)
            to[k] = 0;
        for (int k = shift + count[i]; k < most; k++)
            to[k] = 0;
        a->first[i] -= shift;
    }
    a->taps = most;
}

static int plan(struct resize_axis *a, int from, int to)
{
    if (a->from == from && a->to == to)
        return 0;
    const double scale = (double)from / to, stretch = scale > 1 ? scale : 1;
    int32_t *count = malloc((size_t)to * sizeof(*count));
    int rc = make_room(a, to, (int)ceil(stretch) * 2 + 1);
    if (!count)
        rc = -ENOMEM;
    a->from = rc < 0 ? 0 : from;
    for (int i = 0; rc == 0 && i < to; i++)
        count[i] = weigh(a, i, scale, stretch);
    if (rc == 0)
        level(a, count);
    free(count);
    return rc;
}

static void both_ways(struct resizer *r, const uint8_t *in, int height, int channels,
                      uint8_t *out, int to_height, int to_width)
{
    const struct resize_kernels *k = sluice_resize_use;
    const size_t out_row = (size_t)to_width * (size_t)channels;
    k->across(&r->across, in, (size_t)height, channels, r->narrow);
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
        k->across(&r->across, in, (size_t)height, channels, out);
    else
        both_ways(r, in, height, channels, out, to_height, to_width);
    return 0;
}

/* planes_move.h -- the loops of planes.h that look elsewhere: neighbours, and places on
 * a map. Rows are done in tiles, so that everything between stays on the stack. */
#include <math.h>

#include "ops/affine.h"
#include "ops/neighbours.h"

enum { TILE = 64 };

/* Pixels x .. x + 7 of a row that has both neighbours. */
INLINE void sharpen_eight(uint8_t *to, const uint8_t *at, int width, float factor)
{
    const uint8_t *up = at - width, *low = at + width;
    const ints8 middle = load8(at);
    const ints8 sum = load8(up - 1) + load8(up) + load8(up + 1) + load8(at - 1) +
                      5 * middle + load8(at + 1) + load8(low - 1) + load8(low) +
                      load8(low + 1);
    const ints8 smooth = (2 * sum + 13) * 20165 >> 19; /* by 26, exact up to 6643 */
    store8(to, between8(smooth, middle, factor));
}

static void sharpen(uint8_t *restrict out, const uint8_t *restrict in, int height,
                    int width, float factor)
{
    memcpy(out, in, (size_t)height * (size_t)width);
    for (int y = 1; y < height - 1; y++) {
        const uint8_t *at = in + (size_t)y * (size_t)width;
        uint8_t *to = out + (size_t)y * (size_t)width;
        int x = 1;
        for (; x + 8 <= width - 1; x += 8)
            sharpen_eight(to + x, at + x, width, factor);
        if (width >= 10 && x < width - 1) /* some of them again */
            sharpen_eight(to + width - 9, at + width - 9, width, factor);
        for (; width < 10 && x < width - 1; x++) {
            const uint8_t *up = at - width, *low = at + width;
            const int sum = up[x - 1] + up[x] + up[x + 1] + at[x - 1] + 5 * at[x] +
                            at[x + 1] + low[x - 1] + low[x] + low[x + 1];
            to[x] = between((2 * sum + 13) / 26, at[x], factor);
        }
    }
}

/* Sums of two rows, with what the border mirrors, from column x0 - reach on. */
INLINE void add_rows(double *to, const uint8_t *a, const uint8_t *b, int width, int x0,
                     int columns, int reach)
{
    const int first = x0 - reach, end = x0 + columns + reach;
    const int from = first < 0 ? 0 : first, until = end < width ? end : width;
    for (int x = from; x < until; x++)
        to[x - first] = a[x] + b[x];
    for (int x = first; x < from; x++)
        to[x - first] = a[reflect(x, width)] + b[reflect(x, width)];
    for (int x = until; x < end; x++)
        to[x - first] = a[reflect(x, width)] + b[reflect(x, width)];
}

/* The order of the sums is that of gaussian_blur_near; sums of bytes are exact. */
INLINE void blur_tile(uint8_t *out, const uint8_t *in, int height, int width, int y,
                      int x0, int columns, int reach, const double *weight)
{
    double sum[TILE] = { 0 }, pair[TILE + 2 * BLUR_HALF] = { 0 };
    for (int dy = 0; dy <= reach; dy++) {
        const size_t upper = (size_t)reflect(y - dy, height) * (size_t)width;
        const size_t lower = (size_t)reflect(y + dy, height) * (size_t)width;
        add_rows(pair, in + upper, in + lower, width, x0, columns, reach);
        for (int i = 0; i < columns; i += 8) {
            const double *at = pair + i + reach;
            doubles8 part = weight[0] * (load_doubles(at) + load_doubles(at));
            for (int dx = 1; dx <= reach; dx++)
                part += weight[dx] * (load_doubles(at - dx) + load_doubles(at + dx));
            store_doubles(sum + i, load_doubles(sum + i) + weight[dy] * part);
        }
    }
    for (int i = 0; i < columns; i++)
        out[(size_t)y * (size_t)width + (size_t)(x0 + i)] = (uint8_t)(int)rint(sum[i]);
}

static void blur(uint8_t *out, const uint8_t *in, int height, int width, int reach,
                 const double *weight)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x += TILE)
            blur_tile(out, in, height, width, y, x, width - x < TILE ? width - x : TILE,
                      reach, weight);
}

/* Which pixel each of a tile shows; -1: none. */
INLINE void places(int32_t *at, const struct affine *a, int height, int width, int y,
                   int x0, int columns)
{
    if (a->straight) {
        const double down = a->u.line[2] * y + a->u.line[3];
        const int row = down >= 0 && down < height ? (int)down : -1;
        for (int i = 0; i < columns; i++) {
            const double x = a->u.line[0] * (x0 + i) + a->u.line[1];
            at[i] = row >= 0 && x >= 0 && x < width ? row * width + (int)x : -1;
        }
        return;
    }
    const int64_t *f = a->u.fixed;
    const int64_t from_x = f[1] * y + f[2], from_y = f[4] * y + f[5];
    for (int i = 0; i < columns; i++) {
        const int64_t sx = (f[0] * (x0 + i) + from_x) >> 16;
        const int64_t sy = (f[3] * (x0 + i) + from_y) >> 16;
        const int inside =
            (uint64_t)sx < (uint64_t)width && (uint64_t)sy < (uint64_t)height;
        at[i] = inside ? (int32_t)sy * width + (int32_t)sx : -1;
    }
}

static void affine(uint8_t *restrict out, const uint8_t *restrict in, int height,
                   int width, int channels, const struct affine *map,
                   const uint8_t *fill)
{
    const size_t plane = (size_t)height * (size_t)width;
    int32_t at[TILE];
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x += TILE) {
            const int columns = width - x < TILE ? width - x : TILE;
            places(at, map, height, width, y, x, columns);
            for (int c = 0; c < channels; c++) {
                const uint8_t *from = in + (size_t)c * plane;
                uint8_t *to = out + (size_t)c * plane + (size_t)y * (size_t)width + x;
                for (int i = 0; i < columns; i++)
                    to[i] = at[i] < 0 ? fill[c] : from[at[i]];
            }
        }
}

/* A tile of places between pixels. */
struct sampled {
    double fx[TILE], fy[TILE];
    int32_t inside[TILE],
        step[TILE]; /* all bits or none; step: there is one to the right */
    int32_t top[TILE], next[TILE]; /* the left ones of the four pixels around */
};

INLINE ints8 at_most(ints8 a, int most)
{
    const ints8 limit = (ints8){ 0 } + most;
    return choose(a < limit, a, limit);
}

/* bilinear() of neighbours.h, up to the pixels. */
INLINE void sample_eight(struct sampled *t, int i, const double m[9], int exact,
                         int height, int width, double x, double cy)
{
    const doubles8 cx = { x, x + 1, x + 2, x + 3, x + 4, x + 5, x + 6, x + 7 };
    const doubles8 below = m[6] * cx + m[7] * cy + m[8];
    doubles8 sx = (m[0] * cx + m[1] * cy + m[2]) / below;
    doubles8 sy = (m[3] * cx + m[4] * cy + m[5]) / below;
    const longs8 ahead = exact ? ~(longs8){ 0 } : (longs8)(below > 0.0);
    const longs8 within = ahead & (sx >= 0.0) & (sx < (double)width) & (sy >= 0.0) &
                          (sy < (double)height);
    const ints8 inside = __builtin_convertvector(within, ints8);
    sx = (doubles8)(within & (longs8)(sx - 0.5));
    sy = (doubles8)(within & (longs8)(sy - 0.5));
    ints8 ix = whole(sx), iy = whole(sy);
    /* To the floor: a comparison that holds is -1. */
    ix += __builtin_convertvector(sx < doubles_of(ix), ints8);
    iy += __builtin_convertvector(sy < doubles_of(iy), ints8);
    store_doubles(t->fx + i, sx - doubles_of(ix));
    store_doubles(t->fy + i, sy - doubles_of(iy));
    const ints8 left = ix & (ix >= 0), up = iy & (iy >= 0);
    const ints8 step = at_most(ix + 1, width - 1) > left;
    const ints8 top = up * width + left,
                next = at_most(iy + 1, height - 1) * width + left;
    memcpy(t->inside + i, &inside, sizeof(inside));
    memcpy(t->step + i, &step, sizeof(step));
    memcpy(t->top + i, &top, sizeof(top));
    memcpy(t->next + i, &next, sizeof(next));
}

INLINE ints8 load_ints(const int32_t *from)
{
    ints8 v;
    memcpy(&v, from, sizeof(v));
    return v;
}

/* Two neighbours in one number: one load. The last of a plane has none, and there is
 * room behind the last plane. */
INLINE int32_t two_of(const uint8_t *from)
{
    return from[0] | from[1] << 8;
}

INLINE doubles8 along(ints8 pair, ints8 step, doubles8 fx)
{
    const ints8 a = pair & 255, b = choose(step, pair >> 8, a);
    return doubles_of(a) + doubles_of(b - a) * fx;
}

INLINE void interpolate(uint8_t *restrict to, const uint8_t *restrict from,
                        const struct sampled *t, int columns, double up, int fill)
{
    int32_t top[TILE] = { 0 }, next[TILE] = { 0 };
    uint8_t done[TILE];
    for (int i = 0; i < columns; i++) {
        top[i] = two_of(from + t->top[i]);
        next[i] = two_of(from + t->next[i]);
    }
    for (int i = 0; i < columns; i += 8) {
        const ints8 step = load_ints(t->step + i), outside = (ints8){ 0 } + fill;
        const doubles8 fx = load_doubles(t->fx + i);
        const doubles8 upper = along(load_ints(top + i), step, fx);
        const doubles8 lower = along(load_ints(next + i), step, fx);
        const doubles8 value = upper + (lower - upper) * load_doubles(t->fy + i);
        store8(done + i, choose(load_ints(t->inside + i), whole(value + up), outside));
    }
    memcpy(to, done, (size_t)columns);
}

static void warp(uint8_t *out, const uint8_t *in, int height, int width, int channels,
                 const double map[9], double up, const uint8_t *fill, int out_height,
                 int out_width)
{
    const size_t plane = (size_t)height * (size_t)width;
    const size_t out_plane = (size_t)out_height * (size_t)out_width;
    struct sampled t;
    for (int y = 0; y < out_height; y++)
        for (int x = 0; x < out_width; x += TILE) {
            const int columns = out_width - x < TILE ? out_width - x : TILE;
            for (int i = 0; i < columns; i += 8)
                sample_eight(&t, i, map, up <= 0, height, width, x + i + 0.5, y + 0.5);
            for (int c = 0; c < channels; c++)
                interpolate(out + (size_t)c * out_plane +
                                (size_t)y * (size_t)out_width + x,
                            in + (size_t)c * plane, &t, columns, up, fill[c]);
        }
}

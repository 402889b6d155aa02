/* planes_colour.h -- the loops of planes.h that change values. Selections are written
 * as expressions without branches, and everything rounds as ops/colour.h and
 * ops/jitter.h do: products first, sums then, fractions cut off. */
#include "ops/jitter.h"
#include "planes_vector.h"

static void interleave(uint8_t *restrict out, const uint8_t *restrict in, size_t plane,
                       size_t pixels, int channels)
{
    const uint8_t *a = in, *b = in + plane, *c = in + 2 * plane;
    if (channels == 3) {
        for (size_t i = 0; i < pixels; i++) {
            out[3 * i] = a[i];
            out[3 * i + 1] = b[i];
            out[3 * i + 2] = c[i];
        }
        return;
    }
    for (int k = 0; k < channels; k++)
        for (size_t i = 0; i < pixels; i++)
            out[i * (size_t)channels + (size_t)k] = in[(size_t)k * plane + i];
}

static void and_bits(uint8_t *place, size_t bytes, int mask)
{
    for (size_t i = 0; i < bytes; i++)
        place[i] &= (uint8_t)mask;
}

static void solarize(uint8_t *place, size_t bytes, int threshold)
{
    for (size_t i = 0; i < bytes; i++)
        place[i] = (uint8_t)(place[i] >= threshold ? 255 - place[i] : place[i]);
}

static void solarize_add(uint8_t *place, size_t bytes, int threshold, int addition)
{
    for (size_t i = 0; i < bytes; i++) {
        const int v = place[i], sum = v + addition, high = sum > 255 ? 255 : sum;
        place[i] = (uint8_t)(v >= threshold ? v : high < 0 ? 0 : high);
    }
}

/* blend() of colour.h, without its branches. */
INLINE uint8_t between(int a, int b, float f)
{
    const float part = f * (float)(b - a);
    float v = (float)a + part;
    v = v > 0 ? v : 0;
    v = v < 255 ? v : 255;
    return (uint8_t)(int)v;
}

static void blend_with(uint8_t *place, size_t bytes, int with, float factor)
{
    for (size_t i = 0; i < bytes; i++)
        place[i] = between(with, place[i], factor);
}

INLINE int grey_of(int r, int g, int b)
{
    return (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16;
}

/* A single channel is its own grey, which leaves it as it is. */
static void saturate(uint8_t *place, size_t pixels, int channels, float factor)
{
    uint8_t *r = place, *g = place + pixels, *b = place + 2 * pixels;
    for (size_t i = 0; i < pixels && channels == 3; i++) {
        const int grey = grey_of(r[i], g[i], b[i]);
        r[i] = between(grey, r[i], factor);
        g[i] = between(grey, g[i], factor);
        b[i] = between(grey, b[i], factor);
    }
}

static void to_grey(uint8_t *place, size_t pixels, int channels)
{
    uint8_t *r = place, *g = place + pixels, *b = place + 2 * pixels;
    for (size_t i = 0; i < pixels && channels == 3; i++)
        r[i] = g[i] = b[i] = (uint8_t)grey_of(r[i], g[i], b[i]);
}

static uint64_t sum_grey(const uint8_t *image, size_t pixels, int channels)
{
    enum { PART = 4096 }; /* whose sum fits 32 bits */
    uint64_t all = 0;
    for (size_t from = 0; from < pixels; from += PART) {
        const size_t n = pixels - from < PART ? pixels - from : PART;
        const uint8_t *r = image + from, *g = r + pixels, *b = g + pixels;
        uint32_t sum = 0;
        for (size_t i = 0; i < n && channels == 3; i++)
            sum += (uint32_t)grey_of(r[i], g[i], b[i]);
        for (size_t i = 0; i < n && channels != 3; i++)
            sum += r[i];
        all += sum;
    }
    return all;
}

/* Four tables, so that equal neighbours do not wait for each other. */
static void count_values(const uint8_t *plane, size_t pixels, uint32_t of[256])
{
    uint32_t part[4][256] = { { 0 } };
    size_t i = 0;
    for (; i + 4 <= pixels; i += 4)
        for (int k = 0; k < 4; k++)
            part[k][plane[i + (size_t)k]]++;
    for (; i < pixels; i++)
        part[0][plane[i]]++;
    for (int v = 0; v < 256; v++)
        of[v] = part[0][v] + part[1][v] + part[2][v] + part[3][v];
}

static void look_up_values(uint8_t *plane, size_t pixels, const uint32_t to[256])
{
    uint8_t table[256];
    for (int v = 0; v < 256; v++)
        table[v] = (uint8_t)to[v];
    for (size_t i = 0; i < pixels; i++)
        plane[i] = table[plane[i]];
}

struct colours {
    ints8 r, g, b;
};

/* from_hsv(to_hsv() + turn) of jitter.h, in the same precisions. */
INLINE struct colours turned(struct colours in, int turn)
{
    const ints8 r = in.r, g = in.g, b = in.b, zero = { 0 };
    ints8 most = choose(r > g, r, g), least = choose(r < g, r, g);
    most = choose(most > b, most, b);
    least = choose(least < b, least, b);
    const ints8 grey = most == least;
    const floats8 range =
        __builtin_convertvector(choose(grey, zero + 1, most - least), floats8);
    const floats8 rc = __builtin_convertvector(most - r, floats8) / range;
    const floats8 gc = __builtin_convertvector(most - g, floats8) / range;
    const floats8 bc = __builtin_convertvector(most - b, floats8) / range;
    const floats8 first = bc - gc;
    const floats8 second = narrow((2.0 + wide(rc)) - wide(bc));
    const floats8 third = narrow((4.0 + wide(gc)) - wide(rc));
    const doubles8 h = choose_doubles(
        r == most, wide(first), choose_doubles(g == most, wide(second), wide(third)));
    const doubles8 around = h / 6.0 + 1.0;
    const ints8 once = __builtin_convertvector(around >= 1.0, ints8);
    const floats8 part = narrow(choose_doubles(once, around - 1.0, around));
    const floats8 top =
        __builtin_convertvector(choose(most == 0, zero + 1, most), floats8);
    const ints8 hue = (choose(grey, zero, whole(wide(part) * 255.0)) + turn) & 255;
    const ints8 pale = choose(grey, zero, whole(wide(range / top) * 255.0));

    const doubles8 sixth = wide(__builtin_convertvector(hue, floats8) * 6.0F) / 255.0;
    const ints8 i = whole(sixth);
    const floats8 f = narrow(sixth - doubles_of(i));
    const floats8 s = narrow(doubles_of(pale) / 255.0);
    const doubles8 v = doubles_of(most);
    const ints8 low = whole(v * (1.0 - wide(s)) + 0.5);
    const ints8 fall = whole(v * (1.0 - wide(s * f)) + 0.5);
    const ints8 rise = whole(v * (1.0 - wide(s) * (1.0 - wide(f))) + 0.5);
    const ints8 at = choose(i == 6, zero, i);
    struct colours out;
    out.r = choose((at == 0) | (at == 5), most,
                   choose(at == 1, fall, choose(at == 4, rise, low)));
    out.g = choose((at == 1) | (at == 2), most,
                   choose(at == 0, rise, choose(at == 3, fall, low)));
    out.b = choose((at == 3) | (at == 4), most,
                   choose(at == 2, rise, choose(at == 5, fall, low)));
    return out;
}

INLINE void turn_eight(uint8_t *r, uint8_t *g, uint8_t *b, int turn)
{
    const struct colours in = { load8(r), load8(g), load8(b) };
    const struct colours out = turned(in, turn);
    store8(r, out.r);
    store8(g, out.g);
    store8(b, out.b);
}

static void turn_hue(uint8_t *place, size_t pixels, int turn)
{
    uint8_t *r = place, *g = place + pixels, *b = place + 2 * pixels;
    uint8_t rest[3][8] = { { 0 } };
    size_t i = 0;
    for (; i + 8 <= pixels; i += 8)
        turn_eight(r + i, g + i, b + i, turn);
    if (i == pixels)
        return;
    for (int c = 0; c < 3; c++)
        memcpy(rest[c], place + (size_t)c * pixels + i, pixels - i);
    turn_eight(rest[0], rest[1], rest[2], turn);
    for (int c = 0; c < 3; c++)
        memcpy(place + (size_t)c * pixels + i, rest[c], pixels - i);
}

/* chain.h -- one pipeline, planned: plain data that a kernel can be given by value, and
 * the arithmetic of every operation. Both compilers read it, so CPU and GPU cannot
 * drift apart: they only walk differently.
 *
 * An output pixel is traced back through the steps, last one first, to the source pixel
 * it shows, or to a fill colour: geometry and cutting out are one gather. */
#ifndef SLUICE_AUGMENT_CHAIN_H
#define SLUICE_AUGMENT_CHAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <sluice/rng.h>

enum {
    CHAIN_STEPS_MAX = 16,
    CHAIN_CHANNELS_MAX = 4,
    CHAIN_FILLED = -1, /* in place of a source pixel: the step's fill colour */
};

enum chain_op {
    CHAIN_FLIP,             /* left and right exchanged, with probability p */
    CHAIN_FLIP_ALTERNATING, /* see draw_step */
    CHAIN_VERTICAL_FLIP,    /* top and bottom */
    CHAIN_TRANSLATE,        /* pad on all sides, cut out at a random place */
    CHAIN_CUTOUT,           /* one square of the fill colour */
};

enum chain_fill {
    CHAIN_FILL_COLOUR,
    CHAIN_FILL_REFLECT, /* mirror without repeating the edge: dcb|abcd|cba */
    CHAIN_FILL_EDGE,    /* repeat the edge: aaa|abcd|ddd */
};

struct chain_step {
    enum chain_op op;
    uint16_t number; /* of the operation in the pipeline: part of the draws' counter */
    enum chain_fill fill;
    int size; /* translate: pad; cutout: side */
    float p;
    uint8_t colour[CHAIN_CHANNELS_MAX];
};

/* What an image's dice gave for one step. */
struct chain_draw {
    int flip;   /* 0 or 1 */
    int dy, dx; /* translate: source = output + this; cutout: top left corner */
};

enum chain_type { CHAIN_F32, CHAIN_BF16, CHAIN_F16, CHAIN_U8 };

struct chain {
    uint64_t seed;
    int height, width, channels;
    int steps;
    struct chain_step step[CHAIN_STEPS_MAX];
    enum chain_type type;
    int planar; /* NCHW */
    /* out = (float)pixel * scale + shift: the product and the sum rounded apart. */
    float scale[CHAIN_CHANNELS_MAX], shift[CHAIN_CHANNELS_MAX];
};

/* ---- draw ---- */

SLUICE_HD static inline struct chain_draw draw_step(const struct chain *c,
                                                    const struct chain_step *s,
                                                    uint64_t sample, uint32_t epoch)
{
    struct chain_draw d = { 0, 0, 0 };
    /* An alternating flip is random once, at epoch 0, and then every image is turned
     * round in every second epoch: its dice do not know the epoch. */
    const bool alternating = s->op == CHAIN_FLIP_ALTERNATING;
    struct sluice_rng rng =
        sluice_rng_open(c->seed, alternating ? 0 : epoch, sample, s->number);
    switch (s->op) {
    case CHAIN_FLIP:
    case CHAIN_VERTICAL_FLIP:
        d.flip = sluice_rng_unit(&rng) < s->p;
        break;
    case CHAIN_FLIP_ALTERNATING:
        d.flip = (int)((sluice_rng_u32(&rng) >> 31) ^ (epoch & 1));
        break;
    case CHAIN_TRANSLATE:
        d.dy = sluice_rng_range(&rng, -s->size, s->size);
        d.dx = sluice_rng_range(&rng, -s->size, s->size);
        break;
    case CHAIN_CUTOUT:
        d.dy = sluice_rng_range(&rng, 0, c->height - s->size);
        d.dx = sluice_rng_range(&rng, 0, c->width - s->size);
        break;
    }
    return d;
}

/* ---- apply ---- */

/* Where position i of a padded axis of length n comes from; CHAIN_FILLED: nowhere. */
SLUICE_HD static inline int padded_source(int i, int n, enum chain_fill fill)
{
    if (i >= 0 && i < n)
        return i;
    if (fill == CHAIN_FILL_COLOUR)
        return CHAIN_FILLED;
    if (fill == CHAIN_FILL_EDGE)
        return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i; /* pad < n is checked */
}

/* Trace (y, x) back through step s. False: it shows the step's fill colour. */
SLUICE_HD static inline bool trace_step(const struct chain *c,
                                        const struct chain_step *s, struct chain_draw d,
                                        int *y, int *x)
{
    switch (s->op) {
    case CHAIN_FLIP:
    case CHAIN_FLIP_ALTERNATING:
        *x = d.flip ? c->width - 1 - *x : *x;
        return true;
    case CHAIN_VERTICAL_FLIP:
        *y = d.flip ? c->height - 1 - *y : *y;
        return true;
    case CHAIN_TRANSLATE:
        *y = padded_source(*y + d.dy, c->height, s->fill);
        *x = padded_source(*x + d.dx, c->width, s->fill);
        return *y != CHAIN_FILLED && *x != CHAIN_FILLED;
    case CHAIN_CUTOUT:
        return *y < d.dy || *y >= d.dy + s->size || *x < d.dx || *x >= d.dx + s->size;
    }
    return true;
}

SLUICE_HD static inline uint16_t chain_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof(u));
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16); /* never NaN here */
}

/* Round to nearest even; overflow to infinity; subnormals kept. */
SLUICE_HD static inline uint16_t chain_f16(float f)
{
    uint32_t u, sign;
    memcpy(&u, &f, sizeof(u));
    sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u >= 0x477ff000u) /* 65520 */
        return (uint16_t)(sign | 0x7c00u);
    if (u < 0x38800000u) { /* 2^-14: count steps of 2^-24 */
        const uint32_t exponent = u >> 23, shift = exponent < 102 ? 25 : 126 - exponent;
        const uint32_t mantissa = (u & 0x7fffffu) | 0x800000u;
        const uint32_t steps = shift > 24 ? 0 : mantissa >> shift;
        const uint32_t rest = shift > 24 ? 0 : mantissa & ((1u << shift) - 1u);
        const uint32_t half = shift > 24 ? 1 : 1u << (shift - 1);
        return (uint16_t)(sign |
                          (steps + (rest > half || (rest == half && (steps & 1u)))));
    }
    u += 0xfffu + (u >> 13 & 1u);
    return (uint16_t)(sign | ((u - 0x38000000u) >> 13));
}

/* One element of the result. */
SLUICE_HD static inline void chain_store(const struct chain *c, void *out, size_t at,
                                         int channel, uint8_t v)
{
#ifdef __CUDA_ARCH__
    /* nvcc would contract the two into one rounding. */
    const float f =
        __fadd_rn(__fmul_rn((float)v, c->scale[channel]), c->shift[channel]);
#else
    const float product = (float)v * c->scale[channel];
    const float f = product + c->shift[channel];
#endif
    switch (c->type) {
    case CHAIN_F32:
        ((float *)out)[at] = f;
        break;
    case CHAIN_BF16:
        ((uint16_t *)out)[at] = chain_bf16(f);
        break;
    case CHAIN_F16:
        ((uint16_t *)out)[at] = chain_f16(f);
        break;
    case CHAIN_U8:
        ((uint8_t *)out)[at] = v;
        break;
    }
}

/* Pixel (y, x) of the result, all channels: what one thread of the kernel does, and
 * what the reference on the CPU does in a loop. `in` is one image (HWC), `out` its
 * result. */
SLUICE_HD static inline void chain_pixel(const struct chain *c,
                                         const struct chain_draw *draws,
                                         const uint8_t *in, void *out, int y, int x)
{
    const uint8_t *from = (const uint8_t *)0;
    int sy = y, sx = x;
    for (int i = c->steps - 1; i >= 0 && !from; i--)
        if (!trace_step(c, &c->step[i], draws[i], &sy, &sx))
            from = c->step[i].colour;
    if (!from)
        from = in + ((size_t)sy * (size_t)c->width + (size_t)sx) * (size_t)c->channels;
    for (int k = 0; k < c->channels; k++) {
        const size_t pixel = (size_t)y * (size_t)c->width + (size_t)x;
        const size_t at = c->planar
                              ? (size_t)k * (size_t)c->height * (size_t)c->width + pixel
                              : pixel * (size_t)c->channels + (size_t)k;
        chain_store(c, out, at, k, from[k]);
    }
}

/* Pixel number `thread` of block `block` of the kernel's grid: blocks of `threads`
 * threads, `blocks_per_image` of them an image. The CPU test runs the same loop. */
SLUICE_HD static inline void chain_thread(const struct chain *c,
                                          const uint8_t *const *images,
                                          const uint64_t *samples, uint32_t epoch,
                                          void *out, size_t out_bytes, int block,
                                          int blocks_per_image, int thread, int threads)
{
    const int n = block / blocks_per_image;
    const int p = block % blocks_per_image * threads + thread;
    struct chain_draw draws[CHAIN_STEPS_MAX];
    if (p >= c->height * c->width)
        return;
    for (int i = 0; i < c->steps; i++)
        draws[i] = draw_step(c, &c->step[i], samples[n], epoch);
    chain_pixel(c, draws, images[n], (uint8_t *)out + (size_t)n * out_bytes,
                p / c->width, p % c->width);
}

#endif

/* mix.h -- images of a batch mixed in pairs: CutMix (Yun et al. 2019) and MixUp (Zhang
 * et al. 2018). The partner has gone through the same operations, normalize included;
 * mixing is the last thing that happens, to numbers of the result's type. */
#ifndef SLUICE_AUGMENT_MIX_H
#define SLUICE_AUGMENT_MIX_H

#include <sluice/portable.h>

#include "ops/convert.h"
#include "ops/geometry.h"
#include "plan.h"

/* Uniform in (0, 1). */
SLUICE_HD static inline double open_unit(struct sluice_rng *r)
{
    return ((double)(sluice_rng_u32(r) >> 8) + 0.5) * 0x1p-24;
}

/* Beta(alpha, alpha): Joehnk's method up to 1, Cheng's BB above. Both accept at least
 * every fourth try. */
SLUICE_HD static inline double beta_draw(struct sluice_rng *r, double alpha)
{
    if (alpha == 1)
        return open_unit(r);
    for (int i = 0; i < 500 && alpha < 1; i++) {
        const double x = sluice_log(open_unit(r)) / alpha;
        const double y = sluice_log(open_unit(r)) / alpha;
        const double most = x > y ? x : y; /* the powers themselves may be too small */
        const double a = sluice_exp(x - most), b = sluice_exp(y - most);
        if (most + sluice_log(a + b) <= 0)
            return a / (a + b);
    }
    for (int i = 0; i < 500 && alpha > 1; i++) {
        const double beta = sqrt((2 * alpha - 2) / (2 * alpha * alpha - 2 * alpha));
        const double u = open_unit(r), z = u * u * open_unit(r);
        const double v = beta * sluice_log(u / (1 - u));
        const double w = alpha * sluice_exp(v);
        const double gamma = alpha + 1 / beta;
        const double score = gamma * v - 1.3862943611198906;
        if (score + 2 * alpha * sluice_log(2 * alpha / (alpha + w)) >= sluice_log(z))
            return w / (alpha + w);
    }
    return 0.5;
}

/* The box of CutMix: its sides are sqrt(1 - share) of the image's, its centre is
 * uniform, what lies outside is cut off, and the share becomes that of what is left. */
SLUICE_HD static inline void cut_box(struct sluice_mix *m, const struct plan *p,
                                     struct sluice_rng *r, double share)
{
    const double side = sqrt(1 - share);
    const int half_h = (int)(p->height * side) / 2, half_w = (int)(p->width * side) / 2;
    const int x = sluice_rng_range(r, 0, p->width - 1);
    const int y = sluice_rng_range(r, 0, p->height - 1);
    const int bottom = y + half_h < p->height ? y + half_h : p->height;
    const int right = x + half_w < p->width ? x + half_w : p->width;
    m->y = y > half_h ? y - half_h : 0;
    m->x = x > half_w ? x - half_w : 0;
    m->height = bottom - m->y;
    m->width = right - m->x;
    m->share =
        (float)(1 - (double)m->height * m->width / ((double)p->height * p->width));
}

/* Of image `place` of `count`. Batch by batch, all images are mixed alike and image i
 * with i + shift, going around, where the shift is drawn, never 0: batches are in
 * random order, so that any other image is as likely as the next, none is its own
 * partner, and no table is needed. Image by image, each has its own chance, shift and
 * share. The first of several operations that happens is the only one. */
SLUICE_HD static inline void mix_draw(struct sluice_mix *m, const struct plan *p,
                                      int place, int count, uint64_t id,
                                      uint64_t number, uint32_t epoch)
{
    const int first = p->steps + p->posts;
    m->partner = place;
    m->share = 1;
    m->y = m->x = m->height = m->width = 0;
    for (int k = first; k < first + p->mixes && count > 1; k++) {
        const struct step *s = &p->step[k];
        struct draw_key key;
        key.seed = p->seed;
        key.sample = s->each ? id : number;
        key.epoch = epoch;
        key.number = s->number;
        struct sluice_rng r = draw_stream(&key);
        if (!(sluice_rng_unit(&r) < s->p))
            continue;
        m->partner = (place + sluice_rng_range(&r, 1, count - 1)) % count;
        const double share = beta_draw(&r, (double)s->alpha);
        m->share = (float)share;
        if (s->op == OP_cutmix)
            cut_box(m, p, &r, share);
        return;
    }
}

/* Whether the partner shows at this place, wholly or in part. */
SLUICE_HD static inline int mix_shows(const struct sluice_mix *m, int y, int x)
{
    if (m->share >= 1)
        return 0;
    return !m->height ||
           (y >= m->y && y < m->y + m->height && x >= m->x && x < m->x + m->width);
}

/* An element's bits, and the number that they mean. */
SLUICE_HD static inline uint32_t load_bits(const struct plan *p, const void *image,
                                           size_t at)
{
    return p->dtype == SLUICE_U8    ? ((const uint8_t *)image)[at]
           : p->dtype == SLUICE_F32 ? ((const uint32_t *)image)[at]
                                    : ((const uint16_t *)image)[at];
}

SLUICE_HD static inline void store_bits(const struct plan *p, void *image, size_t at,
                                        uint32_t bits)
{
    if (p->dtype == SLUICE_U8)
        ((uint8_t *)image)[at] = (uint8_t)bits;
    else if (p->dtype == SLUICE_F32)
        ((uint32_t *)image)[at] = bits;
    else
        ((uint16_t *)image)[at] = (uint16_t)bits;
}

SLUICE_HD static inline float bits_number(const struct plan *p, uint32_t bits)
{
    return p->dtype == SLUICE_U8    ? (float)bits
           : p->dtype == SLUICE_F32 ? bits_float(bits)
           : p->dtype == SLUICE_F16 ? f16_number((uint16_t)bits)
                                    : bf16_number((uint16_t)bits);
}

/* Three roundings. */
SLUICE_HD static inline float blend_numbers(float a, float b, float share)
{
    const float rest = 1 - share, one = a * share, other = b * rest;
    return one + other;
}

/* An element from itself and its partner's, where the partner shows. */
SLUICE_HD static inline uint32_t mix_bits(const struct plan *p,
                                          const struct sluice_mix *m, uint32_t own,
                                          uint32_t partner)
{
    if (m->height)
        return partner;
    const float v =
        blend_numbers(bits_number(p, own), bits_number(p, partner), m->share);
    return p->dtype == SLUICE_U8 ? (uint8_t)rintf(v) : type_bits(p, v);
}

#endif

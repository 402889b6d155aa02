/* ops.h -- from a step's number to its functions, for both compilers: a switch, since
 * a table of functions would not be the same on CPU and GPU. */
#ifndef SLUICE_AUGMENT_OPS_H
#define SLUICE_AUGMENT_OPS_H

#include "ops/affine.h"
#include "ops/change.h"
#include "ops/colour.h"
#include "ops/counted.h"
#include "ops/erase.h"
#include "ops/fused.h"
#include "ops/geometry.h"
#include "ops/jitter.h"
#include "ops/neighbours.h"
#include "ops/policy.h"
#include "plan.h"

SLUICE_HD SLUICE_APART static inline void step_draw(struct draw *d,
                                                    const struct plan *p, int step,
                                                    uint64_t sample, uint32_t epoch)
{
    const struct step *s = &p->step[step];
    struct draw_key key;
    key.seed = p->seed;
    key.sample = sample;
    key.epoch = epoch;
    key.number = s->number;
    d->on = 0;
    switch (s->member ? OP_COUNT : (int)s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_draw(d, s, p, &key);                                                    \
        break;
        DRAWN_OPS(OP)
#undef OP
    default:
        break;
    }
}

SLUICE_HD static inline enum op_class step_class(const struct plan *p, int step)
{
    if (p->step[step].member)
        return OP_FINAL;
    switch (p->step[step].op) {
#define OP(name) case OP_##name:
        GATHER_OPS(OP)
        return OP_GATHER;
        POINT_OPS(OP)
        return OP_POINT;
        FINAL_OPS(OP)
        return OP_FINAL;
#undef OP
    default:
        return OP_IMAGE;
    }
}

SLUICE_HD static inline int step_counts(const struct draw *d, const struct plan *p,
                                        int step)
{
    switch (d->on ? p->step[step].op : OP_COUNT) {
#define OP(name) case OP_##name:
        COUNT_OPS(OP)
        return 1;
        POLICY_OPS(OP)
        return change_counts(&d->u.change);
#undef OP
    default:
        return 0;
    }
}

/* 1, and the place that is shown; 0: the fill colour. Other classes stay in place. */
SLUICE_HD static inline int step_source(const struct draw *d, const struct plan *p,
                                        int step, int *y, int *x)
{
    const struct step *s = &p->step[step];
    switch (s->member ? OP_COUNT : (int)s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        return name##_source(d, s, p, y, x);
        GATHER_OPS(OP)
#undef OP
    default:
        return 1;
    }
}

SLUICE_HD static inline void step_value(const struct draw *d, const struct plan *p,
                                        int step, uint8_t *v)
{
    const struct step *s = &p->step[step];
    switch (s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        if (d->on)                                                                     \
            name##_value(s, p, v);                                                     \
        break;
        POINT_OPS(OP)
#undef OP
    default:
        break;
    }
}

SLUICE_HD static inline void step_count(const struct draw *d, const struct plan *p,
                                        int step, const uint8_t *v, struct counts *n)
{
    const struct step *s = &p->step[step];
    switch (s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_count(d, s, p, v, n);                                                   \
        break;
        COUNT_OPS(OP)
#undef OP
#define OP(name) case OP_##name:
        POLICY_OPS(OP)
        change_count(&d->u.change, p, v, n);
        break;
#undef OP
    default:
        break;
    }
}

SLUICE_HD static inline void step_settle(const struct draw *d, const struct plan *p,
                                         int step, struct counts *n, int channel)
{
    const struct step *s = &p->step[step];
    switch (s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_settle(d, s, n, channel);                                               \
        break;
        COUNT_OPS(OP)
#undef OP
#define OP(name) case OP_##name:
        POLICY_OPS(OP)
        change_settle(&d->u.change, s, n, channel);
        break;
#undef OP
    default:
        break;
    }
}

/* Whether an IMAGE step computes a pixel from other places of its input (it "nears");
 * if not, only from the same place. */
SLUICE_HD static inline int step_nears(const struct draw *d, const struct plan *p,
                                       int step)
{
    switch (d->on ? p->step[step].op : OP_COUNT) {
#define OP(name) case OP_##name:
        NEAR_OPS(OP)
        return 1;
        POLICY_OPS(OP)
        return change_moves(&d->u.change);
#undef OP
    default:
        return 0;
    }
}

/* Pixel (y, x) of the output of a step that nears. */
SLUICE_HD static inline void step_near(const struct draw *d, const struct plan *p,
                                       int step, const struct view *in, int y, int x,
                                       uint8_t *v)
{
    const struct step *s = &p->step[step];
    switch (s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_near(d, s, in, y, x, v);                                                \
        break;
        NEAR_OPS(OP)
#undef OP
#define OP(name) case OP_##name:
        POLICY_OPS(OP)
        change_near(&d->u.change, s, in, y, x, v);
        break;
#undef OP
    default:
        break;
    }
}

/* A pixel of the output of an IMAGE step that does not near. */
SLUICE_HD static inline void step_pixel(const struct draw *d, const struct plan *p,
                                        int step, const struct counts *n,
                                        const uint8_t *from, uint8_t *v)
{
    const struct step *s = &p->step[step];
    switch (d->on ? s->op : OP_COUNT) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_pixel(d, s, p, n, from, v);                                             \
        break;
        COUNT_OPS(OP)
#undef OP
#define OP(name) case OP_##name:
        POLICY_OPS(OP)
        change_pixel(&d->u.change, p, n, from, v);
        break;
#undef OP
    default:
        copy_pixel(p, from, v);
    }
}

/* Pixel (y, x) of an IMAGE step's output. */
SLUICE_HD static inline void step_image(const struct draw *d, const struct plan *p,
                                        int step, const struct counts *n,
                                        const uint8_t *src, int y, int x, uint8_t *v)
{
    const struct step *s = &p->step[step];
    struct view in;
    in.pixels = src;
    in.fill = s->fill;
    in.channels = in.across = p->channels;
    in.deep = 1;
    for (int c = 0; c < CHANNELS_MAX; c++)
        v[c] = 0;
    if (step_nears(d, p, step))
        step_near(d, p, step, &in, y, x, v);
    else
        step_pixel(d, p, step, n, src + ((size_t)y * s->width + x) * p->channels, v);
}

/* Pixel (y, x) after steps begin .. end-1 of the image `src`: back through the steps
 * to where it comes from, then forward with what they make of it. n: the counts of the
 * first step, if it counts. */
SLUICE_HD static inline void stage_pixel(const struct plan *p, int begin, int end,
                                         const struct draw *draws,
                                         const struct counts *n, const uint8_t *src,
                                         int y, int x, uint8_t pixel[CHANNELS_MAX])
{
    const int image = begin < end && step_class(p, begin) == OP_IMAGE;
    int k = end, filled = 0;
    while (k > begin && !filled) {
        k--;
        filled = !step_source(&draws[k], p, k, &y, &x);
    }
    if (filled && p->step[k].fill_mode == FILL_NOISE)
        noise_pixel(&draws[k], &p->step[k], y, x, pixel);
    else if (filled)
        copy_pixel(p, p->step[k].fill, pixel);
    else if (image)
        step_image(&draws[begin], p, begin, n, src, y, x, pixel);
    else
        copy_pixel(p, src + ((size_t)y * given_width(p, begin) + x) * p->channels,
                   pixel);
    for (; k < end; k++)
        step_value(&draws[k], p, k, pixel);
}

/* Whether a step behind the conversion erases this pixel, and to what in `channel`. */
SLUICE_HD static inline int erased(const struct plan *p, const struct draw *draws,
                                   int y, int x, int channel, float *to)
{
    for (int k = p->steps + p->posts - 1; k >= p->steps; k--)
        if (draws[k].on && inside(&draws[k].u.rect, y, x)) {
            *to = p->step[k].fill_mode == FILL_NOISE
                      ? noise_number(&draws[k], &p->step[k], y, x, channel)
                      : 0;
            return 1;
        }
    return 0;
}

#endif

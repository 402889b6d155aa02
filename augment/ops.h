/* ops.h -- from a step's number to its functions, for both compilers: a switch, since
 * a table of functions would not be the same on CPU and GPU. */
#ifndef SLUICE_AUGMENT_OPS_H
#define SLUICE_AUGMENT_OPS_H

#include "ops/geometry.h"
#include "plan.h"

SLUICE_HD static inline void step_draw(struct draw *d, const struct plan *p, int step,
                                       uint64_t sample, uint32_t epoch)
{
    const struct step *s = &p->step[step];
    struct draw_key key;
    key.seed = p->seed;
    key.sample = sample;
    key.epoch = epoch;
    key.number = s->number;
    switch (s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        name##_draw(d, s, p, &key);                                                    \
        break;
        GATHER_OPS(OP)
#undef OP
    default:
        break;
    }
}

SLUICE_HD static inline int step_source(const struct draw *d, const struct plan *p,
                                        int step, int *y, int *x)
{
    const struct step *s = &p->step[step];
    switch (s->op) {
#define OP(name)                                                                       \
    case OP_##name:                                                                    \
        return name##_source(d, s, p, y, x);
        GATHER_OPS(OP)
#undef OP
    default:
        return 1;
    }
}

SLUICE_HD static inline enum op_class step_class(const struct plan *p, int step)
{
    switch (p->step[step].op) {
#define OP(name) case OP_##name:
        GATHER_OPS(OP)
        return OP_GATHER;
        FINAL_OPS(OP)
        return OP_FINAL;
#undef OP
    default:
        return OP_IMAGE;
    }
}

/* Pixel (y, x) after steps begin .. end-1 of the image `src`: back through the steps
 * to where it comes from, then forward with what they make of it. */
SLUICE_HD static inline void stage_pixel(const struct plan *p, int begin, int end,
                                         const struct draw *draws, const uint8_t *src,
                                         int y, int x, uint8_t pixel[CHANNELS_MAX])
{
    const uint8_t *from = 0;
    for (int k = end - 1; k >= begin && !from; k--)
        if (!step_source(&draws[k], p, k, &y, &x))
            from = p->step[k].fill;
    if (!from)
        from = src + ((size_t)y * p->width + x) * p->channels;
    for (int c = 0; c < p->channels; c++)
        pixel[c] = from[c];
}

#endif

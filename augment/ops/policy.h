/* policy.h -- AutoAugment (Cubuk et al. 2019, the policy found on CIFAR-10),
 * RandAugment (Cubuk et al. 2020) and TrivialAugment's wide space (Mueller, Hutter
 * 2021), as torchvision has them.
 *
 * AutoAugment and RandAugment are several steps with one stream: step `turn` draws from
 * a block of its own, and what all turns share is in the stream's first. */
#ifndef SLUICE_AUGMENT_POLICY_H
#define SLUICE_AUGMENT_POLICY_H

#include "ops/change.h"
#include "plan.h"

enum {
    AUTO_POLICIES = 25,
    AUTO_BINS = 10,
};

SLUICE_HD static inline struct sluice_rng policy_block(const struct draw_key *key,
                                                       int block)
{
    struct sluice_rng r = draw_stream(key);
    r.counter[0] += (uint32_t)block;
    return r;
}

SLUICE_HD static inline struct change_reach usual_reach(const struct step *s)
{
    struct change_reach most;
    most.shear = 0.3f;
    most.across = (float)(150.0 / 331.0 * s->width);
    most.down = (float)(150.0 / 331.0 * s->height);
    most.degrees = 30;
    most.factor = 0.9f;
    most.lost_bits = 4;
    return most;
}

SLUICE_HD static inline struct change_reach wide_reach(void)
{
    struct change_reach most;
    most.shear = most.factor = 0.99f;
    most.across = most.down = 32;
    most.degrees = 135;
    most.lost_bits = 6;
    return most;
}

/* One of a policy's two operations: what, how often in tenths, how much. */
struct auto_part {
    int kind, tenths, bin;
};

SLUICE_HD static inline struct auto_part auto_part(int policy, int turn)
{
/* clang-format off */
#define PART(kind, tenths, bin) (CHANGE_##kind << 8 | (tenths) << 4 | (bin))
    const uint16_t parts[2 * AUTO_POLICIES] = {
        PART(INVERT, 1, 0),       PART(CONTRAST, 2, 6),
        PART(ROTATE, 7, 2),       PART(TRANSLATE_X, 3, 9),
        PART(SHARPNESS, 8, 1),    PART(SHARPNESS, 9, 3),
        PART(SHEAR_Y, 5, 8),      PART(TRANSLATE_Y, 7, 9),
        PART(AUTOCONTRAST, 5, 0), PART(EQUALIZE, 9, 0),
        PART(SHEAR_Y, 2, 7),      PART(POSTERIZE, 3, 7),
        PART(COLOR, 4, 3),        PART(BRIGHTNESS, 6, 7),
        PART(SHARPNESS, 3, 9),    PART(BRIGHTNESS, 7, 9),
        PART(EQUALIZE, 6, 0),     PART(EQUALIZE, 5, 0),
        PART(CONTRAST, 6, 7),     PART(SHARPNESS, 6, 5),
        PART(COLOR, 7, 7),        PART(TRANSLATE_X, 5, 8),
        PART(EQUALIZE, 3, 0),     PART(AUTOCONTRAST, 4, 0),
        PART(TRANSLATE_Y, 4, 3),  PART(SHARPNESS, 2, 6),
        PART(BRIGHTNESS, 9, 6),   PART(COLOR, 2, 8),
        PART(SOLARIZE, 5, 2),     PART(INVERT, 0, 0),
        PART(EQUALIZE, 2, 0),     PART(AUTOCONTRAST, 6, 0),
        PART(EQUALIZE, 2, 0),     PART(EQUALIZE, 6, 0),
        PART(COLOR, 9, 9),        PART(EQUALIZE, 6, 0),
        PART(AUTOCONTRAST, 8, 0), PART(SOLARIZE, 2, 8),
        PART(BRIGHTNESS, 1, 3),   PART(COLOR, 7, 0),
        PART(SOLARIZE, 4, 5),     PART(AUTOCONTRAST, 9, 0),
        PART(TRANSLATE_Y, 9, 9),  PART(TRANSLATE_Y, 7, 9),
        PART(AUTOCONTRAST, 9, 0), PART(SOLARIZE, 8, 3),
        PART(EQUALIZE, 8, 0),     PART(INVERT, 1, 0),
        PART(TRANSLATE_Y, 7, 9),  PART(AUTOCONTRAST, 9, 0),
    };
#undef PART
    /* clang-format on */
    struct auto_part part;
    part.kind = parts[2 * policy + turn] >> 8;
    part.tenths = parts[2 * policy + turn] >> 4 & 15;
    part.bin = parts[2 * policy + turn] & 15;
    return part;
}

SLUICE_HD static inline void autoaugment_draw(struct draw *d, const struct step *s,
                                              const struct plan *p,
                                              const struct draw_key *key)
{
    const struct change_reach most = usual_reach(s);
    struct sluice_rng shared = policy_block(key, 0);
    struct sluice_rng own = policy_block(key, 1 + s->turn);
    const struct auto_part part =
        auto_part((int)sluice_rng_below(&shared, AUTO_POLICIES), s->turn);
    (void)p;
    d->on = (double)sluice_rng_unit(&own) < part.tenths / 10.0;
    set_change(&d->u.change, part.kind, &most, AUTO_BINS, part.bin,
               sluice_rng_range(&own, 0, 1), s);
}

SLUICE_HD static inline void randaugment_draw(struct draw *d, const struct step *s,
                                              const struct plan *p,
                                              const struct draw_key *key)
{
    const struct change_reach most = usual_reach(s);
    struct sluice_rng own = policy_block(key, s->turn);
    const int kind = sluice_rng_range(&own, 0, CHANGE_DRAWN - 1);
    (void)p;
    d->on = kind != CHANGE_IDENTITY;
    set_change(&d->u.change, kind, &most, s->bins, s->magnitude,
               sluice_rng_range(&own, 0, 1), s);
}

SLUICE_HD static inline void trivialaugment_wide_draw(struct draw *d,
                                                      const struct step *s,
                                                      const struct plan *p,
                                                      const struct draw_key *key)
{
    const struct change_reach most = wide_reach();
    struct sluice_rng own = policy_block(key, 0);
    const int kind = sluice_rng_range(&own, 0, CHANGE_DRAWN - 1);
    const int bin = sluice_rng_range(&own, 0, s->bins - 1);
    (void)p;
    d->on = kind != CHANGE_IDENTITY;
    set_change(&d->u.change, kind, &most, s->bins, bin, sluice_rng_range(&own, 0, 1),
               s);
}

#endif

/* fuse.c -- steps behind `geometry:mode=fused`: those that move pixels become members
 * of one step that samples once, see ops/fused.h.
 *
 * Colours do not care where they are, so geometry moves in front of them: in
 * rotate,jitter,perspective both ends are one map. What cares about places or
 * neighbours ends a run: cutout, erase, sharpness, blur, the policies, and borders that
 * are not of one colour. A run of flips and shifts alone stays as it is: that is exact
 * anyhow. */
#include <stdbool.h>
#include <string.h>

#include "ops/fused.h"
#include "registry.h"

enum kind { KIND_OTHER, KIND_COLOUR, KIND_SHIFT, KIND_WARP };

static enum kind kind_of(const struct step *s)
{
    switch (s->op) {
#define OP(name) case OP_##name:
        POINT_OPS(OP)
        COUNT_OPS(OP)
        return KIND_COLOUR;
#undef OP
    case OP_flip:
    case OP_vertical_flip:
    case OP_center_crop:
        return KIND_SHIFT;
    case OP_translate:
        return s->fill_mode == FILL_COLOUR ? KIND_SHIFT : KIND_OTHER;
    case OP_rotate:
    case OP_affine:
    case OP_shear_x:
    case OP_shear_y:
    case OP_translate_x:
    case OP_translate_y:
    case OP_perspective:
        return KIND_WARP;
    default:
        return KIND_OTHER;
    }
}

static bool is_flip(const struct step *s)
{
    return s->op == OP_flip || s->op == OP_vertical_flip;
}

/* Steps already in their new order. */
struct fusing {
    struct step to[STEPS_MAX];
    int count;
    struct sluice_error *err;
};

static int put(struct fusing *f, const struct step *s)
{
    if (f->count == STEPS_MAX)
        return sluice_fail(f->err, SLUICE_EINVAL,
                           "augment: geometry:mode=fused: more than %d operations in a "
                           "pipeline, with one for each fused run",
                           STEPS_MAX);
    f->to[f->count++] = *s;
    return 0;
}

/* What shows beyond the border is one colour, whichever member looks there. */
static int check_fill(struct fusing *f, const struct step *s, int count,
                      const struct step **filled)
{
    *filled = NULL;
    for (int i = 0; i < count; i++) {
        if (kind_of(&s[i]) < KIND_SHIFT || is_flip(&s[i]))
            continue;
        if (*filled && memcmp(s[i].fill, (*filled)->fill, sizeof s[i].fill) != 0)
            return sluice_fail(f->err, SLUICE_EINVAL,
                               "augment: geometry:mode=fused: %s and %s: expected the "
                               "same fill",
                               sluice_augment_def((*filled)->op)->name,
                               sluice_augment_def(s[i].op)->name);
        *filled = &s[i];
    }
    return 0;
}

/* A run, one of whose steps samples: the fused step, its members, then colours, which
 * see the image as the last member leaves it. */
static int fuse_run(struct fusing *f, const struct step *s, int count)
{
    const struct step *filled, *last = NULL;
    int rc = check_fill(f, s, count, &filled);
    if (rc < 0)
        return rc;
    struct step all = *filled;
    all.op = OP_geometry;
    all.height = s[0].height;
    all.width = s[0].width;
    all.members = 0;
    for (int i = 0; i < count; i++)
        all.members += kind_of(&s[i]) >= KIND_SHIFT;
    rc = put(f, &all);
    for (int i = 0; i < count && rc == 0; i++)
        if (kind_of(&s[i]) >= KIND_SHIFT) {
            struct step member = s[i];
            member.member = 1;
            last = &s[i];
            rc = put(f, &member);
        }
    const bool cropped = last->op == OP_center_crop;
    for (int i = 0; i < count && rc == 0; i++)
        if (kind_of(&s[i]) == KIND_COLOUR) {
            struct step colour = s[i];
            colour.height = cropped ? last->size : last->height;
            colour.width = cropped ? last->size : last->width;
            rc = put(f, &colour);
        }
    return rc;
}

int sluice_augment_fuse(struct plan *plan, struct sluice_error *err)
{
    struct fusing f = { .err = err };
    const int behind = plan->posts + plan->mixes;
    int rc = 0;
    if (!plan->fused)
        return 0;
    for (int i = 0, end; i < plan->steps && rc == 0; i = end) {
        bool warps = false;
        for (end = i; end < plan->steps && kind_of(&plan->step[end]); end++)
            warps |= kind_of(&plan->step[end]) == KIND_WARP;
        end += end == i;
        if (warps)
            rc = fuse_run(&f, &plan->step[i], end - i);
        for (int k = i; k < end && !warps && rc == 0; k++)
            rc = put(&f, &plan->step[k]);
    }
    const int steps = f.count;
    for (int k = 0; k < behind && rc == 0; k++)
        rc = put(&f, &plan->step[plan->steps + k]);
    if (rc == 0) {
        memcpy(plan->step, f.to, sizeof plan->step);
        plan->steps = steps;
    }
    return rc;
}

/* registry.c -- every operation: its name, what it does, its options. */
#include "registry.h"

#define AT(member) offsetof(struct parsed, member)

/* clang-format off */
static const struct op_option flip_options[] = {
    { "p", OPTION_REAL, AT(step.p), 0, 1, "0.5", NULL, NULL },
    { "mode", OPTION_FLAG, AT(step.alternating), 0, 1, "random", "random", "alternating" },
    { NULL, 0, 0, 0, 0, NULL, NULL, NULL },
};
static const struct op_option translate_options[] = {
    { "pad", OPTION_INT, AT(step.pad), 0, 4096, NULL, NULL, NULL },
    { "fill", OPTION_FILL, AT(step), 0, 0, "zero", NULL, NULL },
    { NULL, 0, 0, 0, 0, NULL, NULL, NULL },
};
static const struct op_option cutout_options[] = {
    { "size", OPTION_INT, AT(step.size), 1, SIDE_MAX, NULL, NULL, NULL },
    { "fill", OPTION_COLOUR, AT(step), 0, 0, "mean", NULL, NULL },
    { NULL, 0, 0, 0, 0, NULL, NULL, NULL },
};
static const struct op_option normalize_options[] = {
    { "mean", OPTION_MEAN, AT(mean), -1e6, 1e6, "file", NULL, NULL },
    { "std", OPTION_STD, AT(std), 1e-6, 1e6, "file", NULL, NULL },
    { NULL, 0, 0, 0, 0, NULL, NULL, NULL },
};
/* clang-format on */

static int cutout_check(const struct parsed *s, const struct plan *p,
                        struct sluice_error *err)
{
    const int side = p->height < p->width ? p->height : p->width;
    if (s->step.size > side)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: cutout: size=%d: expected 1 to %d, for images of "
                           "%dx%d",
                           s->step.size, side, p->height, p->width);
    return 0;
}

static const struct op_def
    flip = { "flip", "mirror left to right, with probability p or alternating by epoch",
             OP_flip, flip_options, NULL },
    vertical_flip = { "vertical_flip", "mirror top to bottom, with probability p",
                      OP_vertical_flip, flip_options, NULL },
    translate = { "translate",
                  "pad by `pad` on all sides, crop back at a random place; fill is "
                  "zero, "
                  "mean, reflect, edge or R/G/B",
                  OP_translate, translate_options, NULL },
    cutout = { "cutout",
               "one square of `size` at a random place inside; fill is zero, mean or "
               "R/G/B",
               OP_cutout, cutout_options, cutout_check },
    normalize = { "normalize",
                  "(x - mean) / std on the 0..255 scale; without arguments, the file's",
                  OP_normalize, normalize_options, NULL };

const struct op_def *const sluice_augment_defs[OP_COUNT] = {
#define OP(name) [OP_##name] = &name,
    GATHER_OPS(OP) FINAL_OPS(OP)
#undef OP
};

const struct op_alias sluice_augment_aliases[] = {
    { "crop", "translate", "", "the same as translate" },
    { "flip_alternating", "flip", "mode=alternating",
      "the same as flip:mode=alternating" },
    { NULL, NULL, NULL, NULL },
};

static const struct op_alias *alias_at(int i)
{
    const int count = sizeof(sluice_augment_aliases) / sizeof(*sluice_augment_aliases);
    return i >= 0 && i < count - 1 ? &sluice_augment_aliases[i] : NULL;
}

const char *sluice_augment_op_name(int i)
{
    if (i >= 0 && i < OP_COUNT)
        return sluice_augment_defs[i]->name;
    return alias_at(i - OP_COUNT) ? alias_at(i - OP_COUNT)->name : NULL;
}

const char *sluice_augment_op_help(int i)
{
    if (i >= 0 && i < OP_COUNT)
        return sluice_augment_defs[i]->help;
    return alias_at(i - OP_COUNT) ? alias_at(i - OP_COUNT)->help : NULL;
}

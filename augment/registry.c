/* registry.c -- every operation: its name, what it does, its options. */
#include <math.h>

#include <sluice/portable.h>

#include "registry.h"

/* clang-format off */
#define AT(member) offsetof(struct parsed, member)
#define CHANCE(text) { "p", OPTION_REAL, AT(step.p), 0, 1, text, NULL, NULL }
#define FILL(kind, text) { "fill", kind, AT(step), 0, 0, text, NULL, NULL }
#define END { NULL, 0, 0, 0, 0, NULL, NULL, NULL }

static const struct op_option flip_options[] = {
    CHANCE("0.5"),
    { "mode", OPTION_FLAG, AT(step.alternating), 0, 1, "random", "random", "alternating" },
    END,
};
static const struct op_option translate_options[] = {
    { "pad", OPTION_INT, AT(step.pad), 0, 4096, NULL, NULL, NULL },
    FILL(OPTION_FILL, "zero"),
    END,
};
static const struct op_option cutout_options[] = {
    { "size", OPTION_INT, AT(step.size), 1, SIDE_MAX, NULL, NULL, NULL },
    FILL(OPTION_COLOUR, "mean"),
    END,
};
static const struct op_option erase_options[] = {
    CHANCE("0.5"),
    { "scale", OPTION_PAIR, AT(step.area), 0, 1, "0.02/0.33", NULL, NULL },
    { "ratio", OPTION_PAIR, AT(ratio), 0.01, 100, "0.3/3.3", NULL, NULL },
    FILL(OPTION_NOISE, "zero"),
    END,
};
static const struct op_option rotate_options[] = {
    { "degrees", OPTION_REAL, AT(step.degrees), 0, 180, NULL, NULL, NULL },
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option affine_options[] = {
    { "degrees", OPTION_REAL, AT(step.degrees), 0, 180, NULL, NULL, NULL },
    { "translate", OPTION_TWO, AT(step.reach), 0, 1, "0", NULL, NULL },
    { "scale", OPTION_PAIR, AT(step.scale), 0.1, 10, "1", NULL, NULL },
    { "shear", OPTION_TWO, AT(step.shear), 0, 80, "0", NULL, NULL },
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option slide_options[] = {
    { "reach", OPTION_REAL, AT(step.reach[0]), 0, 1, NULL, NULL, NULL },
    CHANCE("0.5"),
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option center_crop_options[] = {
    { "size", OPTION_INT, AT(step.size), 1, SIDE_MAX, NULL, NULL, NULL },
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option blur_options[] = {
    { "kernel", OPTION_INT, AT(step.kernel), 1, 2 * BLUR_HALF - 1, NULL, NULL, NULL },
    { "sigma", OPTION_PAIR, AT(step.scale), 0.01, 100, "0.1/2", NULL, NULL },
    END,
};
static const struct op_option chance_options[] = { CHANCE("0.5"), END };
static const struct op_option grayscale_options[] = { CHANCE("0.1"), END };
static const struct op_option posterize_options[] = {
    { "bits", OPTION_INT, AT(step.bits), 1, 8, NULL, NULL, NULL },
    CHANCE("0.5"),
    END,
};
static const struct op_option solarize_options[] = {
    { "threshold", OPTION_INT, AT(step.threshold), 0, 256, NULL, NULL, NULL },
    CHANCE("0.5"),
    END,
};
static const struct op_option solarize_add_options[] = {
    { "addition", OPTION_INT, AT(step.addition), -255, 255, NULL, NULL, NULL },
    { "threshold", OPTION_INT, AT(step.threshold), 0, 256, "128", NULL, NULL },
    CHANCE("0.5"),
    END,
};
static const struct op_option jitter_options[] = {
    { "brightness", OPTION_REAL, AT(step.jitter[0]), 0, 10, "0", NULL, NULL },
    { "contrast", OPTION_REAL, AT(step.jitter[1]), 0, 10, "0", NULL, NULL },
    { "saturation", OPTION_REAL, AT(step.jitter[2]), 0, 10, "0", NULL, NULL },
    { "hue", OPTION_REAL, AT(step.jitter[3]), 0, 0.5, "0", NULL, NULL },
    END,
};
static const struct op_option factor_options[] = {
    { "factor", OPTION_REAL, AT(step.factor), 0, 100, NULL, NULL, NULL },
    CHANCE("0.5"),
    END,
};
static const struct op_option perspective_options[] = {
    { "distortion", OPTION_REAL, AT(distortion), 0, 1, "0.5", NULL, NULL },
    CHANCE("0.5"),
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option geometry_options[] = {
    { "mode", OPTION_FLAG, AT(step.members), 0, 1, "exact", "exact", "fused" },
    END,
};
static const struct op_option autoaugment_options[] = {
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option randaugment_options[] = {
    { "num_ops", OPTION_INT, AT(num_ops), 1, STEPS_MAX, "2", NULL, NULL },
    { "magnitude", OPTION_INT, AT(step.magnitude), 0, 1000, "9", NULL, NULL },
    { "bins", OPTION_INT, AT(step.bins), 2, 1001, "31", NULL, NULL },
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option trivialaugment_options[] = {
    { "bins", OPTION_INT, AT(step.bins), 2, 1001, "31", NULL, NULL },
    FILL(OPTION_COLOUR, "zero"),
    END,
};
static const struct op_option mix_options[] = {
    { "alpha", OPTION_REAL, AT(step.alpha), 0.01, 100, "1", NULL, NULL },
    CHANCE("1"),
    { "per", OPTION_FLAG, AT(step.each), 0, 0, "batch", "batch", "sample" },
    END,
};
static const struct op_option normalize_options[] = {
    { "mean", OPTION_MEAN, AT(mean), -1e6, 1e6, "file", NULL, NULL },
    { "std", OPTION_STD, AT(std), 1e-6, 1e6, "file", NULL, NULL },
    END,
};
/* clang-format on */

static int cutout_check(struct parsed *s, const struct plan *p,
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

static int erase_check(struct parsed *s, const struct plan *p, struct sluice_error *err)
{
    (void)p;
    (void)err;
    for (int i = 0; i < 2; i++)
        s->step.log_ratio[i] = sluice_log(s->ratio[i]);
    return 0;
}

static int perspective_check(struct parsed *s, const struct plan *p,
                             struct sluice_error *err)
{
    const int half[2] = { p->height / 2, p->width / 2 };
    (void)err;
    /* Whole pixels; a product such as 0.7 * 10 must count as whole. */
    for (int i = 0; i < 2; i++)
        s->step.inward[i] = (int)floor((double)s->distortion * half[i] + 1e-4);
    return 0;
}

static int center_crop_check(struct parsed *s, const struct plan *p,
                             struct sluice_error *err)
{
    const uint64_t bytes =
        (uint64_t)s->step.size * (uint64_t)s->step.size * (uint64_t)p->channels;
    if (bytes > IMAGE_MAX)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "augment: center_crop: size=%d: images of %dx%dx%d are larger "
            "than %d MiB",
            s->step.size, s->step.size, s->step.size, p->channels, IMAGE_MAX >> 20);
    return 0;
}

/* What is mirrored at the border must be there. */
static int blur_check(struct parsed *s, const struct plan *p, struct sluice_error *err)
{
    const int side = p->height < p->width ? p->height : p->width;
    if (s->step.kernel % 2 == 0 || s->step.kernel / 2 >= side)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: gaussian_blur: kernel=%d: expected an odd number "
                           "below %d, for images of %dx%d",
                           s->step.kernel, 2 * side, p->height, p->width);
    return 0;
}

/* Colours are those of one or three channels. */
static int colour_check(struct parsed *s, const struct plan *p,
                        struct sluice_error *err)
{
    (void)s;
    if (p->channels != 1 && p->channels != 3)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: operations on colours, such as jitter and "
                           "grayscale, take images of 1 or 3 channels, not %d",
                           p->channels);
    return 0;
}

static int autoaugment_check(struct parsed *s, const struct plan *p,
                             struct sluice_error *err)
{
    s->turns = 2;
    return colour_check(s, p, err);
}

static int randaugment_check(struct parsed *s, const struct plan *p,
                             struct sluice_error *err)
{
    s->turns = s->num_ops;
    if (s->step.magnitude >= s->step.bins)
        return sluice_fail(err, SLUICE_EINVAL,
                           "augment: randaugment: magnitude=%d: expected 0 to %d, as "
                           "there are %d bins",
                           s->step.magnitude, s->step.bins - 1, s->step.bins);
    return colour_check(s, p, err);
}

/* clang-format off */
#define DEF(name, help, options, check) [OP_##name] = { #name, help, OP_##name, options, check }

static const struct op_def defs[OP_COUNT] = {
    DEF(flip, "mirror left to right, with probability p or alternating by epoch",
        flip_options, NULL),
    DEF(vertical_flip, "mirror top to bottom, likewise", flip_options, NULL),
    DEF(translate, "pad by `pad` on all sides, crop back at a random place; "
        "fill is zero, mean, reflect, edge or R/G/B", translate_options, NULL),
    DEF(cutout, "one square of `size` at a random place inside; fill is mean, zero or R/G/B",
        cutout_options, cutout_check),
    DEF(erase, "with probability p, a rectangle of `scale` of the image and height/width "
        "`ratio`; fill is zero, mean, random or R/G/B, after normalize zero or random",
        erase_options, erase_check),
    DEF(rotate, "turn by up to `degrees` to either side, nearest pixel", rotate_options, NULL),
    DEF(affine, "turn by up to `degrees`, shift by up to `translate` of the size, scale "
        "by `scale`, shear by up to `shear` degrees; nearest pixel", affine_options, NULL),
    DEF(shear_x, "with probability p, shear by up to `reach` columns a row to either side",
        slide_options, NULL),
    DEF(shear_y, "likewise, by up to `reach` rows a column", slide_options, NULL),
    DEF(translate_x, "with probability p, shift by up to `reach` of the width to either "
        "side", slide_options, NULL),
    DEF(translate_y, "likewise, by up to `reach` of the height", slide_options, NULL),
    DEF(center_crop, "the square of `size` in the middle; what the image lacks is `fill`",
        center_crop_options, center_crop_check),
    DEF(identity, "nothing", NULL, NULL),
    DEF(grayscale, "to grey, with probability p", grayscale_options, colour_check),
    DEF(posterize, "keep the upper `bits` of each byte", posterize_options, NULL),
    DEF(solarize, "invert bytes from `threshold` up", solarize_options, NULL),
    DEF(solarize_add, "add `addition` to bytes below `threshold`", solarize_add_options,
        NULL),
    DEF(brightness, "blend with black by `factor`: 0 black, 1 as it is", factor_options, NULL),
    DEF(color, "blend with grey likewise", factor_options, colour_check),
    DEF(contrast, "blend with the mean grey likewise", factor_options, colour_check),
    DEF(gaussian_blur, "smooth by a Gaussian of `sigma` pixels, cut off at `kernel` pixels",
        blur_options, blur_check),
    DEF(invert, "255 - byte", chance_options, NULL),
    DEF(jitter, "brightness, contrast, saturation (factors 1 - x .. 1 + x) and hue "
        "(-x .. x of the circle), in random order", jitter_options, colour_check),
    DEF(autocontrast, "stretch each channel to 0..255", chance_options, NULL),
    DEF(equalize, "make the values of each channel equally frequent", chance_options, NULL),
    DEF(sharpness, "blend with the smoothed image by `factor`: 0 smooth, 1 as it is",
        factor_options, NULL),
    DEF(perspective, "move each corner inwards by up to `distortion` of half a side",
        perspective_options, perspective_check),
    DEF(geometry, "comes first; fused: flips, shifts, turns and perspectives are composed "
        "and pixels interpolated once", geometry_options, NULL),
    DEF(autoaugment, "one of the 25 pairs of operations found on CIFAR-10",
        autoaugment_options, autoaugment_check),
    DEF(randaugment, "`num_ops` of 14 operations, one after the other, with `magnitude` of `bins`",
        randaugment_options, randaugment_check),
    DEF(trivialaugment_wide, "one of 14 operations, with any of `bins` magnitudes",
        trivialaugment_options, colour_check),
    DEF(normalize, "(x - mean) / std on the 0..255 scale; without arguments, the file's",
        normalize_options, NULL),
    DEF(cutmix, "with probability p, a box shows another image of the batch; shares, of "
        "labels too, are Beta(alpha, alpha)", mix_options, NULL),
    DEF(mixup, "likewise, the weighted mean of two images of the batch", mix_options, NULL),
};
/* clang-format on */

const struct op_def *sluice_augment_def(int id)
{
    return &defs[id];
}

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
        return defs[i].name;
    return alias_at(i - OP_COUNT) ? alias_at(i - OP_COUNT)->name : NULL;
}

const char *sluice_augment_op_help(int i)
{
    if (i >= 0 && i < OP_COUNT)
        return defs[i].help;
    return alias_at(i - OP_COUNT) ? alias_at(i - OP_COUNT)->help : NULL;
}

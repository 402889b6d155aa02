/* registry.c -- every operation. */
#include "op.h"

/* clang-format off */
const struct op_def sluice_augment_registry[] = {
    { "flip", "exchange left and right: p = probability",
      { { "p", ARG_NUMBER, "0.5", 0, 1 } }, CHAIN_FLIP, false },
    { "flip_alternating", "flip half of the images in epoch 0, then each in every second epoch",
      { { NULL, 0, NULL, 0, 0 } }, CHAIN_FLIP_ALTERNATING, false },
    { "vertical_flip", "exchange top and bottom: p = probability",
      { { "p", ARG_NUMBER, "0.5", 0, 1 } }, CHAIN_VERTICAL_FLIP, false },
    { "translate", "shift by up to `pad` pixels: fill = zero, mean, reflect, edge or a colour",
      { { "pad", ARG_INT, NULL, 1, 4096 }, { "fill", ARG_FILL, "zero", 0, 255 } },
      CHAIN_TRANSLATE, false },
    { "crop", "the same as translate: pad, then cut the old size out at a random place",
      { { "pad", ARG_INT, NULL, 1, 4096 }, { "fill", ARG_FILL, "zero", 0, 255 } },
      CHAIN_TRANSLATE, false },
    { "cutout", "one square of `size` pixels: fill = mean, zero or a colour",
      { { "size", ARG_INT, NULL, 1, 4096 }, { "fill", ARG_COLOUR, "mean", 0, 255 } },
      CHAIN_CUTOUT, false },
    { "normalize", "(pixel - mean) / std, on the 0..255 scale: the file's own numbers",
      { { "mean", ARG_LIST, NULL, 0, 255 }, { "std", ARG_LIST, NULL, 1e-6, 255 } },
      0, true },
    { NULL, NULL, { { NULL, 0, NULL, 0, 0 } }, 0, false },
};
/* clang-format on */

const char *sluice_augment_op_name(int i)
{
    const int count =
        sizeof(sluice_augment_registry) / sizeof(sluice_augment_registry[0]);
    return i >= 0 && i < count ? sluice_augment_registry[i].name : NULL;
}

const char *sluice_augment_op_help(int i)
{
    return sluice_augment_op_name(i) ? sluice_augment_registry[i].help : NULL;
}

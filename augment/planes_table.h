/* planes_table.h -- one set of the loops, under the name PLANES: included once for each
 * instruction set. */
#include <string.h>

#include "planes.h"

#include "planes_colour.h"
#include "planes_move.h"

const struct planes PLANES = {
    .name = PLANES_NAME,
    .interleave = interleave,
    .and_bits = and_bits,
    .solarize = solarize,
    .solarize_add = solarize_add,
    .blend = blend_with,
    .saturate = saturate,
    .turn_hue = turn_hue,
    .to_grey = to_grey,
    .sum_grey = sum_grey,
    .count = count_values,
    .look_up = look_up_values,
    .sharpen = sharpen,
    .blur = blur,
    .affine = affine,
    .warp = warp,
};

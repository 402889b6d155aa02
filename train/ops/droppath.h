/* droppath.h -- what each image's branch is multiplied by: a pure function of (seed,
 * step, operator, image), the same on every device and drawn again in backward. Draws
 * are those of dropout.h, element n for image n; with one draw a batch, element 0 for
 * all. */
#ifndef SLUICE_DROPPATH_H
#define SLUICE_DROPPATH_H

#include "dropout.h"
#include "op.h"

static inline float droppath_factor(const struct op *op, const struct pass *pass,
                                    size_t image)
{
    const float p = op->attr.p;
    const size_t element = op->attr.per_sample ? image : 0;
    uint32_t words[4];
    if (!pass->training)
        return op->attr.scaling == DROP_EXPECTED ? 1 - p : 1;
    dropout_words(pass->seed, pass->step, op->number, element / 4, words);
    if (words[element % 4] < dropout_threshold(p))
        return 0;
    return op->attr.scaling == DROP_INVERTED ? 1 / (1 - p) : 1;
}

#endif

/* conv_skip.h -- convolutions by one pixel with a stride, which read some pixels and
 * skip the others: as ones without a stride over copies of what is read.
 *
 * oneDNN does this by itself, but (2.6, AVX-512) writes behind its copies where there
 * are several threads and channels fill no vector, and returns wrong gradients. */
#ifndef SLUICE_CONV_SKIP_H
#define SLUICE_CONV_SKIP_H

#include <stdbool.h>

#include "../device_cpu.h"
#include "../device_onednn.h"

struct conv_skip;

bool conv_skip_fits(const struct onednn_shape *shape);

/* *shape becomes that of the convolution over the copies. */
int conv_skip_create(struct conv_skip **out, struct onednn_shape *shape,
                     struct sluice_error *err);
void conv_skip_free(struct conv_skip *skip); /* NULL is fine */

/* The copies, (n, oh, ow, c): good until the next call. */
void *conv_skip_pixels(struct conv_skip *skip);
const void *conv_skip_take(struct conv_skip *skip, const struct device *dev,
                           const void *x);
/* From the copies' gradients those of all pixels. */
void conv_skip_spread(struct conv_skip *skip, const struct device *dev, void *dx);

#endif

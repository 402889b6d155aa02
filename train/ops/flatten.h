/* flatten.h -- what the host's versions of flatten share. */
#ifndef SLUICE_FLATTEN_H
#define SLUICE_FLATTEN_H

#include "backends.h"

/* Image n of the batch from (h, w, c) to (c, h, w), or back. */
void flatten_image(const struct op *op, size_t n, bool back, const void *from,
                   void *to);

#endif

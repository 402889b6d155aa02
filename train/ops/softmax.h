/* softmax.h -- what the host's versions of softmax share. */
#ifndef SLUICE_SOFTMAX_H
#define SLUICE_SOFTMAX_H

#include "backends.h"

/* Elements first ... first + c - 1; dx may not be x. */
void softmax_forward_row(enum sluice_dtype dtype, const void *x, void *y, size_t first,
                         size_t c);
void softmax_backward_row(enum sluice_dtype dtype, const void *x, const void *dy,
                          void *dx, size_t first, size_t c);

#endif

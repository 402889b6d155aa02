/* rows.h -- the fast way through a chain on the CPU: row by row.
 *
 * All that the steps do to the columns is the same in every row, so it is worked out
 * once an image as a list of source bytes; rows are then permuted by it, patched where
 * a step fills, and converted. Byte for byte what chain_pixel gives. */
#ifndef SLUICE_AUGMENT_ROWS_H
#define SLUICE_AUGMENT_ROWS_H

#include <sluice/error.h>
#include <sluice/image.h>

#include "chain.h"

enum { ROW_BYTES_MAX = 4096 };

/* The chain is one that rows can do: at most one translate, cutouts behind it. */
bool sluice_rows_supports(const struct chain *c);
/* "avx512" or "plain": which conversion this CPU runs for this chain. */
const char *sluice_rows_path(const struct chain *c);
void sluice_rows_apply(const struct chain *c, const struct sluice_image *in, void *out);

#endif

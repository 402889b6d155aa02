/* newton_schulz.h -- Muon's iterations by the CPU's matrix tiles: products of bf16
 * values with float sums, the matrix itself stays float. */
#ifndef SLUICE_NEWTON_SCHULZ_H
#define SLUICE_NEWTON_SCHULZ_H

#include <stdbool.h>
#include <stddef.h>

#include "../device.h"

/* Has this device tiles, and are its activations bf16? */
bool newton_schulz_fits(const struct device *dev);

/* Floats of work space, for rows <= cols. */
size_t newton_schulz_work(int rows, int cols);

/* x (rows, cols) = a x + (b A + c A A) x with A = x x^T; rows <= cols. `work` is
 * aligned to 64 bytes. The result does not depend on the number of threads. */
void newton_schulz(const struct device *dev, float *x, int rows, int cols,
                   const float abc[3], float *work);

#endif

/* scalar.h -- one scalar value to the bytes of its column. */
#ifndef SLUICE_SCALAR_H
#define SLUICE_SCALAR_H

#include <sluice/writer.h>

/* Fill sluice_dtype_size(dtype) bytes, little-endian; reals are rounded to the nearest,
 * ties to even. -1: the integer does not fit. */
int scalar_encode(uint8_t raw[8], enum sluice_dtype dtype,
                  const struct sluice_value *v);

#endif

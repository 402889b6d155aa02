/* npy.h -- tables of floats as NumPy's files, version 1.0
 * (https://numpy.org/neps/nep-0001-npy-format.html). */
#ifndef SLUICE_NPY_H
#define SLUICE_NPY_H

#include <stdint.h>

#include <sluice/error.h>

enum {
    NPY_HEADER = 128, /* bytes in front of the values, for any numbers */
};

/* The header of little-endian floats, (rows, columns). */
void npy_header(char header[NPY_HEADER + 1], uint64_t rows, int columns);
/* A file that is whole or not there: values is (rows, columns). */
int npy_write(const char *path, const float *values, uint64_t rows, int columns,
              struct sluice_error *err);

#endif

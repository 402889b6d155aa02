/* npy.c -- see npy.h. */
#include "npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "whole_file.h"

/* The values lie at multiples of 64 bytes. */
void npy_header(char header[NPY_HEADER + 1], uint64_t rows, int columns)
{
    static const char magic[] = "\x93NUMPY\x01";
    const int rest = NPY_HEADER - 10;
    char text[NPY_HEADER];
    const int n = snprintf(text, sizeof text,
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRIu64
                           ", %d), }",
                           rows, columns);
    memset(header, 0, 10);
    memcpy(header, magic, sizeof magic - 1);
    header[8] = (char)rest;
    snprintf(header + 10, NPY_HEADER - 9, "%-*.*s", rest - 1, n, text);
    header[NPY_HEADER - 1] = '\n';
}

int npy_write(const char *path, const float *values, uint64_t rows, int columns,
              struct sluice_error *err)
{
    char header[NPY_HEADER + 1];
    npy_header(header, rows, columns);
    const struct file_part parts[] = {
        { header, NPY_HEADER },
        { values, (size_t)rows * (size_t)columns * sizeof *values },
    };
    return whole_file_replace(path, parts, 2, err);
}

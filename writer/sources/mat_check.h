/* mat_check.h -- whether the compressed elements of a MATLAB file of version 5 are
 * whole: libmatio reads as many bytes as it wants, and never comes to their Adler-32.
 */
#ifndef SLUICE_MAT_CHECK_H
#define SLUICE_MAT_CHECK_H

#include <sluice/error.h>

/* A file of another version has nothing to check. */
int mat_check(const char *path, struct sluice_error *err);

#endif

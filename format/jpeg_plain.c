/* jpeg_plain.c -- the kernels of jpeg_kernels.h, for any CPU. */
#define JPEG_NAME sluice_jpeg_plain
#define JPEG_TEXT "plain"
#include "jpeg_idct_plain.h"
/* behind the transform: */
#include "jpeg_rows.h"

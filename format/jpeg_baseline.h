/* jpeg_baseline.h -- a decoder for the common kind of JPEG, faster than libjpeg's and
 * of the same pixels: sequential, Huffman codes, 8 bits, one scan; grey, or YCbCr of
 * 4:4:4, 4:2:2 or 4:2:0.
 *
 * libjpeg reads the header, and judges everything else: whatever is unusual or damaged
 * is not decoded here, so that there is one opinion of it. */
#ifndef SLUICE_JPEG_BASELINE_H
#define SLUICE_JPEG_BASELINE_H

#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>

#include <sluice/jpeg.h>

#include "jpeg_kernels.h"

/* Reused from picture to picture; one thread's. NULL: no memory. */
struct jpeg_baseline *sluice_jpeg_baseline_create(void);
void sluice_jpeg_baseline_free(struct jpeg_baseline *b); /* NULL is fine */

/* Part `r` of the picture whose header `info` has read, into `out`. False: not decoded,
 * and what is in `out` means nothing; `info` is as it was. More than `memory` bytes are
 * not taken. Seconds spent are added to `times`. */
bool sluice_jpeg_baseline_decode(struct jpeg_baseline *b,
                                 const struct jpeg_kernels *kernels,
                                 const struct jpeg_decompress_struct *info,
                                 const struct sluice_jpeg_rect *r, int channels,
                                 size_t memory, uint8_t *out,
                                 struct sluice_jpeg_times *times);

#endif

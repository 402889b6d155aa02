/* decode.h -- a stored sample into pixels of the loader's shape: which part of it, and
 * scaled. */
#ifndef SLUICE_LOADER_DECODE_H
#define SLUICE_LOADER_DECODE_H

#include <sluice/inflate.h>
#include <sluice/jpeg.h>

#include "resize.h"

struct sluice_loader;

/* What a thread needs for it; zero at first. */
struct sluice_decoder {
    struct sluice_jpeg *jpeg;
    struct sluice_inflater *inflater;
    struct sluice_jpeg_limits limits; /* set before the first picture */
    enum sluice_jpeg_path path;       /* so is this */
    struct sluice_jpeg_times told;    /* what statistics know of */
    struct resizer resizer;
    uint8_t *plain, *part, *out; /* grown as needed */
    size_t plain_room, part_room, out_room;
    double resize_seconds; /* spent on scaling; the caller may reset it */
};
void sluice_decoder_free(struct sluice_decoder *d);
/* Can JPEGs be decoded so? Asked at open: a picture is not to blame. */
int sluice_decoder_check(const struct sluice_loader *ld, struct sluice_error *err);

/* The part of a (height, width) image that sample `sample` shows in epoch `epoch`.
 * RANDOM: RandomResizedCrop.get_params of torchvision, drawn from Philox. */
struct sluice_jpeg_rect sluice_crop_part(const struct sluice_loader *ld,
                                         uint64_t sample, uint32_t epoch,
                                         uint32_t height, uint32_t width);

/* *pixels: (ld->source), in `bytes` themselves or in the decoder until its next call.
 */
int sluice_decode(const struct sluice_loader *ld, struct sluice_decoder *d,
                  uint64_t sample, uint32_t epoch, const struct sluice_extent *x,
                  const uint8_t *bytes, const uint8_t **pixels,
                  struct sluice_error *err);
/* The same of the whole image at its own size, into `out` of `capacity` bytes. */
int sluice_decode_whole(const struct sluice_loader *ld, uint64_t sample,
                        const struct sluice_extent *x, const uint8_t *bytes,
                        uint8_t *out, size_t capacity, struct sluice_error *err);

#endif

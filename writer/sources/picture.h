/* picture.h -- one image file's bytes, JPEG or PNG, into what is stored of it. */
#ifndef SLUICE_PICTURE_H
#define SLUICE_PICTURE_H

#include <sluice/jpeg.h>
#include <sluice/rng.h>
#include <sluice/writer.h>

/* How pictures are stored. The middle three are FFCV's write modes of these names. */
enum picture_mode {
    PICTURE_KEEP = 0,       /* JPEGs as they are, others as pixels */
    PICTURE_RAW = 1,        /* pixels */
    PICTURE_JPG = 2,        /* JPEG of `quality`, JPEGs made anew too */
    PICTURE_SMART = 3,      /* JPEG where the pixels take more than `smart` bytes */
    PICTURE_PROPORTION = 4, /* JPEG with probability `proportion` */
};

/* Otherwise a JPEG that becomes a JPEG of the same size keeps its very coefficients:
 * baseline ones their bytes, progressive ones are written anew as baseline, which is
 * faster to decode, where that has the same pixels. */
struct picture_options {
    enum picture_mode mode;
    int quality;       /* of JPEGs that are made */
    uint32_t max_side; /* larger pictures are scaled down by area averages; 0: never */
    uint64_t smart;
    double proportion;
    uint64_t seed; /* of `proportion`, drawn by Philox from (seed, sample) */
    int channels;  /* of pixels: 1 or 3; 0: grey pictures 1, others 3 */
    bool trust;    /* kept JPEGs are not decoded to see whether they are whole */
    bool orient;   /* turn pictures as their EXIF says; JPEGs are then made anew */
    bool sums;     /* for the statistics of the file */
};

/* A thread's tools; zero at first. */
struct picture_work {
    struct sluice_jpeg *decoder;
    uint8_t *pixels, *scaled; /* grown as needed */
    size_t room, scaled_room;
};
void picture_work_free(struct picture_work *w);

/* What is stored. `data` is to be freed, unless it is the file's own. */
struct picture {
    uint8_t *data;
    size_t size;
    enum sluice_codec codec;
    uint32_t height, width, channels;
    struct sluice_pixel_sums sums; /* channels 0: not decoded, or not wanted. Of a JPEG
                                    * that is made, over the pixels it is made of */
};

/* `bytes` must have been allocated; on success it is the picture's, or freed. On
 * failure it stays the caller's. The message does not name the file. */
int picture_make(struct picture *out, struct picture_work *work, uint8_t *bytes,
                 size_t size, uint64_t sample, const struct picture_options *opt,
                 struct sluice_error *err);
/* Size and channels (1 or 3) of the pixels, from the header; as `opt` turns them. */
int picture_measure(struct picture_work *work, const uint8_t *bytes, size_t size,
                    const struct picture_options *opt, uint32_t *height,
                    uint32_t *width, uint32_t *channels, struct sluice_error *err);

/* png.c: values of 8 bits as they are stored: palettes become colours, 16 bits are
 * scaled to 8, transparency is dropped. Not turned; see png_orientation. With `out`
 * NULL only sizes are read, and *channels is set: 1 for grey, else 3; otherwise `out`
 * has room for height * width * *channels. */
int png_decode(const uint8_t *bytes, size_t size, uint8_t *out, uint32_t *height,
               uint32_t *width, uint32_t *channels, struct sluice_error *err);
/* EXIF's, 1 to 8; 1 if it says none. */
int png_orientation(const uint8_t *bytes, size_t size);

/* jpeg_write.c: 1 or 3 channels, 4:2:0, to be freed; the orientation is noted in EXIF
 * if it is not 1. */
int jpeg_encode(const uint8_t *pixels, uint32_t height, uint32_t width,
                uint32_t channels, int quality, int orientation, uint8_t **out,
                size_t *out_size, struct sluice_error *err);
/* Losslessly to baseline; EXIF is kept. *out is NULL where baseline would have other
 * pixels: some coefficients' last bits were never sent. */
int jpeg_to_baseline(const uint8_t *bytes, size_t size, uint8_t **out, size_t *out_size,
                     struct sluice_error *err);

/* turn.c: `in` has height rows of width pixels; `out` has them upright, for EXIF's
 * orientations 1 to 8 (Exif 2.3, JEITA CP-3451C, 4.6.4: from 5 on height and width
 * change places). */
void turn_upright(const uint8_t *in, uint32_t height, uint32_t width, uint32_t channels,
                  int orientation, uint8_t *out);

/* area.c: each output pixel is the average of the area that it covers, weights in
 * 2^-24, rounded once per direction. Sizes only shrink. */
int area_scale(const uint8_t *in, uint32_t height, uint32_t width, uint32_t channels,
               uint8_t *out, uint32_t out_height, uint32_t out_width,
               struct sluice_error *err);

#endif

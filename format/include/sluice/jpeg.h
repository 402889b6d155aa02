/* sluice/jpeg.h -- what SLUICE_CODEC_JPEG means: one JPEG picture into u8 pixels.
 *
 *     struct sluice_jpeg *j;
 *     struct sluice_jpeg_info info;
 *     rc = sluice_jpeg_create(&j, NULL, &err);
 *     rc = sluice_jpeg_begin(j, bytes, size, &info, &err);  // the header
 *     rc = sluice_jpeg_decode(j, NULL, 3, pixels, &err);    // or a part of it
 *     sluice_jpeg_free(j);
 *
 * Pixels are those of libjpeg with the accurate DCT and fancy upsampling, whether the
 * picture is decoded whole or in part. Grey pictures give three equal channels if three
 * are wanted; colour ones their luma (BT.601) if one is. CMYK and YCCK become RGB
 * without a colour profile: with ink values c, m, y, k of 0 to 255 (Adobe stores
 * 255 - ink), R = (255 - k) - round(c (255 - k) / 255), as Pillow does it; one channel
 * is the luma of that.
 *
 * Damage is an error, never pixels: wrong codes, a premature end, missing restart
 * markers. Messages name neither file nor sample: the caller does.
 *
 * Threads: a decoder is used by one thread at a time; it is reused from picture to
 *          picture. */
#ifndef SLUICE_JPEG_H
#define SLUICE_JPEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_jpeg;

/* What is refused before it costs anything. Zero: the default behind the colon. */
struct sluice_jpeg_limits {
    uint64_t pixels; /* width * height: 2^28 */
    size_t memory;   /* bytes that libjpeg may take: 1 GiB */
    int scans;       /* of a progressive picture: 100 */
};

enum sluice_jpeg_colour {
    SLUICE_JPEG_GREY = 1,
    SLUICE_JPEG_RGB = 3,  /* stored as YCbCr or RGB */
    SLUICE_JPEG_CMYK = 4, /* stored as CMYK or YCCK */
};

struct sluice_jpeg_info {
    uint32_t height, width;
    enum sluice_jpeg_colour colour;
    bool progressive;
    int orientation; /* EXIF's, 1 to 8; 1 if there is none */
};

struct sluice_jpeg_rect {
    uint32_t y, x, height, width;
};

/* `limits` NULL: the defaults. On failure *out is NULL. */
int sluice_jpeg_create(struct sluice_jpeg **out,
                       const struct sluice_jpeg_limits *limits,
                       struct sluice_error *err);
void sluice_jpeg_free(struct sluice_jpeg *j); /* NULL is fine */

/* Read the header. `data` is borrowed until decode returns, or the next begin. A
 * picture beyond the limits is SLUICE_EINVAL; one of 12 bits, lossless or of other
 * components SLUICE_EUNBUILT; anything that is no JPEG SLUICE_ECORRUPT. */
int sluice_jpeg_begin(struct sluice_jpeg *j, const void *data, size_t size,
                      struct sluice_jpeg_info *info, struct sluice_error *err);
/* Decode the picture that was begun, or the part `rect` of it, into `pixels`: rect's
 * height * width * channels bytes, HWC without gaps. channels is 1 or 3. Rows below the
 * part are not looked at. One decode per begin. */
int sluice_jpeg_decode(struct sluice_jpeg *j, const struct sluice_jpeg_rect *rect,
                       int channels, uint8_t *pixels, struct sluice_error *err);

/* What decodes. The common kind of picture (sequential, Huffman codes, one scan; grey,
 * or YCbCr of 4:4:4, 4:2:2 or 4:2:0) goes to a decoder of this library's own,
 * everything else to libjpeg, damaged pictures included: pixels, errors and limits are
 * libjpeg's either way. AUTO, the default, takes AVX-512 or AVX2, and libjpeg where
 * the CPU has neither. */
enum sluice_jpeg_path {
    SLUICE_JPEG_AUTO,
    SLUICE_JPEG_LIBJPEG,
    SLUICE_JPEG_PLAIN,
    SLUICE_JPEG_AVX2,
    SLUICE_JPEG_AVX512,
};
/* Decode by this path from now on. SLUICE_EUNBUILT where the CPU or the build lacks it.
 */
int sluice_jpeg_prefer(struct sluice_jpeg *j, enum sluice_jpeg_path path,
                       struct sluice_error *err);
/* The path that decoded the last picture; AUTO: none was decoded yet. */
enum sluice_jpeg_path sluice_jpeg_took(const struct sluice_jpeg *j);

/* Seconds spent in this library's own decoder since creation. */
struct sluice_jpeg_times {
    double entropy; /* Huffman codes */
    double pixels;  /* inverse DCT, upsampling, colour */
};
struct sluice_jpeg_times sluice_jpeg_times(const struct sluice_jpeg *j);

#ifdef __cplusplus
}
#endif
#endif

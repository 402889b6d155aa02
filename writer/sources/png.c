/* png.c -- PNG pictures through libpng, whose errors jump. Values are taken as they are
 * stored: no gamma, no blending. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "exif.h"
#include "picture.h"

enum { PIXELS_MAX = 1 << 28 };

struct reading {
    const uint8_t *at;
    size_t left;
    char message[160];
    png_structp png;
    png_infop info;
    png_bytepp rows;
    uint8_t *out;
    uint32_t height, width, channels;
};

static void take(png_structp png, png_bytep out, size_t size)
{
    struct reading *r = png_get_io_ptr(png);
    if (size > r->left)
        png_error(png, "truncated");
    memcpy(out, r->at, size);
    r->at += size;
    r->left -= size;
}

static void fail_exit(png_structp png, png_const_charp text)
{
    struct reading *r = png_get_error_ptr(png);
    snprintf(r->message, sizeof(r->message), "%s", text);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void read_header(struct reading *r)
{
    png_read_info(r->png, r->info);
    r->height = png_get_image_height(r->png, r->info);
    r->width = png_get_image_width(r->png, r->info);
    if ((uint64_t)r->height * r->width > PIXELS_MAX)
        png_error(r->png, "more than 2^28 pixels");
}

static void read_pixels(struct reading *r)
{
    const size_t row = (size_t)r->width * r->channels;
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    png_set_strip_alpha(r->png);
    if (r->channels == 3)
        png_set_gray_to_rgb(r->png);
    else if (png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_COLOR)
        png_set_rgb_to_gray(r->png, PNG_ERROR_ACTION_NONE, PNG_RGB_TO_GRAY_DEFAULT,
                            PNG_RGB_TO_GRAY_DEFAULT);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != row)
        png_error(r->png, "rows of an unexpected size");
    r->rows = malloc(r->height * sizeof(*r->rows));
    if (!r->rows)
        png_error(r->png, "no memory");
    for (uint32_t y = 0; y < r->height; y++)
        r->rows[y] = r->out + y * row;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
}

/* 0, or -1 with the message filled. */
static int run(struct reading *r)
{
    r->png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, r, fail_exit, ignore_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info) {
        png_destroy_read_struct(&r->png, NULL, NULL);
        snprintf(r->message, sizeof(r->message), "no memory");
        return -1;
    }
    if (setjmp(png_jmpbuf(r->png))) {
        png_destroy_read_struct(&r->png, &r->info, NULL);
        return -1;
    }
    png_set_read_fn(r->png, r, take);
    read_header(r);
    if (r->out)
        read_pixels(r);
    else
        r->channels =
            png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
    png_destroy_read_struct(&r->png, &r->info, NULL);
    return 0;
}

/* Wherever the whole chunk stands; libpng gives only what comes before the pixels. */
int png_orientation(const uint8_t *bytes, size_t size)
{
    int orientation = 1;
    size_t at = 8; /* behind the signature */
    while (at <= size && size - at >= 12) {
        const size_t length = exif_number(bytes + at, 4, 1);
        if (length > size - at - 12)
            break;
        const uint8_t *type = bytes + at + 4;
        if (memcmp(type, "IEND", 4) == 0)
            break;
        if (memcmp(type, "eXIf", 4) == 0 &&
            exif_number(type + 4 + length, 4, 1) ==
                (uint32_t)crc32(0, type, (uInt)(4 + length)))
            exif_tiff_orientation(type + 4, length, &orientation);
        at += 12 + length;
    }
    return orientation;
}

int png_decode(const uint8_t *bytes, size_t size, uint8_t *out, uint32_t *height,
               uint32_t *width, uint32_t *channels, struct sluice_error *err)
{
    struct reading r = { .at = bytes, .left = size, .out = out, .channels = *channels };
    const int rc = run(&r);
    free(r.rows);
    if (rc < 0)
        return sluice_fail(err, SLUICE_ECORRUPT, "PNG: %s", r.message);
    *height = r.height;
    *width = r.width;
    *channels = r.channels;
    return 0;
}

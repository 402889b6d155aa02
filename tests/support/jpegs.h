/* jpegs.h -- JPEG pictures for tests, made with libjpeg. */
#ifndef SLUICE_TEST_JPEGS_H
#define SLUICE_TEST_JPEGS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct jpeg_make {
    int height, width;
    int colours;      /* 1 grey, 3 RGB, 4 CMYK */
    int across, down; /* luma samples per chroma sample: 1 or 2 */
    int progressive;  /* or baseline; 2: the last bits are never sent */
    int quality;      /* 0: 85 */
    int orientation;  /* EXIF's; 0: no EXIF */
    uint32_t seed;    /* of the picture */
};

/* Slopes and noise, so that neighbours differ and no block is alike. */
static inline uint8_t jpeg_make_value(const struct jpeg_make *m, int y, int x, int c)
{
    uint32_t h = m->seed * 2654435761u + (uint32_t)(y * 7919 + x * 104729 + c * 31);
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return (uint8_t)(((x * (3 + c) + y * 2 + (int)m->seed * 17) & 127) + (h & 63));
}

static inline void jpeg_make_exif(struct jpeg_compress_struct *info, int orientation)
{
    uint8_t exif[6 + 8 + 2 + 12 + 4] = "Exif\0\0MM\0*\0\0\0\x8\0\1\x01\x12\0\3\0\0\0\1";
    exif[6 + 8 + 2 + 9] = (uint8_t)orientation;
    jpeg_write_marker(info, JPEG_APP0 + 1, exif, sizeof exif);
}

/* The picture's bytes, to be freed; their number in *size. */
static inline uint8_t *jpeg_make(const struct jpeg_make *m, size_t *size)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long length = 0;
    uint8_t *row = malloc((size_t)m->width * (size_t)m->colours);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &out, &length);
    info.image_height = (JDIMENSION)m->height;
    info.image_width = (JDIMENSION)m->width;
    info.input_components = m->colours;
    info.in_color_space = m->colours == 1   ? JCS_GRAYSCALE
                          : m->colours == 3 ? JCS_RGB
                                            : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, m->quality ? m->quality : 85, TRUE);
    if (m->colours == 3) {
        info.comp_info[0].h_samp_factor = m->across ? m->across : 1;
        info.comp_info[0].v_samp_factor = m->down ? m->down : 1;
    }
    if (m->progressive)
        jpeg_simple_progression(&info);
    if (m->progressive == 2)
        info.num_scans -= 2;
    jpeg_start_compress(&info, TRUE);
    if (m->orientation)
        jpeg_make_exif(&info, m->orientation);
    for (int y = 0; y < m->height; y++) {
        for (int x = 0; x < m->width; x++)
            for (int c = 0; c < m->colours; c++)
                row[x * m->colours + c] = jpeg_make_value(m, y, x, c);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    *size = length;
    return out;
}

#endif

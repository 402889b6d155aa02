/* sheet.h -- a picture of pictures: originals in the first column, what augmentation
 * makes of each beside them. */
#ifndef SLUICE_SHEET_H
#define SLUICE_SHEET_H

#include <sluice/image.h>

struct sheet {
    int rows, columns;
    int height, width; /* of the largest image in it */
    int zoom;          /* pixels of the sheet per pixel of an image */
    int sheet_height, sheet_width;
    uint8_t *pixels; /* (sheet_height, sheet_width, 3) */
};

/* A blank sheet with a gap between cells and a wider one behind the first column. */
int sheet_create(struct sheet *s, int rows, int columns, int height, int width,
                 int zoom, struct sluice_error *err);
void sheet_free(struct sheet *s); /* a zeroed one is fine */

/* An image (u8, HWC, 1 or 3 channels) into the middle of its cell. */
void sheet_put(struct sheet *s, int row, int column, const struct sluice_image *image);

/* As PNG, complete or not at all. */
int sheet_write(const struct sheet *s, const char *path, struct sluice_error *err);

#endif

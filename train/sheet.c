/* sheet.c -- see sheet.h. */
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "run_dir.h"
#include "sheet.h"

enum { GAP = 4, FIRST_GAP = 16, SIDE_MOST = 30000 };

int sheet_create(struct sheet *s, int rows, int columns, int height, int width,
                 int zoom, struct sluice_error *err)
{
    const long long high = GAP + (long long)rows * (height * zoom + GAP);
    const long long wide =
        FIRST_GAP + (long long)columns * ((long long)width * zoom + GAP);
    *s = (struct sheet){ rows, columns, height, width, zoom, 0, 0, NULL };
    if (high > SIDE_MOST || wide > SIDE_MOST)
        return sluice_fail(err, SLUICE_EINVAL,
                           "a sheet of %lld x %lld pixels: expected at most %d: fewer "
                           "--samples or --variants, or a smaller --zoom",
                           wide, high, SIDE_MOST);
    s->sheet_height = (int)high;
    s->sheet_width = (int)wide;
    s->pixels = malloc((size_t)high * (size_t)wide * 3);
    if (!s->pixels)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a sheet of %lld x %lld",
                           wide, high);
    memset(s->pixels, 255, (size_t)high * (size_t)wide * 3);
    return 0;
}

void sheet_free(struct sheet *s)
{
    free(s->pixels);
    s->pixels = NULL;
}

void sheet_put(struct sheet *s, int row, int column, const struct sluice_image *image)
{
    const int zoom = s->zoom, n = image->channels;
    const int top =
        GAP + row * (s->height * zoom + GAP) + (s->height - image->height) * zoom / 2;
    const int left = (column ? FIRST_GAP : GAP) + column * (s->width * zoom + GAP) +
                     (s->width - image->width) * zoom / 2;
    for (int y = 0; y < image->height * zoom; y++)
        for (int x = 0; x < image->width * zoom; x++) {
            const size_t at =
                (size_t)(top + y) * (size_t)s->sheet_width + (size_t)(left + x);
            const size_t from =
                (size_t)(y / zoom) * (size_t)image->width + (size_t)(x / zoom);
            for (int c = 0; c < 3; c++)
                s->pixels[at * 3 + (size_t)c] =
                    image->pixels[from * (size_t)n + (size_t)(n == 3 ? c : 0)];
        }
}

int sheet_write(const struct sheet *s, const char *path, struct sluice_error *err)
{
    png_image image = { .version = PNG_IMAGE_VERSION,
                        .width = (png_uint_32)s->sheet_width,
                        .height = (png_uint_32)s->sheet_height,
                        .format = PNG_FORMAT_RGB };
    struct new_file f;
    int rc = file_begin(&f, path, err);
    if (rc < 0)
        return rc;
    if (!png_image_write_to_stdio(&image, f.to, 0, s->pixels, 0, NULL)) {
        const int why = errno;
        fclose(f.to);
        remove(f.temporary);
        return sluice_fail(err, SLUICE_EIO, "%.300s: %s: %s", path, image.message,
                           strerror(why));
    }
    return file_commit(&f, err);
}

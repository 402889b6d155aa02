/* resize.h -- scaling u8 images with an antialiased triangle filter: byte for byte what
 * Image.resize(..., BILINEAR) of Pillow up to 12.2 gives, and so what torchvision's
 * transforms give on PIL images. (13.0 changed the order of its passes: at some
 * sizes values differ by 1.)
 *
 * One direction after the other, rows first. Output position i of n has its centre at
 * c = (i + 1/2) * from / n of the source; with s = max(from / n, 1) it sums the
 * positions from trunc(c - s + 1/2) to trunc(c + s + 1/2), weighted by
 * 1 - |x + 1/2 - c| / s, normalised, in fixed point of 22 bits; each pass is rounded to
 * 8 bits. A direction that keeps its size is left out. */
#ifndef SLUICE_LOADER_RESIZE_H
#define SLUICE_LOADER_RESIZE_H

#include <stddef.h>
#include <stdint.h>

enum { RESIZE_BITS = 22, RESIZE_SLACK = 64 };

/* The weights of one direction. */
struct resize_axis {
    int from, to;
    int taps;             /* weights per output position, zeros where it needs fewer */
    int32_t *first;       /* (to) source position of the first weight */
    int32_t *weight;      /* (to, taps) */
    size_t room_to, room; /* allocated */
};

/* Reused from image to image; zero at first. One thread's. */
struct resizer {
    struct resize_axis across, down;
    uint8_t *narrow; /* between the passes */
    size_t room;
};

/* in: (height, width, channels) without gaps, and RESIZE_SLACK bytes behind it that may
 * be read (their values do not matter); out: (to_height, to_width,
 * channels) without gaps; channels 1 or 3. 0 or -ENOMEM. */
int sluice_resize(struct resizer *r, const uint8_t *in, int height, int width,
                  int channels, uint8_t *out, int to_height, int to_width);
void sluice_resize_free(struct resizer *r);

/* The two passes, once for each instruction set; all give the same bytes. */
struct resize_kernels {
    const char *name;
    /* All rows: out (rows, to, channels). `in` may be read to RESIZE_SLACK
     * bytes beyond its end. */
    void (*across)(const struct resize_axis *a, const uint8_t *in, size_t rows,
                   int channels, uint8_t *out);
    /* One output row of `bytes`: rows of `in` are `stride` bytes apart. */
    void (*down)(const struct resize_axis *a, int y, const uint8_t *in, size_t stride,
                 uint8_t *out, size_t bytes);
};
extern const struct resize_kernels sluice_resize_plain, sluice_resize_avx2,
    sluice_resize_avx512, sluice_resize_vnni;
/* The best that this CPU has; tests set another one. */
extern const struct resize_kernels *sluice_resize_use;

#endif

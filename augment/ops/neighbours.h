/* neighbours.h -- pixels made of several: sharpness and perspective as Pillow makes
 * them, blur as torchvision does. */
#ifndef SLUICE_AUGMENT_NEIGHBOURS_H
#define SLUICE_AUGMENT_NEIGHBOURS_H

#include <math.h>

#include <sluice/portable.h>

#include "ops/colour.h"
#include "ops/geometry.h"
#include "plan.h"

/* What a pixel is made of: all channels of an image, or one plane of it. */
struct view {
    const uint8_t *pixels;
    const uint8_t *fill; /* of each channel, beyond the border */
    int channels;
    int across; /* bytes from a pixel to the next of its row */
    int deep;   /* and to its next channel */
};

SLUICE_HD static inline void view_fill(const struct view *in, uint8_t *v)
{
    for (int c = 0; c < CHANNELS_MAX && c < in->channels; c++)
        v[c] = in->fill[c];
}

/* The pixel that is there. */
SLUICE_HD static inline void view_pixel(const struct view *in, int width, int y, int x,
                                        uint8_t *v)
{
    const uint8_t *at = in->pixels + ((size_t)y * width + x) * in->across;
    for (int c = 0; c < CHANNELS_MAX && c < in->channels; c++, at += in->deep)
        v[c] = *at;
}

/* Blend by `factor` with the image smoothed by [1 1 1; 1 5 1; 1 1 1] / 13; its border
 * is not. */
SLUICE_HD static inline void sharpened(const struct step *s, const struct view *in,
                                       int y, int x, float factor, uint8_t *v)
{
    const int w = s->width, n = in->across;
    const uint8_t *at = in->pixels + ((size_t)y * w + x) * n;
    const int border = y == 0 || x == 0 || y == s->height - 1 || x == w - 1;
    for (int c = 0; c < CHANNELS_MAX && c < in->channels; c++, at += in->deep) {
        int sum = 4 * *at;
        if (border) {
            v[c] = *at;
            continue;
        }
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                sum += at[((ptrdiff_t)dy * w + dx) * n];
        v[c] = blend((2 * sum + 13) / 26, *at, factor);
    }
}

SLUICE_HD static inline void sharpness_draw(struct draw *d, const struct step *s,
                                            const struct plan *p,
                                            const struct draw_key *key)
{
    chance_draw(d, s, p, key);
}

SLUICE_HD static inline void sharpness_near(const struct draw *d, const struct step *s,
                                            const struct view *in, int y, int x,
                                            uint8_t *v)
{
    (void)d;
    sharpened(s, in, y, x, s->factor, v);
}

/* Sigma is uniform; the weights of a row are e^(-x^2 / 2 sigma^2), of sum 1. That of
 * the centre is halved, as it counts to both sides. */
SLUICE_HD static inline void gaussian_blur_draw(struct draw *d, const struct step *s,
                                                const struct plan *p,
                                                const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    const double share = (double)sluice_rng_unit(&r);
    const double sigma = s->scale[0] + (s->scale[1] - s->scale[0]) * share;
    const int reach = s->kernel / 2;
    double sum = 1;
    (void)p;
    d->on = 1;
    for (int i = 0; i <= reach; i++) {
        const double at = i / sigma;
        d->u.blur[i] = sluice_exp(-0.5 * (at * at));
        sum += i ? 2 * d->u.blur[i] : 0;
    }
    for (int i = 0; i <= reach; i++)
        d->u.blur[i] = d->u.blur[i] / (i ? sum : 2 * sum);
}

/* Pixels at the same distance are added up first: a quarter of the multiplications. In
 * double, to the nearest byte; the border is mirrored. */
SLUICE_HD static inline void gaussian_blur_near(const struct draw *d,
                                                const struct step *s,
                                                const struct view *in, int y, int x,
                                                uint8_t *v)
{
    const double *weight = d->u.blur;
    const int reach = s->kernel / 2, n = in->across;
    const size_t row = (size_t)s->width * (size_t)n;
    double sum[CHANNELS_MAX] = { 0 };
    for (int dy = 0; dy <= reach; dy++) {
        const uint8_t *upper = in->pixels + (size_t)reflect(y - dy, s->height) * row;
        const uint8_t *lower = in->pixels + (size_t)reflect(y + dy, s->height) * row;
        double part[CHANNELS_MAX] = { 0 };
        for (int dx = 0; dx <= reach; dx++) {
            const int left = reflect(x - dx, s->width) * n;
            const int right = reflect(x + dx, s->width) * n;
            for (int c = 0, at = 0; c < CHANNELS_MAX && c < in->channels;
                 c++, at += in->deep)
                part[c] += weight[dx] * (upper[left + at] + upper[right + at] +
                                         lower[left + at] + lower[right + at]);
        }
        for (int c = 0; c < CHANNELS_MAX && c < in->channels; c++)
            sum[c] += weight[dy] * part[c];
    }
    for (int c = 0; c < CHANNELS_MAX && c < in->channels; c++)
        v[c] = (uint8_t)rint(sum[c]);
}

/* The map from output to source that takes the four corners given to the corners of
 * the image: by way of the unit square. Corners are in the order top left, top right,
 * bottom right, bottom left. */
SLUICE_HD static inline void set_homography(double m[8], const double x[4],
                                            const double y[4], int height, int width)
{
    const double sx = x[0] - x[1] + x[2] - x[3], sy = y[0] - y[1] + y[2] - y[3];
    const double x12 = x[1] - x[2], x32 = x[3] - x[2];
    const double y12 = y[1] - y[2], y32 = y[3] - y[2];
    const double i =
        x12 * y32 - x32 * y12; /* square to corners: [a b c; d e f; g h i] */
    const double g = sx * y32 - x32 * sy, h = x12 * sy - sx * y12;
    const double a = (x[1] - x[0]) * i + g * x[1], b = (x[3] - x[0]) * i + h * x[3];
    const double d = (y[1] - y[0]) * i + g * y[1], e = (y[3] - y[0]) * i + h * y[3];
    const double c = x[0] * i, f = y[0] * i;
    const double one = a * e - b * d; /* of the inverse's adjugate, to be 1 */
    m[0] = (e * i - f * h) * (width - 1) / one;
    m[1] = (c * h - b * i) * (width - 1) / one;
    m[2] = (b * f - c * e) * (width - 1) / one;
    m[3] = (f * g - d * i) * (height - 1) / one;
    m[4] = (a * i - c * g) * (height - 1) / one;
    m[5] = (c * d - a * f) * (height - 1) / one;
    m[6] = (d * h - e * g) / one;
    m[7] = (b * g - a * h) / one;
}

/* Each corner moves inwards by up to `inward` pixels. */
SLUICE_HD static inline void perspective_draw(struct draw *d, const struct step *s,
                                              const struct plan *p,
                                              const struct draw_key *key)
{
    struct sluice_rng r = draw_stream(key);
    double x[4], y[4];
    (void)p;
    d->on = sluice_rng_unit(&r) < s->p;
    for (int i = 0; i < 4; i++) {
        const int right = i == 1 || i == 2, down = i >= 2;
        const int x0 = right ? s->width - 1 - s->inward[1] : 0;
        const int y0 = down ? s->height - 1 - s->inward[0] : 0;
        x[i] = sluice_rng_range(&r, x0, x0 + s->inward[1]);
        y[i] = sluice_rng_range(&r, y0, y0 + s->inward[0]);
    }
    set_homography(d->u.homography, x, y, s->height, s->width);
}

/* Between the four pixels around (sx, sy), in double, then `up` is added and the
 * fraction cut off; beyond the image the fill colour. */
SLUICE_HD static inline void bilinear(const struct step *s, const struct view *in,
                                      double sy, double sx, double up, uint8_t *v)
{
    const int n = in->across, w = s->width, h = s->height;
    if (!(sx >= 0 && sx < w && sy >= 0 && sy < h)) { /* also what is no number */
        view_fill(in, v);
        return;
    }
    sx -= 0.5;
    sy -= 0.5;
    const int ix = (int)floor(sx), iy = (int)floor(sy);
    const double fx = sx - ix, fy = sy - iy;
    const int left = ix < 0 ? 0 : ix, right = ix + 1 < w ? ix + 1 : w - 1;
    const int top = iy < 0 ? 0 : iy, next = iy + 1 < h ? iy + 1 : h - 1;
    const uint8_t *src = in->pixels;
    for (int c = 0; c < CHANNELS_MAX && c < in->channels; c++, src += in->deep) {
        const int a = src[((size_t)top * w + left) * n];
        const int b = src[((size_t)top * w + right) * n];
        const int e = src[((size_t)next * w + left) * n];
        const int f = src[((size_t)next * w + right) * n];
        const double upper = a + (b - a) * fx, lower = e + (f - e) * fx;
        const double value = upper + (lower - upper) * fy;
        v[c] = (uint8_t)(value + up);
    }
}

/* As Pillow does it: nothing is rounded up. */
SLUICE_HD static inline void perspective_near(const struct draw *d,
                                              const struct step *s,
                                              const struct view *in, int y, int x,
                                              uint8_t *v)
{
    const double *m = d->u.homography, cx = x + 0.5, cy = y + 0.5;
    const double below = m[6] * cx + m[7] * cy + 1;
    const double sx = (m[0] * cx + m[1] * cy + m[2]) / below;
    const double sy = (m[3] * cx + m[4] * cy + m[5]) / below;
    bilinear(s, in, sy, sx, 0, v);
}

#endif

/* planes.c -- a pipeline on an image kept as planes, one step after the other: what is
 * not drawn costs nothing, and what is changes whole planes at a time. */
#include "planes.h"

#include <string.h>

#include "arrange.h"
#include "ops.h"
#include "pipeline.h"

enum { BUFFER = 1024 }; /* pixels that are interleaved at a time */

/* An image on its way. */
struct work {
    const struct planes *loops;
    const struct plan *plan;
    uint8_t *image, *spare; /* as large */
    int height, width, channels;
};

static size_t plane_bytes(const struct work *w)
{
    return (size_t)w->height * (size_t)w->width;
}

static size_t image_bytes(const struct work *w)
{
    return plane_bytes(w) * (size_t)w->channels;
}

/* What was written into `spare` is the image now. */
static void take_spare(struct work *w, int height, int width)
{
    uint8_t *image = w->image;
    w->image = w->spare;
    w->spare = image;
    w->height = height;
    w->width = width;
}

/* Columns of a row that show the padding of step `s`; `from` NULL: nothing else. */
static void pad_row(const struct work *w, const struct arrangement *a,
                    const struct step *s, uint8_t *to, const uint8_t *from, int channel,
                    int begin, int end)
{
    if (s->fill_mode == FILL_COLOUR || !from) {
        memset(to + begin, s->fill[channel], (size_t)(end - begin));
        return;
    }
    for (int x = begin; x < end; x++) {
        const int at = padded(x + a->dx, w->width, s->fill_mode);
        to[x] = from[a->hflip ? w->width - 1 - at : at];
    }
}

/* One row of a plane of the arrangement. */
static void arrange_row(const struct work *w, const struct arrangement *a, uint8_t *to,
                        const uint8_t *from, int channel)
{
    const int width = w->width;
    int x0 = a->dx < 0 ? -a->dx : 0, x1 = a->dx > 0 ? width - a->dx : width;
    if (!from || x0 >= x1)
        x0 = x1 = width;
    if (a->hflip)
        for (int x = x0; x < x1; x++)
            to[x] = from[width - 1 - x - a->dx];
    else if (x0 < x1)
        memcpy(to + x0, from + x0 + a->dx, (size_t)(x1 - x0));
    if (x0 > 0)
        pad_row(w, a, &w->plan->step[a->shift], to, from, channel, 0, x0);
    if (x1 < width)
        pad_row(w, a, &w->plan->step[a->shift], to, from, channel, x1, width);
}

static void arrange_plane(const struct work *w, const struct arrangement *a,
                          uint8_t *to, const uint8_t *from, int channel)
{
    const struct step *steps = w->plan->step;
    for (int y = 0; y < w->height; y++) {
        int at = y + a->dy;
        if (a->shift >= 0)
            at = padded(at, w->height, steps[a->shift].fill_mode);
        if (a->vflip && at >= 0)
            at = w->height - 1 - at;
        arrange_row(w, a, to + (size_t)y * (size_t)w->width,
                    at < 0 ? NULL : from + (size_t)at * (size_t)w->width, channel);
    }
    for (int i = 0; i < a->rects; i++) {
        const struct rect *r = &a->rect[i];
        for (int y = r->y; y < r->y + r->height; y++)
            memset(to + (size_t)y * (size_t)w->width + r->x,
                   steps[a->rect_step[i]].fill[channel], (size_t)r->width);
    }
}

static void run_arranged(struct work *w, const struct draw *draws, int begin, int end)
{
    const size_t plane = plane_bytes(w);
    struct arrangement a;
    arrange_part(&a, w->plan, draws, begin, end);
    if (!a.hflip && !a.vflip && a.shift < 0 && !a.rects)
        return;
    for (int c = 0; c < w->channels; c++)
        arrange_plane(w, &a, w->spare + (size_t)c * plane, w->image + (size_t)c * plane,
                      c);
    take_spare(w, w->height, w->width);
}

static void crop_center(struct work *w, const struct step *s)
{
    const int down = middle(w->height, s->size), across = middle(w->width, s->size);
    const int x0 = across < 0 ? -across : 0;
    const int x1 = s->size + across > w->width ? w->width - across : s->size;
    const size_t row = (size_t)s->size;
    for (int c = 0; c < w->channels; c++)
        for (int y = 0; y < s->size; y++) {
            uint8_t *to = w->spare + ((size_t)c * row + (size_t)y) * row;
            const int at = y + down;
            if (at < 0 || at >= w->height || x0 > 0 || x1 < s->size)
                memset(to, s->fill[c], row);
            if (at >= 0 && at < w->height)
                memcpy(to + x0,
                       w->image + (size_t)c * plane_bytes(w) +
                           (size_t)at * (size_t)w->width + x0 + across,
                       (size_t)(x1 - x0));
        }
    take_spare(w, s->size, s->size);
}

static void erase_with_noise(struct work *w, const struct step *s, const struct draw *d)
{
    const struct rect *r = &d->u.rect;
    uint8_t v[CHANNELS_MAX];
    for (int y = r->y; y < r->y + r->height; y++)
        for (int x = r->x; x < r->x + r->width; x++) {
            noise_pixel(d, s, y, x, v);
            for (int c = 0; c < w->channels; c++)
                w->image[(size_t)c * plane_bytes(w) + (size_t)y * (size_t)w->width +
                         (size_t)x] = v[c];
        }
}

static void move(struct work *w, const struct step *s, const struct affine *map)
{
    w->loops->affine(w->spare, w->image, w->height, w->width, w->channels, map,
                     s->fill);
    take_spare(w, w->height, w->width);
}

static void sharpen(struct work *w, float factor)
{
    const size_t plane = plane_bytes(w);
    for (int c = 0; c < w->channels; c++)
        w->loops->sharpen(w->spare + (size_t)c * plane, w->image + (size_t)c * plane,
                          w->height, w->width, factor);
    take_spare(w, w->height, w->width);
}

static void blur(struct work *w, const struct step *s, const struct draw *d)
{
    const size_t plane = plane_bytes(w);
    for (int c = 0; c < w->channels; c++)
        w->loops->blur(w->spare + (size_t)c * plane, w->image + (size_t)c * plane,
                       w->height, w->width, s->kernel / 2, d->u.blur);
    take_spare(w, w->height, w->width);
}

static void warp(struct work *w, const struct step *s, const double map[9], double up,
                 int height, int width)
{
    w->loops->warp(w->spare, w->image, w->height, w->width, w->channels, map, up,
                   s->fill, height, width);
    take_spare(w, height, width);
}

static void tilt(struct work *w, const struct step *s, const struct draw *d)
{
    double map[9];
    memcpy(map, d->u.homography, sizeof(d->u.homography));
    map[8] = 1;
    warp(w, s, map, 0, w->height, w->width);
}

/* mean_value() of counted.h, without counting. */
static void change_contrast(struct work *w, float factor)
{
    const uint64_t pixels = plane_bytes(w);
    const uint64_t sum = w->loops->sum_grey(w->image, pixels, w->channels);
    w->loops->blend(w->image, image_bytes(w),
                    (int)(uint32_t)((2 * sum + pixels) / (2 * pixels)), factor);
}

static void jitter(struct work *w, const struct step *s, const struct draw *d)
{
    const float *factor = d->u.jitter.factor;
    for (int i = 0; i < 4; i++) {
        const int what = d->u.jitter.order[i];
        if (s->jitter[what] <= 0)
            continue;
        if (what == JITTER_BRIGHTNESS)
            w->loops->blend(w->image, image_bytes(w), 0, factor[what]);
        else if (what == JITTER_CONTRAST)
            change_contrast(w, factor[what]);
        else if (what == JITTER_SATURATION)
            w->loops->saturate(w->image, plane_bytes(w), w->channels, factor[what]);
        else if (w->channels == 3)
            w->loops->turn_hue(w->image, plane_bytes(w), d->u.jitter.hue);
    }
}

/* Each plane by the table that its counts become: stretched, or made equally frequent.
 */
static void settle(struct work *w, int stretched)
{
    uint32_t of[256];
    for (int c = 0; c < w->channels; c++) {
        uint8_t *plane = w->image + (size_t)c * plane_bytes(w);
        w->loops->count(plane, plane_bytes(w), of);
        if (stretched)
            stretch(of);
        else
            flatten(of, (uint32_t)plane_bytes(w));
        w->loops->look_up(plane, plane_bytes(w), of);
    }
}

static void run_change(struct work *w, const struct step *s, const struct change *c)
{
    switch (c->kind) {
    case CHANGE_SHEAR_X:
    case CHANGE_SHEAR_Y:
    case CHANGE_TRANSLATE_X:
    case CHANGE_TRANSLATE_Y:
    case CHANGE_ROTATE:
        move(w, s, &c->affine);
        break;
    case CHANGE_BRIGHTNESS:
        w->loops->blend(w->image, image_bytes(w), 0, c->factor);
        break;
    case CHANGE_COLOR:
        w->loops->saturate(w->image, plane_bytes(w), w->channels, c->factor);
        break;
    case CHANGE_CONTRAST:
        change_contrast(w, c->factor);
        break;
    case CHANGE_SHARPNESS:
        sharpen(w, c->factor);
        break;
    case CHANGE_POSTERIZE:
        w->loops->and_bits(w->image, image_bytes(w), 0xFF << (8 - c->amount));
        break;
    case CHANGE_SOLARIZE:
        w->loops->solarize(w->image, image_bytes(w), c->amount);
        break;
    case CHANGE_AUTOCONTRAST:
    case CHANGE_EQUALIZE:
        settle(w, c->kind == CHANGE_AUTOCONTRAST);
        break;
    case CHANGE_INVERT:
        w->loops->solarize(w->image, image_bytes(w), 0);
        break;
    default:
        break;
    }
}

/* A step that happens. */
static void run_step(struct work *w, int k, const struct draw *d)
{
    const struct plan *p = w->plan;
    const struct step *s = &p->step[k];
    switch ((enum op_id)s->op) {
    case OP_center_crop:
        crop_center(w, s);
        break;
    case OP_erase:
        erase_with_noise(w, s, d);
        break;
    case OP_rotate:
    case OP_affine:
    case OP_shear_x:
    case OP_shear_y:
    case OP_translate_x:
    case OP_translate_y:
        move(w, s, &d->u.affine);
        break;
    case OP_grayscale:
        w->loops->to_grey(w->image, plane_bytes(w), w->channels);
        break;
    case OP_posterize:
        w->loops->and_bits(w->image, image_bytes(w), 0xFF << (8 - s->bits));
        break;
    case OP_solarize:
        w->loops->solarize(w->image, image_bytes(w), s->threshold);
        break;
    case OP_solarize_add:
        w->loops->solarize_add(w->image, image_bytes(w), s->threshold, s->addition);
        break;
    case OP_invert:
        w->loops->solarize(w->image, image_bytes(w), 0);
        break;
    case OP_brightness:
        w->loops->blend(w->image, image_bytes(w), 0, s->factor);
        break;
    case OP_color:
        w->loops->saturate(w->image, plane_bytes(w), w->channels, s->factor);
        break;
    case OP_contrast:
        change_contrast(w, s->factor);
        break;
    case OP_autocontrast:
    case OP_equalize:
        settle(w, s->op == OP_autocontrast);
        break;
    case OP_jitter:
        jitter(w, s, d);
        break;
    case OP_sharpness:
        sharpen(w, s->factor);
        break;
    case OP_gaussian_blur:
        blur(w, s, d);
        break;
    case OP_perspective:
        tilt(w, s, d);
        break;
    case OP_geometry:
        warp(w, s, d->u.warp, 0.5, given_height(p, k + 1 + s->members),
             given_width(p, k + 1 + s->members));
        break;
    case OP_autoaugment:
    case OP_randaugment:
    case OP_trivialaugment_wide:
        run_change(w, s, &d->u.change);
        break;
    default: /* arranged */
        break;
    }
}

static void convert(const struct sluice_augment *aug, const struct work *w, void *out)
{
    const struct plan *p = w->plan;
    const size_t pixels = plane_bytes(w), size = sluice_dtype_size(p->dtype);
    const size_t channels = (size_t)w->channels;
    uint8_t buffer[BUFFER * CHANNELS_MAX];
    if (p->layout == SLUICE_NCHW || channels == 1) {
        for (size_t c = 0; c < channels; c++)
            aug->kernels->interleaved(&aug->plane[c], (char *)out + c * pixels * size,
                                      w->image + c * pixels, pixels);
        return;
    }
    for (size_t at = 0; at < pixels; at += BUFFER) {
        const size_t n = pixels - at < BUFFER ? pixels - at : BUFFER;
        w->loops->interleave(buffer, w->image + at, pixels, n, w->channels);
        aug->kernels->interleaved(&aug->conversion, (char *)out + at * channels * size,
                                  buffer, n);
    }
}

size_t sluice_augment_planes_bytes(const struct plan *p)
{
    size_t most = (size_t)p->height * (size_t)p->width;
    for (int k = 0; k < p->steps; k++) {
        const size_t here = (size_t)p->step[k].height * (size_t)p->step[k].width;
        most = here > most ? here : most;
    }
    return (most * (size_t)p->channels + 1 + 63) / 64 * 64;
}

void sluice_augment_run_planes(const struct sluice_augment *aug,
                               const struct draw *draws, const uint8_t *src,
                               uint8_t *image, uint8_t *spare, void *out)
{
    const struct plan *p = &aug->plan;
    struct work w = { .loops = aug->planes,
                      .plan = p,
                      .image = image,
                      .spare = spare,
                      .height = p->source_height,
                      .width = p->source_width,
                      .channels = p->channels };
    aug->kernels->planar(&aug->bytes, w.image, plane_bytes(&w), src, plane_bytes(&w));
    for (int k = 0, end; k < p->steps; k = end) {
        end = arranged_until(p, k);
        if (end > k)
            run_arranged(&w, draws, k, end);
        else if (draws[k].on)
            run_step(&w, k, &draws[k]);
        end += end == k;
    }
    convert(aug, &w, out);
}

/* rows.c -- flips, one shift, rectangles and the conversion in one pass: rows of bytes
 * are put together in a small buffer that stays in the first cache, and leave it as
 * numbers. Every byte of the result is written once. */
#include <string.h>

#include "arrange.h"
#include "narrow.h"
#include "pipeline.h"

/* Rows are converted some at a time: few calls, and still far below the first cache. */
enum { BUFFER = 12288 };

/* What is the same for all rows of an image. */
struct rows {
    const struct sluice_augment *aug;
    const struct plan *plan;
    const uint8_t *src;
    const struct step *border; /* its padding; NULL: nothing to pad */
    struct arrangement a;
    int x0, x1; /* columns of the result that show the source, not its border */
};

int sluice_augment_rows_fit(const struct plan *plan)
{
    return plan->arranged && (size_t)plan->width * plan->channels <= BUFFER;
}

static void paint(uint8_t *dst, int pixels, int channels, const uint8_t *colour)
{
    for (int i = 0; i < pixels; i++)
        for (int c = 0; c < channels; c++)
            *dst++ = colour[c];
}

static void border(const struct rows *r, uint8_t *dst, const uint8_t *row, int from,
                   int to)
{
    const int channels = r->plan->channels, width = r->plan->width;
    if (r->border->fill_mode == FILL_COLOUR) {
        paint(dst + (size_t)from * channels, to - from, channels, r->border->fill);
        return;
    }
    for (int x = from; x < to; x++) {
        int sx = padded(x + r->a.dx, width, r->border->fill_mode);
        if (r->a.hflip)
            sx = width - 1 - sx;
        for (int c = 0; c < channels; c++)
            dst[(size_t)x * channels + c] = row[(size_t)sx * channels + c];
    }
}

static void compose_row(const struct rows *r, uint8_t *dst, int y)
{
    const struct plan *p = r->plan;
    const int channels = p->channels, middle = r->x1 - r->x0;
    int sy = y + r->a.dy;
    if (sy < 0 || sy >= p->height) {
        sy = padded(sy, p->height, r->border->fill_mode);
        if (sy < 0) {
            paint(dst, p->width, channels, r->border->fill);
            return;
        }
    }
    if (r->a.vflip)
        sy = p->height - 1 - sy;
    const uint8_t *row = r->src + (size_t)sy * p->width * channels;
    const int first = r->a.hflip ? p->width - r->x1 - r->a.dx : r->x0 + r->a.dx;
    if (middle > 0 && r->a.hflip)
        r->aug->kernels->reverse(&r->aug->conversion, dst + (size_t)r->x0 * channels,
                                 row + (size_t)first * channels, middle);
    else if (middle > 0)
        memcpy(dst + (size_t)r->x0 * channels, row + (size_t)first * channels,
               (size_t)middle * channels);
    if (r->x0 > 0)
        border(r, dst, row, 0, r->x0);
    if (r->x1 < p->width)
        border(r, dst, row, r->x1, p->width);
}

/* The parts of the rectangles that lie in rows y .. y + count - 1. */
static void paint_rects(const struct rows *r, uint8_t *dst, int y, int count)
{
    const struct plan *p = r->plan;
    for (int i = 0; i < r->a.rects; i++) {
        const struct rect *q = &r->a.rect[i];
        const int top = q->y > y ? q->y : y;
        const int end = q->y + q->height < y + count ? q->y + q->height : y + count;
        for (int row = top; row < end; row++)
            paint(dst + ((size_t)(row - y) * p->width + q->x) * p->channels, q->width,
                  p->channels, p->step[r->a.rect_step[i]].fill);
    }
}

static void compose(const struct rows *r, uint8_t *dst, int y, int count)
{
    for (int i = 0; i < count; i++)
        compose_row(r, dst + (size_t)i * r->plan->width * r->plan->channels, y + i);
    if (r->a.rects)
        paint_rects(r, dst, y, count);
}

static void convert(const struct sluice_augment *aug, void *out, const uint8_t *src,
                    int y, int count)
{
    const struct plan *p = &aug->plan;
    const size_t pixels = (size_t)count * p->width, first = (size_t)y * p->width;
    const size_t size = sluice_dtype_size(p->dtype);
    if (p->layout == SLUICE_NCHW)
        aug->kernels->planar(&aug->conversion, (char *)out + first * size,
                             (size_t)p->height * p->width, src, pixels);
    else
        aug->kernels->interleaved(
            &aug->conversion, (char *)out + first * p->channels * size, src, pixels);
}

static void prepare(struct rows *r, const struct sluice_augment *aug,
                    const struct draw *draws, const uint8_t *src)
{
    const struct plan *p = &aug->plan;
    r->aug = aug;
    r->plan = p;
    r->src = src;
    arrange(&r->a, p, draws);
    r->border = r->a.shift < 0 ? NULL : &p->step[r->a.shift];
    r->x0 = r->a.dx < 0 ? -r->a.dx : 0;
    r->x1 = r->a.dx > 0 ? p->width - r->a.dx : p->width;
    if (r->x0 >= r->x1) /* shifted out of sight */
        r->x0 = r->x1 = p->width;
}

void sluice_augment_run_rows(const struct sluice_augment *aug, const struct draw *draws,
                             const uint8_t *src, void *out)
{
    const struct plan *p = &aug->plan;
    const int row = p->width * p->channels, most = BUFFER / row;
    uint8_t buffer[BUFFER];
    struct rows r;
    if (!p->steps) {
        convert(aug, out, src, 0, p->height);
        return;
    }
    prepare(&r, aug, draws, src);
    if (aug->narrow) {
        sluice_augment_narrow_run(aug->narrow, p, &r.a, src, out);
        return;
    }
    if (p->dtype == SLUICE_U8 && (p->layout == SLUICE_NHWC || p->channels == 1)) {
        compose(&r, out, 0, p->height);
        return;
    }
    for (int y = 0; y < p->height; y += most) {
        const int count = p->height - y < most ? p->height - y : most;
        compose(&r, buffer, y, count);
        convert(aug, out, buffer, y, count);
    }
}

/* conv_wino.c -- Winograd's convolutions against sums in double: with small whole
 * numbers, which no transform and no order of adding rounds, exactly; with noise, to a
 * few of the roundings to bf16 on the way. Odd maps, no padding, one image, tiles that
 * fill no unit, stride 2, several numbers of threads, which all give the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cpu_has.h"
#include "device.h"
#include "ops/conv_wino.h"

static const struct onednn_shape shapes[] = {
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .pad = 1 },
    { .n = 2, .h = 7, .w = 9, .c = 64, .k = 32, .pad = 1 },
    { .n = 1, .h = 5, .w = 4, .c = 96, .k = 96, .pad = 1 },
    { .n = 3, .h = 5, .w = 5, .c = 32, .k = 32, .pad = 1 }, /* 27 tiles: no pairs */
    { .n = 70, .h = 8, .w = 6, .c = 32, .k = 32, .pad = 0 },
    { .n = 129, .h = 4, .w = 4, .c = 160, .k = 32, .pad = 1 },
    { .n = 40, .h = 31, .w = 31, .c = 32, .k = 64, .pad = 1 },
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .stride = 2, .pad = 1 },
    { .n = 2, .h = 7, .w = 10, .c = 64, .k = 32, .stride = 2, .pad = 1 },
    { .n = 90, .h = 6, .w = 9, .c = 32, .k = 96, .stride = 2, .pad = 1 },
    { .n = 3, .h = 12, .w = 12, .c = 32, .k = 64, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 2, .h = 9, .w = 14, .c = 64, .k = 32, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 50, .h = 15, .w = 7, .c = 96, .k = 32, .kernel = 5, .stride = 2, .pad = 2 },
};

struct rig {
    struct onednn_shape s;
    size_t nx, ny, nw;
    uint16_t *x, *dy, *y, *dx;
    float *w, *dw;
    double *want_y, *want_dx, *want_dw;
};

static uint32_t seed = 1;

static double uniform(void)
{
    seed = seed * 1664525U + 1013904223U;
    return (double)(seed >> 8) / (1 << 24);
}

static double value(bool whole)
{
    if (whole)
        return floor(uniform() * 5) - 2;
    return uniform() + uniform() + uniform() + uniform() - 2;
}

static uint16_t to_bf16(double d)
{
    const float f = (float)d;
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static double from_bf16(uint16_t h)
{
    const uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return (double)f;
}

static void *take(size_t count, size_t size)
{
    void *p = calloc(count, size);
    REQUIRE(p, "no memory");
    return p;
}

/* All three by the definition. */
static void compute(struct rig *r)
{
    const struct onednn_shape *s = &r->s;
    const int taps = s->kernel * s->kernel;
    for (int i = 0; i < s->n * s->oh * s->ow * taps; i++) {
        const int tap = i % taps, at = i / taps, x = at % s->ow, y = at / s->ow % s->oh;
        const int sy = y * s->stride - s->pad + tap / s->kernel;
        const int sx = x * s->stride - s->pad + tap % s->kernel;
        if (sy < 0 || sx < 0 || sy >= s->h || sx >= s->w)
            continue;
        const int from = ((at / s->ow / s->oh * s->h + sy) * s->w + sx) * s->c;
        for (int k = 0; k < s->k; k++)
            for (int c = 0; c < s->c; c++) {
                const int w = (k * s->c + c) * taps + tap;
                const double in = from_bf16(r->x[from + c]);
                const double grad = from_bf16(r->dy[at * s->k + k]);
                r->want_y[at * s->k + k] += in * (double)r->w[w];
                r->want_dx[from + c] += grad * (double)r->w[w];
                r->want_dw[w] += grad * in;
            }
    }
}

static void open_rig(struct rig *r, const struct onednn_shape *shape, bool whole)
{
    *r = (struct rig){ .s = *shape };
    struct onednn_shape *s = &r->s;
    s->kernel = s->kernel ? s->kernel : 3;
    s->stride = s->stride ? s->stride : 1;
    s->dtype = SLUICE_BF16;
    s->oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1;
    s->ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
    r->nx = (size_t)(s->n * s->h * s->w * s->c);
    r->ny = (size_t)(s->n * s->oh * s->ow * s->k);
    r->nw = (size_t)(s->k * s->c * s->kernel * s->kernel);
    r->x = take(r->nx, sizeof *r->x);
    r->dx = take(r->nx, sizeof *r->dx);
    r->y = take(r->ny, sizeof *r->y);
    r->dy = take(r->ny, sizeof *r->dy);
    r->w = take(r->nw, sizeof *r->w);
    r->dw = take(r->nw, sizeof *r->dw);
    r->want_y = take(r->ny, sizeof *r->want_y);
    r->want_dx = take(r->nx, sizeof *r->want_dx);
    r->want_dw = take(r->nw, sizeof *r->want_dw);
    for (size_t i = 0; i < r->nx; i++)
        r->x[i] = to_bf16(value(whole));
    for (size_t i = 0; i < r->ny; i++)
        r->dy[i] = to_bf16(value(whole));
    for (size_t i = 0; i < r->nw; i++) /* quarters of them are whole */
        r->w[i] = (float)(4 * value(whole));
    compute(r);
}

static void close_rig(struct rig *r)
{
    void *const all[] = { r->x,  r->dx,     r->y,       r->dy,     r->w,
                          r->dw, r->want_y, r->want_dx, r->want_dw };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void run(struct rig *r, int threads)
{
    struct device *dev;
    struct conv_wino *conv;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&dev, "cpu", "bf16", threads, &err) == 0, "%s", err.message);
    REQUIRE(conv_wino_create(&conv, dev, &r->s, false, &err) == 0, "%s", err.message);
    memset(r->y, 0xff, r->ny * sizeof *r->y);
    memset(r->dx, 0xff, r->nx * sizeof *r->dx);
    memset(r->dw, 0xff, r->nw * sizeof *r->dw);
    conv_wino_forward(conv, dev, r->x, r->w, r->y);
    conv_wino_backward_data(conv, dev, r->dy, r->w, r->dx);
    conv_wino_backward_weight(conv, dev, r->x, r->dy, r->dw);
    conv_wino_free(conv);
    device_close(dev);
}

static void check_exact(const struct rig *r, int shape, int threads)
{
    long wrong[3] = { 0 };
    for (size_t i = 0; i < r->ny; i++)
        wrong[0] += from_bf16(r->y[i]) != from_bf16(to_bf16(r->want_y[i]));
    for (size_t i = 0; i < r->nx; i++)
        wrong[1] += from_bf16(r->dx[i]) != from_bf16(to_bf16(r->want_dx[i]));
    for (size_t i = 0; i < r->nw; i++)
        wrong[2] += (double)r->dw[i] != r->want_dw[i];
    CHECK(!wrong[0] && !wrong[1] && !wrong[2],
          "shape %d, %d threads: %ld results, %ld gradients, %ld of weights differ",
          shape, threads, wrong[0], wrong[1], wrong[2]);
}

/* Root of the mean square of differences, beside that of what is wanted. */
static double distance(const uint16_t *half, const float *whole, const double *want,
                       size_t count)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (half ? from_bf16(half[i]) : (double)whole[i]) - want[i];
        off += d * d;
        all += want[i] * want[i];
    }
    return sqrt(off / all);
}

static void check_near(const struct rig *r, int shape)
{
    const double most = 0.006; /* a direct convolution in bf16: 0.0023 */
    const double y = distance(r->y, NULL, r->want_y, r->ny);
    const double dx = distance(r->dx, NULL, r->want_dx, r->nx);
    const double dw = distance(NULL, r->dw, r->want_dw, r->nw);
    printf("shape %d: off by %.5f, %.5f, %.5f\n", shape, y, dx, dw);
    CHECK(!!(y <= most) && !!(dx <= most) && !!(dw <= most),
          "shape %d: off by %g, %g, %g", shape, y, dx, dw);
}

int main(void)
{
    if (!cpu_has_avx512_bf16())
        SKIP("this CPU has no AVX512-BF16");
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        struct rig r;
        open_rig(&r, &shapes[i], true);
        for (int threads = 1; threads <= 3; threads++) {
            run(&r, threads);
            check_exact(&r, i, threads);
        }
        close_rig(&r);
        open_rig(&r, &shapes[i], false);
        run(&r, 2);
        check_near(&r, i);
        close_rig(&r);
    }
    return check_done();
}

/* conv_wino4.c -- F(4x4, 3x3) against sums in double, with every instruction set that
 * this CPU has: odd maps, no padding, stride 2, tiles that fill no unit and reach
 * beyond the map, several numbers of threads, which all give the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "device.h"
#include "ops/conv_wino4.h"

static const struct onednn_shape shapes[] = {
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .pad = 1 },
    { .n = 2, .h = 7, .w = 9, .c = 64, .k = 32, .pad = 1, .bias = true },
    { .n = 1, .h = 5, .w = 3, .c = 96, .k = 96, .pad = 1 },
    { .n = 7, .h = 8, .w = 6, .c = 32, .k = 32, .pad = 0 },
    { .n = 65, .h = 4, .w = 4, .c = 160, .k = 32, .pad = 1 },
    { .n = 3, .h = 8, .w = 8, .c = 32, .k = 64, .stride = 2, .pad = 1 },
    { .n = 5, .h = 7, .w = 18, .c = 64, .k = 32, .stride = 2, .pad = 1 },
    { .n = 3, .h = 16, .w = 16, .c = 32, .k = 64, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 2, .h = 9, .w = 30, .c = 64, .k = 32, .kernel = 5, .stride = 2, .pad = 2 },
    { .n = 21, .h = 31, .w = 15, .c = 32, .k = 64, .pad = 1 }, /* several units */
};

struct rig {
    struct onednn_shape s;
    size_t nx, ny, nw;
    float *x, *dy, *y, *dx, *w, *dw, *bias;
    double *want_y, *want_dx, *want_dw;
};

static uint32_t seed = 1;

static float noise(void)
{
    float sum = -2;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525U + 1013904223U;
        sum += (float)(seed >> 8) / (1 << 24);
    }
    return sum;
}

static void *take(size_t count, size_t size)
{
    void *p = calloc(count, size);
    REQUIRE(p, "no memory");
    return p;
}

static float *take_noise(size_t count)
{
    float *p = take(count, sizeof *p);
    for (size_t i = 0; i < count; i++)
        p[i] = noise();
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
                const double in = (double)r->x[from + c];
                const double grad = (double)r->dy[at * s->k + k];
                r->want_y[at * s->k + k] += in * (double)r->w[w];
                r->want_dx[from + c] += grad * (double)r->w[w];
                r->want_dw[w] += grad * in;
            }
    }
}

static void open_rig(struct rig *r, const struct onednn_shape *shape)
{
    *r = (struct rig){ .s = *shape };
    struct onednn_shape *s = &r->s;
    s->kernel = s->kernel ? s->kernel : 3;
    s->stride = s->stride ? s->stride : 1;
    s->dtype = SLUICE_F32;
    s->oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1;
    s->ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
    r->nx = (size_t)(s->n * s->h * s->w * s->c);
    r->ny = (size_t)(s->n * s->oh * s->ow * s->k);
    r->nw = (size_t)(s->k * s->c * s->kernel * s->kernel);
    r->x = take_noise(r->nx);
    r->dy = take_noise(r->ny);
    r->w = take_noise(r->nw);
    r->bias = s->bias ? take_noise((size_t)s->k) : NULL;
    r->dx = take(r->nx, sizeof *r->dx);
    r->y = take(r->ny, sizeof *r->y);
    r->dw = take(r->nw, sizeof *r->dw);
    r->want_y = take(r->ny, sizeof *r->want_y);
    r->want_dx = take(r->nx, sizeof *r->want_dx);
    r->want_dw = take(r->nw, sizeof *r->want_dw);
    compute(r);
    if (s->bias)
        for (size_t i = 0; i < r->ny; i++)
            r->want_y[i] += (double)r->bias[i % (size_t)s->k];
}

static void close_rig(struct rig *r)
{
    void *const all[] = { r->x,  r->dx,     r->y,       r->dy,      r->w,
                          r->dw, r->want_y, r->want_dx, r->want_dw, r->bias };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* What is not written stays NaN. */
static void run(struct rig *r, int threads)
{
    struct device *dev;
    struct conv_wino4 *conv;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&dev, "cpu", "f32", threads, &err) == 0, "%s", err.message);
    REQUIRE(conv_wino4_create(&conv, dev, &r->s, &err) == 0, "%s", err.message);
    memset(r->y, 0xff, r->ny * sizeof *r->y);
    memset(r->dx, 0xff, r->nx * sizeof *r->dx);
    memset(r->dw, 0xff, r->nw * sizeof *r->dw);
    conv_wino4_forward(conv, dev, r->x, r->w, r->bias, r->y);
    conv_wino4_backward_data(conv, dev, r->dy, r->w, r->dx);
    conv_wino4_backward_weight(conv, dev, r->x, r->dy, r->dw);
    conv_wino4_free(conv);
    device_close(dev);
}

/* Root of the mean square of differences, beside that of what is wanted. */
static double distance(const float *got, const double *want, size_t count)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)got[i] - want[i];
        off += d * d;
        all += want[i] * want[i];
    }
    return sqrt(off / all);
}

static void check_near(const struct rig *r, const char *isa, int shape)
{
    const double most = 5e-6; /* direct sums: 2e-7 */
    const double y = distance(r->y, r->want_y, r->ny);
    const double dx = distance(r->dx, r->want_dx, r->nx);
    const double dw = distance(r->dw, r->want_dw, r->nw);
    printf("%s, shape %d: off by %.2e, %.2e, %.2e\n", isa, shape, y, dx, dw);
    CHECK(!!(y <= most) && !!(dx <= most) && !!(dw <= most),
          "%s, shape %d: off by %g, %g, %g", isa, shape, y, dx, dw);
}

static void check_same(struct rig *r, const char *isa, int shape)
{
    struct rig two = *r;
    two.y = take(r->ny, sizeof *two.y);
    two.dx = take(r->nx, sizeof *two.dx);
    two.dw = take(r->nw, sizeof *two.dw);
    for (int threads = 2; threads <= 3; threads++) {
        run(&two, threads);
        CHECK(memcmp(two.y, r->y, r->ny * sizeof *r->y) == 0 &&
                  memcmp(two.dx, r->dx, r->nx * sizeof *r->dx) == 0 &&
                  memcmp(two.dw, r->dw, r->nw * sizeof *r->dw) == 0,
              "%s, shape %d: other bits with %d threads", isa, shape, threads);
    }
    free(two.y);
    free(two.dx);
    free(two.dw);
}

int main(void)
{
    static const char *const sets[] = { "avx512", "avx2", "plain" };
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        struct rig r;
        open_rig(&r, &shapes[i]);
        for (int set = 0; set < 3; set++) {
            setenv("SLUICE_CPU_ISA", sets[set], 1);
            run(&r, 1);
            check_near(&r, sets[set], i);
            check_same(&r, sets[set], i);
        }
        close_rig(&r);
    }
    return check_done();
}

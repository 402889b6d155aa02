/* conv_wino.c -- Winograd's convolutions against sums in double: with small whole
 * numbers, which no transform and no order of adding rounds, exactly; with noise, to a
 * few of the roundings to bf16 on the way. Odd maps, no padding, one image, tiles that
 * fill no unit, stride 2, several numbers of threads, which all give the same bits. */
#include "ops/conv_wino.h"
#include "conv_rig.h"
#include "cpu_has.h"
#include "device.h"
#include "net_rig.h"

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

struct trial {
    struct conv_rig sums;
    uint16_t *x, *dy, *y, *dx;
    float *w, *dw;
};

static double value(bool whole)
{
    return whole ? floor(conv_rig_uniform() * 5) - 2 : conv_rig_noise();
}

static uint16_t *take_bf16(double *values, size_t count, bool whole)
{
    uint16_t *p = conv_rig_take(count, sizeof *p);
    for (size_t i = 0; i < count; i++) {
        p[i] = rig_bf16((float)value(whole));
        values[i] = conv_rig_value(p, SLUICE_BF16, i);
    }
    return p;
}

static void open_trial(struct trial *r, const struct onednn_shape *shape, bool whole)
{
    struct conv_rig *sums = &r->sums;
    conv_rig_open(sums, shape, SLUICE_BF16);
    r->x = take_bf16(sums->x, sums->nx, whole);
    r->dy = take_bf16(sums->dy, sums->ny, whole);
    r->dx = conv_rig_take(sums->nx, sizeof *r->dx);
    r->y = conv_rig_take(sums->ny, sizeof *r->y);
    r->w = conv_rig_take(sums->nw, sizeof *r->w);
    r->dw = conv_rig_take(sums->nw, sizeof *r->dw);
    for (size_t i = 0; i < sums->nw; i++) { /* quarters of them are whole */
        r->w[i] = (float)(4 * value(whole));
        sums->w[i] = (double)r->w[i];
    }
    conv_rig_compute(sums);
}

static void close_trial(struct trial *r)
{
    void *const all[] = { r->x, r->dx, r->y, r->dy, r->w, r->dw };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    conv_rig_close(&r->sums);
}

static void run(struct trial *r, int threads)
{
    struct device *dev;
    struct conv_wino *conv;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&dev, "cpu", "bf16", threads, &err) == 0, "%s", err.message);
    REQUIRE(conv_wino_create(&conv, dev, &r->sums.s, false, &err) == 0, "%s",
            err.message);
    memset(r->y, 0xff, r->sums.ny * sizeof *r->y);
    memset(r->dx, 0xff, r->sums.nx * sizeof *r->dx);
    memset(r->dw, 0xff, r->sums.nw * sizeof *r->dw);
    conv_wino_forward(conv, dev, r->x, r->w, r->y);
    conv_wino_backward_data(conv, dev, r->dy, r->w, r->dx);
    conv_wino_backward_weight(conv, dev, r->x, r->dy, r->dw);
    conv_wino_free(conv);
    device_close(dev);
}

static void check_exact(const struct trial *r, int shape, int threads)
{
    const struct conv_rig *want = &r->sums;
    long wrong[3] = { 0 };
    for (size_t i = 0; i < want->ny; i++)
        wrong[0] += r->y[i] != rig_bf16((float)want->y[i]);
    for (size_t i = 0; i < want->nx; i++)
        wrong[1] += r->dx[i] != rig_bf16((float)want->dx[i]);
    for (size_t i = 0; i < want->nw; i++)
        wrong[2] += (double)r->dw[i] != want->dw[i];
    CHECK(!wrong[0] && !wrong[1] && !wrong[2],
          "shape %d, %d threads: %ld results, %ld gradients, %ld of weights differ",
          shape, threads, wrong[0], wrong[1], wrong[2]);
}

static void check_near(const struct trial *r, int shape)
{
    const struct conv_rig *want = &r->sums;
    const double most = 0.006; /* a direct convolution in bf16: 0.0023 */
    const double y = conv_rig_distance(r->y, SLUICE_BF16, want->y, want->ny);
    const double dx = conv_rig_distance(r->dx, SLUICE_BF16, want->dx, want->nx);
    const double dw = conv_rig_distance(r->dw, SLUICE_F32, want->dw, want->nw);
    printf("shape %d: off by %.5f, %.5f, %.5f\n", shape, y, dx, dw);
    CHECK(!!(y <= most) && !!(dx <= most) && !!(dw <= most),
          "shape %d: off by %g, %g, %g", shape, y, dx, dw);
}

int main(void)
{
    if (!cpu_has_avx512_bf16())
        SKIP("this CPU has no AVX512-BF16");
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        struct trial r;
        open_trial(&r, &shapes[i], true);
        for (int threads = 1; threads <= 3; threads++) {
            run(&r, threads);
            check_exact(&r, i, threads);
        }
        close_trial(&r);
        open_trial(&r, &shapes[i], false);
        run(&r, 2);
        check_near(&r, i);
        close_trial(&r);
    }
    return check_done();
}

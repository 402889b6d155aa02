/* conv_wino_bf16.c -- F(4x4, 3x3) in bf16 against sums in double, to a few of the
 * roundings on the way: odd maps, no padding, one image, stride 2, tiles that fill no
 * unit and reach beyond the map, several numbers of threads, which all give the same
 * bits. */
#include "ops/conv_wino_bf16.h"
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

static uint16_t *take_bf16(double *values, size_t count)
{
    uint16_t *p = conv_rig_take(count, sizeof *p);
    for (size_t i = 0; i < count; i++) {
        p[i] = rig_bf16((float)conv_rig_noise());
        values[i] = conv_rig_value(p, SLUICE_BF16, i);
    }
    return p;
}

static void open_trial(struct trial *r, const struct onednn_shape *shape)
{
    struct conv_rig *sums = &r->sums;
    conv_rig_open(sums, shape, SLUICE_BF16);
    r->x = take_bf16(sums->x, sums->nx);
    r->dy = take_bf16(sums->dy, sums->ny);
    r->dx = conv_rig_take(sums->nx, sizeof *r->dx);
    r->y = conv_rig_take(sums->ny, sizeof *r->y);
    r->w = conv_rig_take(sums->nw, sizeof *r->w);
    r->dw = conv_rig_take(sums->nw, sizeof *r->dw);
    for (size_t i = 0; i < sums->nw; i++) {
        r->w[i] = (float)conv_rig_noise();
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
    struct conv_wino_bf16 *conv;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&dev, "cpu", "bf16", threads, &err) == 0, "%s", err.message);
    REQUIRE(conv_wino_bf16_create(&conv, dev, &r->sums.s, false, &err) == 0, "%s",
            err.message);
    memset(r->y, 0xff, r->sums.ny * sizeof *r->y);
    memset(r->dx, 0xff, r->sums.nx * sizeof *r->dx);
    memset(r->dw, 0xff, r->sums.nw * sizeof *r->dw);
    conv_wino_bf16_forward(conv, dev, r->x, r->w, r->y);
    conv_wino_bf16_backward_data(conv, dev, r->dy, r->w, r->dx);
    conv_wino_bf16_backward_weight(conv, dev, r->x, r->dy, r->dw);
    conv_wino_bf16_free(conv);
    device_close(dev);
}

static void check_near(const struct trial *r, int shape)
{
    const struct conv_rig *want = &r->sums;
    const struct conv_rig_error most = { 0.014, 0.2 }; /* directly: 0.0023, 0.012 */
    conv_rig_check(r->y, SLUICE_BF16, want->y, want->ny, most,
                   conv_rig_name("bf16", shape, "results"));
    conv_rig_check(r->dx, SLUICE_BF16, want->dx, want->nx, most,
                   conv_rig_name("bf16", shape, "gradients"));
    conv_rig_check(r->dw, SLUICE_F32, want->dw, want->nw, most,
                   conv_rig_name("bf16", shape, "weights' gradients"));
}

static void check_same(struct trial *r, int shape)
{
    struct trial two = *r;
    two.y = conv_rig_take(r->sums.ny, sizeof *two.y);
    two.dx = conv_rig_take(r->sums.nx, sizeof *two.dx);
    two.dw = conv_rig_take(r->sums.nw, sizeof *two.dw);
    for (int threads = 2; threads <= 3; threads++) {
        run(&two, threads);
        CHECK(memcmp(two.y, r->y, r->sums.ny * sizeof *r->y) == 0 &&
                  memcmp(two.dx, r->dx, r->sums.nx * sizeof *r->dx) == 0 &&
                  memcmp(two.dw, r->dw, r->sums.nw * sizeof *r->dw) == 0,
              "shape %d: other bits with %d threads", shape, threads);
    }
    free(two.y);
    free(two.dx);
    free(two.dw);
}

int main(void)
{
    if (!cpu_has_avx512_bf16())
        SKIP("this CPU has no AVX512-BF16");
    for (int i = 0; i < (int)(sizeof shapes / sizeof *shapes); i++) {
        struct trial r;
        open_trial(&r, &shapes[i]);
        run(&r, 1);
        check_near(&r, i);
        check_same(&r, i);
        close_trial(&r);
    }
    return check_done();
}

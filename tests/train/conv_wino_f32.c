/* conv_wino_f32.c -- F(4x4, 3x3) against sums in double, with every instruction set
 * that this CPU has: odd maps, no padding, stride 2, tiles that fill no unit and reach
 * beyond the map, several numbers of threads, which all give the same bits. */
#include "ops/conv_wino_f32.h"
#include "conv_rig.h"
#include "device.h"

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

struct trial {
    struct conv_rig sums;
    float *x, *dy, *y, *dx, *w, *dw, *bias;
};

static float *take_noise(double *values, size_t count)
{
    float *p = conv_rig_take(count, sizeof *p);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)(p[i] = (float)conv_rig_noise());
    return p;
}

static void add_bias(struct trial *r)
{
    const size_t k = (size_t)r->sums.s.k;
    double *bias = conv_rig_take(k, sizeof *bias);
    r->bias = take_noise(bias, k);
    for (size_t i = 0; i < r->sums.ny; i++)
        r->sums.y[i] += bias[i % k];
    free(bias);
}

static void open_trial(struct trial *r, const struct onednn_shape *shape)
{
    struct conv_rig *sums = &r->sums;
    conv_rig_open(sums, shape, SLUICE_F32);
    r->x = take_noise(sums->x, sums->nx);
    r->dy = take_noise(sums->dy, sums->ny);
    r->w = take_noise(sums->w, sums->nw);
    r->dx = conv_rig_take(sums->nx, sizeof *r->dx);
    r->y = conv_rig_take(sums->ny, sizeof *r->y);
    r->dw = conv_rig_take(sums->nw, sizeof *r->dw);
    r->bias = NULL;
    conv_rig_compute(sums);
    if (shape->bias)
        add_bias(r);
}

static void close_trial(struct trial *r)
{
    void *const all[] = { r->x, r->dx, r->y, r->dy, r->w, r->dw, r->bias };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    conv_rig_close(&r->sums);
}

/* What is not written stays NaN. */
static void run(struct trial *r, int threads)
{
    struct device *dev;
    struct conv_wino_f32 *conv;
    struct sluice_error err = { 0 };
    REQUIRE(device_open(&dev, "cpu", "f32", threads, &err) == 0, "%s", err.message);
    REQUIRE(conv_wino_f32_create(&conv, dev, &r->sums.s, &err) == 0, "%s", err.message);
    memset(r->y, 0xff, r->sums.ny * sizeof *r->y);
    memset(r->dx, 0xff, r->sums.nx * sizeof *r->dx);
    memset(r->dw, 0xff, r->sums.nw * sizeof *r->dw);
    conv_wino_f32_forward(conv, dev, r->x, r->w, r->bias, r->y);
    conv_wino_f32_backward_data(conv, dev, r->dy, r->w, r->dx);
    conv_wino_f32_backward_weight(conv, dev, r->x, r->dy, r->dw);
    conv_wino_f32_free(conv);
    device_close(dev);
}

static void check_near(const struct trial *r, const char *isa, int shape)
{
    const struct conv_rig *want = &r->sums;
    const struct conv_rig_error most = { 3e-6, 5e-5 }; /* directly: 2e-7, 2e-6 */
    conv_rig_check(r->y, SLUICE_F32, want->y, want->ny, most,
                   conv_rig_name(isa, shape, "results"));
    conv_rig_check(r->dx, SLUICE_F32, want->dx, want->nx, most,
                   conv_rig_name(isa, shape, "gradients"));
    conv_rig_check(r->dw, SLUICE_F32, want->dw, want->nw, most,
                   conv_rig_name(isa, shape, "weights' gradients"));
}

static void check_same(struct trial *r, const char *isa, int shape)
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
        struct trial r;
        open_trial(&r, &shapes[i]);
        for (int set = 0; set < 3; set++) {
            setenv("SLUICE_CPU_ISA", sets[set], 1);
            run(&r, 1);
            check_near(&r, sets[set], i);
            check_same(&r, sets[set], i);
        }
        close_trial(&r);
    }
    return check_done();
}

/* activations.c -- GELU, SiLU, ReLU and sigmoid for every bf16 number, against the
 * formulas: value and slope, on device cpu in both precisions, with the kernels of
 * every instruction set that this CPU runs, and by device cuda's functions. Batch norm
 * computes them by the same functions. */
#include "cuda/kernels_flat.h"
#include "op_rig.h"
#include "ops/activation.h"

enum {
    SIDE = 256, /* SIDE x SIDE numbers: all of bf16 */
};

static bool same(double got, double want, double relative, double absolute)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return near(got, want, absolute, relative);
}

/* Where a formula multiplies infinity by 0, it says nothing. */
static bool says(double x, double want)
{
    return !isinf(x) || !isnan(want);
}

static void check_value(const struct rig *r, size_t i, const char *what)
{
    const enum activation act = r->op.attr.act;
    const double x = rig_get(&r->in[0], r->in[0].data, i);
    const double y = rig_get(&r->out[0], r->out[0].data, i);
    const double slope = rig_get(&r->in[0], r->in[0].grad, i);
    const bool half = r->in[0].dtype == SLUICE_BF16;
    const double relative = half ? 0x1p-8 : 1e-5;
    const double absolute = half ? 2e-5 : 1e-6;
    const double want = activation_value(act, x);
    const double want_slope = activation_slope(act, x);
    CHECK(!says(x, want) || same(y, want, relative, absolute),
          "%s: of %.9g is %.9g, not %.9g", what, x, y, want);
    CHECK(!says(x, want_slope) || same(slope, want_slope, relative, absolute),
          "%s: slope at %.9g is %.9g, not %.9g", what, x, slope, want_slope);
}

static void check_act(enum activation act, struct device *dev, const char *isa)
{
    static const char *const names[] = { "none", "ReLU", "GELU", "sigmoid", "SiLU" };
    const struct op_case c = { "all", 1, SIDE, SIDE, 1, { .act = act } };
    struct rig r;
    char what[80];
    snprintf(what, sizeof what, "%s, %s, %s", names[act], isa,
             sluice_dtype_name(dev->compute));
    rig_open(&r, &op_activation, &c, dev);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        if (dev->compute == SLUICE_BF16)
            ((uint16_t *)r.in[0].data)[i] = (uint16_t)i;
        else
            rig_put(&r.in[0], r.in[0].data, i, bf16_to_float((uint16_t)i));
        rig_put(&r.out[0], r.out[0].grad, i, 1);
    }
    rig_forward(&r, what);
    rig_backward(&r, what);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        check_value(&r, i, what);
    rig_close(&r);
}

static void check_isa(const char *isa)
{
    static const char *const precisions[] = { "f32", "bf16" };
    struct sluice_error err = { 0 };
    setenv("SLUICE_CPU_ISA", isa, 1);
    for (int i = 0; i < 2; i++) {
        struct device *dev;
        const int rc = device_open(&dev, "cpu", precisions[i], 2, &err);
        if (rc == SLUICE_EUNBUILT) {
            printf("%s %s: %s\n", isa, precisions[i], err.message);
            continue;
        }
        REQUIRE(rc == 0, "%s", err.message);
        check_act(ACT_RELU, dev, isa);
        check_act(ACT_GELU, dev, isa);
        check_act(ACT_SIGMOID, dev, isa);
        check_act(ACT_SILU, dev, isa);
        device_close(dev);
    }
}

static void check_cuda(enum activation act)
{
    for (int i = 0; i < SIDE * SIDE; i++) {
        const float x = bf16_to_float((uint16_t)i);
        const double y = (double)act_value(act, x), slope = (double)act_slope(act, x);
        const double want = activation_value(act, (double)x);
        const double want_slope = activation_slope(act, (double)x);
        CHECK((!says((double)x, want) || same(y, want, 1e-5, 1e-6)) &&
                  (!says((double)x, want_slope) || same(slope, want_slope, 1e-5, 1e-6)),
              "cuda, activation %d: of %.9g is %.9g, its slope %.9g", (int)act,
              (double)x, y, slope);
    }
}

int main(void)
{
    static const char *const isas[] = { "avx512_bf16", "avx512", "avx2", "plain" };
    struct sluice_error err = { 0 };
    struct device *dev;
    check_cuda(ACT_RELU);
    check_cuda(ACT_GELU);
    check_cuda(ACT_SIGMOID);
    check_cuda(ACT_SILU);
    if (device_open(&dev, "cpu", "auto", 0, &err) == SLUICE_EUNBUILT)
        return check_done(); /* device cuda's alone */
    device_close(dev);
    for (int i = 0; i < 4; i++)
        check_isa(isas[i]);
    return check_done();
}

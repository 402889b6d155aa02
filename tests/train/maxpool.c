/* maxpool.c -- which of equal values, zeros of either sign, NaNs and infinities is a
 * window's maximum: device cpu against the reference, bit by bit, with the kernels of
 * every instruction set that this CPU runs. */
#include "op_rig.h"

static const float values[] = { -1, 0.5F, 1, 0, -0.0F, INFINITY, -INFINITY, NAN, -NAN };

static const struct op_case cases[] = {
    { "2x2", 3, 8, 6, 64, { .kernel = 2, .stride = 2 } },
    { "2x2 odd", 2, 7, 9, 45, { .kernel = 2, .stride = 2 } },
    { "3x3", 2, 9, 8, 40, { .kernel = 3, .stride = 3 } },
    { "3x3 stride 2 pad 1", 2, 9, 9, 33, { .kernel = 3, .stride = 2, .pad = 1 } },
    { "2x2 gaps", 2, 8, 8, 32, { .kernel = 2, .stride = 3 } },
    { "1x1", 2, 3, 3, 37, { .kernel = 1, .stride = 1 } },
    { "16x16", 1, 32, 16, 32, { .kernel = 16, .stride = 16 } },
    { 0 },
};

/* More than POOL_LARGE */
static const struct op_case large = { "large", 34,  64,
                                      65,      128, { .kernel = 2, .stride = 2 } };

/* `kinds` of the values occur: without the last ones there is no NaN. */
static void fill(struct tensor *t, void *to, uint32_t seed, int kinds)
{
    for (size_t i = 0; i < tensor_elements(t); i++) {
        seed = seed * 1664525U + 1013904223U;
        rig_put(t, to, i, values[(seed >> 16) % (uint32_t)kinds]);
    }
}

static bool same(double a, double b)
{
    return isnan(b) ? isnan(a) : a == b && !signbit(a) == !signbit(b);
}

static void compare(const struct tensor *got, const void *values_got,
                    const struct tensor *want, const void *values_want,
                    const char *what)
{
    for (size_t i = 0; i < tensor_elements(want); i++) {
        const double g = rig_get(got, values_got, i), w = rig_get(want, values_want, i);
        CHECK(same(g, w), "%s: element %zu is %g, not %g", what, i, g, w);
    }
}

static void check_case(const struct op_case *c, int kinds, struct device *dev,
                       struct device *ref, const char *isa)
{
    struct rig r, truth;
    char what[120];
    snprintf(what, sizeof what, "%s, %s, %s, %d kinds", c->name, isa,
             sluice_dtype_name(dev->compute), kinds);
    rig_open(&r, &op_maxpool, c, dev);
    rig_open(&truth, &op_maxpool, c, ref);
    fill(&r.in[0], r.in[0].data, 5, kinds);
    fill(&truth.in[0], truth.in[0].data, 5, kinds);
    fill(&r.out[0], r.out[0].grad, 6, 4); /* whose sums are exact */
    fill(&truth.out[0], truth.out[0].grad, 6, 4);
    memset(r.in[0].grad, 0xff, tensor_bytes(&r.in[0]));
    rig_forward(&r, what);
    rig_forward(&truth, what);
    compare(&r.out[0], r.out[0].data, &truth.out[0], truth.out[0].data, what);
    rig_backward(&r, what);
    rig_backward(&truth, what);
    compare(&r.in[0], r.in[0].grad, &truth.in[0], truth.in[0].grad, what);
    rig_close(&r);
    rig_close(&truth);
}

static void check_isa(const char *isa, const char *precision, struct device *ref)
{
    struct sluice_error err = { 0 };
    struct device *dev;
    setenv("SLUICE_CPU_ISA", isa, 1);
    const int rc = device_open(&dev, "cpu", precision, 2, &err);
    if (rc == SLUICE_EUNBUILT) {
        printf("%s %s: %s\n", isa, precision, err.message);
        return;
    }
    REQUIRE(rc == 0, "%s", err.message);
    for (const struct op_case *c = cases; c->name; c++) {
        check_case(c, 5, dev, ref, isa);
        check_case(c, 9, dev, ref, isa);
    }
    if (strcmp(isa, "avx512_bf16") == 0 && dev->compute == SLUICE_BF16)
        check_case(&large, 5, dev, ref, isa);
    device_close(dev);
}

int main(void)
{
    static const char *const isas[] = { "avx512_bf16", "avx512", "avx2", "plain" };
    struct sluice_error err = { 0 };
    struct device *dev, *ref;
    if (device_open(&dev, "cpu", "auto", 0, &err) == SLUICE_EUNBUILT)
        SKIP("%s", err.message);
    device_close(dev);
    REQUIRE(device_open(&ref, "ref", "auto", 0, &err) == 0, "%s", err.message);
    for (int i = 0; i < 4; i++) {
        check_isa(isas[i], "f32", ref);
        check_isa(isas[i], "bf16", ref);
    }
    device_close(ref);
    return check_done();
}

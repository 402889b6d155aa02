/* droppath.c -- stochastic depth: how often branches are left out, who shares a draw,
 * and what is multiplied instead, in training and outside of it. */
#include "op_rig.h"

enum {
    IMAGES = 32,
    STEPS = 4000,
};

/* The factor of every image at this step, taken from what happens to ones. */
static void factors(struct rig *r, uint64_t step, bool training, double out[IMAGES])
{
    const size_t image = tensor_elements(&r->in[0]) / IMAGES;
    r->pass.step = step;
    r->pass.training = training;
    rig_forward(r, "droppath");
    rig_backward(r, "droppath");
    for (size_t n = 0; n < IMAGES; n++) {
        out[n] = rig_get(&r->out[0], r->out[0].data, n * image);
        for (size_t i = 0; i < image; i++)
            CHECK(rig_get(&r->out[0], r->out[0].data, n * image + i) == out[n] &&
                      rig_get(&r->in[0], r->in[0].grad, n * image + i) == out[n],
                  "step %d, image %zu: not one factor in both directions", (int)step,
                  n);
    }
}

static void open_ones(struct rig *r, struct device *dev, struct op_attr attr)
{
    rig_open(r, &op_droppath, &(struct op_case){ "ones", IMAGES, 1, 2, 3, attr }, dev);
    for (size_t i = 0; i < tensor_elements(&r->in[0]); i++) {
        rig_put(&r->in[0], r->in[0].data, i, 1);
        rig_put(&r->out[0], r->out[0].grad, i, 1);
    }
}

/* Shares of images left out, and of steps whose images differ. */
static void check_rate(struct device *dev, struct op_attr attr, double kept)
{
    const double p = (double)attr.p;
    struct rig r;
    double f[IMAGES];
    int dropped = 0, mixed = 0;
    open_ones(&r, dev, attr);
    for (uint64_t step = 0; step < STEPS; step++) {
        int here = 0;
        factors(&r, step, true, f);
        for (int n = 0; n < IMAGES; n++) {
            CHECK(f[n] == 0 || near(f[n], kept, 1e-6, 0), "factor %g", f[n]);
            here += f[n] == 0;
        }
        dropped += here;
        mixed += here > 0 && here < IMAGES;
    }
    /* Five standard deviations of as many draws as there were. */
    const double draws = attr.per_sample ? STEPS * IMAGES : STEPS;
    CHECK(near(dropped / (double)(STEPS * IMAGES), p, 5 * sqrt(p * (1 - p) / draws), 0),
          "p %g: %g are left out", p, dropped / (double)(STEPS * IMAGES));
    CHECK(attr.per_sample ? mixed > STEPS * 9 / 10 : mixed == 0,
          "%d of %d steps tell images apart", mixed, STEPS);
    rig_close(&r);
}

static void check_evaluation(struct device *dev, enum drop_scaling scaling, double want)
{
    const struct op_attr attr = { .p = 0.25F, .per_sample = true, .scaling = scaling };
    struct rig r;
    double f[IMAGES];
    open_ones(&r, dev, attr);
    for (uint64_t step = 0; step < 50; step++) {
        factors(&r, step, false, f);
        for (int n = 0; n < IMAGES; n++)
            CHECK(f[n] == want, "evaluation, scaling %d: factor %g", (int)scaling,
                  f[n]);
    }
    rig_close(&r);
}

/* Operators, steps and seeds have draws of their own; an image's draw does not depend
 * on how many others there are. */
static void check_streams(struct device *dev)
{
    const struct op_attr attr = { .p = 0.5F, .per_sample = true };
    struct rig r;
    double first[IMAGES], other[IMAGES];
    open_ones(&r, dev, attr);
    factors(&r, 1, true, first);
    for (int change = 0; change < 3; change++) {
        int same = 0;
        r.op.number += change == 0;
        r.pass.seed += change == 1;
        factors(&r, change == 2 ? 2 : 1, true, other);
        for (int n = 0; n < IMAGES; n++)
            same += first[n] == other[n];
        CHECK(same < IMAGES, "change %d of the stream changes nothing", change);
    }
    r.op.number = 3;
    r.pass.seed = 42;
    r.in[0].shape[0] = r.out[0].shape[0] = 5;
    r.pass.step = 1;
    rig_forward(&r, "droppath");
    for (size_t n = 0; n < 5; n++)
        CHECK(rig_get(&r.out[0], r.out[0].data, 6 * n) == first[n],
              "image %zu depends on the batch", n);
    rig_close(&r);
}

/* What is left out leaves nothing behind, not even what is no number. */
static void check_nan(struct device *dev)
{
    struct rig r;
    double f[IMAGES];
    const struct op_attr attr = { .p = 0.5F };
    uint64_t step = 0;
    open_ones(&r, dev, attr);
    for (factors(&r, step, true, f); f[0] != 0;)
        factors(&r, ++step, true, f);
    for (size_t i = 0; i < tensor_elements(&r.in[0]); i++)
        rig_put(&r.in[0], r.in[0].data, i, NAN);
    rig_forward(&r, "droppath");
    for (size_t i = 0; i < tensor_elements(&r.in[0]); i++)
        CHECK(rig_get(&r.out[0], r.out[0].data, i) == 0, "NaN of a branch left out");
    rig_close(&r);
}

static void check_refusals(void)
{
    const struct op_attr wrong[] = { { .p = 1 },
                                     { .p = -0.1F },
                                     { .p = NAN },
                                     { .p = 0.1F, .scaling = (enum drop_scaling)3 } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rig r;
        struct sluice_error err = { 0 };
        rig_shape(&r, &op_droppath, &(struct op_case){ "", 2, 2, 2, 2, { .p = 0 } });
        r.op.attr = wrong[i];
        CHECK(op_droppath.shape(&r.op, &err) == SLUICE_EINVAL, "refusal %zu", i);
    }
}

static void check_device(const char *kind)
{
    struct device *dev;
    struct sluice_error err = { 0 };
    const int rc = device_open(&dev, kind, "f32", 2, &err);
    if (rc == SLUICE_EUNBUILT)
        return;
    REQUIRE(rc == 0, "%s", err.message);
    check_rate(dev, (struct op_attr){ .p = 0.2F }, 1);
    check_rate(dev, (struct op_attr){ .p = 0.2F, .per_sample = true }, 1);
    check_rate(
        dev,
        (struct op_attr){ .p = 0.6F, .per_sample = true, .scaling = DROP_INVERTED },
        2.5);
    check_rate(dev, (struct op_attr){ .p = 0.6F, .scaling = DROP_EXPECTED }, 1);
    check_evaluation(dev, DROP_UNSCALED, 1);
    check_evaluation(dev, DROP_EXPECTED, 0.75);
    check_evaluation(dev, DROP_INVERTED, 1);
    check_streams(dev);
    check_nan(dev);
    device_close(dev);
}

int main(void)
{
    check_device("ref");
    check_device("cpu");
    check_refusals();
    return check_done();
}

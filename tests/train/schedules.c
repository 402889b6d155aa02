/* schedules.c -- every schedule against values of PyTorch's schedulers and against its
 * closed form at the corners. */
#include <string.h>

#include "check.h"
#include "schedule.h"

static double lr(const struct schedule_config *c, uint64_t step)
{
    return schedule_at(c, step).lr;
}

/* Recorded from a run of torch's OneCycleLR, printed with all digits. */
static void onecycle_cos(void)
{
    const struct schedule_config c = { .name = "onecycle",
                                       .lr = 0.1,
                                       .steps = 62600,
                                       .steps_per_epoch = 313,
                                       .pct_start = 0.1,
                                       .div = 25,
                                       .final_div = 1e4,
                                       .momentum = 0.9,
                                       .cycle_momentum = true };
    const struct {
        uint64_t step;
        double lr;
    } exact[] = {
        { 313, .004591148113092719 },
        { 626, .006350031781886992 },
        { 6259, .1 },
        { 31300, .05867982844228507 },
        { 62287, 7.966631175869396e-06 },
        { 62600, 4.000777328034573e-07 },
    };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        CHECK(lr(&c, exact[i].step) == exact[i].lr, "step %d: %.17g, expected %.17g",
              (int)exact[i].step, lr(&c, exact[i].step), exact[i].lr);
    CHECK(near(lr(&c, 0), .004, 1e-17, 0), "start %.17g", lr(&c, 0));
    CHECK(schedule_at(&c, 0).momentum == .95, "momentum %g",
          schedule_at(&c, 0).momentum);
    CHECK(near(schedule_at(&c, 6259).momentum, .85, 1e-15, 0),
          "momentum at the peak %g", schedule_at(&c, 6259).momentum);
    CHECK(near(schedule_at(&c, 62599).momentum, .95, 1e-15, 0),
          "momentum at the end %g", schedule_at(&c, 62599).momentum);
    struct schedule_config still = c;
    still.cycle_momentum = false;
    CHECK(schedule_at(&still, 6259).momentum == .9, "momentum moves unasked");
}

static void onecycle_others(void)
{
    struct schedule_config c = { .name = "onecycle",
                                 .lr = 0.5,
                                 .steps = 2328,
                                 .steps_per_epoch = 97,
                                 .pct_start = 0.2,
                                 .div = 100,
                                 .linear_anneal = true };
    CHECK(near(lr(&c, 0), .005, 1e-15, 0), "%.17g", lr(&c, 0));
    CHECK(near(lr(&c, 97), .108346965, 5e-10, 0), "%.17g", lr(&c, 97));
    CHECK(near(lr(&c, 465), .499892612, 5e-10, 0), "%.17g", lr(&c, 465));
    CHECK(near(lr(&c, 2327), .005 / 1e4, 1e-15, 0), "%.17g", lr(&c, 2327));
    c = (struct schedule_config){ .name = "onecycle",
                                  .lr = 1e-3,
                                  .steps = 9700,
                                  .steps_per_epoch = 97,
                                  .pct_start = 0.3 };
    CHECK(near(lr(&c, 0), 4e-5, 1e-18, 0), "%.17g", lr(&c, 0));
    CHECK(near(lr(&c, 97), 4.2631297e-5, 5e-13, 0), "%.17g", lr(&c, 97));
    CHECK(near(lr(&c, 2909), 1e-3, 1e-17, 0), "%.17g", lr(&c, 2909));
    c.max_lr = 2e-3;
    CHECK(near(lr(&c, 2909), 2e-3, 1e-17, 0), "max_lr: %.17g", lr(&c, 2909));
    /* No rising phase: starts at the peak. */
    c.pct_start = 0;
    CHECK(isfinite(lr(&c, 0)) && near(lr(&c, 0), 2e-3, 1e-7, 0), "%.17g", lr(&c, 0));
}

static void drop(void)
{
    const struct schedule_config c = { .name = "step",
                                       .lr = 1e-3,
                                       .steps = 30000,
                                       .steps_per_epoch = 469,
                                       .gamma = 0.1,
                                       .step_epochs = 10000.0 / 469,
                                       .drops = 1 };
    CHECK(lr(&c, 0) == 1e-3 && lr(&c, 9999) == 1e-3, "%g", lr(&c, 9999));
    CHECK(near(lr(&c, 10000), 1e-4, 1e-19, 0) && lr(&c, 29999) == lr(&c, 10000), "%g",
          lr(&c, 10000));
}

static void cosine(void)
{
    struct schedule_config c = { .name = "cosine",
                                 .lr = 0.2,
                                 .steps = 1000,
                                 .steps_per_epoch = 100,
                                 .eta_min = 0.01 };
    CHECK(near(lr(&c, 0), 0.2, 1e-15, 0), "%g", lr(&c, 0));
    CHECK(near(lr(&c, 500), 0.105, 1e-15, 0), "%g", lr(&c, 500));
    CHECK(near(lr(&c, 1000), 0.01, 1e-15, 0), "%g", lr(&c, 1000));
    CHECK(near(lr(&c, 250), 0.01 + 0.19 * (1 + sqrt(0.5)) / 2, 1e-15, 0), "%g",
          lr(&c, 250));
    c.per_epoch = true;
    CHECK(lr(&c, 0) == lr(&c, 99) && lr(&c, 100) < lr(&c, 99), "within an epoch");
    CHECK(near(lr(&c, 555), 0.105, 1e-15, 0), "%g", lr(&c, 555));
}

static void warmup_cosine(void)
{
    struct schedule_config c = { .name = "warmup_cosine",
                                 .lr = 0.2,
                                 .steps = 1000,
                                 .steps_per_epoch = 100,
                                 .pct_start = 0.2,
                                 .div = 5,
                                 .eta_min = 0.01 };
    CHECK(near(lr(&c, 0), 0.04, 1e-15, 0), "%g", lr(&c, 0));
    CHECK(near(lr(&c, 100), 0.12, 1e-15, 0), "%g", lr(&c, 100));
    CHECK(near(lr(&c, 200), 0.2, 1e-15, 0), "%g", lr(&c, 200));
    CHECK(near(lr(&c, 400), 0.01 + 0.19 * (1 + sqrt(0.5)) / 2, 1e-15, 0), "%g",
          lr(&c, 400));
    CHECK(near(lr(&c, 600), 0.105, 1e-15, 0), "%g", lr(&c, 600));
    CHECK(near(lr(&c, 1000), 0.01, 1e-15, 0), "%g", lr(&c, 1000));
    c.per_epoch = true;
    CHECK(near(lr(&c, 199), 0.12, 1e-15, 0) && near(lr(&c, 699), 0.105, 1e-15, 0),
          "by epochs: %g, %g", lr(&c, 199), lr(&c, 699));
    c.pct_start = 1; /* no cosine */
    CHECK(near(lr(&c, 900), 0.04 + 0.16 * 0.9, 1e-15, 0) && isfinite(lr(&c, 1000)),
          "%g, %g", lr(&c, 900), lr(&c, 1000));
}

static void linear(void)
{
    struct schedule_config c = { .name = "linear",
                                 .lr = 1,
                                 .steps = 100,
                                 .steps_per_epoch = 10,
                                 .pct_start = 0.2,
                                 .end_factor = 0.1,
                                 .div = 5 };
    CHECK(near(lr(&c, 0), 0.2, 1e-15, 0), "%g", lr(&c, 0));
    CHECK(near(lr(&c, 10), 0.6, 1e-15, 0), "%g", lr(&c, 10));
    CHECK(near(lr(&c, 20), 1, 1e-15, 0), "%g", lr(&c, 20));
    CHECK(near(lr(&c, 60), 0.55, 1e-15, 0), "%g", lr(&c, 60));
    CHECK(near(lr(&c, 100), 0.1, 1e-15, 0), "%g", lr(&c, 100));
    CHECK(near(lr(&c, 170), 0.1, 1e-15, 0), "beyond the end: %g", lr(&c, 170));
    c.div = 0;
    CHECK(lr(&c, 0) == 0, "%g", lr(&c, 0));
    c.pct_start = 0;
    CHECK(lr(&c, 0) == 1, "%g", lr(&c, 0));
}

static void steps_and_triangles(void)
{
    struct schedule_config c = { .name = "step",
                                 .lr = 1,
                                 .steps = 100,
                                 .steps_per_epoch = 10,
                                 .gamma = 0.5,
                                 .step_epochs = 1.5 };
    CHECK(lr(&c, 14) == 1 && lr(&c, 15) == 0.5 && lr(&c, 30) == 0.25, "step: %g %g %g",
          lr(&c, 14), lr(&c, 15), lr(&c, 30));
    c.per_epoch = true;
    CHECK(lr(&c, 19) == 1 && lr(&c, 20) == 0.5 && lr(&c, 30) == 0.25,
          "step by epochs: %g %g %g", lr(&c, 19), lr(&c, 20), lr(&c, 30));
    c = (struct schedule_config){ .name = "triangular",
                                  .lr = 0.5,
                                  .steps = 2400,
                                  .steps_per_epoch = 100,
                                  .peak_epoch = 5 };
    CHECK(lr(&c, 0) == 0 && near(lr(&c, 250), 0.25, 1e-15, 0) && lr(&c, 500) == 0.5,
          "triangle: %g %g %g", lr(&c, 0), lr(&c, 250), lr(&c, 500));
    CHECK(near(lr(&c, 1450), 0.25, 1e-15, 0) && lr(&c, 2400) == 0 && lr(&c, 9999) == 0,
          "triangle: %g %g", lr(&c, 1450), lr(&c, 2400));
    c = (struct schedule_config){
        .name = "constant", .lr = 0.5, .steps = 1, .steps_per_epoch = 1, .momentum = 0.8
    };
    CHECK(lr(&c, 77) == 0.5 && schedule_at(&c, 77).momentum == 0.8, "constant");
}

static void refusals(void)
{
    const struct schedule_config good = {
        .name = "cosine", .lr = 1, .steps = 1, .steps_per_epoch = 1
    };
    struct sluice_error err = { 0 };
    CHECK(schedule_check(&good, &err) == 0, "%s", err.message);
    struct schedule_config bad = good;
    bad.name = "cosinus";
    CHECK(schedule_check(&bad, &err) == SLUICE_EINVAL &&
              strstr(err.message, "onecycle"),
          "the message names what exists: %s", err.message);
    bad = good;
    bad.lr = nan("");
    CHECK(schedule_check(&bad, &err) == SLUICE_EINVAL, "NaN passes");
    bad = good;
    bad.pct_start = 1.5;
    CHECK(schedule_check(&bad, &err) == SLUICE_EINVAL &&
              strstr(err.message, "pct_start"),
          "%s", err.message);
    bad = good;
    bad.steps = 0;
    CHECK(schedule_check(&bad, &err) == SLUICE_EINVAL, "no steps");
    bad = good;
    bad.name = "step";
    CHECK(schedule_check(&bad, &err) == SLUICE_EINVAL, "step of no epochs");
}

int main(void)
{
    onecycle_cos();
    onecycle_others();
    cosine();
    warmup_cosine();
    drop();
    linear();
    steps_and_triangles();
    refusals();
    return check_done();
}

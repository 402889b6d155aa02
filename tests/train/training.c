/* training.c -- a network learns one batch by heart, twice the same seed gives the same
 * bits, and a run that was saved, reloaded and continued ends with the bits of the run
 * that was not. On the plain device its first losses are the recorded ones. */
#include <unistd.h>

#include "checkpoint.h"
#include "gpu_on_host.h"
#include "net_rig.h"

enum {
    BEFORE = 2,
    ALL = 4,
};

static void by_heart(const char *device)
{
    struct rig r;
    double first, last = 0;
    rig_open(&r, device, "adam");
    rig_batch(&r, 0);
    first = rig_step(&r, 0.05);
    for (int i = 0; i < 35; i++)
        last = rig_step(&r, 0.05);
    CHECK(first > 1.5 && last < 0.01, "%s: loss %g, then %g", device, first, last);
    CHECK(near(r.pass.correct, 8, 1e-9, 0), "%s: %g of 8 right", device,
          r.pass.correct);
    rig_close(&r);
}

static void twice(const char *device)
{
    struct rig a, b;
    rig_open(&a, device, "sgd");
    rig_open(&b, device, "sgd");
    rig_train(&a, 0, ALL);
    rig_train(&b, 0, ALL);
    CHECK(rig_equal(&a, &b), "%s: the same seed gives other bits", device);
    rig_train(&b, ALL, ALL + 1);
    CHECK(!rig_equal(&a, &b), "%s: one more step changes nothing", device);
    rig_close(&a);
    rig_close(&b);
}

static void resumed(const char *device, const char *optimizer)
{
    struct rig a, b;
    struct checkpoint_meta meta = { .model = "resnet9", .step = BEFORE }, read;
    char path[64];
    snprintf(path, sizeof path, "training-%s-%ld.safetensors", device, (long)getpid());
    rig_open(&a, device, optimizer);
    rig_train(&a, 0, BEFORE);
    REQUIRE(checkpoint_save(path, a.net, a.opt, &meta, &a.err) == 0, "%s",
            a.err.message);
    rig_train(&a, BEFORE, ALL);
    rig_open(&b, device, optimizer);
    /* Whatever it was and had prepared before, it is gone. */
    rig_train(&b, 0, 1);
    REQUIRE(net_forward(b.net, &b.pass, &b.err) == 0, "%s", b.err.message);
    REQUIRE(checkpoint_load(path, b.net, b.opt, &read, &b.err) == 0, "%s",
            b.err.message);
    CHECK(!rig_equal(&a, &b), "%s, %s: nothing was trained", device, optimizer);
    rig_train(&b, read.step, ALL);
    CHECK(rig_equal(&a, &b), "%s, %s: resumed, it ends elsewhere", device, optimizer);
    rig_close(&a);
    rig_close(&b);
    (void)unlink(path);
}

/* A change of these is a change of the arithmetic: of an operator, the optimizer, the
 * initialisation or the generator. */
static void recorded(void)
{
    static const double losses[10] = { 2.43715259, 2.41518496, 2.34259781, 2.32029271,
                                       2.20937519, 2.39446622, 2.25316970, 2.26475028,
                                       2.26464388, 2.30204291 };
    struct rig r;
    rig_open(&r, "ref", "sgd");
    for (int i = 0; i < 10; i++) {
        rig_batch(&r, (uint64_t)i);
        const double loss = rig_step(&r, 0.02);
        CHECK(near(loss, losses[i], 1e-4, 1e-4), "step %d: loss %.9g, recorded %.9g", i,
              loss, losses[i]);
    }
    rig_close(&r);
}

int main(int argc, char **argv)
{
    const char *device = argc > 1 ? argv[1] : "ref";
    if (argc > 2 && strcmp(argv[2], "host") == 0)
        gpu_on_host(false);
    by_heart(device);
    twice(device);
    resumed(device, "sgd");
    resumed(device, "adamw");
    resumed(device, "muon");
    if (strcmp(device, "ref") == 0)
        recorded();
    return check_done();
}

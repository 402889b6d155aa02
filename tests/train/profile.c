/* profile.c -- what a profile counts: passes of training alone, arithmetic as the
 * network's own sum, bytes by hand. Times themselves are whatever they are. */
#include "profile.h"
#include "net_rig.h"

enum {
    STEPS = 3,
};

static int find_op(struct net *net, const char *name)
{
    for (int i = 0; i < net_op_count(net); i++)
        if (strcmp(net_op_at(net, i)->name, name) == 0)
            return i;
    REQUIRE(0, "no operator %s", name);
    return -1;
}

static double seconds(const struct profile *p)
{
    double sum = 0;
    for (int i = 0; i < net_op_count(p->net); i++)
        sum += p->times[i].forward + p->times[i].backward;
    return sum;
}

/* conv1 reads the image and 4 filters of 3x3x3, and writes 4 channels; backward reads
 * gradients and the image and writes the filters' gradient. */
static void check_first(const struct profile *p, int images)
{
    const double image = 21 * 21 * 3 * 4.0, out = 21 * 21 * 4 * 4.0,
                 weight = 27 * 4 * 4;
    const int i = find_op(p->net, "conv1");
    const struct profile_rate forward = profile_forward(p, i);
    const struct profile_rate backward = profile_backward(p, i);
    CHECK(forward.bytes == images * (image + out) + weight, "%g bytes forward",
          forward.bytes);
    CHECK(backward.bytes == images * (out + image) + weight, "%g bytes backward",
          backward.bytes);
    CHECK(forward.flops == images * 2.0 * 27 * 4 * 21 * 21 &&
              backward.flops == forward.flops,
          "%g and %g operations", forward.flops, backward.flops);
}

static void check_sums(struct rig *r, const struct profile *p, int images)
{
    double forward = 0, backward = 0;
    for (int i = 0; i < net_op_count(p->net); i++) {
        forward += profile_forward(p, i).flops;
        backward += profile_backward(p, i).flops;
        CHECK(profile_forward(p, i).seconds >= 0 && profile_backward(p, i).seconds >= 0,
              "%s: time", net_op_at(p->net, i)->name);
    }
    CHECK(near(forward, images * net_flops(r->net), 0, 1e-12), "%g operations",
          forward);
    /* Nobody wants the gradient of the image. */
    CHECK(near(backward,
               2 * forward - profile_forward(p, find_op(p->net, "conv1")).flops, 0,
               1e-12),
          "%g operations backward", backward);
    const struct profile_rate fork = profile_forward(p, find_op(p->net, "fork4"));
    CHECK(fork.bytes == 0 && fork.flops == 0, "a fork moves %g bytes", fork.bytes);
}

int main(void)
{
    struct rig r;
    struct profile p;
    struct profile_peaks peaks;
    rig_open(&r, "ref", "sgd");
    rig_batch(&r, 0);
    rig_step(&r, 0.01);
    REQUIRE(profile_open(&p, r.net, &r.err) == 0, "%s", r.err.message);
    CHECK(seconds(&p) == 0, "measured before it began");
    for (int i = 0; i < STEPS; i++)
        rig_step(&r, 0.01);
    p.steps = STEPS;
    p.images = 8 * STEPS;
    const double trained = seconds(&p);
    CHECK(trained > 0, "nothing was measured");
    r.pass.training = false;
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    CHECK(seconds(&p) == trained, "a test counts as training");
    check_first(&p, 8);
    check_sums(&r, &p, 8);
    REQUIRE(profile_measure_peaks(&peaks, r.dev, &r.err) == 0, "%s", r.err.message);
    CHECK(peaks.flops > 1e6 && peaks.flops < 1e15 && peaks.bytes > 1e6 &&
              peaks.bytes < 1e13,
          "peaks %g and %g", peaks.flops, peaks.bytes);
    CHECK(!peaks.in_registers, "device ref does not multiply in registers");
    profile_forget_first(&p);
    CHECK(seconds(&p) == 0 && p.steps == 0 && p.images == 0, "%llu steps are left",
          (unsigned long long)p.steps);
    p.steps = 1;
    profile_forget_first(&p);
    CHECK(p.steps == 1, "the second step is forgotten, too");
    profile_close(&p);
    rig_step(&r, 0.01);
    rig_close(&r);
    return check_done();
}

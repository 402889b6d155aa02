/* lookahead.c -- slow weights against their formula in double, saved and continued to
 * the bit; layers that freeze after some epochs, and what backward then leaves out. */
#include <stdio.h>
#include <unistd.h>

#include "checkpoint.h"
#include "gpu_on_host.h"
#include "net_rig.h"

static const char *device = "ref";

enum {
    STEPS = 7,
    EVERY = 2,
};

static const struct optim_config with_lookahead = {
    .name = "sgd", .momentum = 0.9, .lookahead = { EVERY, 0.5, STEPS }
};

static void open_rig(struct rig *r)
{
    rig_open(r, device, "sgd");
    optim_free(r->opt);
    REQUIRE(optim_create(&r->opt, r->net, &with_lookahead, &r->err) == 0, "%s",
            r->err.message);
}

/* Element 3 of parameter 0 and of buffer 0, which here drift by a known amount. */
static void formula(void)
{
    struct rig r;
    open_rig(&r);
    float *w = net_param(r.net, 0)->data, *g = net_param(r.net, 0)->grad;
    float *b = net_buffer(r.net, 0)->data;
    double slow = (double)w[3], fast = slow, fast_b = (double)b[3];
    double slow_b = fast_b + 1; /* of the first batch, whose pass comes before */
    double momentum = 0;
    for (int step = 1; step <= STEPS; step++) {
        for (int i = 0; i < net_param_count(r.net); i++)
            if (net_param(r.net, i)->grad)
                memset(net_param(r.net, i)->grad, 0, tensor_bytes(net_param(r.net, i)));
        g[3] = 0.25F * (float)step;
        momentum = 0.9 * momentum + 0.25 * step;
        fast -= 0.1 * momentum;
        b[3] += 1;
        fast_b += 1;
        optim_step(r.opt, 0.1, -1);
        double keep = pow(0.5, EVERY) * pow((double)step / STEPS, 3);
        if (step % EVERY == 0) {
            fast = slow = keep * slow + (1 - keep) * fast;
            fast_b = slow_b = keep * slow_b + (1 - keep) * fast_b;
        }
        if (step == STEPS) {
            fast = slow;
            fast_b = slow_b;
        }
        CHECK(near((double)w[3], fast, 1e-6, 1e-5), "step %d: weight %g, not %g", step,
              (double)w[3], fast);
        CHECK(near((double)b[3], fast_b, 1e-6, 1e-5), "step %d: buffer %g, not %g",
              step, (double)b[3], fast_b);
    }
    rig_close(&r);
}

/* Five steps, saved, two more; and the two after loading into a fresh network. */
static void resume(void)
{
    struct rig a, b;
    struct checkpoint_meta meta = { .model = "resnet9" }, read;
    char path[64];
    snprintf(path, sizeof path, "lookahead-%d.safetensors", (int)getpid());
    open_rig(&a);
    open_rig(&b);
    rig_train(&a, 0, 5);
    REQUIRE(checkpoint_save(path, a.net, a.opt, &meta, &a.err) == 0, "%s",
            a.err.message);
    rig_train(&a, 5, STEPS);
    REQUIRE(checkpoint_load(path, b.net, b.opt, &read, &b.err) == 0, "%s",
            b.err.message);
    unlink(path);
    rig_train(&b, 5, STEPS);
    CHECK(rig_equal(&a, &b), "continued, the weights differ");
    const int n = optim_state_count(a.opt);
    CHECK(strncmp(optim_state(a.opt, n - 1)->name, "lookahead.", 10) == 0,
          "the last state is %s", optim_state(a.opt, n - 1)->name);
    rig_close(&a);
    rig_close(&b);
}

static void refusals(void)
{
    struct rig r;
    struct optim *opt;
    rig_open(&r, device, "sgd");
    struct optim_config c = { .name = "sgd", .lookahead = { 5, 1.5, 10 } };
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL && !opt &&
              strstr(r.err.message, "1.5"),
          "%s", r.err.message);
    c.lookahead = (struct lookahead_config){ 5, 0.5, 0 };
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL, "no steps pass");
    rig_close(&r);
}

/* airbench94's first bias is trained for three epochs; then nothing before the first
 * group is, and the rest learns on as if everything were computed. */
static void frozen(void)
{
    struct rig a, b;
    struct model_values options;
    const struct net_input input = { 4, 25, 25, 3 };
    model_defaults(model_find("airbench94"), &options);
    options.numbers[0] = 0.0625;
    rig_device(&a, device);
    rig_device(&b, device);
    rig_model(&a, "airbench94", &input, &options);
    rig_model(&b, "airbench94", &input, &options);
    REQUIRE(optim_create(&a.opt, a.net, &with_lookahead, &a.err) == 0, "%s",
            a.err.message);
    REQUIRE(optim_create(&b.opt, b.net, &with_lookahead, &b.err) == 0, "%s",
            a.err.message);
    const struct tensor *bias = net_op_at(a.net, 0)->param[1];
    float before[64];
    net_freeze(a.net, 2);
    CHECK(bias->trainable && net_op_at(a.net, 1)->out[0]->grad, "frozen too early");
    memcpy(before, bias->data, tensor_bytes(bias));
    rig_train(&a, 0, 1);
    rig_train(&b, 0, 1);
    CHECK(memcmp(before, bias->data, tensor_bytes(bias)) != 0, "the bias stays");
    net_freeze(a.net, 3);
    CHECK(!bias->trainable && !net_op_at(a.net, 1)->out[0]->grad,
          "still trained in epoch 3");
    CHECK(net_op_at(a.net, 2)->out[0]->grad, "the first group lost its gradient");
    net_op_at(b.net, 0)->param[1]->trainable = false; /* the slow way */
    memcpy(before, bias->data, tensor_bytes(bias));
    rig_train(&a, 1, 2);
    rig_train(&b, 1, 2);
    for (int i = 0; i < net_param_count(a.net); i++)
        CHECK(memcmp(net_param(a.net, i)->data, net_param(b.net, i)->data,
                     tensor_bytes(net_param(a.net, i))) == 0,
              "%s differs", net_param(a.net, i)->name);
    rig_close(&a);
    rig_close(&b);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "host") == 0) {
        gpu_on_host(false);
        device = "cuda";
    }
    formula();
    resume();
    refusals();
    frozen();
    return check_done();
}

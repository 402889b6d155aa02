/* branches.c -- branches that are left out of a step are not computed, and that changes
 * nothing but their running statistics, which stay. argv[1] is the device. */
#include "net_internal.h"
#include "net_rig.h"

enum {
    STEPS = 8,
    BUFFERS = 64,
    OPS = 128,
};

static const struct net_input small = { 4, 8, 8, 3 };

/* Every residual block of the model, most of them left out. */
static struct net *model(struct device *dev, struct rig *r)
{
    struct model_values options;
    r->dev = dev;
    model_defaults(model_find("stochastic_depth"), &options);
    rig_set("stochastic_depth", &options, "channels", 4);
    rig_set("stochastic_depth", &options, "drop", 0.9);
    rig_set("stochastic_depth", &options, "drop_scaling", DROP_INVERTED);
    rig_model(r, "stochastic_depth", &small, &options);
    return r->net;
}

/* A branch within a branch, with a fork within, and one of nothing but a droppath. */
static struct net *nested(struct device *dev, struct rig *r)
{
    struct net *net;
    struct tensor *x, *y, *inner, *a, *b;
    r->dev = dev;
    REQUIRE(net_create(&net, dev, &small, &r->err) == 0, "%s", r->err.message);
    x = net_conv2d(net, net_input(net), "first", 5, 3, 1, 1, true);
    net_fork(net, x, &x, &y);
    y = net_batchnorm(net, net_conv2d(net, y, "outer", 5, 3, 1, 1, false), "bn0",
                      ACT_RELU);
    net_fork(net, y, &y, &inner);
    inner = net_batchnorm(net, inner, "bn1", ACT_GELU);
    net_fork(net, inner, &a, &b);
    inner = net_add(net, net_conv2d(net, a, "a", 5, 1, 1, 0, true),
                    net_conv2d(net, b, "b", 5, 3, 1, 1, false));
    inner = net_droppath(net, inner, 0.4F, false, DROP_UNSCALED);
    y = net_conv2d(net, net_add_relu(net, y, inner), "last", 5, 1, 1, 0, true);
    x = net_add(net, x, net_droppath(net, y, 0.4F, false, DROP_EXPECTED));
    net_fork(net, x, &x, &y);
    x = net_add(net, x, net_droppath(net, y, 0.5F, false, DROP_UNSCALED));
    net_softmax_xent(net, net_linear(net, net_globalavg(net, x), "fc", 10, true), 0);
    REQUIRE(net_finish(net, &r->err) == 0, "%s", r->err.message);
    init_default(net, 3);
    r->net = net;
    r->pass = (struct pass){
        .training = true, .seed = 3, .labels = r->labels, .label_stride = 1
    };
    return net;
}

/* Equal numbers: a zero's sign may differ. */
static int same(const struct tensor *a, const void *x, const void *y)
{
    for (size_t i = 0; i < tensor_elements(a); i++)
        if (!(((const float *)x)[i] == ((const float *)y)[i]))
            return 0;
    return 1;
}

static void compare_params(struct rig *a, struct rig *b, int step)
{
    for (int i = 0; i < net_param_count(a->net); i++) {
        const struct tensor *p = net_param(a->net, i), *q = net_param(b->net, i);
        CHECK(same(p, p->grad, q->grad), "step %d: the gradient of %s", step, p->name);
        CHECK(same(p, p->data, q->data), "step %d: %s", step, p->name);
    }
}

/* Statistics of what rests stay; others become what they become when all is computed.
 */
static void compare_buffers(struct rig *a, struct rig *b, float *before[BUFFERS],
                            int step)
{
    int k = 0;
    for (int i = 0; i < net_op_count(a->net); i++) {
        struct op *op = net_op_at(a->net, i), *other = net_op_at(b->net, i);
        const bool rests = net_rests(a->net, op, &a->pass);
        for (int n = 0; n < OP_BUFFERS && op->buffer[n]; n++, k++) {
            struct tensor *t = op->buffer[n];
            CHECK(same(t, t->data, rests ? before[k] : other->buffer[n]->data),
                  "step %d: %s", step, t->name);
            memcpy(other->buffer[n]->data, t->data, tensor_bytes(t));
            memcpy(before[k], t->data, tensor_bytes(t));
        }
    }
}

/* How many operators rested, which then took no time. */
static int resting(struct rig *r, struct op_time *times, int step)
{
    int count = 0;
    for (int i = 0; i < net_op_count(r->net); i++) {
        const struct op *op = net_op_at(r->net, i);
        const bool rests = net_rests(r->net, op, &r->pass);
        CHECK(op->within || rests == (times[i].forward == 0), "step %d: %s takes %g s",
              step, op->name, times[i].forward);
        CHECK(!rests || times[i].backward == 0, "step %d: %s, backward, takes %g s",
              step, op->name, times[i].backward);
        count += rests;
        times[i] = (struct op_time){ 0 };
    }
    return count;
}

static void step(struct rig *r)
{
    rig_batch(r, r->pass.step);
    REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    REQUIRE(net_backward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
}

static void check(struct device *dev,
                  struct net *(*build)(struct device *, struct rig *), int expected)
{
    struct rig a = { 0 }, b = { 0 };
    struct op_time times[OPS] = { 0 };
    float *before[BUFFERS] = { 0 };
    int rested = 0;
    build(dev, &a);
    build(dev, &b)->compute_all = true;
    rig_optimizer(&a, "sgd");
    rig_optimizer(&b, "sgd");
    REQUIRE(net_op_count(a.net) <= OPS && net_buffer_count(a.net) <= BUFFERS, "size");
    for (int i = 0; i < net_buffer_count(a.net); i++) {
        before[i] = malloc(tensor_bytes(net_buffer(a.net, i)));
        REQUIRE(before[i], "no memory");
        memcpy(before[i], net_buffer(a.net, i)->data,
               tensor_bytes(net_buffer(a.net, i)));
    }
    net_measure(a.net, times);
    for (int i = 0; i < STEPS; i++) {
        step(&a);
        step(&b);
        CHECK(a.pass.loss == b.pass.loss, "step %d: loss %.9g, all computed %.9g", i,
              a.pass.loss, b.pass.loss);
        compare_buffers(&a, &b, before, i);
        rested += resting(&a, times, i);
        optim_step(a.opt, 0.05, -1);
        optim_step(b.opt, 0.05, -1);
        compare_params(&a, &b, i);
        a.pass.step++;
        b.pass.step++;
    }
    CHECK(rested == expected, "%d operators rested in %d steps", rested, STEPS);
    /* A test sees every branch. */
    a.pass.training = false;
    for (int i = 0; i < net_op_count(a.net); i++)
        CHECK(!net_rests(a.net, net_op_at(a.net, i), &a.pass), "a test leaves out %s",
              net_op_at(a.net, i)->name);
    for (int i = 0; i < net_buffer_count(a.net); i++)
        free(before[i]);
    optim_free(a.opt);
    optim_free(b.opt);
    net_free(a.net);
    net_free(b.net);
}

int main(int argc, char **argv)
{
    struct rig r;
    rig_device(&r, argc > 1 ? argv[1] : "ref");
    r.dev->threads = 1;
    check(r.dev, model, 120);
    check(r.dev, nested, 48);
    device_close(r.dev);
    return check_done();
}

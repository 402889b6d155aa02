/* residual.c -- the residual networks, small: each learns one batch by heart, continues
 * from a checkpoint to the bits of the run that never stopped, and goes on without its
 * branches where they are left out. argv[1] is the device. */
#include <unistd.h>

#include "checkpoint.h"
#include "net_internal.h"
#include "net_rig.h"

enum {
    BEFORE = 1,
    ALL = 2,
};

/* Options beside `channels`, which is 4 at most. */
struct variant {
    const char *model;
    struct net_input input;
    double channels;
    struct {
        const char *name;
        double value;
    } set[4];
};

static const struct variant variants[] = {
    { "se_resnet", { 8, 8, 8, 3 }, 4, { { "se_reduction", 2 } } },
    { "stochastic_depth",
      { 8, 8, 8, 3 },
      4,
      { { "drop", 0.4 }, { "drop_mode", 1 }, { "drop_scaling", 2 } } },
    { "resnet_medium", { 8, 8, 8, 3 }, 4, { { 0 } } },
    { "resnet18", { 8, 25, 25, 3 }, 4, { { 0 } } },
    { "resnet50",
      { 8, 8, 8, 3 },
      2,
      { { "stem", 0 }, { "se_reduction", 4 }, { "long_skips", 1 } } },
};

static void variant_open(struct rig *r, const struct variant *v, const char *device,
                         double dropout, const char *optimizer)
{
    struct model_values options;
    rig_device(r, device);
    r->dev->threads = 1; /* maps are too small for more */
    model_defaults(model_find(v->model), &options);
    rig_set(v->model, &options, "channels", v->channels);
    rig_set(v->model, &options, "dropout", dropout);
    for (int i = 0; i < 4 && v->set[i].name; i++)
        rig_set(v->model, &options, v->set[i].name, v->set[i].value);
    rig_model(r, v->model, &v->input, &options);
    rig_optimizer(r, optimizer);
}

/* Where branches are left out, what a test sees: all of them, and running statistics.
 */
static void by_heart(const struct variant *v, const char *device)
{
    struct rig r;
    double first;
    variant_open(&r, v, device, 0, "adam");
    rig_batch(&r, 0);
    first = rig_step(&r, 0.01);
    for (int i = 0; i < 30; i++)
        rig_step(&r, 0.01);
    r.pass.training = strcmp(v->model, "stochastic_depth") != 0;
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    CHECK(first > 1.5 && r.pass.loss < first / 6 && r.pass.correct >= 7,
          "%s, %s: loss %g, then %g, %g of 8 right", v->model, device, first,
          r.pass.loss, r.pass.correct);
    rig_close(&r);
}

static void resumed(const struct variant *v, const char *device)
{
    struct rig a, b;
    struct checkpoint_meta meta = { .step = BEFORE }, read;
    char path[64];
    snprintf(meta.model, sizeof meta.model, "%s", v->model);
    snprintf(path, sizeof path, "residual-%s-%ld.safetensors", device, (long)getpid());
    variant_open(&a, v, device, 0.3, "sgd");
    rig_train(&a, 0, BEFORE);
    REQUIRE(checkpoint_save(path, a.net, a.opt, &meta, &a.err) == 0, "%s",
            a.err.message);
    rig_train(&a, BEFORE, ALL);
    variant_open(&b, v, device, 0.3, "sgd");
    REQUIRE(checkpoint_load(path, b.net, b.opt, &read, &b.err) == 0, "%s",
            b.err.message);
    CHECK(!rig_equal(&a, &b), "%s, %s: nothing was trained", v->model, device);
    rig_train(&b, read.step, ALL);
    CHECK(rig_equal(&a, &b), "%s, %s: resumed, it ends elsewhere", v->model, device);
    rig_close(&a);
    rig_close(&b);
    (void)unlink(path);
}

/* The operator that adds what `branch` gives to a shortcut. */
static struct op *adds(const struct rig *r, const struct op *branch)
{
    for (int i = 0; i < net_op_count(r->net); i++) {
        struct op *op = net_op_at(r->net, i);
        if (op->def == &op_add_relu && op->in[1] == branch->out[0])
            return op;
    }
    REQUIRE(0, "nothing adds %s", branch->name);
    return NULL;
}

/* Element for element, in either type: the last byte has the sign. */
static int is_relu(const struct tensor *y, const struct tensor *x)
{
    static const unsigned char zero[4] = { 0 };
    const size_t size = sluice_dtype_size(x->dtype);
    const unsigned char *p = y->data, *q = x->data;
    for (size_t i = 0; i < tensor_elements(x); i++, p += size, q += size)
        if (memcmp(p, q[size - 1] & 0x80 ? zero : q, size) != 0)
            return 0;
    return 1;
}

/* Of a gradient that is infinite, a branch that was left out gets nothing. */
static void check_infinite(struct rig *r, struct op *branch, struct op *add)
{
    const struct tensor *dx = branch->in[0], *dy = add->out[0];
    const unsigned char inf[4] = { 0, 0, 0x80, 0x7f }, zero[4] = { 0 };
    const size_t size = sluice_dtype_size(dx->dtype);
    for (size_t i = 0; i < tensor_elements(dy); i++)
        memcpy((char *)dy->grad + i * size, inf + 4 - size, size);
    struct op *const order[2] = { add, branch };
    for (int i = 0; i < 2; i++)
        REQUIRE(net_op_backward(r->net, order[i], &r->pass, &r->err) == 0, "%s",
                r->err.message);
    size_t wrong = 0;
    for (size_t i = 0; i < tensor_elements(dx); i++)
        wrong += memcmp((const char *)dx->grad + i * size, zero, size) != 0;
    CHECK(!wrong, "%s: %zu gradients of a branch that was left out are not 0",
          branch->name, wrong);
}

/* Where a block changes the shape, the projection stays when the branch is left out. */
static void left_out(const char *device)
{
    struct variant v = variants[1];
    struct rig r;
    struct op *left[7];
    int branches = 0, out = 0;
    v.set[0].value = 0.97;
    v.set[1].value = 0;
    variant_open(&r, &v, device, 0, "sgd");
    rig_batch(&r, 0);
    rig_step(&r, 0.01);
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    for (int i = 0; i < net_op_count(r.net); i++) {
        struct op *op = net_op_at(r.net, i);
        if (op->def != &op_droppath)
            continue;
        const struct op *add = adds(&r, op);
        branches++;
        if (out < 7 && is_relu(add->out[0], add->in[0]))
            left[out++] = op;
    }
    CHECK(branches == 7 && out >= 2, "%s: %d of %d branches are left out", device, out,
          branches);
    REQUIRE(net_backward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    for (int i = 0; i < out; i++)
        check_infinite(&r, left[i], adds(&r, left[i]));
    rig_close(&r);
}

int main(int argc, char **argv)
{
    const char *device = argc > 1 ? argv[1] : "ref";
    const size_t all = sizeof variants / sizeof *variants;
    for (size_t i = 0; i < (strcmp(device, "ref") == 0 ? all : 2); i++) {
        by_heart(&variants[i], device);
        resumed(&variants[i], device);
    }
    left_out(device);
    return check_done();
}

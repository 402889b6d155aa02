/* network.c -- building: mistakes are reported where they are made; layout: what lives
 * together lies apart; backward of a whole network is the slope of its loss. */
#include "gpu_on_host.h"
#include "net_internal.h"
#include "net_rig.h"

static const struct net_input small = { 4, 8, 8, 3 };

/* A message of net_finish that names what is wrong. */
#define REFUSED(net, ...)                                                              \
    do {                                                                               \
        struct sluice_error err_ = { 0 };                                              \
        const char *words[] = { __VA_ARGS__ };                                         \
        CHECK(net_finish(net, &err_) == SLUICE_EINVAL, "accepted: %s", words[0]);      \
        for (size_t i_ = 0; i_ < sizeof words / sizeof *words; i_++)                   \
            CHECK(strstr(err_.message, words[i_]), "'%s' lacks '%s'", err_.message,    \
                  words[i_]);                                                          \
        net_free(net);                                                                 \
    } while (0)

static struct net *fresh(struct device *dev)
{
    struct net *net;
    struct sluice_error err;
    REQUIRE(net_create(&net, dev, &small, &err) == 0, "%s", err.message);
    return net;
}

static void mistakes(struct device *dev)
{
    struct sluice_error err;
    struct net *net = fresh(dev), *other = fresh(dev);
    struct tensor *a, *b;
    /* The first error is the one that is told. */
    CHECK(!net_conv2d(net, net_input(net), "huge", 8, 11, 1, 0, false) &&
              !net_linear(net, NULL, "fc", 10, true) && !net_add(net, NULL, NULL),
          "a network with an error goes on");
    REFUSED(net, "huge", "11", "8x8");
    net = fresh(dev);
    net_linear(net, net_input(net), "fc1", 10, true);
    net_linear(net, net_input(net), "fc2", 10, true);
    REFUSED(net, "fc2", "fc1", "input");
    net = fresh(dev);
    net_fork(net, net_input(net), &a, &b);
    net_softmax_xent(net, net_linear(net, a, "fc", 10, true), 0);
    REFUSED(net, "fork0");
    net = fresh(dev);
    a = net_linear(net, net_input(net), "fc", 10, true);
    net_linear(net, a, "fc", 10, true);
    REFUSED(net, "fc");
    net = fresh(dev);
    net_linear(net, net_input(other), "fc", 10, true);
    REFUSED(net, "another network");
    net_free(other);
    net = fresh(dev);
    REFUSED(net, "no operators");
    net = fresh(dev);
    net_linear(net, net_input(net),
               "a name that is much longer than any name needs to be", 10, true);
    REFUSED(net, "too long");
    CHECK(net_create(&net, dev, &(struct net_input){ 0, 1, 1, 1 }, &err) ==
                  SLUICE_EINVAL &&
              !net,
          "an empty batch");
}

/* Sums of what is not alike, probabilities that are none. */
static void bad_shapes(struct device *dev)
{
    struct net *net;
    struct tensor *a, *b;
    for (int relu = 0; relu < 2; relu++) {
        net = fresh(dev);
        net_fork(net, net_input(net), &a, &b);
        b = net_conv2d(net, b, "narrow", 3, 3, 2, 1, false);
        (relu ? net_add_relu : net_add)(net, a, b);
        REFUSED(net, relu ? "add_relu" : "add ", "4x8x8x3", "4x4x4x3", "differ");
    }
    net = fresh(dev);
    net_fork(net, net_input(net), &a, &b);
    net_concat(net, a, net_conv2d(net, b, "narrow", 3, 3, 2, 1, false));
    REFUSED(net, "concat", "4x8x8x3", "4x4x4x3", "differ in more");
    net = fresh(dev);
    net_dropout(net, net_input(net), 1);
    REFUSED(net, "dropout", "1, expected 0 <= p < 1");
    net = fresh(dev);
    net_droppath(net, net_input(net), (float)NAN, false, DROP_EXPECTED);
    REFUSED(net, "droppath", "nan, expected 0 <= p < 1");
    net = fresh(dev);
    net_droppath(net, net_input(net), 0.5F, false, (enum drop_scaling)7);
    REFUSED(net, "droppath", "scaling 7, expected 0 to 2");
}

/* A network with losses of these heads, in this order. */
static struct net *with_heads(struct device *dev, int first, float weight, int last)
{
    struct net *net = fresh(dev);
    struct tensor *a, *b;
    net_fork(net, net_linear(net, net_input(net), "fc", 10, true), &a, &b);
    net_head_loss(net, a, first, weight, 0);
    net_head_loss(net, b, last, 1, 0);
    return net;
}

static void bad_heads(struct device *dev)
{
    struct sluice_error err;
    struct net *net = with_heads(dev, 1, 0, 0);
    CHECK(net_finish(net, &err) == 0 && net_heads(net) == 2, "%s", err.message);
    CHECK(net_head(net, 0)->out[0] == net_probabilities(net) &&
              net_head(net, 1)->number == 2 && !net_head(net, 2),
          "heads in other places");
    net_free(net);
    net = with_heads(dev, 0, 1, 1);
    REFUSED(net, "behind the network's own loss");
    net = with_heads(dev, 2, 1, 0);
    REFUSED(net, "2 losses", "head 1");
    net = with_heads(dev, 0, 1, 0);
    REFUSED(net, "2 losses", "head 1");
    net = with_heads(dev, PASS_HEADS, 1, 0);
    REFUSED(net, "head 17, expected 0 to 16");
    net = with_heads(dev, 1, -1, 0);
    REFUSED(net, "weight -1, expected 0 or more");
    net = with_heads(dev, 1, (float)NAN, 0);
    REFUSED(net, "weight nan");
}

/* Everything once: residual branches, one nested, one left out at times, factors of
 * channels, pooling, dropout, two losses, channels put together, scale. */
static struct net *everything(struct device *dev)
{
    struct net *net = fresh(dev);
    struct sluice_error err;
    struct tensor *x = net_input(net), *a, *b, *c, *d;
    x = net_conv2d(net, x, "conv1", 6, 3, 1, 1, true);
    x = net_batchnorm(net, x, "bn1", ACT_GELU);
    net_fork(net, x, &a, &b);
    net_fork(net, net_conv2d(net, b, "conv2", 6, 3, 1, 1, false), &c, &d);
    d = net_activation(net, d, ACT_GELU);
    x = net_add(net, a, net_add(net, c, d));
    net_fork(net, x, &a, &b);
    b = net_linear(net, net_globalavg(net, b), "squeeze", 3, false);
    b = net_linear(net, net_activation(net, b, ACT_GELU), "excite", 6, true);
    x = net_gate(net, a, net_activation(net, b, ACT_SIGMOID));
    net_fork(net, x, &a, &b);
    x = net_add(net, a, net_droppath(net, b, 0.4F, true, DROP_INVERTED));
    net_fork(net, x, &a, &b);
    net_fork(net, net_conv2d(net, b, "conv3", 6, 3, 1, 1, false), &c, &d);
    x = net_add_relu(net, net_add(net, a, c), net_scale(net, d, -2));
    x = net_op(net, &op_avgpool, NULL, &(struct op_attr){ .kernel = 2, .stride = 2 }, x,
               NULL);
    x = net_dropout(net, x, 0.25F);
    net_fork(net, x, &a, &b);
    x = net_add(net, net_globalmax(net, a), net_globalavg(net, b));
    net_fork(net, x, &a, &b);
    net_fork(net, net_linear(net, a, "part", 10, true), &c, &d);
    net_head_loss(net, c, 1, 0.75F, 0);
    x = net_concat(net, d, b);
    x = net_scale(net, net_linear(net, x, "fc", 10, true), 0.5F);
    net_softmax_xent(net, x, 0.1F);
    REQUIRE(net_finish(net, &err) == 0, "%s", err.message);
    init_default(net, 4);
    return net;
}

static double loss_of(struct rig *r)
{
    REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    return r->pass.loss;
}

/* Along a random direction in all parameters: differences of the loss against the
 * gradient. A gradient that was overwritten before it was read shows here. */
static void slope(struct rig *r)
{
    const double h = 1e-3;
    double expected = 0, up = 0, down;
    struct sluice_rng rng = sluice_rng_at(6, 0, 0);
    REQUIRE(net_forward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    REQUIRE(net_backward(r->net, &r->pass, &r->err) == 0, "%s", r->err.message);
    for (int side = 0; side < 3; side++) {
        rng = sluice_rng_at(6, 0, 0);
        if (side == 2)
            up = loss_of(r);
        for (int i = 0; i < net_param_count(r->net); i++) {
            struct tensor *t = net_param(r->net, i);
            for (size_t k = 0; k < tensor_elements(t); k++) {
                const double u = (double)sluice_rng_unit(&rng) - 0.5;
                if (side == 0)
                    expected += u * (double)((float *)t->grad)[k];
                else
                    ((float *)t->data)[k] += (float)(side == 1 ? h * u : -2 * h * u);
            }
        }
        net_params_changed(r->net);
    }
    down = loss_of(r);
    CHECK(near((up - down) / (2 * h), expected, 1e-4, 2e-3), "slope %g, gradient %g",
          (up - down) / (2 * h), expected);
    CHECK(fabs(expected) > 0.01, "a slope of %g shows nothing", expected);
}

/* Without training nothing but the image itself counts: the first images of any batch
 * have the probabilities that they have in the largest. */
static void first_of(struct rig *r, int n)
{
    float all[4 * 10];
    REQUIRE(net_resize(r->net, 4, &r->err) == 0, "%s", r->err.message);
    loss_of(r);
    memcpy(all, net_probabilities(r->net)->data, sizeof all);
    REQUIRE(net_resize(r->net, n, &r->err) == 0, "%s", r->err.message);
    CHECK(net_input(r->net)->shape[0] == n && net_probabilities(r->net)->shape[0] == n,
          "%d images", n);
    loss_of(r);
    const float *p = net_probabilities(r->net)->data;
    int bad = 0;
    for (int i = 0; i < n * 10; i++)
        bad += !near((double)p[i], (double)all[i], 1e-6, 0);
    CHECK(bad == 0, "%d probabilities change with a batch of %d", bad, n);
}

static void resizing(struct rig *r)
{
    const struct op *conv = net_op_at(r->net, 0);
    const void *state4, *state2;
    r->pass.training = false;
    for (int n = 1; n <= 4; n++)
        first_of(r, n);
    state4 = conv->state;
    first_of(r, 2);
    state2 = conv->state;
    /* Parameters that change under a state which is laid aside. */
    REQUIRE(net_resize(r->net, 4, &r->err) == 0, "%s", r->err.message);
    init_default(r->net, 77);
    first_of(r, 2);
    CHECK(conv->state == state2, "two sizes in turn are planned anew");
    REQUIRE(net_resize(r->net, 4, &r->err) == 0, "%s", r->err.message);
    CHECK(conv->state == state4, "two sizes in turn are planned anew");
    CHECK(net_resize(r->net, 5, &r->err) == SLUICE_EINVAL, "beyond the largest");
    CHECK(net_resize(r->net, 0, &r->err) == SLUICE_EINVAL, "an empty batch");
}

/* Moments as the contract of operators has them: forward of operator i at i, its
 * backward counted from the end; of one within another, when that one runs. */
struct life {
    const char *at;
    size_t size;
    int first, last;
    const struct tensor *of; /* the tensor that it is, or is another name of */
};

/* A fork's outputs are its input; a sum's gradients are its output's, and where ReLU is
 * behind it each other's. */
static const struct tensor *same_data(struct net *net, const struct tensor *t)
{
    for (int i = net_op_count(net) - 1; i >= 0; i--) {
        const struct op *op = net_op_at(net, i);
        if (op->def == &op_fork && (op->out[0] == t || op->out[1] == t))
            t = op->in[0];
    }
    return t;
}

static const struct tensor *same_grad(struct net *net, const struct tensor *t)
{
    for (int i = 0; i < net_op_count(net); i++) {
        const struct op *op = net_op_at(net, i);
        if (op->def == &op_add && (op->in[0] == t || op->in[1] == t))
            t = op->out[0];
        if (op->def == &op_add_relu && op->in[1] == t)
            t = op->in[0];
        if (op->settled && op->in[0] == t)
            t = op->out[0];
        if (op->settled == FORK_ADDED && op->out[1] == t)
            t = op->out[0];
    }
    return t;
}

/* When what reads the gradients of op's outputs runs, counted from the end. */
static int reader_of_gradients(struct net *net, const struct op *op)
{
    for (int j = 0; op->settled == FORK_READ && j < net_op_count(net); j++)
        if (net_op_at(net, j)->out[0] == op->in[0])
            return net_turn(net_op_at(net, j));
    return net_turn(op);
}

static int find_lives(struct net *net, struct life *lives)
{
    const int ops = net_op_count(net);
    int count = 0;
    for (int i = 0; i < ops; i++)
        for (int k = 0; k < net_op_at(net, i)->def->outputs; k++) {
            const struct op *op = net_op_at(net, i);
            const struct tensor *t = op->out[k];
            const int last = 2 * ops - net_turn(op);
            int to = ops - 1;
            if (op->within) {
                CHECK(!t->data && !t->grad, "%s lies in memory", op->name);
                continue;
            }
            for (int j = 0; j < ops; j++)
                if (net_op_at(net, j)->in[0] == t || net_op_at(net, j)->in[1] == t)
                    to = net_turn(net_op_at(net, j));
            lives[count++] = (struct life){ t->data, tensor_bytes(t), net_turn(op),
                                            last, same_data(net, t) };
            if (t->grad)
                lives[count++] = (struct life){ t->grad, tensor_bytes(t), 2 * ops - to,
                                                2 * ops - reader_of_gradients(net, op),
                                                same_grad(net, t) };
        }
    const struct tensor *x = net_input(net);
    lives[count++] = (struct life){ x->data, tensor_bytes(x), 0, 2 * ops, x };
    return count;
}

static void lives(struct net *net)
{
    static struct life life[100];
    const int count = find_lives(net, life);
    size_t all = 0, low = SIZE_MAX, high = 0;
    for (int i = 0; i < count; i++) {
        const struct life *a = &life[i];
        all += a->size;
        low = (size_t)a->at < low ? (size_t)a->at : low;
        high = (size_t)a->at + a->size > high ? (size_t)a->at + a->size : high;
        for (int j = 0; j < i; j++) {
            const struct life *b = &life[j];
            const int meet = a->at < b->at + b->size && b->at < a->at + a->size &&
                             a->first <= b->last && b->first <= a->last;
            CHECK(!meet || (a->of == b->of && a->at == b->at),
                  "%s and %s share memory while both live", a->of->name, b->of->name);
        }
    }
    CHECK((high - low) * 4 < all * 3, "%zu bytes for %zu", high - low, all);
}

static void memory(struct net *net)
{
    const struct op *fork = net_op_at(net, 2);
    CHECK(fork->out[0]->data == fork->in[0]->data &&
              fork->out[1]->data == fork->in[0]->data,
          "a fork moves data");
    CHECK(!net_input(net)->grad, "the input has a gradient");
    CHECK(net_param(net, 0)->data < net_param(net, 1)->data &&
              net_param(net, 0)->grad < net_param(net, 1)->grad &&
              (size_t)((char *)net_param(net, 1)->data -
                       (char *)net_param(net, 0)->data) < 6 * 27 * 4 + 64,
          "parameters are not contiguous");
    CHECK(net_memory(net) > 0, "sizes");
    lives(net);
}

/* Nothing trainable below: no gradient there, and backward does not go there. */
static void frozen(struct device *dev)
{
    struct rig r = { .dev = dev };
    r.net = fresh(dev);
    struct tensor *x = net_conv2d(r.net, net_input(r.net), "conv1", 4, 3, 1, 1, false);
    net_last(r.net)->param[0]->trainable = false;
    struct tensor *y = net_activation(r.net, x, ACT_RELU);
    struct tensor *z =
        net_activation(r.net, net_linear(r.net, y, "fc1", 90, true), ACT_GELU);
    net_softmax_xent(r.net, net_linear(r.net, z, "fc2", 10, true), 0);
    REQUIRE(net_finish(r.net, &r.err) == 0, "%s", r.err.message);
    init_default(r.net, 1);
    CHECK(!x->grad && !y->grad && !net_param(r.net, 0)->grad &&
              net_param(r.net, 1)->grad,
          "gradients nobody needs");
    rig_batch(&r, 0);
    r.pass = (struct pass){ .training = true, .labels = r.labels, .label_stride = 1 };
    REQUIRE(net_forward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    /* fc1 reads it in the last of backward's steps. */
    unsigned char kept[4 * 8 * 8 * 4 * sizeof(float)];
    memcpy(kept, y->data, sizeof kept);
    CHECK(net_backward(r.net, &r.pass, &r.err) == 0, "%s", r.err.message);
    CHECK(memcmp(kept, y->data, sizeof kept) == 0, "an activation died too early");
    net_free(r.net);
}

int main(int argc, char **argv)
{
    struct rig r;
    if (argc > 2 && strcmp(argv[2], "host") == 0)
        gpu_on_host(false);
    rig_device(&r, argc > 1 ? argv[1] : "ref");
    mistakes(r.dev);
    bad_shapes(r.dev);
    bad_heads(r.dev);
    r.net = everything(r.dev);
    rig_batch(&r, 0);
    r.pass = (struct pass){
        .training = true, .seed = 3, .labels = r.labels, .label_stride = 1
    };
    memory(r.net);
    slope(&r);
    resizing(&r);
    net_free(r.net);
    frozen(r.dev);
    device_close(r.dev);
    return check_done();
}

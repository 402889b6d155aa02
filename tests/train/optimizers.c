/* optimizers.c -- every optimizer against the formulas of PyTorch's documentation in
 * double, over several steps; decay and rate scales, clipping, frozen parameters. */
#include "gpu_on_host.h"
#include "net_rig.h"

static const char *device = "ref";

enum {
    STEPS = 6,
    WATCH = 40, /* elements of each parameter that the formulas follow */
};

/* One element in double. */
struct element {
    double w, m, v;
};

static void follow(const struct optim_config *c, struct element *e, double g, double lr,
                   double momentum, double decay, int t)
{
    if (strcmp(c->name, "sgd") == 0) {
        g += decay * e->w;
        e->m = momentum * e->m + g;
        e->w -= lr * (c->nesterov ? g + momentum * e->m : e->m);
        return;
    }
    if (strcmp(c->name, "adamw") == 0)
        e->w -= lr * decay * e->w;
    else
        g += decay * e->w;
    e->m = momentum * e->m + (1 - momentum) * g;
    e->v = c->beta2 * e->v + (1 - c->beta2) * g * g;
    const double m = e->m / (1 - pow(momentum, t)), v = e->v / (1 - pow(c->beta2, t));
    e->w -= lr * m / (sqrt(v) + c->eps);
}

static double global_norm(struct net *net)
{
    double sum = 0;
    for (int i = 0; i < net_param_count(net); i++) {
        const struct tensor *t = net_param(net, i);
        const float *g = t->grad;
        for (size_t k = 0; g && t->trainable && k < tensor_elements(t); k++)
            sum += (double)g[k] * (double)g[k];
    }
    return sqrt(sum);
}

/* Gradients of a known size, of their own for each step. */
static void set_gradients(struct net *net, int step)
{
    for (int i = 0; i < net_param_count(net); i++) {
        struct tensor *t = net_param(net, i), fake = *t;
        fake.data = t->grad;
        if (t->grad)
            init_normal(&fake, 99, (uint64_t)(step * 1000 + i), 0.1);
    }
}

static size_t watched(const struct tensor *t, int k)
{
    return (size_t)k * (tensor_elements(t) - 1) / (WATCH - 1); /* the last one, too */
}

static void compare(struct net *net, struct element (*e)[WATCH], const char *what)
{
    int bad = 0;
    for (int i = 0; i < net_param_count(net); i++)
        for (int k = 0; k < WATCH; k++) {
            const struct tensor *t = net_param(net, i);
            const double got = (double)((float *)t->data)[watched(t, k)];
            bad += !near(got, e[i][k].w, 2e-6, 2e-5);
        }
    CHECK(bad == 0, "%s: %d elements differ", what, bad);
}

static void run(const struct optim_config *config, const char *what)
{
    struct rig r;
    rig_open(&r, device, "sgd");
    optim_free(r.opt);
    net_param(r.net, 0)->lr_scale = 4;
    net_param(r.net, 1)->decay_scale = 0;
    net_param(r.net, 2)->trainable = false;
    REQUIRE(optim_create(&r.opt, r.net, config, &r.err) == 0, "%s", r.err.message);
    const int params = net_param_count(r.net);
    struct element(*e)[WATCH] = calloc((size_t)params, sizeof *e);
    REQUIRE(e, "no memory");
    for (int i = 0; i < params; i++)
        for (int k = 0; k < WATCH; k++) {
            const struct tensor *t = net_param(r.net, i);
            e[i][k].w = (double)((float *)t->data)[watched(t, k)];
        }
    for (int step = 0; step < STEPS; step++) {
        const double lr = 0.01 * (step + 1), momentum = 0.95 - 0.02 * step;
        set_gradients(r.net, step);
        const double norm = global_norm(r.net);
        const double clip =
            config->clip > 0 ? fmin(1, config->clip / (norm + 1e-6)) : 1;
        for (int i = 0; i < params; i++)
            for (int k = 0; k < WATCH; k++) {
                const struct tensor *t = net_param(r.net, i);
                const double g = (double)((float *)t->grad)[watched(t, k)];
                if (t->trainable)
                    follow(config, &e[i][k], g * clip, lr * (double)t->lr_scale,
                           momentum, config->weight_decay * (double)t->decay_scale,
                           step + 1);
            }
        const double said = optim_step(r.opt, lr, momentum);
        CHECK(near(said, config->clip > 0 ? norm : 0, 0, 1e-9), "%s: norm %g, not %g",
              what, said, norm);
    }
    compare(r.net, e, what);
    CHECK(optim_steps(r.opt) == STEPS, "%s: steps", what);
    free(e);
    rig_close(&r);
}

/* One NaN is the norm's, so every parameter shows it: none moves unclipped. */
static void lost(void)
{
    struct optim_config config = { .name = "sgd", .lr = 1, .clip = 1 };
    struct rig r;
    rig_open(&r, device, "sgd");
    optim_free(r.opt);
    REQUIRE(optim_create(&r.opt, r.net, &config, &r.err) == 0, "%s", r.err.message);
    set_gradients(r.net, 0);
    ((float *)net_param(r.net, 0)->grad)[0] = (float)NAN;
    const double norm = optim_step(r.opt, 1, 0);
    CHECK(isnan(norm), "the norm is %g", norm);
    for (int i = 0; i < net_param_count(r.net); i++) {
        const double w = (double)((float *)net_param(r.net, i)->data)[0];
        CHECK(isnan(w), "parameter %d goes on with %g", i, w);
    }
    rig_close(&r);
}

/* The same bits for any number of threads. */
static void threads(void)
{
    struct rig a, b;
    rig_open(&a, device, "sgd");
    rig_open(&b, device, "sgd");
    b.dev->threads = 3;
    for (int step = 0; step < 3; step++) {
        set_gradients(a.net, step);
        set_gradients(b.net, step);
        const double x = optim_step(a.opt, 0.1, -1), y = optim_step(b.opt, 0.1, -1);
        CHECK(x == y && x > 1, "norms %.17g and %.17g", x, y);
    }
    CHECK(rig_equal(&a, &b), "1 and 3 threads differ");
    rig_close(&a);
    rig_close(&b);
}

static bool rig_params_equal(const struct rig *a, const struct rig *b)
{
    bool same = true;
    for (int i = 0; i < net_param_count(a->net); i++)
        same &= memcmp(net_param(a->net, i)->data, net_param(b->net, i)->data,
                       tensor_bytes(net_param(a->net, i))) == 0;
    return same;
}

static void overflowing_rig(struct rig *r, const char *dev, const char *name)
{
    const struct optim_config config = { .name = name,
                                         .lr = 0.01,
                                         .momentum = 0.9,
                                         .beta1 = 0.9,
                                         .beta2 = 0.99,
                                         .eps = 1e-8 };
    rig_open(r, dev, "sgd");
    optim_free(r->opt);
    REQUIRE(optim_create(&r->opt, r->net, &config, &r->err) == 0, "%s", r->err.message);
}

static void multiply_gradients(struct net *net, float by)
{
    for (int i = 0; i < net_param_count(net); i++)
        for (size_t k = 0; k < tensor_elements(net_param(net, i)); k++)
            ((float *)net_param(net, i)->grad)[k] *= by;
}

/* f16 on device cuda: gradients are `scale` times what they are. A step that overflowed
 * leaves everything as it is, but for the scale, and is none in Adam's bias correction:
 * before the first good step, and between others. */
static void overflow(const char *name)
{
    static const bool bad[] = { true, false, false, true, true, false };
    struct rig a, b;
    overflowing_rig(&a, "cuda-f16", name);
    overflowing_rig(&b, "cuda-f32", name);
    const int states = optim_state_count(a.opt);
    const struct tensor *last = optim_state(a.opt, states - 1);
    const float *scale = last->data;
    REQUIRE(strcmp(last->name, "loss_scale") == 0 &&
                states == optim_state_count(b.opt) + 1,
            "the scale is no part of a checkpoint: %s", last->name);
    float wanted = scale[0], good = 0;
    CHECK(wanted > 1024, "a scale of %g", (double)wanted);
    for (int step = 0; step < (int)sizeof bad; step++) {
        set_gradients(a.net, step);
        set_gradients(b.net, step);
        multiply_gradients(a.net, scale[0]); /* a power of two */
        if (bad[step])
            ((float *)net_param(a.net, 0)->grad)[1] = INFINITY;
        optim_step(a.opt, 0.01, -1);
        if (!bad[step])
            optim_step(b.opt, 0.01, -1);
        wanted = bad[step] ? wanted / 2 : wanted;
        good = bad[step] ? 0 : good + 1;
        CHECK(scale[0] == wanted && scale[1] == good && rig_params_equal(&a, &b),
              "%s, step %d: scale %g after %g good steps", name, step, (double)scale[0],
              (double)scale[1]);
    }
    rig_close(&a);
    rig_close(&b);
}

static void refusals(void)
{
    struct rig r;
    struct optim *opt;
    rig_open(&r, device, "adamw");
    CHECK(strcmp(optim_state(r.opt, 0)->name, "adamw.exp_avg.conv1.weight") == 0 &&
              strcmp(optim_state(r.opt, 1)->name, "adamw.exp_avg_sq.conv1.weight") == 0,
          "state is named %s", optim_state(r.opt, 0)->name);
    struct optim_config c = { .name = "sdg", .lr = 1 };
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL && !opt &&
              strstr(r.err.message, "adamw"),
          "%s", r.err.message);
    c.name = "adam";
    c.beta1 = 1;
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL &&
              strstr(r.err.message, "beta1"),
          "%s", r.err.message);
    c.beta1 = nan("");
    CHECK(optim_create(&opt, r.net, &c, &r.err) == SLUICE_EINVAL, "NaN passes");
    rig_close(&r);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "host") == 0) {
        gpu_on_host(false);
        device = "cuda";
    }
    run(&(struct optim_config){ .name = "sgd", .weight_decay = 0.1 }, "sgd");
    run(&(struct optim_config){ .name = "sgd", .weight_decay = 0.1, .nesterov = true },
        "sgd nesterov");
    run(&(struct optim_config){ .name = "sgd", .clip = 1 }, "sgd clipped");
    run(&(struct optim_config){ .name = "sgd", .clip = 1e6 }, "sgd below the clip");
    run(
        &(struct optim_config){
            .name = "adam", .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1 },
        "adam");
    run(
        &(struct optim_config){
            .name = "adamw", .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1 },
        "adamw");
    lost();
    threads();
    refusals();
    if (strcmp(device, "cuda") == 0) {
        overflow("sgd");
        overflow("adam");
        overflow("adamw");
    }
    return check_done();
}
